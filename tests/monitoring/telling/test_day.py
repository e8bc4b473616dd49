"""A day of the plant in its own zone, camera by camera."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from inspection.cameras import Camera, Pace, Stop
from inspection.intake.pace import HOUR, Came, expected
from inspection.layout import Layout
from inspection.post.daily_letter import CameraDay
from inspection.records.alarms import Glance
from inspection.records.catalog import Catalog
from monitoring.telling import day
from tests.inspection.post.reading import incident
from tests.monitoring.camera.test_health import START
from tests.monitoring.telling.world import MINUTE

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_day_s_figures_are_those_of_the_day_in_the_plant_s_zone(plant: Layout, catalog: Catalog) -> None:
    [first, second] = day.days(plant, catalog, date(2026, 11, 2), BERLIN)
    assert first == CameraDay("cam-1", 120, 6, 10, "troubled", "light has changed")
    unknown = "how many to expect is not known yet"
    words = f"no pictures, while other cameras had some; {unknown}"
    assert second == CameraDay("cam-2", 0, 0, None, "troubled", words)
    later = day.days(plant, catalog, date(2026, 11, 3), BERLIN)
    assert [(one.state, one.words) for one in later] == [("unknown", f"no pictures; {unknown}")] * 2
    assert day.said(catalog, date(2026, 11, 2), BERLIN) == {"v1.0.0": (20, 10)}
    assert day.said(catalog, date(2026, 11, 1), BERLIN) == {}
    fiji = ZoneInfo("Pacific/Fiji")  # there the day ends at noon, UTC
    moved = [(START + number * MINUTE).astimezone(fiji).day for number in (*range(80), *range(100, 140))]
    days = [day.days(plant, catalog, date(2026, 11, number), fiji)[0].images for number in (2, 3)]
    assert days == [moved.count(2), moved.count(3)]


@pytest.mark.parametrize(
    ("seen", "watched", "state", "words"),
    [
        ((), False, "unknown", "is being learned"),
        ((), True, "unknown", "too few pictures for a verdict"),
        (("too few",), True, "unknown", "too few pictures for a verdict"),
        (("not comparable",), True, "unknown", "could not be compared"),
        (("changed", "healthy"), True, "well", "healthy"),
        (("healthy", "suspect", "too few"), True, "troubled", "perhaps: dust on the lens"),
        (("suspect", "changed"), True, "troubled", "dust on the lens"),
    ],
)
def test_a_camera_s_day_is_said_by_its_last_judged_window(
    seen: tuple[str, ...], watched: bool, state: str, words: str
) -> None:
    glanced = [
        Glance("w", "cam-1", "A", START, START, 20, one, {"dust": {}} if one in ("suspect", "changed") else {})
        for one in seen
    ]
    assert day._state(glanced, watched) == (state, words)


SINCE, UNTIL = datetime(2026, 11, 2, 23, tzinfo=UTC), datetime(2026, 11, 3, 23, tzinfo=UTC)  # Tuesday in Berlin
BUSY = Camera(
    name="cam-1",
    line="A",
    width=8,
    height=8,
    mode="L",
    parts=("x",),
    time_zone="Europe/Berlin",
    pace=Pace(pictures=30, hours=(6, 16)),
)
CLOSED = BUSY.model_copy(update={"pace": Pace(pictures=30, days=("mon",))})
STOPPED = BUSY.model_copy(
    update={"stops": (Stop.model_validate({"from": date(2026, 11, 3), "to": date(2026, 11, 3), "reason": "Audit"}),)}
)


@pytest.mark.parametrize(
    ("camera", "silent", "others", "state", "words"),
    [
        (BUSY, True, True, "troubled", "no pictures"),
        (BUSY, False, False, "troubled", "no pictures, where about 300 were expected"),
        (CLOSED, False, True, "well", "no pictures expected (night, weekend or announced stop)"),
        (STOPPED, False, True, "well", "no pictures expected (announced stop: Audit)"),
        (None, True, False, "troubled", "no pictures"),
        (None, False, False, "unknown", "no pictures; how many to expect is not known yet"),
    ],
)
def test_a_day_without_pictures_is_well_only_where_none_were_expected(
    camera: Camera | None, silent: bool, others: bool, state: str, words: str
) -> None:
    known = camera and expected(camera, None)
    assert day._without_pictures(known, SINCE, UNTIL, silent, others) == (state, words)


def test_a_camera_is_known_by_what_it_delivered_before_the_day(
    plant: Layout, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def came(days: int) -> list[tuple[str, str]]:
        hours = {SINCE - number * HOUR: 40 for number in range(1, 24 * days)}
        monkeypatch.setattr(Catalog, "arrivals", lambda *_: {"cam-1": Came(hours, max(hours))})
        return [(one.state, one.words) for one in day.days(plant, catalog, date(2026, 11, 3), BERLIN)]

    assert came(13)[0] == ("unknown", "no pictures; how many to expect is not known yet")
    assert came(20)[0] == ("troubled", "no pictures, where about 960 were expected")


def test_an_incident_is_named_with_what_it_explains() -> None:
    one = incident(also_on={"cam-1": {"dust": {}}})
    assert day._named(one, "cam-1") == "light has changed (I-0001, also dust on the lens)"
    assert day._named(one, "cam-2") == "light has changed (I-0001)"
