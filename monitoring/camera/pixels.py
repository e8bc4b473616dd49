"""Single pixels that are wrong in every picture: dead, hot, stuck."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monitoring.camera.framing import EDGE_PX, slope
from monitoring.camera.measurement import Map, Result, Spot

_PIXEL_LEVELS, _PIXEL_Z, _TEXTURE_Z = 6.0, 8.0, 4.5
_BESIDE = 0.4  # of a pixel's excess: more than that in a neighbour, and it is no fault of a single pixel
_MANY_PIXELS = 0.002  # share of the area: more than that are not single pixels


def find_pixels(
    now: Map, expected: Map, spreads: tuple[Map | None, Map | None], images: int, result: Result
) -> NDArray[np.bool_]:
    """dead, hot and stuck, new since the reference; where they are (H, W)."""
    spread, healthy = spreads
    if min(now.shape) < 5 or spread is None or healthy is None:
        result.notes.append("Single pixels were not looked for.")
        return np.zeros(now.shape, bool)
    local = cv2.medianBlur(now, 3)
    excess = (now - local) - (expected - cv2.medianBlur(expected, 3))
    noise = 1.4826 * float(np.median(np.abs(excess)))
    texture = cv2.medianBlur(spread, 5) * np.float32(_TEXTURE_Z / np.sqrt(images / 2))
    room = np.maximum(max(_PIXEL_LEVELS, _PIXEL_Z * noise), texture) + np.float32(2 * EDGE_PX) * slope(expected)
    still = _still(spread) & ~_still(healthy)
    dead = (now < 0.15 * local) & (local > 12) & (excess < -room)
    hot = (excess > room) & ~still
    stuck = still & ~dead
    bad = dead | hot | stuck
    bad = bad & _alone(bad, np.abs(excess))
    dead, hot, stuck = dead & bad, hot & bad, stuck & bad
    most = max(20, int(_MANY_PIXELS * now.size))
    names = {"dead": dead, "hot": hot, "stuck": stuck}
    if bad.sum() > most:
        result.notes.append(f"{int(bad.sum())} single pixels stand out: too many to be faults of pixels.")
        names = {name: np.zeros_like(mask) for name, mask in names.items()}
        bad = np.zeros_like(bad)
    for name, mask in names.items():
        places = [(int(row), int(column)) for row, column in np.argwhere(mask)]
        result.values[name] = float(len(places))
        result.spots[name] = tuple(Spot(r, c, 1.0, round(float(now[r, c] - local[r, c]), 1)) for r, c in places)
    return np.asarray(bad, np.bool_)


def _alone(bad: NDArray[np.bool_], excess: Map) -> NDArray[np.bool_]:
    """Those of the pixels that stand alone, at most two together: a scratch or an edge goes on beside them."""
    labels, count = ndimage.label(bad, np.ones((3, 3)))
    few = np.bincount(labels.ravel(), minlength=count + 1) <= 2
    beside = cv2.dilate(np.where(bad, 0, excess).astype(np.float32), np.ones((3, 3), np.uint8))
    return np.asarray(few[labels] & (beside < _BESIDE * excess), np.bool_)


def _still(spread: Map) -> NDArray[np.bool_]:
    """Pixels that hardly change over time while their neighbours do."""
    around = cv2.medianBlur(spread, 5)
    return np.asarray((spread < 0.2 * around) & (around > 0.6), np.bool_)
