"""What counts as dark."""

import cv2
import numpy as np

from monitoring.camera.dust import SCALES, Residual

SIDE = 96


def residual(ratio: np.ndarray) -> Residual:
    ratio = ratio.astype(np.float32)
    nothing = np.zeros_like(ratio)
    return Residual(ratio, np.stack([ratio] * 6), nothing + 0.001, nothing > 0, nothing, 1, 40)


def disc(depth: float) -> np.ndarray:
    return depth * cv2.circle(np.zeros((SIDE, SIDE), np.float32), (SIDE // 2, SIDE // 2), 10, 1, -1)


def test_a_place_is_not_dark_because_another_beside_it_is_bright() -> None:
    bands = residual(disc(0.4)).bands
    assert len(bands) == len(SCALES) + 1
    assert bands[:-1].min() > -0.015
    assert bands[-1].max() > 0.3, "what is bright is counted all the same"


def test_a_dark_place_is_as_dark_as_ever() -> None:
    bands = residual(disc(-0.1)).bands
    assert bands[:-1].min() < -0.04
