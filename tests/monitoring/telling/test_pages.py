"""A window as JSON, a camera's day as a page."""

import json

from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.catalog import Catalog
from monitoring.telling import pages
from tests.monitoring.telling.world import SETTINGS


def test_a_window_as_json_and_a_day_as_a_page(plant: Layout, catalog: Catalog) -> None:
    told = [one for event in ledger.read(plant) if event.kind == "watch" for one in event.body["windows"]]
    path = pages.write_window(plant, told[-1])
    assert json.loads(path.read_text()) == told[-1]
    assert path.parent.name == "cam-1"
    page = pages.write_day(plant, SETTINGS, catalog, "cam-1", "2026-11-02")
    assert page is not None and "cam-1 on 2026-11-02" in page.read_text()
    assert page.read_text().count("data:image/png;base64,") == 1
    assert page.with_suffix(".json").exists()
    assert pages.write_day(plant, SETTINGS, catalog, "cam-1", "2026-11-05") is None
    assert pages.write_day(plant, SETTINGS, catalog, "cam-9", "2026-11-02") is None
