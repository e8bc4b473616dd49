"""Consecutive images of one camera, added up one by one and never held."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from monitoring.camera.measurement import Map, Vector
from monitoring.camera.spectrum import spectrum

_BLOCKS = 10  # block maps of a window
MAPS = _BLOCKS + 2  # float maps of the image that a window holds: the blocks, pivot and squares
_GRID = 32  # cells a side of what is kept of one image, at most
_FEWEST_ROWS = 4  # that repeat the row before them, from which a picture is torn
_BLOCKY = 256  # px, the side of the centre in which blocks of a compression are sought
_SORTED = 1 << 16  # pixels of a picture whose levels are compared, about
_STRIP = 1 << 15  # pixels that are sorted at a time
_CALM = 0.35  # quantile over images


class Look(NamedTuple):
    """What is kept of one image.

    Attributes:
        channels: means in levels (C,). clipped: share of the pixels.
        grid: (h, w, C) mean levels of at most 32 x 32 cells.
        power: spectrum (cells,). floor: its noise. blocky: steps at every eighth pixel against those between.
        torn: first and last row of those that repeat the row before them; none: no such rows.
        step: from one level to the next that occurs, for a middling pixel; 0: there is only one level.
    """

    channels: Vector
    clipped: float
    grid: NDArray[np.float32]
    power: Vector
    floor: float
    blocky: float = 0.0
    torn: tuple[int, int] | None = None
    step: float = 0.0


class Block(NamedTuple):
    """The mean of some images of one part."""

    part: str
    images: int
    mean: Map


@dataclass(frozen=True)
class Seen:
    """A finished window: looks per part, block means and each pixel's spread over time (None: not fixed)."""

    camera: str
    first: datetime | None
    last: datetime | None
    images: int
    parts: dict[str, int]
    shape: tuple[int, ...]
    fixed: bool
    repeats: int  # captures that share the bytes of another, at most; 0: all differ
    looks: dict[str, list[Look]]
    blocks: tuple[Block, ...]
    spread: Map | None


class Window:
    """Consecutive images of one camera, added one by one and never held: 12 maps and a vector per image.

    Images of one part go pairwise (a part is often taken twice) to blocks whose means are later compared by
    their median: "median of means", which a defect in one place of some parts does not move.
    """

    def __init__(self, camera: str, torn_is_usual: bool = True) -> None:
        """`torn_is_usual`: rows that repeat the row before are no fault; otherwise such a picture is only counted."""
        self.camera, self.torn_is_usual = camera, torn_is_usual
        self.parts: dict[str, int] = {}
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.fixed = True
        self._shape: tuple[int, ...] = ()
        self._ids: Counter[str] = Counter()
        self._looks: dict[str, list[Look]] = {}
        self._sums: dict[str, list[tuple[int, Map]]] = {}
        self._latest: dict[str, int] = {}
        self._pivot: Map | None = None
        self._squares: Map | None = None

    @property
    def images(self) -> int:
        return sum(self.parts.values())

    def add(self, levels: NDArray[np.float32], part: str, at: datetime, image_id: str) -> None:
        """Take in one image: (H, W, C) float32, 0..255. The same `image_id` again is only counted."""
        self.first, self.last = min(self.first or at, at), max(self.last or at, at)
        self.parts[part] = self.parts.get(part, 0) + 1
        self._ids[image_id] += 1
        if self._ids[image_id] > 1:
            return
        self._shape = self._shape or levels.shape
        if levels.shape != self._shape:
            self._forget_places()
        grey = _grey(levels)
        looks = self._looks.setdefault(part, [])
        looks.append(_look(levels, grey))
        if self.fixed and (self.torn_is_usual or looks[-1].torn is None):
            self._add_map(grey, part, len(looks) - 1)

    def seen(self) -> Seen:
        """What the window holds so far."""
        total = sum(self._ids.values())
        repeats = max(self._ids.values(), default=0)
        blocks = tuple(
            Block(part, count, sums / np.float32(count)) for part, kept in self._sums.items() for count, sums in kept
        )
        return Seen(
            camera=self.camera,
            first=self.first,
            last=self.last,
            images=total,
            parts=dict(self.parts),
            shape=self._shape,
            fixed=self.fixed,
            repeats=repeats if repeats > 1 else 0,
            looks={part: list(looks) for part, looks in self._looks.items()},
            blocks=blocks,
            spread=self._spread(),
        )

    def mean(self) -> NDArray[np.float32] | None:
        """The mean picture, (H, W, 1) levels; None: no image yet, or they change in size."""
        count = sum(count for kept in self._sums.values() for count, _ in kept)
        return (self._total() / np.float32(count))[:, :, None] if count else None

    def _total(self) -> Map:
        return np.asarray(sum(sums for kept in self._sums.values() for _, sums in kept), np.float32)

    def _forget_places(self) -> None:
        self.fixed, self._sums, self._pivot, self._squares = False, {}, None, None

    def _add_map(self, grey: Map, part: str, number: int) -> None:
        if self._pivot is None or self._squares is None:
            self._pivot, self._squares = grey.copy(), np.zeros_like(grey)
        place = self._block(part, number)
        if place is None:
            return
        kept = self._sums[part]
        count, sums = kept[place]
        cv2.accumulate(grey, sums)
        kept[place] = (count + 1, sums)
        cv2.accumulateSquare(grey - self._pivot, self._squares)

    def _block(self, part: str, number: int) -> int | None:
        """Which block takes the part's image `number`: a new one while there is room, else its smallest."""
        kept = self._sums.setdefault(part, [])
        if number % 2 and kept:
            return min(self._latest.get(part, 0), len(kept) - 1)
        fullest = max(self._sums, key=lambda name: len(self._sums[name]))
        if sum(map(len, self._sums.values())) >= _BLOCKS and len(self._sums[fullest]) >= len(kept) + 2:
            self._merge(fullest)
        if sum(map(len, self._sums.values())) < _BLOCKS:
            assert self._pivot is not None
            kept.append((0, np.zeros_like(self._pivot)))
        if not kept:  # more kinds of parts than blocks
            return None
        place = min(range(len(kept)), key=lambda index: kept[index][0])
        self._latest[part] = place
        return place

    def _merge(self, part: str) -> None:
        """Make one block of the part's two smallest."""
        kept = sorted(self._sums[part], key=lambda block: block[0])
        (few, one), (more, other) = kept[:2]
        self._sums[part] = [(few + more, one + other), *kept[2:]]

    def _spread(self) -> Map | None:
        """Standard deviation of each pixel over time, levels: exactly 0 where nothing ever changed."""
        count = sum(count for kept in self._sums.values() for count, _ in kept)
        if self._pivot is None or self._squares is None or count < 2:
            return None
        mean = self._total() / np.float32(count) - self._pivot
        return np.sqrt(np.maximum(self._squares / np.float32(count) - mean**2, 0))


def _grey(levels: NDArray[np.float32]) -> Map:
    if levels.shape[2] == 1:
        return np.ascontiguousarray(levels[:, :, 0])
    grey: Map = cv2.transform(levels, np.full((1, levels.shape[2]), 1 / levels.shape[2], np.float32))
    return grey


def _look(levels: NDArray[np.float32], grey: Map) -> Look:
    height, width, channels = levels.shape
    inside = cv2.inRange(levels, (0.5,) * channels, (254.5,) * channels)
    power, floor = spectrum(grey)
    return Look(
        channels=np.array(cv2.mean(levels)[:channels]),
        clipped=1 - cv2.countNonZero(inside) / (height * width),
        grid=cells(levels),
        power=power,
        floor=floor,
        blocky=_blocky(grey),
        torn=_repeated(grey),
        step=_step(grey),
    )


def cells(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture (H, W, C) as the grid of a look: (h, w, C), at most 32 x 32."""
    height, width, channels = levels.shape
    size = (min(_GRID, width), min(_GRID, height))
    return np.asarray(cv2.resize(levels, size, interpolation=cv2.INTER_AREA), np.float32).reshape(*size[::-1], channels)


def _repeated(grey: Map) -> tuple[int, int] | None:
    """First and last of the most rows in a row that repeat the row before them; None: hardly any, or all of them."""
    if len(grey) <= _FEWEST_ROWS:
        return None
    changed = cv2.reduce(cv2.absdiff(grey[1:], grey[:-1]), 1, cv2.REDUCE_MAX).ravel() > 0
    ends = np.flatnonzero(np.concatenate([[True], changed, [True]]))
    longest = int(np.diff(ends).argmax())
    first, last = int(ends[longest]) + 1, int(ends[longest + 1]) - 1
    few = last - first + 1 < max(_FEWEST_ROWS, len(grey) // 32)
    return None if few or not changed.any() else (first, last)


def _step(grey: Map) -> float:
    """How far the next higher level that occurs lies, in the middle of all pixels: 1 of eight bits, 16 of four."""
    every = max(1, grey.size // _SORTED)
    levels, pixels = np.unique(grey.ravel()[::every], return_counts=True)
    if len(levels) < 2:
        return 0.0
    steps, pixels = np.diff(levels), pixels[:-1]
    order = np.argsort(steps, kind="stable")
    return float(steps[order][np.searchsorted(np.cumsum(pixels[order]), pixels.sum() / 2)])


def _blocky(grey: Map) -> float:
    """Log of the steps at the edges of 8 x 8 px blocks over those beside them, in the centre: 0 without blocks."""
    height, width = (min(size // 8 * 8, _BLOCKY) for size in grey.shape)
    top, left = ((size - side) // 16 * 8 for size, side in zip(grey.shape, (height, width), strict=True))
    patch, found = grey[top : top + height, left : left + width], []
    if min(patch.shape) < 16:
        return 0.0
    for side in (patch, patch.T):
        steps = np.log(np.abs(np.diff(side, axis=1)).mean(axis=0) + np.float32(0.05))
        edges = np.arange(7, len(steps) - 2, 8)
        found += [steps[edge] - (steps[[edge - 2, edge - 1, edge + 1, edge + 2]]).mean() for edge in edges]
    return float(np.median(found)) if found else 0.0


def calm_spectrum(looks: Sequence[Look]) -> tuple[Vector, float]:
    """Spectrum (cells,) and noise floor of the calmer images: half of the parts may have a defect, which adds power."""
    power = np.quantile([look.power for look in looks], _CALM, axis=0)
    return np.asarray(power), float(np.quantile([look.floor for look in looks], _CALM))


def median_map(stack: NDArray[np.float32]) -> Map:
    """The median over the first axis of (n, H, W): a sorting network on strips that fit the cache, for n is small."""
    count, height, width = stack.shape
    middle = np.empty((height, width), np.float32)
    strip = max(1, _STRIP // width)
    for top in range(0, height, strip):
        levels = [stack[index, top : top + strip].astype(np.float32) for index in range(count)]
        spare = np.empty_like(levels[0])
        for turn in range(count):
            for lower in range(turn % 2, count - 1, 2):
                np.minimum(levels[lower], levels[lower + 1], out=spare)
                np.maximum(levels[lower], levels[lower + 1], out=levels[lower + 1])
                levels[lower], spare = spare, levels[lower]
        middle[top : top + strip] = (levels[(count - 1) // 2] + levels[count // 2]) / 2
    return middle
