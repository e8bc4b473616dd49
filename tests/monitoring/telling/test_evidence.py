"""What shows an incident: pictures, the list of suspect parts, pages."""

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from inspection import clock
from inspection.errors import CheckHistory, FetchData
from inspection.layout import Layout
from inspection.post.letters import CameraDay
from inspection.records import ledger, verdicts
from inspection.records.catalog import Catalog, open_catalog
from inspection.records.incidents import Glance, Incident, glances
from inspection.records.verdicts import LOOKS, SCORES
from monitoring.camera import measurement
from monitoring.content import drift
from monitoring.judgement import looking, reference
from monitoring.judgement.reference import FACTS, Learning
from monitoring.telling import evidence
from plant.shot import png
from tests.conftest import ROOT
from tests.inspection.world import add_batch
from tests.monitoring.camera.test_health import PARAMS, START, pictures

SETTINGS = PARAMS.model_copy(update={"watch": PARAMS.watch.model_copy(update={"window_images": 20})})
MINUTE = timedelta(minutes=1)
PARTS = {"a": "bracket", "b": "housing"}


def shown(seed: int, count: int, since: int, light: float = 1.0) -> dict[str, bytes]:
    """Inbox name -> PNG, one a minute from the minute `since` after START, two for each part."""
    made = {}
    for number, (levels, part, _, _) in enumerate(pictures(seed, count, after=lambda x: light * x)):
        at = START + (since + number) * MINUTE
        made[f"cam-1/{PARTS[part]}/s-{since + number // 2:03d}/{at:%Y%m%dT%H%M%S}000Z.png"] = png(
            levels[:, :, 0].astype(np.uint8)
        )
    return made


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """80 healthy images with a reference, then two dark windows of 20; the live model judged all but the last 10."""
    home = tmp_path_factory.mktemp("evidence").resolve()
    layout = Layout(home, home)
    shutil.copyfile(ROOT / "cameras.yaml", layout.cameras)
    shutil.copyfile(ROOT / "taxonomy.yaml", layout.taxonomy)
    clean = add_batch(layout, "b-0", shown(1, 80, 0))
    dark = add_batch(layout, "b-1", shown(2, 40, 100, 0.8))
    learning = Learning("cam-1", SETTINGS.health, SETTINGS.watch)
    load = loader(layout)
    for row in clean.itertuples():
        learning.add(load(row), str(row.part), row.captured_at.to_pydatetime(), str(row.image_id))
    digest = reference.save(learning.finish("v1"), layout.references / "cam-1" / "v1")
    first, last = (clock.stamp(clean["captured_at"].iloc[n].to_pydatetime()) for n in (0, -1))
    body = {"camera": "cam-1", "version": "v1", "digest": digest, "first": first, "last": last}
    ledger.append(layout, "reference", "Ines", [{**body, "images": 80, "windows": 4}])
    healthy = reference.load(layout.references / "cam-1" / "v1")
    catalog = open_catalog(layout)
    pending = catalog.frame(__import__("inspection.records.catalog").catalog.capture_table.select())
    catalog.close()
    with clock.at(START + timedelta(days=1)):
        rows = list(looking.windows(pending, SETTINGS.watch))
    looks = [looking.look(one, healthy, SETTINGS, load) for one in rows]
    judged = dark.iloc[:30]
    scores = judged[["capture_id", "image_id"]].assign(
        version="v1.0.0",
        package="p" * 64,
        label=["scratch", "good", "good"] * 10,
        reject_probability=0.3,
        threshold=0.5,
        reject=[True, False, False] * 10,
        probabilities="{}",
    )
    tables = {SCORES: scores, LOOKS: looking.membership(looks)}
    digests = verdicts.write(tables, verdicts.folder(layout, "2026-11") / "r-0")
    told = [{**one.as_json(), "reference": "v1"} for one in looks]
    ledger.append(
        layout, "watch", "watch", [{"run": "r-0", "batches": ["b-0", "b-1"], "files": digests, "windows": told}]
    )
    return layout


def loader(layout: Layout) -> Any:
    from functools import partial

    from inspection.intake.images import levels_of

    return partial(levels_of, layout.home, 40)


@pytest.fixture
def catalog(plant: Layout) -> Any:
    opened = open_catalog(plant)
    yield opened
    opened.close()


@pytest.fixture
def incident(plant: Layout) -> Incident:
    """The dark windows as an incident, as `incidents.follow` makes one."""
    changed = [one for one in glances(ledger.read(plant)) if one.state == "changed"]
    assert len(changed) == 2
    return Incident(
        name="I-0001",
        line="A",
        cameras=("cam-1",),
        cause="lighting",
        finding=changed[-1].causes["lighting"],
        onset=(START + 79 * MINUTE, changed[0].last),
        opened=START + timedelta(hours=5),
        window=changed[0].window,
        action="watch",
    )


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_suspects_are_the_captures_since_it_may_have_begun_with_what_was_said(
    incident: Incident, catalog: Catalog
) -> None:
    suspects = evidence.suspect_parts(incident, catalog)
    assert len(suspects) == 40
    assert list(suspects["verdict"]).count("reject") == 10
    assert list(suspects["verdict"]).count("accept") == 20
    assert list(suspects["verdict"]).count("not judged") == 10
    assert suspects["captured_at_utc"].iloc[0] == "2026-11-02 07:40:00Z"
    assert suspects["captured_at_utc"].is_monotonic_increasing


def test_suspects_end_with_the_incident_and_begin_after_its_onset(incident: Incident, catalog: Catalog) -> None:
    over = replace(incident, closed=START + 104 * MINUTE)
    assert len(evidence.suspect_parts(over, catalog)) == 5
    early = replace(incident, onset=(START + 77 * MINUTE, incident.onset[1]))
    assert len(evidence.suspect_parts(early, catalog)) == 42
    assert evidence.suspect_parts(replace(incident, cameras=("cam-9",)), catalog).empty


def test_everything_that_shows_an_incident(plant: Layout, incident: Incident, catalog: Catalog) -> None:
    pictures = evidence.gather(incident, plant, SETTINGS, catalog)
    _, attached = evidence.suspects(incident, plant, catalog)
    assert [one.name for one in pictures] == ["compared.png", "over-time.png", "examples.png"]
    assert all(one.content.startswith(b"\x89PNG") and one.caption and one.seen for one in pictures)
    before, now = (int(number) for number in re.findall(r"\b\d+\b", pictures[0].seen) if number != "255")
    assert 0.75 < now / before < 0.85
    assert pictures[1].seen == "The last of 6 windows measured -19.6 %; healthy is -2.5 to 2.5."
    assert pictures[2].caption == "cam-1: a part before and now"
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


def test_no_part_was_judged_yet(plant: Layout, incident: Incident, catalog: Catalog) -> None:
    since = replace(incident, onset=(START + 132 * MINUTE, incident.onset[1]))
    found = evidence.suspect_parts(since, catalog)
    assert set(found["verdict"]) == {"not judged"}
    assert "nan" not in found.to_csv(index=False)


def test_a_camera_without_reference_gets_neither_page_nor_comparison(
    plant: Layout, incident: Incident, catalog: Catalog
) -> None:
    other = replace(incident, name="I-0002", cameras=("cam-9",))
    assert evidence.gather(other, plant, SETTINGS, catalog) == ()
    assert not (plant.watched / "incidents" / "I-0002" / "report.html").exists()
    assert rows_of(evidence.suspects(other, plant, catalog)[1].content) == []


def test_a_window_as_json_and_a_day_as_a_page(plant: Layout, catalog: Catalog) -> None:
    told = [one for event in ledger.read(plant) if event.kind == "watch" for one in event.body["windows"]]
    path = evidence.write_window(plant, told[-1])
    assert json.loads(path.read_text()) == told[-1]
    assert path.parent.name == "cam-1"
    page = evidence.write_day(plant, SETTINGS, catalog, "cam-1", "2026-11-02")
    assert page is not None and "cam-1 on 2026-11-02" in page.read_text()
    assert page.read_text().count("data:image/png;base64,") == 1
    assert page.with_suffix(".json").exists()
    assert evidence.write_day(plant, SETTINGS, catalog, "cam-1", "2026-11-05") is None
    assert evidence.write_day(plant, SETTINGS, catalog, "cam-9", "2026-11-02") is None


def test_a_damaged_reference_is_named(plant: Layout, incident: Incident, catalog: Catalog) -> None:
    file: Path = plant.references / "cam-1" / "v1" / FACTS
    before = file.read_bytes()
    file.write_bytes(before.replace(b"cam-1", b"cam-2", 1))
    try:
        with pytest.raises(CheckHistory, match="references/cam-1/v1"):
            evidence.gather(incident, plant, SETTINGS, catalog)
    finally:
        file.write_bytes(before)


def test_every_statistic_and_cause_has_plain_words() -> None:
    assert set(evidence.PLAIN) == {*measurement.UNITS, *drift.UNITS}
    assert set(evidence.IN_LEVELS) | set(evidence.WITHOUT_PLACE) <= set(evidence.PLAIN)


def example(plant: Layout, incident: Incident, catalog: Catalog, load: Any) -> Any:
    scene = evidence.Scene.of(plant, "cam-1", incident.window)
    return evidence._example(incident, catalog, scene, looking.captures_of(catalog, incident.window), load)


def test_a_speck_is_shown_close_up(plant: Layout, incident: Incident, catalog: Catalog) -> None:
    spot = {"row": 9, "column": 100, "size": 5.0, "depth": 0.1}
    dust = replace(incident, cause="dust", finding={**incident.finding, "spots": [spot]})
    shown = example(plant, dust, catalog, loader(plant))
    assert shown.caption == "cam-1: close-up of row 9, column 100, 48 pixels across before and now"


def test_the_part_that_is_shown_was_accepted(plant: Layout, incident: Incident, catalog: Catalog) -> None:
    serial = re.search(r"part (\S+)", example(plant, incident, catalog, loader(plant)).seen)
    said = evidence.suspect_parts(incident, catalog)
    assert serial is not None and "accept" in set(said[said["serial"] == serial[1]]["verdict"])


def test_the_healthy_part_that_is_shown_has_no_defect(plant: Layout, tmp_path: Path) -> None:
    home = shutil.copytree(plant.home, tmp_path / "plant")
    layout = Layout(home, home)
    declared = evidence.Scene.of(layout, "cam-1").commissions[0]
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


BERLIN = ZoneInfo("Europe/Berlin")


def test_a_day_s_figures_are_those_of_the_day_in_the_plant_s_zone(plant: Layout, catalog: Catalog) -> None:
    [first, second] = evidence.days(plant, catalog, date(2026, 11, 2), BERLIN)
    assert first == CameraDay("cam-1", 120, 6, 10, "troubled", "light has changed")
    assert second == CameraDay("cam-2", 0, 0, None, "troubled", "no pictures, while other cameras had some")
    assert [one.words for one in evidence.days(plant, catalog, date(2026, 11, 3), BERLIN)] == ["no pictures"] * 2
    assert evidence.said(catalog, date(2026, 11, 2), BERLIN) == {"v1.0.0": (20, 10)}
    assert evidence.said(catalog, date(2026, 11, 1), BERLIN) == {}
    fiji = ZoneInfo("Pacific/Fiji")  # there the day ends at noon, UTC
    moved = [(START + number * MINUTE).astimezone(fiji).day for number in (*range(80), *range(100, 140))]
    days = [evidence.days(plant, catalog, date(2026, 11, number), fiji)[0].images for number in (2, 3)]
    assert days == [moved.count(2), moved.count(3)]


@pytest.mark.parametrize(
    ("seen", "watched", "images", "state", "words"),
    [
        ((), True, 0, "troubled", "no pictures, while other cameras had some"),
        ((), False, 5, "unknown", "is being learned"),
        ((), True, 5, "unknown", "too few pictures for a verdict"),
        (("too few",), True, 5, "unknown", "too few pictures for a verdict"),
        (("not comparable",), True, 50, "unknown", "could not be compared"),
        (("changed", "healthy"), True, 50, "well", "healthy"),
        (("healthy", "suspect", "too few"), True, 50, "troubled", "perhaps: dust on the lens"),
        (("suspect", "changed"), True, 50, "troubled", "dust on the lens"),
    ],
)
def test_a_camera_s_day_is_said_by_its_last_judged_window(
    seen: tuple[str, ...], watched: bool, images: int, state: str, words: str
) -> None:
    glanced = [
        Glance("w", "cam-1", "A", START, START, 20, one, {"dust": {}} if one in ("suspect", "changed") else {})
        for one in seen
    ]
    assert evidence._state(glanced, watched, images, True) == (state, words)
