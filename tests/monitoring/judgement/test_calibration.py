"""Limits: physical ones at least, wider where the camera is restless, and false alarms within the budget."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from inspection.params import read_params
from monitoring.camera.measurement import COUNTS, ROOTS, UNITS, Measurement
from monitoring.judgement.calibration import LIGHT, _memory, limit, limits
from monitoring.judgement.climb import climbs

HEALTH = read_params(Path(__file__).parents[3] / "params.yaml").health
LEAST = HEALTH.least
A_YEAR = 24 * 365


def clean(name: str, values: list[float]) -> list[Measurement]:
    """Windows of some days, a third of a day apart."""
    times = [datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=8 * number) for number in range(len(values))]
    return [Measurement("cam-1", at, at, 40, {"a": 40}, {name: value}) for at, value in zip(times, values, strict=True)]


def within_a_day(name: str, values: list[float]) -> list[Measurement]:
    return [replace(one, last=datetime(2026, 3, 2, tzinfo=UTC)) for one in clean(name, values)]


def wandering(seed: int, windows: int, memory: float = 0.4, spread: float = 0.01) -> list[float]:
    """A lamp's windows: normal, each correlated with the next."""
    rng, found = np.random.default_rng(seed), [0.0]
    for step in rng.normal(0, np.sqrt(1 - memory**2), windows):
        found.append(memory * found[-1] + float(step))
    return [spread * value for value in found[1:]]


def test_without_clean_windows_limits_are_physical() -> None:
    found = limits([], HEALTH)
    assert set(found) == set(UNITS)
    assert all(one.high == -one.low == (1 + (name in LIGHT)) * getattr(LEAST, name) for name, one in found.items())
    assert all(one.provisional and one.sure_high == 2 * one.high and not one.climb for one in found.values())
    assert all(one.error(1.0) is None for one in found.values())


def test_few_quiet_windows_keep_the_physical_limits() -> None:
    found = limits(clean("blur", [0.004, -0.006, 0.01]), HEALTH)["blur"]
    assert (found.low, found.high, found.windows, found.provisional) == (-LEAST.blur, LEAST.blur, 3, True)


def test_light_of_fewer_than_three_days_has_wider_limits_and_nothing_slow_but_steps() -> None:
    values = wandering(1, 24, spread=0.002)
    one, days = (limits(some("gain", values), HEALTH)["gain"] for some in (within_a_day, clean))
    assert one.high - one.low > 1.9 * (days.high - days.low)
    assert one.climb == 0.0
    assert LEAST.gain <= one.step < one.high and days.climb > 0


def test_where_light_wanders_through_the_day_a_sudden_change_is_seen_all_the_same() -> None:
    """As of a lamp that warms up: by 10 % through the day, by little from hour to hour."""
    lamp = 0.05 * np.sin(2 * np.pi * np.arange(120) / 24)
    times = [datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=hour) for hour in range(120)]
    warm = [Measurement("cam-1", at, at, 40, {"a": 40}, {"gain": float(x)}) for at, x in zip(times, lamp, strict=True)]
    gain = limits(warm, HEALTH)["gain"]
    assert LEAST.gain <= gain.step < gain.high
    sums = climbs([{"gain": value} for value in lamp[:24]], {"gain": gain})
    assert sums["gain"].step(float(lamp[24]), gain) is None
    assert sums["gain"].step(float(lamp[24]) - 0.15, gain) is not None


def test_few_restless_windows_widen_them() -> None:
    found = limits(clean("gain", [0.01, -0.08, 0.03]), HEALTH)["gain"]
    assert (found.low, found.high) == pytest.approx((-0.12, 0.12))


def test_a_quiet_camera_keeps_the_least() -> None:
    found = limits(clean("gain", [0.001] * 30), HEALTH)["gain"]
    assert (found.low, found.high) == pytest.approx((0.001 - LEAST.gain, 0.001 + LEAST.gain))


def test_counts_are_against_what_clean_windows_showed() -> None:
    found = limits(clean("dust", [2.0] * 30), HEALTH)["dust"]
    assert (found.low, found.high) == (1.0, 3.0)


def test_two_windows_in_a_row_must_lie_less_far_out_than_one_alone() -> None:
    found = limit(wandering(1, 120), 0.001, HEALTH)
    assert found.sure_low < found.low < found.centre < found.high < found.sure_high
    assert 2.5 < found.away(found.high) < 6
    assert found.error(0.05) == pytest.approx(0.01, rel=0.35)


def test_more_clean_windows_are_surer() -> None:
    few, many = ([limit(wandering(seed, n), 0.0, HEALTH).high for seed in range(20)] for n in (24, 240))
    assert np.std(many) < np.std(few)


def test_heavy_tails_widen_the_limits() -> None:
    rng = np.random.default_rng(3)
    normal, heavy = rng.normal(size=200), rng.standard_t(3, 200)
    assert limit(heavy, 0.0, HEALTH).away(limit(heavy, 0.0, HEALTH).sure_high) > 9
    assert limit(normal, 0.0, HEALTH).away(limit(normal, 0.0, HEALTH).sure_high) < 9


def test_false_alarms_of_one_statistic_stay_within_its_share_of_the_budget() -> None:
    """Twenty cameras for a year each, calibrated on five days: the budget of one statistic is 0.05 % of the days."""
    alarmed = 0
    for seed in range(20):
        values = np.array(wandering(seed, 120 + A_YEAR))
        held = limit(values[:120], 0.0, HEALTH)
        beyond = (values[120:] >= held.high).astype(int) - (values[120:] <= held.low)
        two = (beyond[1:] * beyond[:-1] > 0).reshape(-1)
        one = (values[121:] >= held.sure_high) | (values[121:] <= held.sure_low)
        alarmed += len(np.unique(np.flatnonzero(two | one) // 24))
    assert alarmed / (20 * 365) < 0.002


def test_a_blur_scatters_evenly_as_a_variance() -> None:
    """Around 0 a root scatters widely: windows within 0.25 px of blur leave room for a limit of 0.35 px."""
    variances = np.random.default_rng(2).normal(0, 0.02, 120)
    found = limit(np.sign(variances) * np.sqrt(np.abs(variances)), 0.1, HEALTH, power=2)
    assert 0.22 < found.high < 0.4
    assert found.high == pytest.approx(-found.low, rel=0.3)
    assert found.error(0.5) == pytest.approx(0.02 / (2 * 0.5), rel=0.4)


def test_counts_have_no_slow_change_and_roots_are_squared() -> None:
    measured = [Measurement("c", None, None, 40, {}, dict.fromkeys(UNITS, 0.1 * (n % 3))) for n in range(30)]
    found = limits(measured, HEALTH)
    assert all(not found[name].climb for name in COUNTS)
    assert {name for name, one in found.items() if one.power == 2} == set(ROOTS)


@pytest.mark.parametrize("count", [3, 30])
def test_no_clean_window_is_surely_outside_its_own_limits(count: int) -> None:
    values = [*[0.0] * (count - 1), 0.3]
    found = limits(clean("gain", values), HEALTH)["gain"]
    assert all(found.sure_low <= value <= found.sure_high for value in values)


def test_equal_values_share_a_rank_and_look_like_no_memory() -> None:
    rng = np.random.default_rng(2)
    rare = (rng.random(200) < 0.05).astype(float)
    assert _memory(rare) < 0.3
    assert _memory(np.zeros(30)) == 0
