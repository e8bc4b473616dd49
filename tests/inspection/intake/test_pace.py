"""What is expected of a camera hour by hour, and when it has fallen silent."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from inspection.cameras import Camera, Pace, Stop
from inspection.intake.pace import HOUR, Came, Silence, expected, silence

MONDAY = datetime(2026, 9, 7, tzinfo=ZoneInfo("Europe/Berlin"))  # midnight
DAY = timedelta(days=1)
BERLIN = Camera(name="cam-1", line="A", width=8, height=8, mode="L", parts=("x",), time_zone="Europe/Berlin")


def shift(local: datetime) -> int:
    """40 pictures an hour, Monday to Friday, 6 to 22."""
    return 40 if local.weekday() < 5 and 6 <= local.hour < 22 else 0


def came(days: float, works: Callable[[datetime], int] = shift, since: datetime = MONDAY) -> Came:
    """What a camera in Berlin has delivered in so many days."""
    hours = (since.astimezone(UTC) + number * HOUR for number in range(round(24 * days)))
    found = {hour: count for hour in hours if (count := works(hour.astimezone(BERLIN.zone)))}
    return Came(found, max(found) + 59 * timedelta(minutes=1))


def quiet(some: Came, hours: float, camera: Camera = BERLIN) -> Silence | None:
    """What is said so many hours after the last picture's."""
    return silence(expected(camera, some), some, max(some.hours) + hours * HOUR)


@pytest.mark.parametrize("since", [MONDAY, MONDAY + 28 * DAY])
def test_hours_of_the_week_are_learned_in_the_camera_s_own_zone(since: datetime) -> None:
    """Also over the 25th of October, on which summer time ends."""
    known = expected(BERLIN, came(28, since=since))
    assert known is not None
    for day in range(35, 42):
        for hour in range(24):
            local = (since + timedelta(days=day)).replace(hour=hour)
            assert known.at(local.astimezone(UTC)) == shift(local), local
    monday = (since + timedelta(days=35)).astimezone(UTC)
    assert known.between(monday, monday + 7 * DAY) == 5 * 16 * 40


def test_fewer_than_two_weeks_teach_nothing() -> None:
    assert expected(BERLIN, came(14)) is None and expected(BERLIN, None) is None
    assert expected(BERLIN, came(15)) is not None
    assert quiet(came(14), 99) is None


def test_a_camera_that_stops_in_its_shift_is_silent_after_whole_hours_of_work() -> None:
    some = came(28 + 11 / 24)  # Monday: the last pictures came between 10 and 11
    assert quiet(some, 1.9) is None
    found = quiet(some, 3)
    assert found == Silence("cam-1", some.last, max(some.hours) + HOUR, 2, 80)
    assert found.lasts(2) and not found.lasts(3)
    assert not Silence("cam-1", some.last, some.last, 5, 9.0).lasts(2), "nine pictures may be late by chance"


def test_nights_and_weekends_are_no_silence_and_do_not_hide_one() -> None:
    some = came(28 - 2)  # until Friday night
    friday = max(some.hours)
    assert (friday.astimezone(BERLIN.zone).weekday(), friday.astimezone(BERLIN.zone).hour) == (4, 21)
    assert quiet(some, 57) is None, "Monday, seven o'clock: the first hour of work is not over"
    late = quiet(some, 59)
    assert late is not None and (late.hours, late.lasts(2)) == (2, True)


def test_the_end_of_a_shift_a_little_earlier_is_none() -> None:
    some = came(28 + 22 / 24)
    assert max(some.hours).astimezone(BERLIN.zone).hour == 21 and quiet(some, 7) is None


def test_one_holiday_changes_nothing_and_every_other_week_is_not_expected() -> None:
    def holiday(local: datetime) -> int:
        return 0 if local.date() == (MONDAY + 9 * DAY).date() else shift(local)

    def every_other(local: datetime) -> int:
        return 0 if local.isocalendar().week % 2 else shift(local)

    wednesday = (MONDAY + 30 * DAY).replace(hour=9).astimezone(UTC)
    learned = [expected(BERLIN, came(29, works)) for works in (holiday, every_other)]
    assert [known.at(wednesday) for known in learned if known] == [40, 0]
    some = came(27, every_other)
    assert all(quiet(some, hours) is None for hours in range(0, 9 * 24, 5))


def test_a_plant_whose_pictures_are_brought_once_a_day_is_not_silent_by_day() -> None:
    some = came(28, lambda local: 300 if local.hour == 23 else 0)
    assert quiet(some, 24) is None
    missed = quiet(some, 49)
    assert missed is not None and (missed.hours, missed.lasts(2)) == (2, True)


def test_an_announced_stop_is_no_silence_and_teaches_nothing() -> None:
    stop = Stop.model_validate({"from": (MONDAY + 14 * DAY).date(), "to": (MONDAY + 27 * DAY).date(), "reason": "x"})
    camera = BERLIN.model_copy(update={"stops": (stop,)})
    some = came(14)  # and nothing in the two weeks of the stop
    assert quiet(some, 2 * 24 * 7, camera) is None
    rest = came(7 * 6, lambda local: 0 if camera.stop_at(local) else shift(local))
    known = expected(camera, rest)
    assert known is not None and known.at((MONDAY + 42 * DAY).replace(hour=9)) == 40
    assert known.at((MONDAY + 20 * DAY).replace(hour=9)) == 0


def test_silence_begins_anew_after_a_stop() -> None:
    begins = (MONDAY + 28 * DAY).replace(hour=14, tzinfo=None)
    stop = Stop.model_validate({"from": begins, "to": begins + timedelta(hours=4), "reason": "x"})
    some = came(28 + 11 / 24)  # two silent hours, then the stop
    known = expected(BERLIN.model_copy(update={"stops": (stop,)}), some)
    found = [silence(known, some, (MONDAY + 28 * DAY).replace(hour=hour)) for hour in (13, 15, 18, 19, 20)]
    assert [one.hours if one else 0 for one in found] == [2, 0, 0, 1, 2]


def test_a_declared_pace_is_expected_from_the_first_picture_on() -> None:
    camera = BERLIN.model_copy(update={"pace": Pace(pictures=30, days=("mon", "tue"), hours=(22, 6))})
    known = expected(camera, None)
    assert known is not None
    hours = [
        (MONDAY + day * DAY).replace(hour=hour) for day, hour in ((0, 5), (0, 22), (1, 3), (2, 5), (2, 22), (3, 3))
    ]
    assert [known.at(hour) for hour in hours] == [0, 30, 30, 30, 0, 0]
    assert silence(known, None, MONDAY + DAY) is None, "nothing ever came: nobody knows since when"
    first = Came({MONDAY.replace(hour=22).astimezone(UTC): 5}, MONDAY.replace(hour=22).astimezone(UTC))
    found = silence(known, first, (MONDAY + DAY).replace(hour=1))
    assert found is not None and (found.hours, found.pictures) == (2, 60)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "UTC"])
def test_a_zone_with_half_an_hour_is_no_trouble(zone: str) -> None:
    camera = BERLIN.model_copy(update={"time_zone": zone})
    assert quiet(came(28 + 11 / 24), 3, camera) is not None
