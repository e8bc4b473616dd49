"""A serial that comes again long after waits for a person, and is then one piece with the old or apart from it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from andon import status, trace
from flows.ingest import ingest
from inspection import clock, git
from inspection.cameras import read_cameras
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.pictures.returned import NEW, SAME, WAITS
from inspection.records import batches, ledger
from inspection.records.catalog import open_catalog, rebuild
from inspection.records.labels import standing
from inspection.records.ledger import Cut
from inspection.records.schema import capture_table
from inspection.release import pieces
from inspection.taxonomy import read_taxonomy
from plant.shot import Shot, drop, key_of
from stages.snapshot import labelled, read_captures, reasons
from tests.conftest import EVENING, draw, label

pytestmark = pytest.mark.usefixtures("prefect_harness")
BEFORE = EVENING - timedelta(days=120)


def run(layout: Layout, at: datetime) -> dict[str, Any]:
    with clock.at(at):
        return ingest(root=layout.root)


def again(shots: list[Shot], serials: list[str]) -> list[Shot]:
    """The same pictures, as those of other serials."""
    named = [replace(shot, serial=serial) for shot, serial in zip(shots, serials, strict=True)]
    return [replace(shot, key=key_of(shot.camera, shot.part, shot.serial, shot.captured_at)) for shot in named]


@pytest.fixture
def twice(tiny: Layout) -> tuple[Layout, list[Shot], list[Shot]]:
    """One serial of a bracket comes again after 120 days, another one is new; both are labelled."""
    first = [shot for shot in draw(tiny, 2, day=BEFORE.date()) if shot.camera == "cam-1"]
    second = [shot for shot in draw(tiny, 2, seed=2) if shot.camera == "cam-1"]
    first = again([replace(one, part="bracket") for one in first], ["S1", "S2"])
    second = again([replace(one, part="bracket") for one in second], ["S1", "S3"])
    drop(first, tiny.home / "inbox")
    run(tiny, BEFORE)
    drop(second, tiny.home / "inbox")
    (note,) = run(tiny, EVENING)["notes"]
    assert "such as S1 of bracket" in note and "andon piece list" in note
    with clock.at(EVENING):
        label(tiny, [*first, *second])
    return tiny, first, second


def serials(layout: Layout) -> dict[str, str]:
    catalog = open_catalog(layout)
    rows = catalog.frame(capture_table.select())
    catalog.close()
    return dict(zip(rows["key"], rows["serial"], strict=True))


def snapshot(layout: Layout) -> dict[str, tuple[str, str]]:
    """Path of a picture -> its serial for training, and why it is set aside."""
    events, taxonomy = ledger.read(layout), read_taxonomy(layout.taxonomy)
    table = labelled(read_captures(events, layout), standing(events), batches.states(events), taxonomy)
    why = reasons(table, Cut(), taxonomy, read_cameras(layout.cameras))
    return {one: (serial, said) for one, serial, said in zip(table["captured_at"], table["serial"], why, strict=True)}


def test_its_new_pictures_wait_and_status_names_both_dates(twice: tuple[Layout, list[Shot], list[Shot]]) -> None:
    layout, first, second = twice
    assert [serials(layout)[shot.key] for shot in (*first, *second)] == ["S1", "S2", "S1+2?", "S3"]
    assert sorted(snapshot(layout).values()) == [("S1", ""), ("S1+2?", "returned"), ("S2", ""), ("S3", "")]
    now = status.state(layout)
    assert [(row["serial"], row["part"]) for row in now["returned"]] == [("S1", "bracket")]
    (told,) = [line for line in status.lines(now) if "S1 of bracket" in line]
    assert f"{EVENING:%Y-%m-%d}" in told and f"{BEFORE:%Y-%m-%d}" in told
    assert all(rebuild(layout).values())
    assert run(layout, EVENING)["accepted"] == 0


@pytest.mark.parametrize(("what", "serial"), [(NEW, "S1+2"), (SAME, "S1")])
def test_a_word_tells_which_piece_it_is_everywhere_and_can_be_taken_back(
    twice: tuple[Layout, list[Shot], list[Shot]], what: str, serial: str
) -> None:
    layout, first, second = twice
    (one,) = pieces.rule(layout, ["S1"], "", what, "Ines")
    assert (one.part, one.state) == ("bracket", WAITS)
    assert [serials(layout)[shot.key] for shot in (*first, *second)] == ["S1", "S2", serial, "S3"]
    assert sorted(snapshot(layout).values()) == sorted([("S1", ""), (serial, ""), ("S2", ""), ("S3", "")])
    assert status.state(layout)["returned"] == []
    traced = trace.story(layout, "S1")["pieces"]
    assert [one["serial"] for one in traced] == sorted({"S1", serial}) and trace.lines({"pieces": traced})
    assert all(rebuild(layout).values()) and git.run(layout.home, "status", "--porcelain") == ""
    later = again([replace(second[0], captured_at=second[0].captured_at + timedelta(hours=1))], ["S1"])
    drop(later, layout.home / "inbox")
    assert run(layout, EVENING + timedelta(hours=2))["accepted"] == 1
    assert serials(layout)[later[0].key] == serial
    pieces.rule(layout, ["S1"], "", WAITS, "Ines")
    assert serials(layout)[second[0].key] == serials(layout)[later[0].key] == "S1+2?"
    assert all(rebuild(layout).values())


def test_a_word_on_what_did_not_come_again_or_by_nobody_is_refused(
    twice: tuple[Layout, list[Shot], list[Shot]],
) -> None:
    layout, _, _ = twice
    with pytest.raises(FixInput, match="andon piece list"):
        pieces.rule(layout, ["S3"], "", NEW, "Ines")
    with pytest.raises(FixInput, match="--by NAME"):
        pieces.rule(layout, ["S1"], "", NEW, " ")
    assert pieces.rule(layout, ["S1"], "", SAME, "Ines") and not pieces.rule(layout, ["S1"], "", SAME, "Ines")
