"""Pixels that are wrong: told from marks of what stands still while something else moved."""

import cv2
import numpy as np
import pytest

from monitoring.camera.measurement import Map, Result
from monitoring.camera.pixels import Sight, find_pixels

SIDE = 64


def marked() -> Map:
    """A still scene with marks of a pixel."""
    rng = np.random.default_rng(1)
    scene = cv2.GaussianBlur(rng.normal(100, 20, (SIDE, SIDE)), (0, 0), 3)
    scene[rng.integers(4, 60, 12), rng.integers(4, 60, 12)] += 60
    return scene.astype(np.float32)


def sight(now: Map, *expected: Map) -> Sight:
    changes = np.full((SIDE, SIDE), 1.5, np.float32)
    return Sight(now, expected, changes, changes, None, 1.2, 0.0, 40)


def test_marks_that_stayed_while_parts_moved_are_no_hot_pixels() -> None:
    """The parts' mean place moved, so the healthy picture was moved; the marks are where they were."""
    was = marked()
    moved = cv2.warpAffine(was, np.array([[1, 0, 2.0], [0, 1, 0]]), (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    alone, both = Result(), Result()
    find_pixels(sight(was, moved), alone)
    find_pixels(sight(was, moved, was), both)
    assert alone.values["hot"] >= 8, "against the moved picture alone they stand out"
    assert both.values["hot"] == 0


@pytest.mark.parametrize("level", [0.0, 255.0])
def test_a_wrong_pixel_is_found_after_a_move_too(level: float) -> None:
    was = cv2.GaussianBlur(marked(), (0, 0), 2)
    moved = cv2.warpAffine(was, np.array([[1, 0, 1.5], [0, 1, 0]]), (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    now = moved.copy()
    now[30, 31] = level
    result = Result()
    find_pixels(sight(now, moved, was), result)
    assert (result.values["dead"], result.values["hot"]) == ((1, 0) if level == 0 else (0, 1))
