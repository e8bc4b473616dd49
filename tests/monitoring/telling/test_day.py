"""A day of the plant in its own zone, camera by camera."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from inspection.layout import Layout
from inspection.post.daily_letter import CameraDay
from inspection.records.alarms import Glance
from inspection.records.catalog import Catalog
from monitoring.telling import day
from tests.monitoring.camera.test_health import START
from tests.monitoring.telling.world import MINUTE

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_day_s_figures_are_those_of_the_day_in_the_plant_s_zone(plant: Layout, catalog: Catalog) -> None:
    [first, second] = day.days(plant, catalog, date(2026, 11, 2), BERLIN)
    assert first == CameraDay("cam-1", 120, 6, 10, "troubled", "light has changed")
    assert second == CameraDay("cam-2", 0, 0, None, "troubled", "no pictures, while other cameras had some")
    assert [one.words for one in day.days(plant, catalog, date(2026, 11, 3), BERLIN)] == ["no pictures"] * 2
    assert day.said(catalog, date(2026, 11, 2), BERLIN) == {"v1.0.0": (20, 10)}
    assert day.said(catalog, date(2026, 11, 1), BERLIN) == {}
    fiji = ZoneInfo("Pacific/Fiji")  # there the day ends at noon, UTC
    moved = [(START + number * MINUTE).astimezone(fiji).day for number in (*range(80), *range(100, 140))]
    days = [day.days(plant, catalog, date(2026, 11, number), fiji)[0].images for number in (2, 3)]
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
    assert day._state(glanced, watched, images, True) == (state, words)
