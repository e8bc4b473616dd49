from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inspection.cameras import Camera
from plant.shifts import local_hour, moment
from plant.wobble import light, wandering, wobble

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 11, 2, tzinfo=UTC)


def test_lamp_wanders_slowly() -> None:
    states = np.array([wandering(7, "cam-1", "lamp", START + timedelta(minutes=5 * i)) for i in range(3000)])
    assert 0.8 < states.std() < 1.2
    near, far = (np.corrcoef(states[:-lag], states[lag:])[0, 1] for lag in (1, 96))
    assert near > 0.85 and abs(far) < 0.2


def test_benign_light_stays_within_three_percent(grey: Camera) -> None:
    lights = np.array([light(7, grey, START + timedelta(minutes=17 * i)) for i in range(2000)])
    assert np.abs(lights - 1).max() < 0.03 and 0.004 < lights.std() < 0.010


def test_lamp_warms_up_after_the_night_and_less_after_a_meal(grey: Camera) -> None:
    def mean_at(hour: float) -> float:
        shift_start = [moment(date(2026, 3, 1) + timedelta(days=i), 0.0, grey.zone) for i in range(60)]
        return float(np.mean([light(7, grey, at + timedelta(hours=hour - 6)) for at in shift_start]))

    night, meal = mean_at(8.5) - mean_at(6.0), mean_at(12.5) - mean_at(10.5)
    assert night > 0.007 and 0.001 < meal < night


def test_parts_lie_differently_by_a_little(grey: Camera) -> None:
    states = [wobble(7, grey, START + timedelta(seconds=9 * i)) for i in range(300)]
    offsets = np.array([state.shift_px for state in states])
    assert 0.1 < offsets.std() < 0.5 and np.abs(offsets).max() < 1.5
    assert 0.2 < np.std([state.turn_degrees for state in states]) < 0.5


@given(st.lists(st.floats(0, 0.9999), min_size=2, max_size=8), st.dates(date(2026, 1, 1), date(2027, 1, 1)))
def test_working_time_runs_forward_within_the_shifts(shares: list[float], day: date) -> None:
    times = [moment(day, share, BERLIN) for share in sorted(shares)]
    assert times == sorted(times)
    for at in times:
        hour = local_hour(at, BERLIN)
        assert at.astimezone(BERLIN).date() == day and at.microsecond % 1000 == 0
        assert 6 <= hour <= 10 or 10.5 <= hour <= 18 or 18.5 <= hour < 22
