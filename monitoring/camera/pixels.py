"""Pixels that are wrong in every picture: dead, hot, stuck; alone, in lines or in clusters."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monitoring.camera.framing import EDGE_PX, slope
from monitoring.camera.measurement import Map, Result, Spot

_PIXEL_LEVELS, _PIXEL_Z, _TEXTURE_Z, _KNOWN_Z, _SCATTER_Z = 6.0, 8.0, 4.5, 3.0, 5.5
_BESIDE = 0.4  # of a pixel's excess: more than that in a neighbour, and it is no fault of a single pixel
_MANY_PIXELS = 0.002  # share of the area: more than that are not single pixels
_MOST = 0.01  # share of the area that a cluster may cover
_SETTLED = 0.25  # of its healthy change over time, below which a pixel does not follow the picture
_LEVELS, _BY_CHANCE = 2.5, 20.0  # levels that a noise of 1 level spreads over; -log of the chance that all are equal
_CONSTANT, _MANY = 0.02, 20  # levels that a pixel changes in so many pictures, which no noise leaves to it
_LEAST_CHANGE = 0.5  # levels that it has to change by in health, to say so
_FEW = 20  # groups of pixels: so many more do not follow the picture because of something else
_LINE, _WIDE = 0.5, 4  # of a side that a line reaches over; pixels that it is wide, at most
_DEAD, _WHITE = 0.15, 250.0  # of the healthy level; level

Mask = NDArray[np.bool_]


class Sight(NamedTuple):
    """A window's mean picture (H, W), how much each pixel changed over time in it and in health, and what is usual.

    expected: the healthy mean, as it moved and where it was: what stands out has to do so against both.
    scatter: standard deviation of a healthy pixel against its neighbours; None: not known yet. noise: of a healthy
    pixel in one picture, levels. edges: px by which edges may lie elsewhere because framing or blur was taken out.
    """

    now: Map
    expected: Sequence[Map]
    changes: Map | None
    healthy_changes: Map | None
    scatter: Map | None
    noise: float
    edges: float
    images: int


def excess_of(now: Map, expected: Map) -> Map:
    """How much each pixel stands out of its neighbours more than it is expected to, levels."""
    return np.asarray((now - cv2.medianBlur(now, 3)) - (expected - cv2.medianBlur(expected, 3)), np.float32)


def find_pixels(sight: Sight, result: Result) -> Mask:
    """dead, hot and stuck, new since the reference; where they are (H, W)."""
    if min(sight.now.shape) < 5 or sight.changes is None or sight.healthy_changes is None:
        result.notes.append("Single pixels were not looked for.")
        return np.zeros(sight.now.shape, bool)
    settled = _settled(sight)
    dead, hot, clear = _singles(sight)
    result.details["hot_clear"] = float(clear[hot & ~settled].max(initial=0.0))
    groups = _groups(sight, settled)
    kinds = {"dead": groups["dead"] | (dead & ~settled), "hot": hot & ~settled, "stuck": groups["stuck"]}
    bad = np.asarray(np.any(list(kinds.values()), axis=0), np.bool_)
    for name, mask in kinds.items():
        result.values[name] = float(mask.sum())
        result.spots[name] = _spots(mask, sight)
    return bad


def _settled(sight: Sight) -> Mask:
    """Pixels that no longer follow the picture, not even by noise, and did in health: (H, W)."""
    now, was = sight.changes, sight.healthy_changes
    assert now is not None and was is not None
    usual = min(1.0, float(np.median(now)) / max(float(np.median(was)), 1e-6))  # all of a dark picture changes less
    full = (sight.now > _WHITE) & (sight.expected[0] > 0.75 * _WHITE)
    black = (sight.now < 2) & (sight.expected[0] < 8)
    usual_change = np.minimum(was, max(sight.noise, _LEAST_CHANGE))  # where parts seldom reach there is noise
    equal = (sight.images - 1) * np.log(
        np.maximum(_LEVELS * usual_change, 1)
    )  # noise may repeat a level in few pictures
    constant = (now < _CONSTANT) & (sight.images >= _MANY) & (sight.noise > _LEAST_CHANGE)
    told = (was > _LEAST_CHANGE) & ((equal > _BY_CHANCE) | constant)
    return np.asarray((now < _SETTLED * usual * usual_change) & told & ~full & ~black, np.bool_)


def _groups(sight: Sight, settled: Mask) -> dict[str, Mask]:
    """Settled pixels by what they read: lines, clusters and single ones; what covers more is no fault of pixels."""
    labels, count = ndimage.label(settled, np.ones((3, 3)))
    found = {name: np.zeros(settled.shape, np.bool_) for name in ("dead", "stuck")}
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        mine = labels[place] == number
        if not (mine.sum() <= _MOST * settled.size or _line(mine, settled.shape)):
            continue
        level, was = float(np.median(sight.now[place][mine])), float(np.median(sight.expected[0][place][mine]))
        dead = level < _DEAD * was and was - level > 12
        found["dead" if dead else "stuck"][place][mine] = True  # a hot one is brighter, and still follows the picture
    if sum(mask.sum() for mask in found.values()) > _most(sight) and count > _FEW:
        return {name: np.zeros_like(mask) for name, mask in found.items()}
    return found


def _most(sight: Sight) -> int:
    return max(20, int(_MANY_PIXELS * sight.now.size))


def _line(mask: Mask, shape: tuple[int, ...]) -> bool:
    (height, width) = mask.shape
    across = (height >= _LINE * shape[0] and width <= _WIDE) or (width >= _LINE * shape[1] and height <= _WIDE)
    return bool(across)


def _singles(sight: Sight) -> tuple[Mask, Mask, Map]:
    """Single pixels that stand out though they follow the picture: dead, and hot; how many times as far as they may
    (H, W)."""
    excesses = [excess_of(sight.now, one) for one in sight.expected]
    least = np.minimum.reduce([np.abs(one) for one in excesses])
    agree = np.all([np.sign(one) == np.sign(excesses[0]) for one in excesses], axis=0)
    excess = np.where(agree, np.sign(excesses[0]) * least, 0).astype(np.float32)
    assert sight.changes is not None
    noise = 1.4826 * float(np.median(np.abs(excess)))
    known = sight.scatter is not None
    texture = cv2.medianBlur(sight.changes, 5) * np.float32(
        (_KNOWN_Z if known else _TEXTURE_Z) / np.sqrt(sight.images / 2)
    )
    room = np.maximum(max(_PIXEL_LEVELS, _PIXEL_Z * noise), texture)
    if sight.scatter is not None:
        room = np.maximum(room, np.float32(_SCATTER_Z) * sight.scatter)
    if not known or sight.edges:
        room += np.float32(2 * max(EDGE_PX, sight.edges)) * np.minimum.reduce([slope(one) for one in sight.expected])
    local = cv2.medianBlur(sight.now, 3)
    dead, hot = (sight.now < _DEAD * local) & (local > 12) & (excess < -room), excess > room
    bad = dead | hot
    bad = bad & _alone(bad, np.abs(excess))
    if bad.sum() > _most(sight):
        bad = np.zeros_like(bad)
    return dead & bad, hot & bad, np.abs(excess) / room


def _alone(bad: Mask, excess: Map) -> Mask:
    """Those of the pixels that stand alone, at most two together: a scratch or an edge goes on beside them."""
    labels, count = ndimage.label(bad, np.ones((3, 3)))
    few = np.bincount(labels.ravel(), minlength=count + 1) <= 2
    beside = cv2.dilate(np.where(bad, 0, excess).astype(np.float32), np.ones((3, 3), np.uint8))
    return np.asarray(few[labels] & (beside < _BESIDE * excess), np.bool_)


def _spots(mask: Mask, sight: Sight) -> tuple[Spot, ...]:
    """One of each group, largest first: its middle, its longer side, how far it is off, and its shape."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    spots = []
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        mine = labels[place] == number
        off = float(np.median((sight.now - sight.expected[0])[place][mine]))
        rows, columns = ((axis.start + axis.stop - 1) // 2 for axis in place)
        spots.append(Spot(rows, columns, float(max(mine.shape)), round(off, 1), _shape(mine, mask.shape)))
    return tuple(sorted(spots, key=lambda spot: -spot.size))


def _shape(mask: Mask, picture: tuple[int, ...]) -> str:
    """What a group of pixels is called; nothing for a single one."""
    height, width = mask.shape
    if _line(mask, picture):
        return "column" if height > width else "row"
    return f"block of {height} x {width} pixels" if mask.sum() > 1 else ""
