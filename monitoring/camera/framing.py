"""Shift and rotation of a window against its reference, and maps moved by them."""

from typing import NamedTuple

import cv2
import numpy as np

from inspection.params import Least
from monitoring.camera.measurement import Map, Result, Vector

_FINE = 512  # px, the longer side at which framing is fitted
EDGE_PX = 0.25  # how well an edge's place is known


class _Framing(NamedTuple):
    """Content moved by px and turned clockwise by radians about the centre."""

    down: float = 0.0
    right: float = 0.0
    turn: float = 0.0


def fitted_framing(expected: Map, now: Map, least: Least, result: Result) -> _Framing:
    """Shift and rotation after Lucas and Kanade (1981), on log levels with a plane of light beside them."""
    factor = max(1.0, max(expected.shape) / _FINE)
    size = (round(expected.shape[1] / factor), round(expected.shape[0] / factor))
    free, error = np.zeros(6), np.full(3, np.inf)
    for coarse in (4, 2, 1):
        if coarse > 1 and min(size) / coarse < 60:
            continue
        step = factor * coarse
        shape = (round(expected.shape[1] / step), round(expected.shape[0] / step))
        pair = [cv2.GaussianBlur(resized(np.log(m + np.float32(2)), shape), (0, 0), 1.2) for m in (expected, now)]
        start = np.array([free[0] / step, free[1] / step, *free[2:]])
        free, error = _aligned(pair[0], pair[1], start)
        free[:2] *= step
        error[:2] *= step
    uncertain = max(error[0], error[1]) > least.shift / 3 or np.degrees(error[2]) > least.rotation / 3
    if not np.isfinite(free).all() or uncertain:
        result.notes.append("Framing was not measured: nothing in view keeps its place sharply enough.")
        return _Framing()
    result.values |= {"shift": float(np.hypot(free[0], free[1])), "rotation": float(np.degrees(free[2]))}
    result.details |= {"shift_down_px": free[0], "shift_right_px": free[1]}
    return _Framing(*free[:3].tolist())


def resized(image: Map, size: tuple[int, int]) -> Map:
    same = image.shape == (size[1], size[0])
    return image if same else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _aligned(expected: Map, now: Map, start: Vector) -> tuple[Vector, Vector]:
    """Gauss-Newton with Huber weights: (down, right, turn, level, slope down, slope right), errors of the first 3."""
    height, width = expected.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    y, x = rows - (height - 1) / 2, columns - (width - 1) / 2
    flat = [np.ones_like(y), y / height, x / width]
    free, error = start.copy(), np.full(3, np.inf)
    for _ in range(12):
        moved = warped(expected, _Framing(*free[:3].tolist()))
        rim = int(np.ceil(np.abs(free[:2]).max() + abs(free[2]) * max(height, width) / 2)) + 2
        if 2 * rim >= min(height, width) - 8:
            return np.full(6, np.nan), error
        inner = (slice(rim, -rim), slice(rim, -rim))
        across, along = (np.asarray(slope, np.float32) for slope in np.gradient(moved))
        terms = np.stack([t[inner].ravel() for t in (-across, -along, along * y - across * x, *flat)], axis=1)
        miss = (now - moved - sum(f * t for f, t in zip(free[3:], flat, strict=True)))[inner].ravel()
        scale = 1.4826 * float(np.median(np.abs(miss))) + 1e-6
        weight = np.minimum(1, 1.5 * scale / np.maximum(np.abs(miss), 1e-9))
        square = terms.T @ (terms * weight[:, None]).astype(np.float64) + np.eye(6) * 1e-6
        step = np.linalg.solve(square, terms.T @ (miss * weight))
        free += step
        error = scale * 5 * np.sqrt(np.diag(np.linalg.inv(square)))[:3]  # neighbours within 5 px go together
        if np.abs(step[:2]).max() < 2e-3 and abs(step[2]) < 1e-5:
            break
    return free, error


def warped(image: Map, framing: _Framing) -> Map:
    height, width = image.shape
    cos, sin = np.cos(framing.turn), np.sin(framing.turn)
    y, x = (height - 1) / 2, (width - 1) / 2
    back = np.array([[cos, sin], [-sin, cos]])
    offset = np.array([x, y]) - back @ np.array([x + framing.right, y + framing.down])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    matrix = np.column_stack([back, offset])
    moved: Map = cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return moved


def without_rim(edge: Map, found: _Framing) -> Map:
    """What moved in from outside was never seen before: nothing there counts as different."""
    rim = int(np.ceil(max(abs(found.down), abs(found.right)) + abs(found.turn) * max(edge.shape) / 2)) + 3
    inner = np.full_like(edge, np.inf)
    inner[rim:-rim, rim:-rim] = edge[rim:-rim, rim:-rim]
    return inner


def slope(level: Map) -> Map:
    """How much `level` can change within a pixel, in the 3x3 neighbourhood: (H, W)."""
    across, along = np.gradient(level)
    steep: Map = cv2.dilate(np.hypot(across, along).astype(np.float32), np.ones((3, 3), np.uint8))
    return steep
