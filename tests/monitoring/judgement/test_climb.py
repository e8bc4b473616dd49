"""Slow changes add up, and are forgotten when they are over."""

from dataclasses import replace

import numpy as np
import pytest

from monitoring.judgement.calibration import limit
from monitoring.judgement.climb import Climb, climbs
from tests.monitoring.judgement.test_calibration import HEALTH, wandering


def test_a_slow_change_adds_up_before_any_window_is_out() -> None:
    held = limit(wandering(5, 120), 0.001, HEALTH)
    rising = [value + 0.0002 * n for n, value in enumerate(wandering(6, 400))]
    sums = Climb()
    seen = []
    while sums.slow(held, 0.0125) is None:
        seen.append(rising[len(seen)])
        sums = sums.after(seen[-1], held)
    assert len(seen) < 150, "0.48 % a day is found within six days"
    assert max(seen) < held.sure_high
    told = sums.slow(held, 0.0125)
    assert told is not None
    assert told.size == pytest.approx(0.015, abs=0.01)
    assert 1 < told.windows <= len(seen)


def test_a_slow_change_below_the_least_is_none() -> None:
    held = limit(wandering(5, 120), 0.001, HEALTH)
    sums = Climb()
    for _ in range(500):
        sums = sums.after(0.012, held)
    assert sums.slow(held, 0.02) is None
    assert sums.slow(held, 0.01) is not None


def test_a_slow_change_that_is_over_is_forgotten() -> None:
    held = limit(wandering(5, 120), 0.001, HEALTH)
    sums = climbs([{"gain": 0.03}] * 400, {"gain": held})
    assert sums["gain"].slow(held, 0.01) is not None
    sums = climbs([{"gain": 0.0}] * 60, {"gain": held}, sums)
    assert sums["gain"].slow(held, 0.01) is None


def test_one_wild_window_is_no_slow_change() -> None:
    held = limit(wandering(5, 120), 0.001, HEALTH)
    assert Climb().after(100.0, held).slow(held, 0.01) is None


def test_a_ramp_is_told_as_large_as_it_is_now_and_not_as_its_mean() -> None:
    """A lamp that loses 0.2 % a day: the mean of the windows since the sum began lags behind."""
    held = limit(wandering(5, 120, spread=0.002), 0.001, HEALTH)
    sums, told, true = Climb(), [], []
    for n, value in enumerate(wandering(6, 24 * 12, spread=0.002)):
        lost = -0.002 * n / 24
        sums = sums.after(lost + value, held)
        if (found := sums.slow(held, 0.0)) is not None:
            told.append(found.size)
            true.append(lost)
    assert len(told) > 100
    assert sum(told) / sum(true) == pytest.approx(1, abs=0.05)


def test_a_step_stays_until_it_is_over_though_the_windows_before_it_show_it_too() -> None:
    held = replace(limit([0.0, 0.001] * 6, 0.05, HEALTH), step=0.025)
    sums = climbs([{"gain": 0.0}] * 6, {"gain": held})
    for _ in range(20):
        assert sums["gain"].step(-0.04, held) == pytest.approx(-0.04)
        sums = climbs([{"gain": -0.04}], {"gain": held}, sums)
    assert sums["gain"].step(0.001, held) is None


@pytest.mark.parametrize("windows", [24, 48, 120])
@pytest.mark.parametrize("daily", [0.0, 0.5])
def test_windows_and_days_that_depend_on_each_other_are_no_slow_change(windows: int, daily: float) -> None:
    """The first 24 are measured against each other and lie about 0; later ones share the error of what these made."""
    alarmed = sum(_alarms(seed, windows, daily) for seed in range(12))
    assert alarmed <= 0.02 * 12 * 20


def _alarms(seed: int, windows: int, daily: float) -> int:
    """Of 20 healthy days, those on which something slow is told."""
    rng = np.random.default_rng(seed)
    seen = np.array(wandering(seed, windows + 480, spread=1.0))
    seen += daily * np.repeat(rng.standard_normal(len(seen) // 24 + 1), 24)[: len(seen)]
    made, watched = seen[:windows], seen[windows:] - seen[:24].mean()
    clean = [*((made[:24] - made[:24].mean()) * 24 / 23), *(made[24:] - made[:24].mean())]
    held = limit(clean, 1e-6, HEALTH, days=[n // 24 for n in range(windows)])
    sums, days = Climb(), set()
    for n, value in enumerate(watched):
        sums = sums.after(float(value), held)
        if sums.slow(held, 0.0) is not None:
            days.add(n // 24)
    return len(days)
