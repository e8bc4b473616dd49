"""Whether the camera looks at the same scene: another view, or the same one mirrored or turned."""

import cv2
import numpy as np
from numpy.typing import NDArray

from monitoring.camera.measurement import Map, Result
from monitoring.camera.zones import Zones

_FINE = 256  # px, the longer side at which views are compared
_AROUND = 8.0  # px, against which what is compared stands out
_MARKED = 0.03  # standard deviation of log levels from which a scene can be known again
_SAME = 0.5  # likeness of the same scene, at least

WAYS = {  # number -> what was done to the picture
    0: "",
    1: "mirrored left to right",
    2: "mirrored top to bottom",
    3: "turned by 180 degrees",
    4: "turned by 90 degrees clockwise",
    5: "turned by 90 degrees anticlockwise",
}


def tell_view(expected: Map, now: Map, zones: Zones, result: Result) -> bool:
    """Sets view, how much the still scene lost of its likeness; whether it is another one.

    `expected` has been moved to where `now` is, as far as that was seen.
    """
    if not zones.split:
        return False
    factor = min(1.0, _FINE / max(expected.shape))
    size = (round(expected.shape[1] * factor), round(expected.shape[0] * factor))
    still = zones.weights(size) > 0
    healthy, seen = (_marks(level, size, still) for level in (expected, now))
    if not still.any() or float(healthy[still].std()) < _MARKED:
        return False  # what stands still is bare
    likeness = _likeness(healthy, seen, still)
    result.values["view"] = 1 - likeness
    if likeness >= _SAME:
        return False
    ways = {number: _undone(now, number) for number in WAYS if number}
    marks = {n: _marks(one, size, still) for n, one in ways.items() if one.shape == now.shape}
    like = {n: _likeness(healthy, one, still) for n, one in marks.items()}
    best = max(like, key=lambda number: like[number])
    result.details["view_way"] = float(best if like[best] > max(_SAME, likeness + 0.2) else 0)
    return True


def _marks(level: Map, size: tuple[int, int], where: NDArray[np.bool_]) -> Map:
    """Log levels against what is around, both of what stands still alone."""
    logs = cv2.resize(np.log(np.maximum(level, 0) + np.float32(2)), size, interpolation=cv2.INTER_AREA)
    share = where.astype(np.float32)
    fine, around = (
        cv2.GaussianBlur(logs * share, (0, 0), scale) / np.maximum(cv2.GaussianBlur(share, (0, 0), scale), 1e-3)
        for scale in (1.0, _AROUND)
    )
    return np.asarray(fine - around, np.float32)


def _likeness(one: Map, other: Map, where: NDArray[np.bool_]) -> float:
    """Correlation over some places."""
    return float(np.corrcoef(one[where], other[where])[0, 1])


def _undone(seen: Map, way: int) -> Map:
    turns = {
        1: lambda: seen[:, ::-1],
        2: lambda: seen[::-1],
        3: lambda: seen[::-1, ::-1],
        4: lambda: np.rot90(seen, 1),
        5: lambda: np.rot90(seen, -1),
    }
    return np.asarray(turns[way](), np.float32)
