"""Incidents, planned changes and references as the command shows them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from andon.__main__ import app
from andon.references import rows
from andon.status import lines, state
from inspection import clock
from inspection.git import commit
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.incidents import RECOVERED
from tests.conftest import EVENING
from tests.inspection.records.test_alarms import HOUR, START, finding, run_by_run, shows
from tests.inspection.records.test_incidents import chained
from tests.inspection.world import add_batch, git, picture


@pytest.fixture
def plant(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.chdir(tiny.home)
    return tiny


def andon(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_what_keeps_andon_from_writing_is_told(plant: Layout) -> None:
    assert state(plant)["git"] == []
    git(plant.home, "checkout", "--quiet", "--detach")
    [words] = state(plant)["git"]
    assert "this plant writes on main" in words and f"Beware    {words}".rstrip(".") in lines(state(plant))
    git(plant.home, "switch", "--quiet", "main")
    ledger.append(plant, "note", "Tess", [{"x": 1}, {"x": 2}])
    commit(plant.home, ledger.files(plant), "Notes")
    [path] = ledger.files(plant)
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    [words] = state(plant)["git"]
    assert "its last 1 line is missing, against the last commit" in words and "git restore" in words


def write(layout: Layout, *bodies: Mapping[str, Any], kind: str = "incident", by: str = "watch") -> None:
    ledger.append(layout, kind, by, bodies)


def opened(layout: Layout, *cameras: str, size: float = 0.1) -> None:
    """I-0001: the same light on each camera at the same time."""
    windows = [shows(n, camera, "lighting", size=0.1, error=0.01) for n in range(2) for camera in cameras]
    later = [shows(2, camera, "lighting", size=size, error=0.01) for camera in cameras]
    write(layout, *run_by_run([[*windows, *later]])[0])


def test_one_camera_and_a_line_are_told_apart(plant: Layout) -> None:
    opened(plant, "cam-1", "cam-2")
    (one,) = state(plant)["incidents"]
    assert (one["cameras"], one["scope"], one["size"]) == ("cam-1 and cam-2", "line A", "0.1 ± 0.01 px")
    assert any("lighting on cam-1 and cam-2 (line A), 0.1 ± 0.01 px: undecided" in line for line in lines(state(plant)))
    assert "2 cameras of line A show it" in andon("incidents", "show", "I-0001").output


def test_the_size_of_now_is_shown_beside_the_one_that_people_were_told(plant: Layout) -> None:
    opened(plant, "cam-1", size=0.14)
    (one,) = state(plant)["incidents"]
    assert one["size"] == "0.14 ± 0.01 px"
    assert "size: 0.14 ± 0.01 px, when told 0.1 ± 0.01 px" in andon("incidents", "show", "I-0001").output


def test_a_window_that_only_suspects_is_not_called_sick(plant: Layout) -> None:
    body = {
        "camera": "cam-1",
        "version": "v1",
        "digest": "d",
        "images": 40,
        "windows": 1,
        "first": clock.stamp(START),
        "last": clock.stamp(START),
    }
    write(plant, body, kind="reference", by="Ines")
    window = {"window": "w", "camera": "cam-1", "line": "A", "images": 40, "reference": "v1", "state": "suspect"}
    times = {"first": clock.stamp(START), "last": clock.stamp(START + HOUR)}
    write(
        plant,
        {"run": "r", "batches": [], "files": {}, "windows": [{**window, **times, "findings": [finding("dust")]}]},
        kind="watch",
    )
    assert state(plant)["cameras"]["cam-1"].startswith("perhaps dust (the next window decides) at 2026-11-02 07:00 UTC")


def test_closing_takes_a_reason_and_keeps_what_was_done_with_the_parts(plant: Layout) -> None:
    opened(plant, "cam-1")
    assert andon("incidents", "close", "I-0001", "--by", "Ines").exit_code == 2
    done = andon("incidents", "close", "I-0001", "--by", "Ines", "--why", "lamp mended", "--parts", "reinspected")
    assert done.exit_code == 0, done.output
    shown = andon("incidents", "show", "I-0001").output
    assert "closed (lamp mended (Ines); suspect parts: reinspected, said Ines)" in shown
    assert "lamp mended" in andon("incidents", "--all").output
    assert json.loads(andon("incidents", "show", "I-0001", "--json").output)["parts"] == "reinspected"


def test_suspect_parts_that_nobody_spoke_of_are_asked_for(plant: Layout) -> None:
    opened(plant, "cam-1")
    routed = {"incident": "I-0001", "what": "routed", "action": "repair", "reasons": ["so"]}
    write(plant, routed, {"incident": "I-0001", "what": "closed", "why": RECOVERED})
    assert any("I-0001: nobody has said what was done" in line for line in lines(state(plant)))
    andon("incidents", "close", "I-0001", "--by", "Ines", "--why", "looked", "--parts", "scrapped")
    assert state(plant)["unsettled"] == []
    page = plant.watched / "incidents" / "I-0001" / "index.html"
    assert "scrapped, said Ines" in page.read_text(), "the command writes the page anew"
    andon("incidents", "rule", "I-0001", "--images", "drop", "--by", "Lena")
    assert "are not used for training, said Lena" in page.read_text()


def test_an_estimate_is_shown_in_its_own_words(plant: Layout) -> None:
    opened(plant, "cam-1")
    estimate = {"words": "cannot be estimated; label 40 images"}
    routed = {"incident": "I-0001", "what": "routed", "action": "label", "reasons": ["so"], "estimate": estimate}
    write(plant, routed)
    assert "costs: cannot be estimated; label 40 images" in andon("incidents", "show", "I-0001").output


def test_words_on_what_is_not_known_stop_nothing_and_are_told(plant: Layout) -> None:
    opened(plant, "cam-1")
    write(plant, {"incident": "I-0077", "what": "closed", "why": "mended"}, by="Ines")
    write(plant, {"batch": "b7", "what": "held", "why": "blurred"}, kind="batch-ruling", by="Tess")
    now = state(plant)
    assert [one["incident"] for one in now["incidents"]] == ["I-0001"] and now["held_batches"] == []
    told = [line for line in lines(now) if "not known here" in line]
    assert ["by Ines" in told[0] and "incident 'I-0077'" in told[0], "batch 'b7'" in told[1]] == [True, True]
    assert andon("batch", "list").exit_code == andon("incidents").exit_code == 0


def test_an_announced_change_is_shown_with_how_far_it_has_come(plant: Layout) -> None:
    since = clock.stamp(EVENING)
    body = {"camera": "cam-1", "what": "announced", "reason": "a new lens", "since": since, "images": 800}
    write(plant, body, kind="renewal", by="Ines")
    assert state(plant)["cameras"]["cam-1"] == (
        "learning: renewal announced by Ines because of 'a new lens', 0 of 800 images so far"
    )
    (row,) = rows(plant)
    assert (row["state"], row["reason"], row["by"]) == ("learning", "a new lens", "Ines")
    assert "a new lens" in andon("reference", "list").output


def test_a_reference_that_is_not_there_is_said(plant: Layout) -> None:
    assert "No camera has a reference yet" in andon("reference", "list").output
    with pytest.raises(Exception, match="cam-1 has no reference yet"):
        CliRunner().invoke(app, ["reference", "show", "cam-1"], catch_exceptions=False)


def test_old_ledgers_are_shown_too(plant: Layout) -> None:
    """Events from before there were errors, sure findings or words on parts."""
    bodies = [event.body for event in chained(run_by_run([[shows(0), shows(1)]])[0])]
    write(plant, *bodies, {"incident": "I-0001", "what": "closed", "why": "closed by Ines: cleaned"})
    assert "closed by Ines: cleaned" in andon("incidents", "--all").output


def test_what_is_set_aside_and_what_a_first_model_lacks_is_said(plant: Layout) -> None:
    assert not any(line.startswith("Labels") for line in lines(state(plant)))
    key = "cam-1/bracket/s-1/20261102T060000000Z.png"
    (image,) = add_batch(plant, "20261102-00000", {key: picture(1)})["image_id"]
    body = {"image_id": image, "label": "good", "labelled_at": clock.stamp(EVENING), "spec": "1"}
    write(plant, body, kind="label", by="Tess")
    held = {"batch": "20261102-00000", "partition": "2026-11-01", "captures": 1, "manifest": "0" * 64, "held": ["x"]}
    write(plant, held, kind="batch", by="ingest")
    first, second = (line for line in lines(state(plant)) if line.startswith("Labels"))
    assert "set aside: 1 are in a batch that is held back" in first
    assert "andon batch release 20261102-00000 --by NAME --why TEXT" in first
    assert "for a first model: 0 labelled images may be trained on, and it takes 60" in second
