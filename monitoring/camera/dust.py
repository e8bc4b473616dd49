"""Places that stay darker or different while parts come and go: dust, and whatever no other cause explains."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import t

from monitoring.camera.framing import resized
from monitoring.camera.measurement import Map, Result, Spot
from monitoring.camera.window import median_map

_COARSE = 512  # px, the longer side up to which dust is sought in every pixel
_DUST_DEPTH, _DUST_Z = 0.04, 6.0
_REACH = 24  # px, how far a speck reaches at most
_LEFT_DEPTH, _LEFT_Z = 0.08, 4.0


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
