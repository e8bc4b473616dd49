"""One page over all incidents, cameras and days."""

import re
from pathlib import Path

from inspection.layout import Layout
from inspection.records.catalog import open_catalog
from monitoring.telling import dossier, index, pages
from tests.monitoring.telling.test_dossier import own, points_to, say, told  # noqa: F401
from tests.monitoring.telling.world import SETTINGS


def words_of(page: Path) -> str:
    return " ".join(re.sub(r"<title>.*?</title>|<[^>]+>", " ", page.read_text(), flags=re.DOTALL).split())


def test_an_index_over_incidents_cameras_and_days_newest_first(told: Layout) -> None:  # noqa: F811
    catalog = open_catalog(told)
    pages.write_day(told, SETTINGS, catalog, "cam-1", "2026-11-02")
    folder = told.watched / "days" / "2026-11-01"
    folder.mkdir()
    (folder / "cam-1.html").write_text("a day")
    dossier.renew(told, catalog)
    page = told.watched / index.PAGE
    words = words_of(page)
    assert words.startswith("1 incident open Open I-0001 below: each page")
    row = r"I-0001 Mon 02 Nov 2026, \d\d:\d\d line A, cam-1 light has changed \(-20%.*\) open, to be repaired"
    assert re.search(row, words)
    assert "open: I-0001" in words, "the camera says so, too"
    targets = points_to(page)
    assert all((told.watched / target).is_file() for target in targets), targets
    days = [target for target in targets if target.startswith("days/")]
    assert days[0] == "days/2026-11-02/cam-1.html" and "days/2026-11-01/cam-1.html" in days
    say(told, {"what": "closed", "why": "recovered"})
    dossier.renew(told, catalog)
    assert words_of(page).startswith(
        "No incident is open; the parts of 1 that is over wait to be looked through Open I-0001"
    )
    assert "over, but its parts wait" in words_of(page)
    say(told, {"what": "settled", "why": "looked at", "parts": "scrapped"}, "Lena")
    dossier.renew(told, catalog)
    catalog.close()
    assert "Nothing has to be done." in words_of(page)


def test_a_plant_without_anything_has_an_index_that_says_so(own: Layout) -> None:  # noqa: F811
    page = index.write(own, [], set())
    words = words_of(page)
    assert "Nothing has to be done." in words and "None so far." in words and "No day was looked at so far." in words
    assert "is being learned" in words and "healthy" not in words, "what nobody has looked at is not called well"
