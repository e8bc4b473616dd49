"""One mail a day, also when all is well: once, for the last day that is over, with what waits for a person."""

import shutil
from datetime import UTC, date, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from andon.status import lines, state
from flows import mails
from inspection import backlog, chain, clock, files, git
from inspection.layout import Layout
from inspection.model.package import MODEL
from inspection.params import read_params
from inspection.post import compared, outbox
from inspection.post.daily_letter import CameraDay
from inspection.records import commissions, ledger
from inspection.records.batches import HELD
from inspection.records.catalog import open_catalog, refresh
from inspection.records.holds import Held
from inspection.records.schema import capture_table
from inspection.release import heads, registry, requests
from inspection.verify.everything import verify
from tests.conftest import make_plant
from tests.inspection.world import add_batch, fake_package
from tests.inspection.world import git as plain
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


def broken(layout: Layout, way: str, tmp_path: Path) -> str:
    """A plant with a model on the line, of which then one thing is not as it has to be; a word of what is told."""
    package = fake_package(tmp_path / "package", "x")
    registry.install(layout, tmp_path / "package", package)
    body = {"version": "v1.0.0", "package": package, "action": "release", "reason": "test"}
    with clock.at(NOON):
        registry.release(layout, body, "Ute", 5)
    if way == "package":
        (layout.releases / package / MODEL).write_text("damaged")
        return f"Releases/{package[:12]} is missing or changed; run `andon rollback`"
    if way == "record":
        files.write(layout.approvals / "v9.0.0.json", "{}")
        return "Approvals/v9.0.0.json was never committed"
    if way == "batches":
        (layout.batches / "2026-11-01" / "b-9").mkdir()
        ledger.append(layout, "batch", "ingest", [{"batch": "b-9", "partition": "2026-11-01", "captures": 1}])
        return "Batches that are not on this disk: 1"
    if way == "remote":
        backlog.note(layout, ["data/batches/2026-11-01/b-0"])
        return "1 pushes wait since"
    if way == "note":
        files.write(layout.state / "backlog.json", "{")
        return "backlog.json is damaged: delete that file, then run `andon push --all`"
    if way == "code":
        layout.stages.unlink()
        return "stages.json"
    shutil.rmtree(layout.home / "inbox")
    return "The inbox cannot be looked into"


@pytest.mark.parametrize("way", ["package", "record", "batches", "remote", "note", "code", "inbox"])
def test_a_day_is_not_called_well_while_status_knows_better(
    plant: Layout, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = CameraDay("cam-1", 72, 3, 9, "well", "healthy")
    monkeypatch.setattr(mails, "days", lambda *_: [well])
    with clock.at(NOON):
        monkeypatch.setattr(mails, "_waits", lambda *_: [])
        words = broken(plant, way, tmp_path)
    subject = told(plant, NOON + DAY)[-1]
    text = " ".join(newest(plant).get_body(("plain",)).get_content().split())  # type: ignore[union-attr]
    assert subject == "[Andon] Mon 02 Nov 2026: 1 thing not as it should be"
    assert words in text and "All is well" not in text
    assert ("v1.0.0 is on the line" in text) == (way != "package")
    there = words[:1].lower() + words[1:]
    assert any(there in line or words in line for line in lines(state(plant))), "the screen says the same"


def test_a_release_that_nobody_committed_is_not_told_as_one(plant: Layout, tmp_path: Path) -> None:
    package = fake_package(tmp_path / "package", "x")
    registry.install(plant, tmp_path / "package", package)
    body = {"version": "v9.0.0", "package": package, "action": "release", "reason": "forged"}
    plant.live.symlink_to(plant.releases / package)
    with clock.at(NOON):
        chain.append(plant.history, None, "done", "Lena", [body])
    assert told(plant, NOON + HOUR, False) == []
    git.commit(plant.home, [plant.history], "As a release does")
    assert told(plant, NOON + HOUR, False) == ["[Andon] Model v9.0.0 is on the line"]


def test_a_day_without_anything_is_well(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mails, "days", lambda *_: [CameraDay("cam-1", 72, 3, 9, "well", "healthy")])
    assert told(plant, NOON + DAY) == ["[Andon] Mon 02 Nov 2026: all is well"]


def test_a_day_says_when_the_record_was_compared_and_that_it_was_not(
    plant: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mails, "days", lambda *_: [CameraDay("cam-1", 72, 3, 9, "well", "healthy")])
    compared.write(plant, compared.Compared("").follow((), NOON))
    assert told(plant, NOON + DAY) == ["[Andon] Mon 02 Nov 2026: all is well"]
    text = " ".join(newest(plant).get_body(("plain",)).get_content().split())  # type: ignore[union-attr]
    assert "last compared with the record on 2026-11-02 12:00 UTC, and nothing was changed." in " ".join(text.split())
    assert told(plant, NOON + 3 * DAY) == ["[Andon] Wed 04 Nov 2026: 1 thing not as it should be"]
    text = " ".join(newest(plant).get_body(("plain",)).get_content().split())  # type: ignore[union-attr]
    assert "What is kept was not compared with the record since 2026-11-02 12:00 UTC" in text
    (plant.state / "compared.json").unlink()
    assert told(plant, NOON + 4 * DAY) == ["[Andon] Thu 05 Nov 2026: 1 thing not as it should be"]
    text = " ".join(newest(plant).get_body(("plain",)).get_content().split())  # type: ignore[union-attr]
    assert "What is kept was never compared with the record" in text


def test_suspect_parts_that_nobody_spoke_of_are_asked_for_with_their_number(plant: Layout) -> None:
    """Ten pictures of five parts came while it stood; the reference that ended it does not end the list."""
    finding = {"cause": "dust", "statistic": "dust", "size": 2.0, "unit": "specks", "words": "So.", "strength": 2.0}
    onset = [clock.stamp(datetime(2026, 11, 2, tzinfo=UTC))] * 2
    opened = {"what": "opened", "line": "A", "cause": "dust", "camera": "cam-1", "finding": finding, "onset": onset}
    routed = {"what": "routed", "action": "repair", "reasons": ["so"]}
    over = {"what": "closed", "why": "new references", "over": clock.stamp(NOON)}
    bodies = [{"incident": "I-0001", **one} for one in ({**opened, "window": "w"}, routed, over)]
    with clock.at(NOON + HOUR):
        ledger.append(plant, "incident", "Ines", bodies)
    subjects = told(plant, NOON + DAY)
    assert "[Andon] Line A, cam-1: over, but 5 parts wait – dust on the lens" in subjects
    text = " ".join(newest(plant).get_body(("plain",)).get_content().split())  # type: ignore[union-attr]
    assert "Look through the suspect parts of I-0001 (5 parts so far) and say what was done with them" in text
    page = (plant.watched / "incidents" / "I-0001" / "index.html").read_text()
    assert "over, but 5 parts wait" in page and "until a model that has learned the change is on the line" in page
    assert "I-0001" in (plant.watched / "index.html").read_text()


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


def test_labels_that_are_missing_are_asked_for_with_what_is_set_aside(plant: Layout) -> None:
    needs = {"incident": "I-0001", "cameras": ["cam-1"], "since": None, "labels": 60, "parts": 25}
    ledger.append(plant, "request", "watch", [requests.wish([], "retrain", "light on cam-1", needs)])
    catalog = open_catalog(plant)
    images = list(catalog.frame(select(capture_table.c.image_id))["image_id"])
    body = {"label": "good", "labelled_at": clock.stamp(NOON), "spec": "1"}
    ledger.append(plant, "label", "Tess", [{"image_id": one, **body} for one in images])
    ledger.append(plant, "spec", "Tess", [{"spec": "2", "classes": ["good"], "why": "stricter"}])
    refresh(catalog, plant)
    words = [one for one in mails._waits(plant, read_params(plant.params), catalog) if one.startswith("Have")]
    catalog.close()
    assert len(words) == 1 and "0 of 60 are, of 0 of 25 parts. " in words[0]
    assert "are set aside" in words[0] and "andon label stale --out CSV" in words[0]


def test_a_day_s_mail_tells_the_heads_of_the_record_and_a_tag_keeps_them(plant: Layout) -> None:
    told(plant, NOON + HOUR)  # what was not committed yet
    ledger_now = ledger.head(plant)
    told(plant, NOON + DAY)
    text = " ".join(newest(plant).get_body(("plain",)).get_content().split())  # type: ignore[union-attr]
    assert f"ledger, line {ledger_now.events}: {ledger_now.digest[:12]} ({ledger_now.digest})" in text
    assert f"releases, line 0: {'0' * 12} ({'0' * 64})" in text
    assert ledger_now.digest in newest(plant).get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert plain(plant.home, "cat-file", "-t", "heads/2026-11-02") == "tag"
    message = plain(plant.home, "for-each-ref", "--format=%(contents)", "refs/tags/heads/2026-11-02").splitlines()
    assert f"ledger {ledger_now.events} {ledger_now.digest}" in message and f"history 0 {'0' * 64}" in message
    assert plain(plant.home, "rev-parse", "heads/2026-11-02^{commit}") == plain(plant.home, "rev-parse", "HEAD")


def test_a_run_that_was_killed_before_the_tag_leaves_it_to_the_next(
    plant: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(heads, "tag_last_day", killed)
        with pytest.raises(KeyboardInterrupt):
            told(plant, NOON + DAY)
    assert plain(plant.home, "tag", "--list") == ""
    assert told(plant, NOON + DAY + HOUR) == []
    assert plain(plant.home, "tag", "--list") == "heads/2026-11-02"


def test_a_tag_that_a_kill_prevented_comes_with_a_later_day(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    told(plant, NOON + DAY)
    with monkeypatch.context() as patched:
        patched.setattr(heads, "tag_last_day", killed)
        with pytest.raises(KeyboardInterrupt):
            told(plant, NOON + 2 * DAY)
    told(plant, NOON + 3 * DAY)
    assert plain(plant.home, "tag", "--list").split() == [f"heads/2026-11-0{day}" for day in (2, 3, 4)]
    plain(plant.home, "tag", "--delete", "heads/2026-11-03")
    assert "heads/2026-11-03" in {one.file for one in verify(plant).findings}


def test_the_package_is_hashed_once_for_a_day_s_mail(
    plant: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(plant, "remote", tmp_path)
    with clock.at(NOON):
        told(plant, NOON + HOUR, False)  # of the release
    asked = []
    true = registry.difference
    monkeypatch.setattr(registry, "difference", lambda layout: asked.append(layout) or true(layout))
    assert told(plant, NOON + DAY)
    assert len(asked) == 1
