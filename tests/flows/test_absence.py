"""The watch on cameras that deliver nothing, or nothing that can be judged."""

import re
from datetime import timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows import mails as mails_module
from flows.watch import summary
from inspection import clock, git
from inspection.layout import Layout
from inspection.params import read_params
from inspection.records import incidents, ledger
from inspection.records.catalog import open_catalog
from monitoring.judgement import looking
from monitoring.telling import evidence
from tests.flows.test_watch import (
    CAMERA,
    commissioned,
    copied,
    evening,
    found,
    look,
    mails,
    pictures,
    settled,
    take_in,
)

pytestmark = pytest.mark.usefixtures("prefect_harness")
HOUR = 1 / 24  # of a day


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, prefect_harness: None) -> Layout:
    return commissioned(tmp_path_factory)


@pytest.fixture
def well(base: Layout, tmp_path: Path) -> Layout:
    return copied(base, tmp_path / "plant")


def text_of(mail: Path) -> str:
    body = BytesParser(policy=policy.default).parsebytes(mail.read_bytes()).get_body(("plain",))
    assert body is not None
    return " ".join(body.get_content().split())


def declare(layout: Layout, **more: Any) -> None:
    """CAMERA delivers ten pictures an hour, day and night."""
    cameras = yaml.safe_load(layout.cameras.read_text())
    cameras[CAMERA]["pace"] = 10
    layout.cameras.write_text(yaml.safe_dump({**cameras, **more}))
    git.commit(layout.home, [layout.cameras], "Test: pace")


def digest(layout: Layout, day: float) -> str:
    """The subject of the daily mail of the day before."""
    with clock.at(evening(day)):
        catalog = open_catalog(layout)
        [subject] = mails_module.tell(layout, read_params(layout.params), catalog, True)
        catalog.close()
    return str(subject)


def test_a_camera_that_stops_is_told_though_nothing_new_comes_and_is_over_when_pictures_come(well: Layout) -> None:
    declare(well)
    assert look(well, 2 * HOUR)["incidents"] == []
    result = look(well, 3 * HOUR)
    assert result["mails"] == [f"[Andon] Line A, {CAMERA}: camera delivers no pictures"]
    assert (result["windows"], summary(result)[-2:]) == ([], ["I-0001 opened", f"Mail: {result['mails'][0]}"])
    (one,) = found(well)
    assert (one.cause, one.action, one.onset) == ("silent", "repair", (evening(0), evening(2 * HOUR)))
    assert "No picture has come from cam-1 since Tue 03 Nov 2026, 00:00 (Europe/Berlin)" in text_of(mails(well)[0])
    again = look(well, 6 * HOUR)
    assert (again["incidents"], again["mails"]) == ([], [])
    assert digest(well, 1.2) == f"[Andon] Tue 03 Nov 2026: 1 camera ({CAMERA}) to look at"
    take_in(well, 1.3, pictures(well, 1))
    result = look(well, 1.3)
    assert [event["what"] for event in result["incidents"]] == ["closed"]
    assert result["mails"] == [f"[Andon] Line A, {CAMERA}: over – camera delivers no pictures"]
    assert incidents.kept_out(found(well), CAMERA, evening(0.5)) is None, "good pictures came, only late"
    settled(well)


def test_an_announced_stop_is_told_to_nobody(well: Layout) -> None:
    stop = {"from": evening(0).isoformat(), "to": evening(2).isoformat(), "reason": "a new belt"}
    declare(well, stops=[stop])
    result = look(well, 1)
    assert (result["incidents"], result["mails"]) == ([], [])
    digest(well, 1.2)
    assert "no pictures expected (announced stop: a new belt)" in text_of(mails(well)[-1])


def test_without_a_declared_pace_a_few_days_teach_none(well: Layout) -> None:
    assert look(well, 3)["incidents"] == []


def test_a_day_that_nobody_could_judge_is_told_with_its_reason_and_kept_out(
    well: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise ValueError("cannot convert float NaN to integer")

    with monkeypatch.context() as patch:
        patch.setattr(looking, "judge", fails)
        patch.setattr(evidence, "_compared", fails)
        take_in(well, 1, pictures(well, 1))
        result = look(well, 1)
        assert [one["state"] for one in result["windows"]] == ["not comparable"] * 3
        assert result["incidents"] == []
        take_in(well, 2, pictures(well, 2))
        result = look(well, 2)
    assert result["mails"] == [f"[Andon] Line A, {CAMERA}: camera cannot be judged"]
    (one,) = found(well)
    assert (one.cause, one.action, one.window) == ("unjudged", "repair", result["windows"][0]["window"])
    text = text_of(mails(well)[0])
    assert "could be judged, for" in text and "The reason given: This window could not be judged (ValueError" in text
    assert "its pictures could not be drawn (ValueError" in text, "and the mail goes all the same"
    inside = clock.parse(result["windows"][0]["last"])
    assert incidents.kept_out([one], CAMERA, inside) == one.name
    take_in(well, 3, pictures(well, 3))
    result = look(well, 3)
    (subject,) = result["mails"]
    assert re.fullmatch(rf"\[Andon\] Line A, {CAMERA}: over, but \d+ parts wait – camera cannot be judged", subject)
    (one,) = found(well)
    assert one.closed is not None and inside < one.closed < clock.parse(result["windows"][0]["first"])
    assert incidents.kept_out([one], CAMERA, inside) == one.name
    settled(well)
    assert [event.body["what"] for event in ledger.read(well) if event.kind == "incident"].count("opened") == 1


def test_a_silent_plant_is_seen_by_what_it_used_to_deliver(well: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Learned: the catalog knows of three weeks."""
    from inspection.intake.pace import Came
    from inspection.records.catalog import Catalog

    hours = {evening(-number * HOUR): 30 for number in range(24 * 21)}
    came = {name: Came(hours, max(hours)) for name in (CAMERA, "cam-2")}
    monkeypatch.setattr(Catalog, "arrivals", lambda *_: came)
    result = look(well, 3 * HOUR)
    assert [event["what"] for event in result["incidents"]] == ["opened", "joined"]
    assert result["mails"] == ["[Andon] Line A, 2 cameras: camera delivers no pictures"]
    assert "any camera of the plant (cam-1, cam-2)" in text_of(mails(well)[0])
    assert timedelta(hours=2) == found(well)[0].onset[1] - found(well)[0].onset[0]
