"""One mail a day, also when all is well: once, for the last day that is over, with what waits for a person."""

from datetime import UTC, date, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from flows import mails
from inspection import clock
from inspection.layout import Layout
from inspection.params import read_params
from inspection.post import outbox
from inspection.records import commissions, ledger
from inspection.records.batches import HELD
from inspection.records.catalog import open_catalog
from inspection.records.holds import Held
from tests.conftest import make_plant
from tests.inspection.world import add_batch
from tests.monitoring.telling.world import shown

pytestmark = pytest.mark.usefixtures("prefect_harness")

BERLIN = ZoneInfo("Europe/Berlin")  # of cam-1
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def plant(tmp_path: Path) -> Layout:
    """A plant whose cam-1 was declared healthy on the 2nd, at noon (UTC)."""
    layout = make_plant(tmp_path / "plant")
    with clock.at(NOON):
        add_batch(layout, "b-0", shown(1, 10, 0))
        declare(layout, "v1")
    return layout


def declare(layout: Layout, version: str) -> None:
    now = clock.stamp(clock.now())
    body = {"camera": "cam-1", "version": version, "digest": "0" * 64, "first": now, "last": now}
    ledger.append(layout, "reference", "Ines", [{**body, "images": 80, "windows": 4, "reason": "new lamp"}])


def told(layout: Layout, at: datetime, digest: bool | int = True) -> list[str]:
    """The subjects of the mails that a flow writes then."""
    with clock.at(at):
        catalog = open_catalog(layout)
        subjects: list[str] = mails.tell(layout, read_params(layout.params), catalog, digest)
        catalog.close()
    return subjects


def newest(layout: Layout) -> EmailMessage:
    path = max((layout.home / "outbox").glob("*.eml"), key=lambda path: path.name)
    return BytesParser(policy=policy.default).parsebytes(path.read_bytes())


def test_a_day_is_told_once_it_is_over_and_once_only(plant: Layout) -> None:
    assert told(plant, NOON + HOUR) == []  # the 1st: nothing was watched yet
    assert told(plant, datetime(2026, 11, 2, 22, 59, tzinfo=UTC)) == []  # 23:59 in Berlin
    midnight = datetime(2026, 11, 2, 23, 0, tzinfo=UTC)
    [subject] = told(plant, midnight)
    assert subject.startswith("[Andon] Mon 02 Nov 2026: ")
    assert told(plant, midnight + HOUR) == []
    [event] = [event for event in ledger.read(plant) if event.kind == "mail"]
    assert event.body["key"] == "digest/2026-11-02"


def test_after_days_without_a_run_only_the_last_day_is_told(plant: Layout) -> None:
    [subject] = told(plant, NOON + 9 * DAY)
    assert subject.startswith("[Andon] Tue 10 Nov 2026: ")


def test_no_day_is_told_where_nothing_was_ever_declared_healthy_or_nobody_wants_it(
    plant: Layout, tmp_path: Path
) -> None:
    assert told(make_plant(tmp_path / "new"), NOON + DAY) == []
    assert told(plant, NOON + DAY, digest=False) == []


def test_a_run_that_was_killed_between_the_mail_and_its_note_writes_it_once(
    plant: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mails.ledger, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            told(plant, NOON + DAY)
    assert len(told(plant, NOON + DAY + HOUR)) == 1
    assert len(list((plant.home / "outbox").glob("*.eml"))) == 1


@pytest.mark.parametrize(
    ("at", "digest", "day"),
    [
        ("2026-11-03T00:00", True, "2026-11-02"),
        ("2026-11-03T05:59", 6, "2026-11-01"),
        ("2026-11-03T06:00", 6, "2026-11-02"),
        ("2026-11-03T00:00", 0, "2026-11-02"),
        ("2026-03-29T06:00", 6, "2026-03-28"),  # the night has 23 hours
        ("2026-10-25T05:59", 6, "2026-10-23"),  # ... and 25
    ],
)
def test_a_day_is_over_at_midnight_or_at_the_hour_that_was_set(at: str, digest: bool | int, day: str) -> None:
    with clock.at(datetime.fromisoformat(at).replace(tzinfo=BERLIN)):
        assert mails.day_over(BERLIN, digest) == date.fromisoformat(day)


def test_the_day_has_a_row_for_each_camera_and_what_waits(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held("b-9", HELD, 4, "", ("every file is black",), "ingest")
    monkeypatch.setattr(mails.holds, "every", lambda _: [held])
    waiting = outbox.Waiting(3, NOON, "3 mails wait for the mail server since 2026-11-02 12:00 UTC.")
    monkeypatch.setattr(mails.outbox, "waiting", lambda *_: waiting)
    [subject] = told(plant, NOON + DAY)
    assert subject == "[Andon] Mon 02 Nov 2026: 1 camera (cam-2) to look at, 2 things for you to do"
    text = newest(plant).get_body(("plain",)).get_content()
    assert "2 cameras delivered 10 pictures. No model is on the line yet." in " ".join(text.split())
    rows = [line.split(maxsplit=4) for line in text.splitlines() if line.startswith("cam-")]
    assert rows[0] == ["cam-1", "10", "0", "–", "too few pictures for a verdict"]
    assert rows[1][:4] == ["cam-2", "0", "0", "–"]
    assert "Look at the held batch b-9 (every file is black): andon batch list." in " ".join(text.split())
    assert "3 mails wait for the mail server" in text
    assert "–" in newest(plant).get_body(("html",)).get_content()


def test_a_planned_change_and_its_new_reference_are_told(plant: Layout) -> None:
    with clock.at(NOON + HOUR):
        since = clock.stamp(clock.now())
        body = {"camera": "cam-1", "what": "announced", "reason": "new lamp", "since": since, "images": 800}
        ledger.append(plant, "renewal", "Ines", [body])
    assert told(plant, NOON + 2 * HOUR, False) == ["[Andon] Line A, cam-1: a planned change is announced"]
    with clock.at(NOON + 3 * HOUR):
        refused = {"camera": "cam-1", "what": "refused", "why": "they differ", "since": clock.stamp(clock.now())}
        ledger.append(plant, "renewal", "watch", [refused])
    [subject] = told(plant, NOON + 3 * HOUR, False)
    assert subject == "[Andon] Line A, cam-1: the pictures since the planned change do not fit together"
    with clock.at(NOON + 4 * HOUR):
        declare(plant, "v2")
    assert told(plant, NOON + 5 * HOUR, False) == ["[Andon] Line A, cam-1: watched again after the planned change"]
    assert told(plant, NOON + 6 * HOUR, False) == []
    assert commissions.under_way(ledger.read(plant)) == {}
