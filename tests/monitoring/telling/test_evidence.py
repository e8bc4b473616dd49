"""What shows an incident: pictures, the list of suspect parts, pages."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inspection import clock
from inspection.errors import CheckHistory, FetchData
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.catalog import Catalog, open_catalog
from inspection.records.incidents import Incident
from inspection.release import suspicion
from monitoring.judgement import looking
from monitoring.judgement.reference import FACTS
from monitoring.telling import evidence
from monitoring.telling.scene import Scene
from monitoring.telling.suspects import suspect_parts, suspects
from tests.monitoring.telling.test_suspects import rows_of
from tests.monitoring.telling.world import SETTINGS, loader


def test_everything_that_shows_an_incident(plant: Layout, incident: Incident, catalog: Catalog) -> None:
    pictures = evidence.gather(incident, plant, SETTINGS, catalog)
    attached = suspects(incident, plant, catalog).attached
    assert [one.name for one in pictures] == ["compared.png", "over-time.png", "examples.png"]
    assert all(one.content.startswith(b"\x89PNG") and one.caption and one.seen for one in pictures)
    before, now = (int(number) for number in re.findall(r"\b\d+\b", pictures[0].seen) if number != "255")
    assert 0.75 < now / before < 0.85
    assert pictures[1].seen == "The last of 6 windows measured -20%; healthy is -5 to 5%."
    assert pictures[2].caption == "cam-1: a part before and another now"
    folder = plant.watched / "incidents" / "I-0001"
    assert {path.name for path in folder.iterdir()} == {
        "compared.png",
        "over-time.png",
        "examples.png",
        "suspects.csv",
        "incident.json",
        "report.html",
        "report.json",
    }
    assert (attached.name, attached.kind) == ("I-0001-suspect-parts.csv", "text/csv")
    assert attached.content == (folder / "suspects.csv").read_bytes()
    rows = rows_of(attached.content)
    assert set(rows[0]) == {
        "serial", "part", "camera", "captured_at_utc", "verdict", "class", "reject_probability", "threshold", "model",
    }  # fmt: skip
    assert "nan" not in attached.content.decode() and "None" not in attached.content.decode()
    told = json.loads((folder / "incident.json").read_text())
    assert told["onset"] == [clock.stamp(one) for one in incident.onset]
    assert told["closed"] is None
    page = (folder / "report.html").read_text()
    assert "lighting on cam-1" in page and "Changed: brightness against the healthy picture" in page
    assert page.count("data:image/png;base64,") == 4  # the mail's three, and every statistic
    assert json.loads((folder / "report.json").read_text())["outcome"] == "sure"


def test_a_camera_without_reference_gets_neither_page_nor_comparison(
    plant: Layout, incident: Incident, catalog: Catalog
) -> None:
    other = replace(incident, name="I-0002", cameras=("cam-9",))
    assert evidence.gather(other, plant, SETTINGS, catalog) == ()
    assert not (plant.watched / "incidents" / "I-0002" / "report.html").exists()
    assert rows_of(suspects(other, plant, catalog).attached.content) == []


def test_a_damaged_reference_is_named(plant: Layout, incident: Incident, catalog: Catalog) -> None:
    file: Path = plant.references / "cam-1" / "v1" / FACTS
    before = file.read_bytes()
    file.write_bytes(before.replace(b"cam-1", b"cam-2", 1))
    try:
        with pytest.raises(CheckHistory, match="references/cam-1/v1"):
            evidence.gather(incident, plant, SETTINGS, catalog)
    finally:
        file.write_bytes(before)


def example(plant: Layout, incident: Incident, catalog: Catalog, load: Any) -> Any:
    scene = Scene.of(plant, "cam-1", incident.window)
    return evidence._example(incident, catalog, scene, looking.captures_of(catalog, incident.window), load)


def test_a_speck_is_shown_close_up(plant: Layout, incident: Incident, catalog: Catalog) -> None:
    spot = {"row": 9, "column": 100, "size": 5.0, "depth": 0.1}
    dust = replace(incident, cause="dust", finding={**incident.finding, "spots": [spot]})
    shown = example(plant, dust, catalog, loader(plant))
    assert shown.caption == "cam-1: close-up of row 9, column 100, 48 pixels across: a part before and another now"


def test_a_line_is_shown_as_close_as_a_pixel_and_grain_on_a_calm_ground(
    plant: Layout, incident: Incident, catalog: Catalog
) -> None:
    line = {"row": 40, "column": 60, "size": 128.0, "depth": 99.0, "shape": "column"}
    dead = replace(incident, cause="dead_pixels", finding={**incident.finding, "spots": [line]})
    assert "close-up of row 40, column 60, 48 pixels across" in example(plant, dead, catalog, loader(plant)).caption
    blot = {**line, "size": 900.0, "shape": ""}
    whole = replace(dead, finding={**incident.finding, "spots": [blot]})
    assert example(plant, whole, catalog, loader(plant)).caption == "cam-1: a part before and another now"
    grain = replace(incident, cause="noise", finding={**incident.finding, "statistic": "noise"})
    caption = example(plant, grain, catalog, loader(plant)).caption
    assert re.fullmatch(
        r"cam-1: with more contrast, close-up of row \d+, column \d+, 48 pixels across: a part before and another now",
        caption,
    )


def test_the_part_that_is_shown_was_accepted(plant: Layout, incident: Incident, catalog: Catalog) -> None:
    serial = re.search(r"part (\S+)", example(plant, incident, catalog, loader(plant)).seen)
    said = suspect_parts(suspicion.of(incident, plant, catalog), catalog)
    assert serial is not None and "accept" in set(said[said["serial"] == serial[1]]["verdict"])


def test_the_healthy_part_that_is_shown_has_no_defect(plant: Layout, tmp_path: Path) -> None:
    home = shutil.copytree(plant.home, tmp_path / "plant")
    layout = Layout(home, home)
    declared = Scene.of(layout, "cam-1").commissions[0]
    given = {"labelled_at": "2026-11-03T12:00:00+00:00", "spec": "1"}
    seen = []
    for label in ("crack", "crack", "good"):
        catalog = open_catalog(layout)
        row = evidence._healthy_capture(catalog, declared, "bracket", ("good",))
        catalog.close()
        assert row is not None
        ledger.append(layout, "label", "Ines", [{"image_id": row["image_id"], "label": label, **given}])
        seen.append(row["image_id"])
    assert len(set(seen)) == 3, "one that is known to have a defect is not shown again"


def test_an_example_that_is_gone_is_left_out(plant: Layout, incident: Incident, catalog: Catalog) -> None:
    def gone(_: object) -> None:
        raise FetchData("it is not on this disk")

    assert example(plant, incident, catalog, gone) is None
    assert example(plant, replace(incident, window="w-9"), catalog, gone) is None
