"""Places that stay darker or different while parts come and go: dust, and whatever no other cause explains."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import t

from monitoring.camera.framing import resized, slope
from monitoring.camera.healthy import Scatter
from monitoring.camera.measurement import Map, Result, Spot
from monitoring.camera.window import median_map
from monitoring.camera.zones import Zones

_COARSE = 512  # px, the longer side up to which dust is sought in every pixel
SCALES = (1.2, 2.5, 5.0)  # px, at which specks are sought, and ...
_BRIGHTER = 3.0  # standard deviations
_STEPS = 127  # of log light, to 1
_AROUND = 3.0  # ... times that, against what is around
_WIDE = 2.5  # px, over which the rest is averaged
_FEWEST = 200  # pixels by which parts are placed
_MOST = 20_000  # pixels that are asked, at most: those at the sharpest edges
_ABOUT = tuple(  # half of the second differences down and along rows, and the mixed one
    np.array(kernel, np.float32) / 2
    for kernel in (
        [[0, 1, 0], [0, -2, 0], [0, 1, 0]],
        [[0, 0, 0], [1, -2, 1], [0, 0, 0]],
        [[0.5, 0, -0.5], [0, 0, 0], [-0.5, 0, 0.5]],
    )
)
_LOOSE = 3.0  # px that parts lie elsewhere, at most
_DIP_Z, _DIP = 4.8, 0.015  # standard deviations and log of light from which a place is darker
_BY_LIGHT = 0.02  # of a change of light, that its own shape may leave at a place for each standard deviation
_ENOUGH, _FEW_BLOCKS = 5, 1.5  # blocks, of which defects in one place may outvote fewer; times further out then
_VARIES = 0.4  # of a speck, by which blocks differ in what they show of it where parts have it, and not the glass
_BY_CHANCE = 2.5  # standard deviations of a block in those of the median of all
_FEWEST_VARY = 2  # such places, by which parts look different
_FLOOR = 0.0015  # log of light that a place scatters by at least
_IN_A_ROW, _LONG = 3, 5.0  # specks that make a line, which is so many times as long as it is wide
_DEPTH = 0.04  # share of light from which it is a speck
_LEFT, _LEFT_Z = 0.08, 5.0
_SEEN = 0.03  # log of light by which a place is brighter or darker
_FEW_BRIGHT, _BRIGHT = 24, 0.15  # brighter places (px), and their share of darker ones, by which parts look different
_BY_PARTS = 0.08  # share of light that other parts take from what stands still beside them
_BY_SHINE = 0.5  # of how much brighter the parts reflect, that a place of theirs may lack for their shape
_FILLED = 0.4  # share of the picture that changed from which it shows something else

Mask = NDArray[np.bool_]


class Residual(NamedTuple):
    """What a window's light is, place by place, that nothing explained yet.

    ratio: (h, w) log of light over the healthy one, and each: (blocks, h, w) that of its blocks.
    rough: (h, w) standard error by the window's own blocks.
    hidden: (h, w) places of which nothing can be said. edges: (h, w) what is left of edges that moved or were blurred
    may explain. factor: px of the picture to one of these. images: it is of.
    """

    ratio: Map
    each: NDArray[np.float32]
    rough: Map
    hidden: Mask
    edges: Map
    factor: int
    images: int

    @property
    def bands(self) -> NDArray[np.float32]:
        """The ratio at each of SCALES against what is around, and its mean over the neighbourhood: (S + 1, h, w).

        A place is not dark because another beside it is bright: what is brighter than most about it counts as they do.
        """
        fine = [cv2.GaussianBlur(self.ratio, (0, 0), scale) for scale in SCALES]
        dimmed = _dimmed(self.ratio)
        around = [cv2.GaussianBlur(dimmed, (0, 0), _AROUND * scale) for scale in SCALES]
        wide = cv2.GaussianBlur(self.ratio, (0, 0), _WIDE)
        return np.stack([*(one - other for one, other in zip(fine, around, strict=True)), wide])


def _dimmed(ratio: Map) -> Map:
    """`ratio`, but places that are brighter than a wide neighbourhood are hardly more so than chance makes them."""
    steps = np.clip(ratio * _STEPS + _STEPS, 0, 255).astype(np.uint8)  # a median of so many is fast in eight bits
    side = 4 * round(_AROUND * SCALES[-1]) + 1
    usual = cv2.medianBlur(steps, side).astype(np.float32) / _STEPS - 1
    scatter = _BRIGHTER * 1.4826 * float(np.median(np.abs(ratio - usual)))
    return np.asarray(np.minimum(ratio, usual + np.float32(max(_DIP, scatter))), np.float32)


def residual(
    ratios: NDArray[np.float32], expected: Sequence[Map], still: Mask, hidden: Mask, images: int, edges: float = 0.0
) -> Residual:
    """Of (blocks, H, W) log ratios, each to what is `expected` of its part in levels, at most 512 px a side.

    Args:
        edges: px by which they may lie elsewhere because framing or blur was taken out.
    """
    height, width = hidden.shape
    factor = max(1, round(max(height, width) / _COARSE))
    if factor > 1:
        size = (width // factor, height // factor)
        ratios = np.stack([resized(ratio, size) for ratio in ratios])
        hidden = resized(hidden.astype(np.float32), size) > 0
    shape = (hidden.shape[0], hidden.shape[1])
    ways: dict[int, _Ways] = {}
    moving = ~_at(still, shape) if not still.all() else np.ones(shape, np.bool_)
    steep = np.zeros(shape, np.float32)
    for ratio, level in zip(ratios, expected, strict=True):
        if id(level) not in ways:
            small = resized(np.maximum(level, 0), shape[::-1]) + np.float32(1)
            ways[id(level)] = _Ways.of(small, moving)
            if edges:
                steep = np.maximum(steep, np.float32(edges) * slope(np.log(small)))
        ways[id(level)].place(ratio)
    middle = median_map(ratios)
    return Residual(middle, ratios, _error(ratios, middle), hidden, steep, factor, images)


class _Ways(NamedTuple):
    """How a part's picture differs when pieces lie elsewhere, are turned, lie about, or are brighter: (K, n) relative
    levels at `moving` places, and which of these are asked."""

    terms: NDArray[np.float32]
    moving: Mask
    asked: NDArray[np.int64]

    @classmethod
    def of(cls, level: Map, moving: Mask) -> "_Ways":
        down, right = (np.asarray(-slope, np.float32) for slope in np.gradient(level))
        y, x = np.mgrid[: level.shape[0], : level.shape[1]].astype(np.float32)
        middle = [(size - 1) / 2 for size in level.shape]
        turned = (down * (x - middle[1]) - right * (y - middle[0])) * (2 / max(level.shape))
        about = [cv2.filter2D(level, -1, kernel) for kernel in _ABOUT]
        inside = cv2.erode(moving.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.float32)
        brighter = cv2.GaussianBlur(inside, (0, 0), 1.5) * level
        terms = np.stack([way[moving] / level[moving] for way in (down, right, turned, *about, brighter)])
        steepest = np.argsort(-np.abs(terms[:2]).max(axis=0), kind="stable")[:_MOST]
        return cls(terms, moving, steepest)

    def place(self, ratio: Map) -> None:
        """Take out of a block's log ratio (h, w), in place, what a common move of its pieces explains."""
        if len(self.asked) < _FEWEST:
            return
        relative = np.exp(ratio[self.moving]) - 1
        terms, seen = self.terms[:, self.asked].T.astype(np.float64), relative[self.asked].astype(np.float64)
        weight = np.ones_like(seen)
        for _ in range(3):
            square = terms.T @ (terms * weight[:, None]) + np.eye(terms.shape[1]) * 1e-6
            free = np.clip(np.linalg.solve(square, terms.T @ (seen * weight)), -_LOOSE, _LOOSE)
            miss = np.abs(seen - terms @ free)
            weight = np.minimum(1, 2 * np.median(miss) / np.maximum(miss, 1e-9))
        ratio[self.moving] = np.log(np.maximum(1 + relative - free.astype(np.float32) @ self.terms, 0.02))


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


def find_dust_and_rest(rest: Residual, scatter: Scatter, zones: Zones, result: Result) -> None:
    """dust, then unknown: places that stay darker or different while parts come and go."""
    uneven = max(abs(result.values.get(name, 0.0)) for name in ("gain", "gradient"))
    still = _at(zones.still, rest.ratio.shape)
    restless = np.maximum(1, rest.rough / np.maximum(scatter.blocks, 1e-6))  # blocks that differ: other parts pass
    few = _FEW_BLOCKS if result.details.get("blocks", _ENOUGH) < _ENOUGH else 1.0
    more = restless * few * np.sqrt(max(1, scatter.images / rest.images))
    errors = np.maximum(scatter.specks * more, _FLOOR) + rest.edges / _DIP_Z + _BY_LIGHT * uneven
    bands = rest.bands
    bands[:, rest.hidden] = 0
    places, covered, clear, varying = _dips(bands[:-1], errors[:-1], rest)
    wide, error = bands[-1], errors[-1]
    bright, dark = ((sign * wide > np.maximum(_SEEN, _DIP_Z * error)).sum() for sign in (1, -1))
    different = (np.abs(wide) > np.maximum(_LEFT, _LEFT_Z * error)) & (covered == 0)
    filled = float(different[~still].mean()) if zones.split and (~still).any() else float(different.mean())
    result.details["clear"] = clear
    apart = cv2.distanceTransform(still.astype(np.uint8), cv2.DIST_L2, 3) * rest.factor
    on_parts = [p for p in places if apart[_home(p, rest.factor, still.shape)] < p.size / 2]
    shine = _BY_SHINE * abs(result.values.get("reflection", 0.0))
    places = [place for place in places if place not in on_parts or place.depth > shine]
    others = varying >= max(_FEWEST_VARY, len(places))
    if others or bright >= max(_FEW_BRIGHT, _BRIGHT * dark) or filled > _FILLED:  # dust only darkens, and always
        result.notes.append("The parts themselves look different in many places.")
        result.details["other_parts"] = 1.0
        places = [place for place in places if zones.split and place not in on_parts and place.depth > _BY_PARTS]
        different &= still if zones.split else False
    result.details["on_parts"] = float(zones.split and len(places) > 0 and set(places) <= set(on_parts))
    result.values["dust"] = float(len(places))
    result.spots["dust"] = tuple(places)
    result.values["unknown"] = float(_larger(different).mean())


def _at(mask: Mask, shape: tuple[int, ...]) -> Mask:
    if mask.shape == shape:
        return mask
    return np.asarray(cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA) > 0.5, np.bool_)


def _home(place: Spot, factor: int, shape: tuple[int, ...]) -> tuple[int, int]:
    return min(place.row // factor, shape[0] - 1), min(place.column // factor, shape[1] - 1)


def _larger(mask: Mask) -> Mask:
    """Its connected regions of at least four pixels."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    return np.asarray(mask & (areas[labels] >= 4), np.bool_)


def _dips(
    bands: NDArray[np.float32], errors: NDArray[np.float32], rest: Residual
) -> tuple[list[Spot], NDArray[np.uint8], float, int]:
    """Dark places, the clearest first; the mask of their area; by how many standard deviations the clearest stands
    out; the number of dark places that are not those of all blocks."""
    z = np.where(bands < -_DIP, -bands / errors, 0)
    best = z.max(axis=0)
    scale = z.argmax(axis=0)
    labels, count = ndimage.label(best > _DIP_Z, np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    peaks = (best == cv2.dilate(best, np.ones((5, 5), np.uint8))) & (labels > 0) & (areas[labels] >= 4)
    fine, whole = cv2.GaussianBlur(rest.ratio, (0, 0), SCALES[0]), np.zeros(best.shape, bool)
    covered, taken, found, clear = np.zeros(best.shape, np.uint8), np.zeros(best.shape, bool), [], 0.0
    varying = 0
    for row, column in sorted(map(tuple, np.argwhere(peaks).tolist()), key=lambda place: -float(best[place])):
        if taken[row, column]:
            continue
        size = SCALES[scale[row, column]]
        speck = _fitted(rest.ratio, *_deepest(fine, row, column, round(size)), size)
        cv2.circle(covered, (column, row), int(np.ceil(speck.size)) + 4, 1, -1)
        taken |= covered > 0
        if speck.depth < _DEPTH:
            continue
        if _varies(rest.each, row, column, size) > np.hypot(_VARIES, _BY_CHANCE / best[row, column]):
            varying += 1
        else:
            down, right = (round((axis + 0.5) * rest.factor - 0.5) for axis in (speck.row, speck.column))
            found.append(Spot(down, right, round(speck.size * rest.factor, 1), round(speck.depth, 3)))
            clear = max(clear, float(best[row, column]))
            whole |= labels == labels[row, column]
    found = _joined(found, labels, rest.factor)
    return found, covered | cv2.dilate(whole.astype(np.uint8), np.ones((9, 9), np.uint8)), clear, varying


def _joined(found: list[Spot], labels: NDArray[np.int32], factor: int) -> list[Spot]:
    """Specks in a row on one long dark line are one place."""
    along: dict[int, list[Spot]] = {}
    for spot in found:
        along.setdefault(int(labels[_home(spot, factor, labels.shape)]), []).append(spot)
    joined = []
    for label, spots in along.items():
        down, right = np.nonzero(labels == label)
        length = float(np.hypot(np.ptp(down), np.ptp(right))) + 1
        if label == 0 or len(spots) < _IN_A_ROW or length**2 < _LONG * len(down):
            joined += spots
            continue
        homes = np.array([_home(spot, factor, labels.shape) for spot in spots])
        middle = spots[int(np.hypot(*(homes - [down.mean(), right.mean()]).T).argmin())]
        depth, width = float(np.median([spot.depth for spot in spots])), len(down) / length * factor
        words = f"a line of {length * factor:.0f} px"
        joined.append(replace(middle, size=round(width, 1), depth=round(depth, 3), shape=words))
    return joined


def _varies(each: NDArray[np.float32], row: int, column: int, scale: float) -> float:
    """How much (blocks, h, w) differ in how dark a place is, as share of it: a speck darkens all alike."""
    if len(each) < _ENOUGH:
        return 0.0
    reach = round(2 * _AROUND * scale)
    top, left = max(0, row - reach), max(0, column - reach)
    near = each[:, top : row + reach + 1, left : column + reach + 1]
    down, right = np.ogrid[top - row : top - row + near.shape[1], left - column : left - column + near.shape[2]]
    fine, around = (np.exp(-(down**2 + right**2) / (2 * size**2)) for size in (scale, _AROUND * scale))
    dips = np.tensordot(near, around / around.sum() - fine / fine.sum(), axes=2)
    low, middle, high = np.quantile(dips, [0.25, 0.5, 0.75])
    return float((dips.std() + (high - low) / 1.349) / 2 / max(middle, 1e-6))


def _deepest(fine: Map, row: int, column: int, reach: int) -> tuple[int, int]:
    """The darkest place so near a peak, which at a coarse scale lies a little beside it."""
    top, left = max(0, row - reach), max(0, column - reach)
    near = fine[top : row + reach + 1, left : column + reach + 1]
    down, right = np.unravel_index(int(near.argmin()), near.shape)
    return top + int(down), left + int(right)


@lru_cache(maxsize=16)
def _forms(reach: int) -> tuple[tuple[float, Map], ...]:
    """What light is left behind specks of some widths (px), soft and sharp ones, about their centre."""
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    away = np.hypot(down, right)
    soft = [(width, np.exp(-np.square(2 * away / width))) for width in (3, 4, 5, 6, 8, 10, 13, 16, 20, 26)]
    sharp = [(width, np.clip(width / 2 - away + 0.5, 0, 1)) for width in (2, 3, 4, 5, 6, 7, 8, 10, 13, 16, 20)]
    return tuple((float(width), np.asarray(form, np.float32)) for width, form in (*soft, *sharp) if width <= 2 * reach)


def _fitted(ratio: Map, row: int, column: int, scale: float) -> Spot:
    """The speck at a place: its width and its depth, as share of the light, of the form that fits best."""
    reach = round(4 * scale) + 2
    padded = cv2.copyMakeBorder(ratio, reach + 1, reach + 1, reach + 1, reach + 1, cv2.BORDER_REFLECT)
    best, found = np.inf, (row, column, 0.0, 0.0)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            top, left = row + down + 1, column + right + 1
            near = padded[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
            for width, form in _forms(reach):
                flat = form - form.mean()
                depth = float((flat * near).sum() / (flat * flat).sum())
                miss = float(np.square(near - near.mean() - depth * flat).sum())
                if miss < best:
                    best, found = miss, (row + down, column + right, width, max(0.0, 1 - float(np.exp(depth))))
    at_row, at_column, width, depth = found  # a speck may have its middle beyond the rim
    return Spot(max(0, min(at_row, ratio.shape[0] - 1)), max(0, min(at_column, ratio.shape[1] - 1)), width, depth)
