"""Shift and rotation of a window against its reference, and maps moved by them."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from inspection.params import Least
from monitoring.camera.measurement import Map, Result, Vector
from monitoring.camera.zones import Zones

_FINE = 512  # px, the longer side at which framing is fitted
_FEWEST = 100  # pixels that framing is fitted to
EDGE_PX = 0.25  # how well an edge's place is known


class Framing(NamedTuple):
    """Content moved by px, turned clockwise by radians and grown by a share, about the centre."""

    down: float = 0.0
    right: float = 0.0
    turn: float = 0.0
    zoom: float = 0.0

    def reach(self, shape: Sequence[int]) -> float:
        """How far it moves any place of a (H, W) picture, px, at most."""
        return max(abs(self.down), abs(self.right)) + (abs(self.turn) + abs(self.zoom)) * max(shape) / 2


def fitted_framing(expected: Map, now: Map, zones: Zones, least: Least, result: Result) -> Framing:
    """Shift, rotation and zoom after Lucas and Kanade (1981), on log levels with a plane of light beside them, by what
    stands still."""
    free, certain = _levelled(expected, now, zones, least)
    if not certain and zones.split:  # what stands still is bare: the parts say where they are
        free, certain = _levelled(expected, now, zones.all, least)
    if not certain:
        result.notes.append("Framing was not measured: nothing in view keeps its place sharply enough.")
        return Framing()
    found = Framing(*free[:4].tolist())
    result.values |= {
        "shift": float(np.hypot(found.down, found.right)),
        "rotation": float(np.degrees(found.turn)),
        "zoom": found.zoom,
    }
    result.details |= {"shift_down_px": found.down, "shift_right_px": found.right}
    return found


def _levelled(expected: Map, now: Map, zones: Zones, least: Least) -> tuple[Vector, bool]:
    """The fit of `_aligned`, in px, from coarse to fine, and whether it is certain enough."""
    factor = max(1.0, max(expected.shape) / _FINE)
    size = (round(expected.shape[1] / factor), round(expected.shape[0] / factor))
    free, error = np.zeros(7), np.full(4, np.inf)
    for coarse in (4, 2, 1):
        if coarse > 1 and min(size) / coarse < 60:
            continue
        step = factor * coarse
        shape = (round(expected.shape[1] / step), round(expected.shape[0] / step))
        pair = [cv2.GaussianBlur(resized(np.log(m + np.float32(2)), shape), (0, 0), 1.2) for m in (expected, now)]
        start = np.array([free[0] / step, free[1] / step, *free[2:]])
        free, error = _aligned(pair[0], pair[1], zones.weights(shape), start, zones.split)
        if not np.isfinite(free).all():  # nothing keeps its place so coarsely: the next level begins where none moved
            free, error = np.zeros(7), np.full(4, np.inf)
        free[:2] *= step
        error[:2] *= step
    return free, bool(max(error[0], error[1]) <= least.shift / 3 and np.degrees(error[2]) <= least.rotation / 3)


def resized(image: Map, size: tuple[int, int]) -> Map:
    same = image.shape == (size[1], size[0])
    return image if same else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _aligned(expected: Map, now: Map, weight: Map, start: Vector, zoomed: bool) -> tuple[Vector, Vector]:
    """Gauss-Newton with Huber weights: (down, right, turn, zoom, level, slope down, slope right), errors of the first
    4. The first are NaN where the fit runs away: what it sees is not the same scene.

    Args:
        zoomed: whether zoom is asked: blur alone moves the edges of a part outwards in log levels.
    """
    height, width = expected.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    y, x = rows - (height - 1) / 2, columns - (width - 1) / 2
    flat = [np.ones_like(y), y / height, x / width]
    free, error = start.copy(), np.full(4, np.inf)
    held = np.eye(7) * 1e-6
    held[3, 3] = 1e-6 if zoomed else 1e12
    for _ in range(12):
        if not np.isfinite(free).all():
            return free, error
        found = Framing(*free[:4].tolist())
        rim = int(np.ceil(found.reach(expected.shape))) + 2
        if 2 * rim >= min(height, width) - 8:
            return np.full(7, np.nan), error
        moved = warped(expected, found)
        use = weight > 0
        use[:rim], use[-rim:], use[:, :rim], use[:, -rim:] = False, False, False, False
        if use.sum() < _FEWEST:
            return np.full(7, np.nan), error
        across, along = (np.asarray(slope, np.float32) for slope in np.gradient(moved))
        ways = (-across, -along, along * y - across * x, -(across * y + along * x), *flat)
        terms = np.stack([way[use] for way in ways], axis=1)
        miss = (now - moved - sum(f * t for f, t in zip(free[4:], flat, strict=True)))[use]
        scale = 1.4826 * float(np.median(np.abs(miss))) + 1e-6
        huber = np.minimum(1, 1.5 * scale / np.maximum(np.abs(miss), 1e-9))
        square = terms.T @ (terms * huber[:, None]).astype(np.float64) + held
        step = np.linalg.solve(square, terms.T @ (miss * huber))
        free += step
        error = scale * 5 * np.sqrt(np.diag(np.linalg.inv(square)))[:4]  # neighbours within 5 px go together
        if np.abs(step[:2]).max() < 2e-3 and np.abs(step[2:4]).max() < 1e-5:
            break
    return free, error


def warped(image: Map, framing: Framing) -> Map:
    """The picture as it looks when its content has moved so."""
    height, width = image.shape
    cos, sin = (trig(framing.turn) / (1 + framing.zoom) for trig in (np.cos, np.sin))
    y, x = (height - 1) / 2, (width - 1) / 2
    back = np.array([[cos, sin], [-sin, cos]])
    offset = np.array([x, y]) - back @ np.array([x + framing.right, y + framing.down])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    matrix = np.column_stack([back, offset])
    moved: Map = cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return moved


def rim_of(found: Framing, shape: Sequence[int]) -> int:
    """How many px at the border moved in from outside and were never seen before."""
    return int(np.ceil(found.reach(shape))) + 3 if found != Framing() else 0


def slope(level: Map) -> Map:
    """How much `level` can change within a pixel, in the 3x3 neighbourhood: (H, W)."""
    across, along = np.gradient(level)
    steep: Map = cv2.dilate(np.hypot(across, along).astype(np.float32), np.ones((3, 3), np.uint8))
    return steep
