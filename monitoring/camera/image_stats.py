"""One image -> brightness, contrast, sharpness, noise, clipping, colour."""

import cv2
import numpy as np
from numpy.typing import NDArray

NAMES = ("brightness", "contrast", "sharpness", "noise", "clipped", "red", "blue")
_BELOW_WHITE = float(np.nextafter(np.float32(255), np.float32(0)))
_ABOVE_BLACK = float(np.nextafter(np.float32(0), np.float32(1)))
_CURVE = np.array([1, -2, 1], np.float32)  # second difference


def image_stats(levels: NDArray[np.float32]) -> dict[str, float]:
    """The statistics of one image by name.

    Args:
        levels: (H, W, C) float32 on the scale 0..255, C = 1 or 3 (RGB).

    Returns:
        brightness: mean, 0..255. contrast: standard deviation. sharpness: mean square of the 4-neighbour
        Laplacian over that of the pixels (scale free). noise: standard deviation after Immerkaer,
        "Fast Noise Variance Estimation", CVIU 64 (1996), which is blind to slopes. clipped: share of
        pixels at 0 or 255. red, blue: mean of the channel over that of green (1 for grey images).
    """
    colour = levels.shape[2] == 3
    grey = cv2.transform(levels, np.ones((1, 3), np.float32)) / np.float32(3) if colour else levels[:, :, 0]
    brightness, contrast = (float(one[0, 0]) for one in cv2.meanStdDev(grey))
    red, green, blue = cv2.mean(levels)[:3] if colour else (1, 1, 1)
    green = max(green, 1e-6)
    between = cv2.countNonZero(cv2.inRange(levels.reshape(len(levels), -1), _ABOVE_BLACK, _BELOW_WHITE))
    return {
        "brightness": brightness,
        "contrast": contrast,
        "sharpness": _laplacian_power(grey) / max(contrast**2, 1e-6),
        "noise": _noise(grey),
        "clipped": 1 - between / levels.size,
        "red": red / green,
        "blue": blue / green,
    }


def _laplacian_power(grey: NDArray[np.float32]) -> float:
    if min(grey.shape) < 3:
        return 0.0
    inner = cv2.Laplacian(grey, cv2.CV_32F)[1:-1, 1:-1]
    return float(cv2.norm(inner, cv2.NORM_L2SQR) / inner.size)


def _noise(grey: NDArray[np.float32]) -> float:
    if min(grey.shape) < 3:
        return 0.0
    inner = cv2.sepFilter2D(grey, cv2.CV_32F, _CURVE, _CURVE)[1:-1, 1:-1]
    return float(np.sqrt(np.pi / 2) / 6 * cv2.norm(inner, cv2.NORM_L1) / inner.size)
