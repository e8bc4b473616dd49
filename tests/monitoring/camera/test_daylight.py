"""Daylight that falls in from one side: what of a change of light is its doing."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitoring.camera.daylight import LIGHT, Daylight
from monitoring.camera.measurement import Measurement, Vector
from tests.monitoring.camera.drawn import PARAMS

SHAPE = np.array([0.65, 0.18, -0.74])  # brighter at the window, and a little everywhere
START = datetime(2026, 3, 2, 6, tzinfo=UTC)
LEAST = PARAMS.health.least


def lit(light: Vector, hour: int = 0) -> Measurement:
    at = START + timedelta(hours=hour)
    values = {"gain": float(light[0]), "gradient": 0.0}
    details = dict(zip(LIGHT, map(float, light), strict=True))
    return Measurement("cam-1", at, at, 40, {"a": 40}, values, details=details)


@pytest.fixture(scope="module")
def daylight() -> Daylight:
    """Of five days whose daylight is 3 % of the light at most."""
    return Daylight.of([lit(0.03 * np.sin(np.pi * (hour % 24) / 24) * SHAPE, hour) for hour in range(120)])


def left(daylight: Daylight, light: Vector) -> tuple[float, float]:
    seen = daylight.without(lit(light), LEAST).values
    return seen["gain"], seen["gradient"]


@pytest.mark.parametrize("much", [0.0, 0.01, 0.03])
def test_daylight_is_taken_out(daylight: Daylight, much: float) -> None:
    healthy = left(daylight, 0.015 * SHAPE)
    assert left(daylight, much * SHAPE) == pytest.approx(healthy, abs=0.002)


@pytest.mark.parametrize("lamp", [-0.05, 0.05])
def test_a_lamp_that_changes_is_not_called_daylight_and_a_slope(daylight: Daylight, lamp: float) -> None:
    gain, gradient = left(daylight, 0.015 * SHAPE + np.array([lamp, 0, 0]))
    assert gain == pytest.approx(lamp, abs=0.01)
    assert abs(gradient) < 0.01
