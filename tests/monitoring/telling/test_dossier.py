"""An incident's page: what happened, since when and what to do, as things stand."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from inspection import clock
from inspection.layout import Layout
from inspection.records import incidents, ledger
from inspection.records.catalog import Catalog, open_catalog
from inspection.records.incidents import Incident
from monitoring.telling import dossier, evidence
from tests.conftest import ROOT
from tests.monitoring.camera.test_health import START
from tests.monitoring.telling.world import MINUTE, SETTINGS


class Links(HTMLParser):
    """Where a page points to."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, _: str, attrs: Any) -> None:
        self.targets += [value for name, value in attrs if name in ("href", "src")]


def points_to(page: Path) -> list[str]:
    reader = Links()
    reader.feed(page.read_text())
    return reader.targets


@pytest.fixture
def own(plant: Layout, tmp_path: Path) -> Layout:
    """A copy of the plant whose ledger knows the incident, which is to be repaired."""
    home = shutil.copytree(plant.home, tmp_path / "plant")
    shutil.rmtree(home / "data" / "watch", ignore_errors=True)
    shutil.copyfile(ROOT / "params.yaml", home / "params.yaml")
    return Layout(home, home)


@pytest.fixture
def told(own: Layout, incident: Incident) -> Layout:
    body = {
        "incident": "I-0001",
        "line": "A",
        "cause": "lighting",
        "camera": "cam-1",
        "finding": dict(incident.finding),
        "onset": [clock.stamp(one) for one in incident.onset],
        "window": incident.window,
    }
    say(own, {**body, "what": "opened"})
    say(own, {"what": "routed", "action": "repair", "reasons": ["a fault is mended"]})
    return own


def say(layout: Layout, body: dict[str, Any], by: str = "watch") -> None:
    ledger.append(layout, "incident", by, [{"incident": "I-0001", **body}])


def renewed(layout: Layout, catalog: Catalog) -> tuple[list[Path], str]:
    """What was written, and the words of the incident's page."""
    written = dossier.renew(layout, catalog)
    page = (layout.watched / "incidents" / "I-0001" / dossier.PAGE).read_text()
    return written, " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


def test_a_page_is_written_anew_with_every_state(told: Layout) -> None:
    catalog = open_catalog(told)
    evidence.gather(incidents.find(told, "I-0001"), told, SETTINGS, catalog)
    written, words = renewed(told, catalog)
    assert [path.parent.name for path in written] == ["I-0001"]
    first = words[words.index("cam-1: light has changed") :][:600]
    assert re.search(r"20% darker.*It began between .* on Mon 02 Nov 2026", first), first
    assert "To do first: Ask maintenance whether the light of cam-1 was changed on purpose" in first
    assert "State open until it is repaired" in words and "Where line A, cam-1" in words
    assert "20 (attached list)" in words and "The attached list: suspect parts" in words
    say(told, {"what": "closed", "why": "recovered", "over": clock.stamp(START + 119 * MINUTE)})
    _, words = renewed(told, catalog)
    assert "cam-1: over, but 11 parts wait – light has changed" in words and "Please look" in words
    say(told, {"what": "ruled", "images": "drop"}, "Lena")
    assert "Their images are not used for training, said Lena" in renewed(told, catalog)[1]
    say(told, {"what": "settled", "why": "looked at", "parts": "scrapped"}, "Lena")
    written, words = renewed(told, catalog)
    assert written and "cam-1: over – light has changed" in words and "All is well" not in words
    assert " Over cam-1: over " in words, "others may be open"
    assert "Done with them scrapped, said Lena" in words
    assert renewed(told, catalog)[0] == [], "nothing has changed since"
    catalog.close()


def test_no_list_of_parts_is_linked_where_no_picture_came(told: Layout) -> None:
    mute = {
        "cause": "silent",
        "statistic": "silent",
        "unit": "hours",
        "size": 2.0,
        "words": "None came.",
        "strength": 2,
    }
    onset = [clock.stamp(START + hours * 60 * MINUTE) for hours in (5, 7)]
    opened = {"line": "A", "cause": "silent", "camera": "cam-1", "finding": mute, "onset": onset, "window": ""}
    say(told, {"incident": "I-0002", "what": "opened", **opened})
    say(told, {"incident": "I-0002", "what": "routed", "action": "repair", "reasons": ["no picture comes"]})
    catalog = open_catalog(told)
    pages = {path.parent.name: points_to(path) for path in dossier.renew(told, catalog)}
    catalog.close()
    assert "suspects.csv" in pages["I-0001"] and "suspects.csv" not in pages["I-0002"]
    index = (told.watched / "index.html").read_text()
    since = (START + 5 * 60 * MINUTE).astimezone(ZoneInfo("Europe/Berlin"))
    assert f"{since:%a %d %b %Y, %H:%M}" in index, "since the last that came, as the page says"


def test_a_page_shows_its_pictures_and_leads_on_from_a_file_share(told: Layout) -> None:
    catalog = open_catalog(told)
    evidence.gather(incidents.find(told, "I-0001"), told, SETTINGS, catalog)
    [page], _ = renewed(told, catalog)
    catalog.close()
    targets = points_to(page)
    assert {"compared.png", "over-time.png", "examples.png", "report.html", "suspects.csv"} <= set(targets)
    assert all((page.parent / target).is_file() for target in targets), targets


def test_an_incident_without_pictures_has_a_page_and_torn_facts_are_written_anew(told: Layout) -> None:
    catalog = open_catalog(told)
    [page], words = renewed(told, catalog)
    assert "light has changed" in words and "compared.png" not in points_to(page)
    (page.parent / dossier.FACTS).write_text("{")
    assert dossier.renew(told, catalog) == [page]
    assert json.loads((page.parent / dossier.FACTS).read_text())["name"] == "I-0001"
    catalog.close()


def test_a_command_that_has_no_catalog_open_writes_them_too(told: Layout) -> None:
    dossier.refresh(told)
    assert (told.watched / "incidents" / "I-0001" / dossier.PAGE).is_file()
