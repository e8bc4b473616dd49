"""Shift and rotation where they can be told, and words where they cannot: never a crash, never a made-up place."""

import cv2
import numpy as np
import pytest

from monitoring.camera.framing import fitted_framing
from monitoring.camera.measurement import Map, Result
from monitoring.camera.zones import Zones
from tests.monitoring.camera.test_health import LEAST

SIDE = 128
EVERYWHERE = Zones(np.ones((SIDE, SIDE), np.bool_), False)


def smooth(seed: int, scale: float) -> Map:
    """A surface without anything sharp, levels."""
    drawn = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal((SIDE, SIDE)), (0, 0), scale)
    return np.clip(120 + 30 * drawn / drawn.std(), 1, 255).astype(np.float32)


@pytest.mark.parametrize("scale", [8, 15, 30])
def test_unlike_smooth_surfaces_have_no_framing_and_say_so(scale: float) -> None:
    """A coarse level runs away; the finer ones must not begin where it ended."""
    for seed in range(0, 40, 2):
        result = Result()
        found = fitted_framing(smooth(seed, scale), smooth(seed + 1, scale), EVERYWHERE, LEAST, result)
        assert tuple(found) == (0, 0, 0, 0)
        assert result.values == {}
        assert "Framing was not measured" in result.notes[0]


def test_a_map_with_a_value_that_is_no_number_has_no_framing() -> None:
    now, result = smooth(1, 3), Result()
    now[5, 7] = np.nan
    fitted_framing(smooth(1, 3), now, EVERYWHERE, LEAST, result)
    assert result.values == {}


def test_a_shift_is_told_on_what_is_sharp() -> None:
    was = smooth(3, 2)
    now = cv2.warpAffine(was, np.array([[1, 0, -1.5], [0, 1, 2.5]]), (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=1)
    result = Result()
    found = fitted_framing(was, np.asarray(now, np.float32), EVERYWHERE, LEAST, result)
    assert (found.down, found.right) == pytest.approx((2.5, -1.5), abs=0.1)
    assert result.values["rotation"] == pytest.approx(0, abs=0.1)
