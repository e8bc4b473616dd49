"""Suspect parts: since when, until when, and what was said of them."""

import csv
import io
from dataclasses import replace

import pandas as pd

from inspection.layout import Layout
from inspection.records.catalog import Catalog
from inspection.records.incidents import Incident
from inspection.release import suspicion
from monitoring.telling.suspects import suspect_parts
from tests.monitoring.camera.test_health import START
from tests.monitoring.telling.world import MINUTE


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def listed(incident: Incident, plant: Layout, catalog: Catalog) -> pd.DataFrame:
    return suspect_parts(suspicion.of(incident, plant, catalog), catalog)


def test_suspects_are_the_captures_since_it_may_have_begun_with_what_was_said(
    plant: Layout, incident: Incident, catalog: Catalog
) -> None:
    found = listed(incident, plant, catalog)
    assert len(found) == 40
    assert list(found["verdict"]).count("reject") == 10
    assert list(found["verdict"]).count("accept") == 20
    assert list(found["verdict"]).count("not judged") == 10
    assert found["captured_at_utc"].iloc[0] == "2026-11-02 07:40:00Z"
    assert found["captured_at_utc"].is_monotonic_increasing


def test_suspects_end_with_the_incident_and_begin_after_its_onset(
    plant: Layout, incident: Incident, catalog: Catalog
) -> None:
    over = replace(incident, closed=START + 104 * MINUTE)
    assert len(listed(over, plant, catalog)) == 5
    early = replace(incident, onset=(START + 77 * MINUTE, incident.onset[1]))
    assert len(listed(early, plant, catalog)) == 42
    assert listed(replace(incident, cameras=("cam-9",)), plant, catalog).empty


def test_no_part_was_judged_yet(plant: Layout, incident: Incident, catalog: Catalog) -> None:
    since = replace(incident, onset=(START + 132 * MINUTE, incident.onset[1]))
    found = listed(since, plant, catalog)
    assert set(found["verdict"]) == {"not judged"}
    assert "nan" not in found.to_csv(index=False)
