"""One image -> brightness, contrast, sharpness, noise, clipping, colour."""

import numpy as np
from numpy.typing import NDArray

NAMES = ("brightness", "contrast", "sharpness", "noise", "clipped", "red", "blue")


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
    grey = levels.mean(axis=2) if levels.shape[2] == 3 else levels[:, :, 0]
    brightness, contrast = float(grey.mean()), float(grey.std())
    channels = levels.mean(axis=(0, 1)) if levels.shape[2] == 3 else np.ones(3, np.float32)
    green = max(float(channels[1]), 1e-6)
    return {
        "brightness": brightness,
        "contrast": contrast,
        "sharpness": _laplacian_power(grey) / max(contrast**2, 1e-6),
        "noise": _noise(grey),
        "clipped": float(((levels <= 0) | (levels >= 255)).mean()),
        "red": float(channels[0]) / green,
        "blue": float(channels[2]) / green,
    }


def _laplacian_power(grey: NDArray[np.float32]) -> float:
    if min(grey.shape) < 3:
        return 0.0
    inner = grey[1:-1, 1:-1]
    laplacian = 4 * inner - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return float(np.mean(np.square(laplacian)))


def _noise(grey: NDArray[np.float32]) -> float:
    if min(grey.shape) < 3:
        return 0.0
    rows = grey[:-2] - 2 * grey[1:-1] + grey[2:]
    response = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(np.sqrt(np.pi / 2) / 6 * np.mean(np.abs(response)))
