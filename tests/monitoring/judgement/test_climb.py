"""Slow changes add up, and are forgotten when they are over."""

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
