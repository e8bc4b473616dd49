"""How much healthy windows differ from what is expected of them, place by place."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from inspection.params import Least
from monitoring.camera.health import deviation
from monitoring.camera.healthy import Healthy, Scatter
from monitoring.camera.measurement import Map
from monitoring.camera.window import Seen

_WIDER = 1.1  # times what was seen
_RARE = 1e-4  # chance at which few windows are made up for


def scatter_of(seens: Sequence[Seen], others: Sequence[Healthy], least: Least) -> Scatter | None:
    """Of clean windows, each measured against the others; None: their pictures have no fixed places."""
    pixels: list[Map] = []
    specks: list[NDArray[np.float32]] = []
    rough: list[Map] = []
    images = []
    for seen, healthy in zip(seens, others, strict=True):
        found = deviation(seen, healthy, least)
        if found is not None:
            pixel, rest = found
            pixels.append(np.square(pixel))
            specks.append(np.square(rest.bands))
            rough.append(rest.rough)
            images.append(rest.images)
    if not pixels:
        return None
    if len(pixels) == 1:  # one window was measured against itself: its blocks alone say how far they lie apart
        alone = np.float32(np.sqrt(2) * _WIDER) * rough[0]
        height, width = pixels[0].shape
        level = others[0].mean
        assert level is not None  # or it would have no fixed places
        pixel = np.asarray(cv2.resize(alone, (width, height)) * level, np.float32)
        return Scatter(pixel, np.stack([alone] * len(specks[0])), rough[0], images[0])
    bands = np.stack([_widened(one, len(pixels)) for one in np.mean(specks, axis=0)])
    pixel = _widened(np.mean(pixels, axis=0), len(pixels))
    return Scatter(pixel, bands, np.mean(rough, axis=0), round(float(np.mean(images))))


def _widened(square: Map, windows: int) -> Map:
    """Standard deviations (H, W) of mean squares, no smaller than around them, and wider where few windows tell them
    (Student's t; the places around count as two windows more for each)."""
    around = cv2.blur(square.astype(np.float32), (5, 5))
    few = t.isf(_RARE, max(3 * windows - 1, 1)) / norm.isf(_RARE)
    return np.asarray(_WIDER * few * np.sqrt(np.maximum(square, around)), np.float32)
