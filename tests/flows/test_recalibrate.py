"""A reference of an earlier method: made again of the same pictures, or kept with the reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from andon.references import lines, story
from andon.status import state
from flows import recalibrate
from flows.tasks import run_here
from flows.watch import summary
from inspection import git
from inspection.layout import Layout
from inspection.records import batches, commissions, holds, incidents, ledger
from inspection.records.alarms import JUDGED
from inspection.records.catalog import open_catalog
from inspection.records.commissions import Commission
from monitoring.camera.daylight import Daylight
from monitoring.judgement import reference
from monitoring.judgement.learning import Learning
from monitoring.judgement.reference import Reference
from tests.conftest import make_plant, set_params
from tests.flows.test_watch import (
    CAMERA,
    SMALL,
    accept,
    copied,
    killed_before,
    lamp,
    look,
    made_once,
    pictures,
    settled,
    take_in,
)

pytestmark = pytest.mark.usefixtures("prefect_harness")
FINISH = Learning.finish
SUBJECT = "[Andon] Line A, cam-1: its reference could not be made again by a better method"


def earlier(learning: Learning, version: str) -> Reference:
    """As the method before this one left it."""
    made = FINISH(learning, version)
    parts = {name: replace(part, grid=None, unsteady=0.0, blocky=0.0) for name, part in made.parts.items()}
    return replace(made, method=1, parts=parts, scatter=None, daylight=Daylight(), torn=0.0, grain=0.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, prefect_harness: None) -> Layout:
    """Day 0 was declared healthy under the earlier method; day 1 has come in and was not watched yet."""

    def make(home: Path) -> None:
        layout = make_plant(home)
        set_params(layout, **SMALL)
        take_in(layout, 0, pictures(layout, 0, count=32))
        look(layout, 0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Learning, "finish", earlier)
            accept(layout, 0)
        take_in(layout, 1, pictures(layout, 1, count=16))

    return made_once(tmp_path_factory, "earlier", make)


@pytest.fixture
def plant(base: Layout, tmp_path: Path) -> Layout:
    return copied(base, tmp_path / "plant")


def versions(layout: Layout) -> list[Commission]:
    return commissions.fold(ledger.read(layout))[CAMERA]


def held(layout: Layout) -> Reference:
    one = versions(layout)[-1]
    return reference.load(one.folder(layout), one.digest)


def judged_against(result: dict[str, Any]) -> set[str]:
    """The versions that windows were held against; each of them was judged."""
    assert result["windows"] and {one["state"] for one in result["windows"]} <= set(JUDGED)
    return {one["reference"] for one in result["windows"]}


def first_picture(layout: Layout) -> Path:
    """One of those that the reference was made of."""
    catalog = open_catalog(layout)
    rows = recalibrate.same_captures(layout, catalog, versions(layout)[0])
    catalog.close()
    return layout.home / str(rows["path"].iloc[0])


def test_it_is_made_again_of_the_same_pictures_before_anything_is_judged(plant: Layout) -> None:
    assert (held(plant).method, held(plant).scatter) == (1, None)
    result = look(plant, 1)
    first, second = versions(plant)
    assert (second.version, second.by) == ("v2", "Andon")
    assert (second.first, second.last, second.images) == (first.first, first.last, first.images)
    assert second.reason.startswith("v1 (by Ines) made again of the same pictures by a better method")
    assert held(plant).method == reference.METHOD and held(plant).scatter is not None
    assert held(plant).content is not None
    assert judged_against(result) == {"v2"}
    assert not any("Dust was not looked for" in note for one in result["windows"] for note in one["notes"])
    (done,) = result["recalibrations"]
    assert (done["version"], done["made"]["version"], done["decoded"]) == ("v1", "v2", 32)
    said = "\n".join(summary(result))
    assert "cam-1: reference v2, because v1 (by Ines) made again" in said and "(32 pictures decoded, " in said
    assert SUBJECT not in result["mails"] and not any("planned change" in subject for subject in result["mails"])
    assert "made by Andon: v1 (by Ines) made again" in lines(story(plant, CAMERA, None))[0]
    settled(plant)
    assert look(plant, 1)["recalibrations"] == [] and len(versions(plant)) == 2


def test_where_a_picture_is_gone_the_old_one_holds_and_people_are_told_once(plant: Layout, tmp_path: Path) -> None:
    path = first_picture(plant)
    content = path.read_bytes()
    path.unlink()
    result = look(plant, 1)
    (kept,) = result["recalibrations"]
    assert "1 of its 32 pictures are not on this disk" in kept["refused"] and "`dvc pull`" in kept["refused"]
    assert "andon reference accept cam-1" in kept["refused"] and kept["refused"] in summary(result)
    assert judged_against(result) == {"v1"}
    assert SUBJECT in result["mails"]
    assert kept["refused"] in state(plant)["cameras"][CAMERA]
    head = ledger.head(plant)
    again = look(plant, 1)
    assert (len(again["recalibrations"]), again["mails"], ledger.head(plant)) == (1, [], head)
    assert len(versions(plant)) == 1
    path.write_bytes(content)
    result = look(plant, 1)
    assert [one["made"]["version"] for one in result["recalibrations"]] == ["v2"] and result["mails"] == []
    assert commissions.outdated(ledger.read(plant)) == {}


def test_a_batch_that_was_discarded_since_is_not_learned_from(plant: Layout) -> None:
    name = next(iter(batches.states(ledger.read(plant))))
    for what in ("held", "discarded"):
        holds.rule(plant, name, what, "Ines", "an oily lens")
    (kept,) = look(plant, 1)["recalibrations"]
    assert "32 of its 32 pictures are not on this disk or may not be used any more" in kept["refused"]


def test_what_cannot_be_learned_again_is_not_tried_again(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: Any) -> Reference:
        raise ZeroDivisionError("of nothing")

    monkeypatch.setattr(recalibrate, "learn", wrong)
    result = look(plant, 1)
    (kept,) = result["recalibrations"]
    assert "ZeroDivisionError" in kept["refused"] and "andon reference accept" in kept["refused"]
    assert judged_against(result) == {"v1"} and SUBJECT in result["mails"]
    assert look(plant, 1)["recalibrations"] == []


def test_killed_before_the_ledger_names_it_the_next_watch_makes_it(
    plant: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_before("reference", lambda: look(plant, 1), monkeypatch)
    assert len(versions(plant)) == 1
    assert [one["made"]["version"] for one in look(plant, 1)["recalibrations"]] == ["v2"]
    assert git.run(plant.home, "status", "--porcelain") == ""
    settled(plant)


def test_an_open_incident_goes_on(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(reference, "METHOD", 1)
        take_in(plant, 2, pictures(plant, 2, (lamp(),)))
        look(plant, 2)
    (one, *_) = incidents.fold(ledger.read(plant))
    assert one.open and len(versions(plant)) == 1
    take_in(plant, 3, pictures(plant, 3, (lamp(),)))
    result = look(plant, 3)
    assert [done["made"]["closed"] for done in result["recalibrations"]] == [[]]
    assert not {"opened", "closed"} & {event["what"] for event in result["incidents"]}
    assert incidents.fold(ledger.read(plant))[0].open


def test_a_camera_that_is_learning_is_left_alone(plant: Layout) -> None:
    from flows.commission import renew

    run_here(renew, CAMERA, "a new lamp", "Ines", root=plant.root)
    assert look(plant, 1)["recalibrations"] == [] and len(versions(plant)) == 1
