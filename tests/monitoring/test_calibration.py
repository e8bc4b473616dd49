"""Limits: physical ones at least, wider where the camera itself is restless."""

from pathlib import Path

import numpy as np
import pytest

from inspection.params import read_params
from monitoring.calibration import limits
from monitoring.camera_health import UNITS, Measurement

HEALTH = read_params(Path(__file__).parents[2] / "params.yaml").health


def clean(name: str, values: list[float]) -> list[Measurement]:
    return [Measurement("cam-1", None, None, 40, {"a": 40}, {name: value}) for value in values]


def test_without_clean_windows_limits_are_physical() -> None:
    found = limits([], HEALTH)
    assert set(found) == set(UNITS)
    assert all(limit.high == -limit.low == getattr(HEALTH.least, name) for name, limit in found.items())
    assert all(limit.provisional for limit in found.values())


def test_few_quiet_windows_keep_the_physical_limits() -> None:
    found = limits(clean("gain", [0.004, -0.006, 0.01]), HEALTH)["gain"]
    assert (found.low, found.high, found.windows, found.provisional) == (-0.05, 0.05, 3, True)


def test_few_restless_windows_widen_them() -> None:
    found = limits(clean("gain", [0.01, -0.08, 0.03]), HEALTH)["gain"]
    assert (found.low, found.high) == pytest.approx((-0.12, 0.12))


def test_enough_windows_give_their_own_centre_and_spread() -> None:
    values = np.random.default_rng(1).normal(0.02, 0.02, 60).tolist()
    found = limits(clean("gain", values), HEALTH)["gain"]
    assert not found.provisional
    assert found.centre == pytest.approx(np.median(values))
    assert found.high - found.centre == pytest.approx(6 * 0.02, rel=0.3)


def test_a_quiet_camera_keeps_the_least() -> None:
    found = limits(clean("gain", [0.001] * 30), HEALTH)["gain"]
    assert (found.low, found.high) == pytest.approx((-0.049, 0.051))


def test_counts_are_against_what_clean_windows_showed() -> None:
    found = limits(clean("dust", [2.0] * 30), HEALTH)["dust"]
    assert (found.low, found.high) == (1.0, 3.0)


@pytest.mark.parametrize("count", [3, 30])
def test_no_clean_window_is_outside_its_own_limits(count: int) -> None:
    values = [*[0.0] * (count - 1), 0.3]
    found = limits(clean("gain", values), HEALTH)["gain"]
    assert all(found.low <= value <= found.high for value in values)
