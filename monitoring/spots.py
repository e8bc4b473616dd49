"""Places that are wrong in every picture: dead, hot and stuck pixels, dust, and whatever is left."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import t

from monitoring.framing import resized
from monitoring.measurement import Map, Result, Spot
from monitoring.window import median_map

_COARSE = 512  # px, the longer side up to which dust is sought in every pixel
EDGE_PX = 0.25  # how well an edge's place is known
_DUST_DEPTH, _DUST_Z = 0.04, 6.0
_REACH = 24  # px, how far a speck reaches at most
_LEFT_DEPTH, _LEFT_Z = 0.08, 4.0
_PIXEL_LEVELS, _PIXEL_Z, _TEXTURE_Z = 6.0, 8.0, 4.5
_BESIDE = 0.4  # of a pixel's excess: more than that in a neighbour, and it is no fault of a single pixel
_MANY_PIXELS = 0.002  # share of the area: more than that are not single pixels


def slope(level: Map) -> Map:
    """How much `level` can change within a pixel, in the 3x3 neighbourhood: (H, W)."""
    across, along = np.gradient(level)
    steep: Map = cv2.dilate(np.hypot(across, along).astype(np.float32), np.ones((3, 3), np.uint8))
    return steep


@lru_cache(maxsize=16)
def _few(blocks: int) -> float:
    """How much further out chance reaches where fewer than ten blocks tell the scatter (Student's t)."""
    return max(1.0, float(t.isf(1e-3, max(blocks - 1, 1)) / t.isf(1e-3, 9)))


def _error(stack: NDArray[np.float32], middle: Map) -> Map:
    """Standard error of the median over blocks, smoothed over the neighbourhood: (H, W)."""
    deviation = np.zeros_like(middle)
    for one in stack:
        deviation += cv2.absdiff(one, middle)
    deviation *= np.float32(1.25 * 1.25 / len(stack) ** 1.5 * _few(len(stack)))
    return np.asarray(cv2.blur(deviation, (9, 9)), np.float32)


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


def find_dust_and_rest(ratios: NDArray[np.float32], edge: Map, doubt: float, result: Result) -> None:
    """dust, then unknown: places that stay darker or different while parts come and go.

    Args:
        ratios: (blocks, H, W) log of each block's mean over the healthy map.
        edge: (H, W) by how much of that a moved edge may be the cause.
        doubt: factor on the blocks' own error for that of the healthy map, which is a mean of pictures as well.
    """
    height, width = edge.shape
    factor = max(1, round(max(height, width) / _COARSE))
    if factor > 1:
        size = (width // factor, height // factor)
        ratios = np.stack([resized(ratio, size) for ratio in ratios])
        edge = cv2.resize(edge, size, interpolation=cv2.INTER_NEAREST)
    fine = np.stack([cv2.GaussianBlur(ratio, (0, 0), 1.0) for ratio in ratios])
    band = np.stack([one - cv2.GaussianBlur(one, (0, 0), 8.0) for one in fine])
    middle = median_map(band)
    room = np.maximum(np.float32(_DUST_DEPTH), np.float32(_DUST_Z * doubt) * _error(band, middle)) + edge
    specks, covered = _specks(middle, room, factor)
    result.values["dust"] = float(len(specks))
    result.spots["dust"] = specks
    wide = np.stack([cv2.GaussianBlur(one, (0, 0), 2.5) for one in fine])
    rest = median_map(wide)
    limit = np.maximum(np.float32(_LEFT_DEPTH), np.float32(_LEFT_Z * doubt) * _error(wide, rest)) + edge
    different = (np.abs(rest) > limit) | _larger(middle > room)
    different &= cv2.dilate(covered, np.ones((7, 7), np.uint8)) == 0
    result.values["unknown"] = float(different.mean())


def _larger(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Its connected regions of at least four pixels."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    return np.asarray(mask & (areas[labels] >= 4), np.bool_)


def _specks(middle: Map, room: Map, factor: int) -> tuple[tuple[Spot, ...], NDArray[np.uint8]]:
    """Dark blobs of the band-passed map, and the mask of their area.

    A dip is a speck of its own unless it lies within 70 % of the depth of a deeper one.
    """
    covered = np.zeros(middle.shape, np.uint8)
    labels, count = ndimage.label(middle < -room)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    dips = (middle == cv2.erode(middle, np.ones((7, 7), np.uint8))) & (areas[labels] >= 4) & (labels > 0)
    specks = []
    taken = np.zeros(middle.shape, bool)
    for row, column in sorted(map(tuple, np.argwhere(dips).tolist()), key=lambda place: float(middle[place])):
        covered[labels == labels[row, column]] = 1
        if taken[row, column]:
            continue
        deepest = float(middle[row, column])
        top, left = max(0, row - _REACH), max(0, column - _REACH)
        near = middle[top : row + _REACH, left : column + _REACH]
        core, blob = (_around(near < share * deepest, row - top, column - left) for share in (0.7, 0.5))
        taken[top : row + _REACH, left : column + _REACH] |= core
        covered[top : row + _REACH, left : column + _REACH][blob] = 1
        diameter = float(np.sqrt(4 * blob.sum() / np.pi)) * factor
        centre = ndimage.center_of_mass(core)
        place = (round((centre[0] + top + 0.5) * factor - 0.5), round((centre[1] + left + 0.5) * factor - 0.5))
        specks.append(Spot(*place, round(diameter, 1), round(float(1 - np.exp(deepest)), 3)))
    return tuple(specks), covered


def _around(mask: NDArray[np.bool_], row: int, column: int) -> NDArray[np.bool_]:
    """The connected part of `mask` that holds a place."""
    labels = ndimage.label(mask)[0]
    return np.asarray(labels == labels[row, column], np.bool_)
