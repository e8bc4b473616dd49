"""A window of one camera's images against its healthy reference: what changed physically, and by how much.

Causes are explained away in a fixed order, because each later one would mistake an earlier one for itself:
framing -> lighting -> blur -> isolated pixels -> dust -> whatever is left.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.optimize import least_squares

from inspection.params import Least

if TYPE_CHECKING:
    from monitoring.reference import PartReference, Reference

Map = NDArray[np.float32]  # (H, W)
Vector = NDArray[np.float64]

UNITS = {
    "gain": "relative brightness",
    "gradient": "relative brightness, one side against the other",
    "colour": "relative, red or blue against green",
    "clipped": "share of the pixels",
    "shift": "px",
    "rotation": "degrees, clockwise",
    "blur": "px, sigma of the added blur",
    "motion": "px, length of the smear",
    "dead": "pixels",
    "hot": "pixels",
    "stuck": "pixels",
    "dust": "specks",
    "frozen": "captures with the same bytes",
    "unknown": "share of the picture",
}
CAUSES = {
    "gain": "lighting",
    "gradient": "lighting",
    "colour": "lighting",
    "clipped": "lighting",
    "shift": "framing",
    "rotation": "framing",
    "blur": "blur",
    "motion": "blur",
    "dead": "dead_pixels",
    "hot": "hot_pixels",
    "stuck": "stuck_pixels",
    "dust": "dust",
    "frozen": "frozen",
    "unknown": "unknown",
}

MIN_DIFFERENT = 8  # different images below which pixels are not judged

_BLOCKS = 10  # block maps of a window; with pivot and squares 12 maps
_PATCH = 256  # px, the largest patch of which a spectrum is taken ...
_MIN_PATCH = 24  # ... and the smallest
_DIRECTIONS, _RINGS = 8, 18  # cells of the power spectrum ...
_FROM, _RING = 0.04, 0.025  # ... whose rings begin at 0.04 and are 0.025 cycles per px wide
_CORNER = 0.6  # cycles per px, beyond which a lens passes nothing: what is there is noise
_STRIP = 1 << 15  # pixels that are sorted at a time
_FINE = 512  # px, the longer side at which framing is fitted
_COARSE = 512  # px, the longer side up to which dust is sought in every pixel
_NO_LIGHT = 0.06  # share of the healthy brightness below which the lamp is off
_TOO_DARK, _TOO_BRIGHT = -0.5, 0.8  # gain beyond which dust and the rest are not looked for
_MOVED_PX, _BLURRED_PX2 = 0.3, 0.06  # smaller framing and blur (variance) are not taken out: it would add noise
_DOUBT = 9.0  # variances of an uneven blur below which it is taken as even
_MODEL_ERROR = 0.3  # of a log spectrum, from cell to cell
_CALM = 0.35  # quantile over images
_SMEAR_ERROR = 0.02  # px^2, of any estimate of a blur
_EDGE_PX = 0.25  # how well an edge's place is known
_DUST_DEPTH, _DUST_Z = 0.04, 6.0
_REACH = 24  # px, how far a speck reaches at most
_LEFT_DEPTH, _LEFT_Z = 0.05, 4.0
_PIXEL_LEVELS, _PIXEL_Z, _TEXTURE_Z = 6.0, 8.0, 4.5
_MANY_PIXELS = 0.002  # share of the area: more than that are not single pixels


_SECOND = tuple(  # second differences / 2: along rows + down, along rows - down, twice the mixed one
    np.array(kernel, np.float32) / 2
    for kernel in (
        [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
        [[0, -1, 0], [1, 0, 1], [0, -1, 0]],
        [[0.5, 0, -0.5], [0, 0, 0], [-0.5, 0, 0.5]],
    )
)


@dataclass(frozen=True)
class Spot:
    """A place that is wrong. `size`: diameter in px. `depth`: share of light (dust), levels 0..255 (pixels)."""

    row: int
    column: int
    size: float
    depth: float


@dataclass(frozen=True)
class Measurement:
    """A window's signed differences from the reference, in UNITS; `values` holds what could be measured."""

    camera: str
    first: datetime | None
    last: datetime | None
    images: int
    parts: dict[str, int]
    values: dict[str, float] = field(default_factory=dict)
    spots: dict[str, tuple[Spot, ...]] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain types, times as ISO 8601."""
        plain = asdict(self)
        for name in ("first", "last"):
            plain[name] = plain[name].isoformat() if plain[name] else None
        return {**plain, "notes": list(self.notes), "spots": {k: [asdict(s) for s in v] for k, v in self.spots.items()}}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Measurement":
        """What `as_json` was made from."""
        times = {n: datetime.fromisoformat(plain[n]) if plain[n] else None for n in ("first", "last")}
        spots = {name: tuple(Spot(**spot) for spot in found) for name, found in plain["spots"].items()}
        return cls(**{**plain, **times, "spots": spots, "notes": tuple(plain["notes"])})


class Look(NamedTuple):
    """What is kept of one image: channel means in levels (C,), share clipped, spectrum (cells,), noise floor."""

    channels: Vector
    clipped: float
    power: Vector
    floor: float


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

    def __init__(self, camera: str) -> None:
        self.camera = camera
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
        if self.fixed:
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
    power, floor = _spectrum(grey)
    means = np.array(cv2.mean(levels)[:channels])
    return Look(means, 1 - cv2.countNonZero(inside) / (height * width), power, floor)


class _Cells(NamedTuple):
    """Where each coefficient of a patch's spectrum belongs: cell (n, n // 2 + 1), -1 none, -2 corner."""

    taper: Map
    cell: NDArray[np.int64]
    counts: Vector


@lru_cache(maxsize=16)
def _cells(side: int) -> _Cells:
    down, right = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    radius, angle = np.hypot(down, right), np.arctan2(down, right) % np.pi
    ring = np.floor((radius - _FROM) / _RING).astype(int)
    sector = np.round(angle / np.pi * _DIRECTIONS).astype(int) % _DIRECTIONS
    cell = np.where((ring >= 0) & (ring < _RINGS), ring * _DIRECTIONS + sector, -1)
    cell = np.where(radius > _CORNER, -2, cell).ravel()
    counts = np.bincount(cell[cell >= 0], minlength=_RINGS * _DIRECTIONS).astype(float)
    taper = np.outer(np.hanning(side + 2)[1:-1], np.hanning(side + 2)[1:-1])
    return _Cells((taper / np.sqrt(np.mean(taper**2))).astype(np.float32), cell, counts)


@lru_cache(maxsize=1)
def _frequencies() -> Vector:
    """(cells, 3): mean right^2, down^2 and 2 right down of each cell, (cycles per px)^2."""
    radius = _FROM + (np.arange(_RINGS) + 0.5) * _RING
    angle = np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS
    right, down = (np.outer(radius, trig(angle)).ravel() for trig in (np.cos, np.sin))
    return np.stack([right**2, down**2, 2 * right * down], axis=1)


def _spectrum(grey: Map) -> tuple[Vector, float]:
    """Power per coefficient in each cell of the centre patch (levels^2; 0: empty cell), and its noise floor."""
    side = min(_PATCH, 3 * min(grey.shape) // 4) // 2 * 2
    if side < _MIN_PATCH:
        return np.zeros(_RINGS * _DIRECTIONS), 0.0
    top, left = (grey.shape[0] - side) // 2, (grey.shape[1] - side) // 2
    patch = grey[top : top + side, left : left + side]
    cells = _cells(side)
    waves = fft.rfft2((patch - np.float32(patch.mean())) * cells.taper)
    power = (np.square(waves.real) + np.square(waves.imag)).ravel() / np.float32(side**2)
    inside = cells.cell >= 0
    sums = np.bincount(cells.cell[inside], power[inside], minlength=cells.counts.size)
    return sums / np.maximum(cells.counts, 1), float(np.median(power[cells.cell == -2])) / np.log(2)


# ---------------------------------------------------------------------------------------------- measuring


def measure(window: Window, reference: "Reference", least: Least) -> Measurement:
    """How the window differs from the reference, cause by cause."""
    return measure_seen(window.seen(), reference, least)


@dataclass
class _Result:
    """Values, spots, details and notes as they come in."""

    values: dict[str, float] = field(default_factory=dict)
    spots: dict[str, tuple[Spot, ...]] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def measure_seen(seen: Seen, reference: "Reference", least: Least) -> Measurement:
    """As `measure`, of a window that is finished."""
    result = _Result()
    _all_causes(seen, reference, least, result)
    return Measurement(
        camera=seen.camera,
        first=seen.first,
        last=seen.last,
        images=seen.images,
        parts=seen.parts,
        values={name: float(result.values[name]) for name in UNITS if name in result.values},
        spots=result.spots,
        details={name: float(value) for name, value in result.details.items()},
        notes=tuple(result.notes),
    )


def _all_causes(seen: Seen, reference: "Reference", least: Least, result: _Result) -> None:
    """The order in which causes are explained away."""
    if not _comparable(seen, reference, result):
        return
    result.values["frozen"] = float(seen.repeats)
    known = {part: looks for part, looks in seen.looks.items() if part in reference.parts}
    if sum(map(len, known.values())) < MIN_DIFFERENT:
        words = f"Only {sum(map(len, known.values()))} different pictures of known parts"
        result.notes.append(f"{words}: nothing but repeated pictures was looked for.")
        return
    if _no_light(known, reference, result):
        return
    _lighting_of_looks(known, reference, result)
    rows = [row for part, looks in known.items() if (row := _spectra(looks, reference.parts[part])) is not None]
    smear = _gaussian_smear(rows) if rows else None
    if reference.height is None or not seen.fixed:
        result.notes.append(
            "The camera's pictures change in size, so pixels have no fixed place: only brightness, colour, "
            "clipping and blur are measured; framing, uneven light, pixels and dust are not."
        )
    else:
        smear = _fixed_places(seen, reference, least, smear, result)
    if _faint(result):
        return
    if smear is None:
        result.notes.append("Blur was not measured: the pictures hold too little fine structure.")
    else:
        _tell_blur(smear, rows, result)


def _comparable(seen: Seen, reference: "Reference", result: _Result) -> bool:
    unknown = {part: count for part, count in seen.parts.items() if part not in reference.parts}
    for part, count in unknown.items():
        result.notes.append(f"{count} images of part '{part}' that the reference does not know were left out.")
    if len(unknown) == len(seen.parts):
        return False
    if reference.height is not None and seen.fixed:
        now, then = seen.shape[:3], (reference.height, reference.width, reference.channels)
        if now != then:
            result.notes.append(
                f"The pictures are {_size(now)}; the reference was made of {_size(then)}. "
                "Set the camera back, or make a new reference."
            )
            return False
    channels = {look.channels.size for looks in seen.looks.values() for look in looks}
    if channels != {reference.channels}:
        result.notes.append("The pictures changed between grey and colour. Set the camera back.")
        return False
    return True


def _size(shape: Sequence[int | None]) -> str:
    return f"{shape[1]}x{shape[0]} px {'grey' if shape[2] == 1 else 'colour'}"


def _no_light(known: Mapping[str, list[Look]], reference: "Reference", result: _Result) -> bool:
    shares = [
        float(look.channels.mean()) / max(float(reference.parts[part].channels.mean()), 1e-6)
        for part, looks in known.items()
        for look in looks
    ]
    if np.median(shares) >= _NO_LIGHT:
        return False
    result.values["gain"] = -1.0
    result.notes.append("There is no light: the lamp is off or the lens is covered. Nothing else can be measured.")
    return True


def _over_parts(known: Mapping[str, list[Look]], of: Mapping[str, Vector]) -> Vector:
    """The mean over parts of `of[part]`, weighted by their images."""
    weights = np.array([len(looks) for looks in known.values()], float)
    return np.asarray(np.average([of[part] for part in known], axis=0, weights=weights))


def _lighting_of_looks(known: Mapping[str, list[Look]], reference: "Reference", result: _Result) -> None:
    """gain, colour and clipped from whole images; per part, because parts differ."""
    change, clipped = {}, {}
    for part, looks in known.items():
        healthy = reference.parts[part]
        change[part] = np.median([np.log(np.maximum(look.channels, 0.5)) for look in looks], axis=0) - np.log(
            np.maximum(healthy.channels, 0.5)
        )
        clipped[part] = np.array(np.mean([look.clipped for look in looks]) - healthy.clipped)
    channels = _over_parts(known, change)
    result.values["gain"] = float(np.exp(channels.mean()) - 1)
    result.values["clipped"] = float(_over_parts(known, clipped))
    if channels.size == 3:
        red, blue = (float(np.exp(channels[c] - channels[1]) - 1) for c in (0, 2))
        result.values["colour"] = max(red, blue, key=abs)
        result.details |= {"red": red, "blue": blue}


class _Smear(NamedTuple):
    """Variance in px^2 that was added: even, more along x than along y, and along the diagonal; (3,) and (3, 3)."""

    free: Vector
    covariance: Vector

    def matrix(self) -> Vector:
        """(2, 2), x before y."""
        even, uneven, slant = self.free
        return np.array([[even + uneven, slant], [slant, even - uneven]])

    def with_(self, other: "_Smear") -> "_Smear":
        """Both estimates, weighted by their certainty."""
        mine, its = np.linalg.inv(self.covariance), np.linalg.inv(other.covariance)
        covariance = np.linalg.inv(mine + its)
        return _Smear(covariance @ (mine @ self.free + its @ other.free), covariance)

    def without_chance(self) -> "_Smear":
        """The uneven part shrunk by its uncertainty (James and Stein): what cannot be told is taken as even."""
        doubt = _DOUBT * (self.covariance[1, 1] + self.covariance[2, 2])
        shrink = max(0.0, 1 - doubt / max(float(self.free[1] ** 2 + self.free[2] ** 2), 1e-12))
        return _Smear(self.free * [1, shrink, shrink], self.covariance)


def _tell_blur(smear: _Smear, rows: Sequence["_Spectra"], result: _Result) -> Vector:
    """Sets blur and motion; the variance (2, 2) that was added."""
    smear = smear.without_chance()
    even, uneven, slant = smear.free.tolist()
    if rows and np.hypot(uneven, slant) > _BLURRED_PX2:
        even, uneven, slant = _line_smear(rows, even, uneven, slant)
    small, large = even - np.hypot(uneven, slant), even + np.hypot(uneven, slant)
    result.values["blur"] = float(np.sign(small) * np.sqrt(abs(small)))
    result.values["motion"] = float(np.sqrt(12 * (large - small)))
    result.details["motion_degrees"] = float(np.degrees(np.arctan2(slant, uneven)) / 2 % 180)
    return smear.matrix()


class _Spectra(NamedTuple):
    """One part's usable cells: frequencies (n, 3), healthy signal, log power now, weights (n,); noise floor now."""

    quad: Vector
    healthy: Vector
    log_power: Vector
    weight: Vector
    floor: float

    def misfit(self, fall: Vector) -> Vector:
        """Weighted distance of the log spectra when the healthy signal falls by exp(fall)."""
        return np.asarray(
            (np.log(self.healthy * np.exp(np.clip(fall, -12, 6)) + self.floor) - self.log_power) * self.weight
        )


def _fitted(misfit: Callable[[Vector], Vector], start: Vector) -> tuple[Vector, Vector]:
    """Robust least squares: the parameters and their covariance."""
    fit = least_squares(misfit, start, loss="soft_l1", f_scale=1.5, max_nfev=60)
    square = fit.jac.T @ fit.jac + np.eye(start.size) * 1e-9
    return fit.x, np.linalg.inv(square) * max(1.0, 2 * fit.cost / max(fit.fun.size - start.size, 1))


def _gaussian_smear(rows: Sequence[_Spectra]) -> _Smear:
    """Power falls by exp(-4 pi^2 f' S f). S and one gain per part are fitted to the log spectra, the window's
    noise floor standing beside the signal, over the cells in which the healthy signal was above the noise."""

    def misfit(free: Vector) -> Vector:
        along = np.array([free[0] + free[1], free[0] - free[1], free[2]])
        cells = [row.misfit(free[3 + n] - 4 * np.pi**2 * row.quad @ along) for n, row in enumerate(rows)]
        return np.concatenate([*cells, free[1:3] / 0.5])

    free, covariance = _fitted(misfit, np.zeros(3 + len(rows)))
    return _Smear(free[:3], covariance[:3, :3] + np.eye(3) * _SMEAR_ERROR**2)


def _edge_smear(expected: Map, now: Map) -> _Smear | None:
    """The added variance seen on whatever keeps its place (levels, same framing and light): Gauss-Newton on
    I + (S_xx I_xx + 2 S_xy I_xy + S_yy I_yy) / 2. None: nothing there is sharp enough to tell."""
    inner = (slice(4, -4), slice(4, -4))
    smear = np.zeros((2, 2))
    for _ in range(4):
        sizes, axes = np.linalg.eigh(smear)
        smear = axes @ np.diag(np.clip(sizes, 0, 25)) @ axes.T
        blurred = _as_now(expected, smear)
        soft = cv2.GaussianBlur(blurred, (0, 0), 0.6)
        curves = [cv2.filter2D(soft, -1, kernel)[inner] for kernel in _SECOND]
        missing = (now - blurred)[inner]
        some = missing.ravel()[:: max(1, missing.size // 50_000)]
        scale = 1.4826 * float(np.median(np.abs(some - np.median(some)))) + 0.05
        curved = np.max([np.abs(curve) for curve in curves], axis=0) > 2 * scale  # flat places hold only texture
        if curved.sum() < 100:
            return None
        terms, miss = np.stack([c[curved] for c in curves], axis=1).astype(np.float64), missing[curved]
        weight = np.minimum(1, 3 * scale / np.maximum(np.abs(miss), 1e-9))
        square = terms.T @ (terms * weight[:, None]) + np.eye(3) * 1e-6
        even, uneven, slant = np.linalg.solve(square, terms.T @ (miss * weight))
        smear = smear + np.array([[even + uneven, slant], [slant, even - uneven]])
        if max(abs(even), abs(uneven), abs(slant)) < _SMEAR_ERROR / 4:
            break
    free = np.array([(smear[0, 0] + smear[1, 1]) / 2, (smear[0, 0] - smear[1, 1]) / 2, smear[0, 1]])
    error = (3 * scale) ** 2 * np.linalg.inv(square) + np.eye(3) * _SMEAR_ERROR**2
    return _Smear(free, error) if np.isfinite(free).all() else None


def _line_smear(rows: Sequence[_Spectra], even: float, uneven: float, slant: float) -> tuple[float, float, float]:
    """As `_gaussian_smear` of a straight smear, whose spectrum is a squared sinc, on an even blur."""

    def misfit(free: Vector) -> Vector:
        cells = []
        for number, row in enumerate(rows):
            right, down, both = row.quad.T
            angle = 2 * free[2]
            along = ((right + down) + (right - down) * np.cos(angle) + both * np.sin(angle)) / 2
            sinc = np.sinc(free[1] * np.sqrt(np.maximum(along, 0)))
            spread = 0.05 * free[1] ** 2 * along  # zeros are filled where cells are wide
            fall = np.log(sinc**2 + 0.1 * spread**2 + 1e-5) - 4 * np.pi**2 * free[0] * (right + down)
            cells.append(row.misfit(free[3 + number] + fall))
        return np.concatenate(cells)

    twice = 2 * np.hypot(uneven, slant)
    start = [even - twice / 2, np.sqrt(12 * twice), np.arctan2(slant, uneven) / 2, *([0.0] * len(rows))]
    free, _ = _fitted(misfit, np.array(start))
    half = free[1] ** 2 / 24
    return float(free[0] + half), float(half * np.cos(2 * free[2])), float(half * np.sin(2 * free[2]))


def _spectra(looks: Sequence[Look], healthy: "PartReference") -> _Spectra | None:
    """A part's spectra where the healthy signal stands above the noise; None: hardly anywhere."""
    powers = np.array([look.power for look in looks])
    signal = healthy.power - healthy.floor
    usable = (signal > healthy.floor) & (powers > 0).all(axis=0)
    if usable.sum() < 8 or healthy.floor <= 0:
        return None
    logs = np.log(powers[:, usable])
    scatter = 1.25 * np.maximum(logs.std(axis=0), 0.1)
    variance = scatter**2 * (2 / len(looks) + 2 / healthy.images) + _MODEL_ERROR**2  # 2: a part is often taken twice
    power, floor = calm_spectrum(looks)
    weight = 1 / np.sqrt(variance)
    return _Spectra(_frequencies()[usable], signal[usable], np.log(power[usable]), weight, max(floor, 1e-6))


def calm_spectrum(looks: Sequence[Look]) -> tuple[Vector, float]:
    """Spectrum (cells,) and noise floor of the calmer images: half of the parts may have a defect, which adds power."""
    power = np.quantile([look.power for look in looks], _CALM, axis=0)
    return np.asarray(power), float(np.quantile([look.floor for look in looks], _CALM))


# --------------------------------------------------------------------------------------------- fixed places


class _Framing(NamedTuple):
    """Content moved by px and turned clockwise by radians about the centre."""

    down: float = 0.0
    right: float = 0.0
    turn: float = 0.0


def _fixed_places(
    seen: Seen, reference: "Reference", least: Least, smear: _Smear | None, result: _Result
) -> _Smear | None:
    """What needs pixels with a fixed place: framing, uneven light, pixels, dust, the rest; the blur seen there too."""
    blocks = [block for block in seen.blocks if block.part in reference.parts]
    expected = {block.part: _part_map(reference, block.part) for block in blocks}
    if len(blocks) < 3 or min(seen.shape[:2]) < 16:
        result.notes.append("Too few or too small pictures to tell places from parts.")
        return smear
    ratios, mixed = _ratios(blocks, expected), _mixed(blocks, expected)
    found = _framing(mixed, mixed * np.exp(median_map(ratios)), least, result)
    moved = max(abs(found.down), abs(found.right)) > _MOVED_PX or abs(found.turn) * max(mixed.shape) / 2 > _MOVED_PX
    if moved:
        expected = {part: _warped(healthy, found) for part, healthy in expected.items()}
        ratios, mixed = _ratios(blocks, expected), _mixed(blocks, expected)
    middle = median_map(ratios)
    light = _plane(middle, mixed, result)
    on_edges = _edge_smear(mixed, mixed * np.exp(middle) / light)
    if smear is not None and on_edges is not None:
        smear = smear.with_(on_edges)
    smear = smear or on_edges
    added = np.zeros((2, 2)) if smear is None else smear.without_chance().matrix()
    if np.abs(added).max() > _BLURRED_PX2:
        expected = {part: _as_now(healthy, added) for part, healthy in expected.items()}
        ratios, mixed = _ratios(blocks, expected), _mixed(blocks, expected)
        middle = median_map(ratios)
        light = _plane(middle, mixed, result)
    now = mixed * np.exp(middle)
    bad = _pixels(now, mixed * light, (seen.spread, reference.spread), sum(b.images for b in blocks), result)
    if _faint(result):
        result.notes.append("The light has changed so much that blur, dust and small changes cannot be told from it.")
        return None
    ratios -= np.log(light)
    if bad.any():
        for ratio in ratios:
            np.copyto(ratio, cv2.medianBlur(ratio, 3), where=bad)
    edge = np.float32(_EDGE_PX) * _slope(np.log(mixed + 1))
    _dust_and_rest(ratios, _without_rim(edge, found) if moved else edge, result)
    return smear


def _faint(result: _Result) -> bool:
    """Whether light has changed so much that it is no longer one factor everywhere: the sensor's own level shows."""
    return not _TOO_DARK < result.values.get("gain", 0.0) < _TOO_BRIGHT


def _without_rim(edge: Map, found: _Framing) -> Map:
    """What moved in from outside was never seen before: nothing there counts as different."""
    rim = int(np.ceil(max(abs(found.down), abs(found.right)) + abs(found.turn) * max(edge.shape) / 2)) + 3
    inner = np.full_like(edge, np.inf)
    inner[rim:-rim, rim:-rim] = edge[rim:-rim, rim:-rim]
    return inner


def _part_map(reference: "Reference", part: str) -> Map:
    healthy = reference.parts[part].map
    assert healthy is not None
    return healthy


def _ratios(blocks: Sequence[Block], expected: Mapping[str, Map]) -> NDArray[np.float32]:
    """(blocks, H, W): log of each block's mean over what its part looks like."""
    healthy = {part: np.log(level + np.float32(1)) for part, level in expected.items()}
    return np.stack([np.log(block.mean.astype(np.float32) + np.float32(1)) - healthy[block.part] for block in blocks])


def _mixed(blocks: Sequence[Block], expected: Mapping[str, Map]) -> Map:
    """The healthy parts in the window's own proportions: (H, W) levels."""
    total = sum(block.images for block in blocks)
    share = Counter[str]()
    for block in blocks:
        share[block.part] += block.images
    return np.asarray(sum(level * np.float32(share[part] / total) for part, level in expected.items()), np.float32)


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


def _error(stack: NDArray[np.float32], middle: Map) -> Map:
    """Standard error of the median over blocks, smoothed over the neighbourhood: (H, W)."""
    deviation = np.zeros_like(middle)
    for one in stack:
        deviation += cv2.absdiff(one, middle)
    deviation *= np.float32(1.25 * 1.25 / len(stack) ** 1.5)
    return np.asarray(cv2.blur(deviation, (9, 9)), np.float32)


def _framing(expected: Map, now: Map, least: Least, result: _Result) -> _Framing:
    """Shift and rotation after Lucas and Kanade (1981), on log levels with a plane of light beside them."""
    factor = max(1.0, max(expected.shape) / _FINE)
    size = (round(expected.shape[1] / factor), round(expected.shape[0] / factor))
    free, error = np.zeros(6), np.full(3, np.inf)
    for coarse in (4, 2, 1):
        if coarse > 1 and min(size) / coarse < 60:
            continue
        step = factor * coarse
        shape = (round(expected.shape[1] / step), round(expected.shape[0] / step))
        pair = [cv2.GaussianBlur(_resized(np.log(m + np.float32(2)), shape), (0, 0), 1.2) for m in (expected, now)]
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


def _resized(image: Map, size: tuple[int, int]) -> Map:
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
        moved = _warped(expected, _Framing(*free[:3].tolist()))
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


def _warped(image: Map, framing: _Framing) -> Map:
    height, width = image.shape
    cos, sin = np.cos(framing.turn), np.sin(framing.turn)
    y, x = (height - 1) / 2, (width - 1) / 2
    back = np.array([[cos, sin], [-sin, cos]])
    offset = np.array([x, y]) - back @ np.array([x + framing.right, y + framing.down])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    matrix = np.column_stack([back, offset])
    moved: Map = cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return moved


def _as_now(healthy: Map, smear: Vector) -> Map:
    """A healthy map as it looks with the blur of now ((2, 2) px^2, x before y)."""
    sizes, axes = np.linalg.eigh(smear)
    if sizes.max() <= 0.01:
        return healthy
    added = axes @ np.diag(np.maximum(sizes, 0)) @ axes.T
    side = 2 * (int(np.ceil(3 * np.sqrt(sizes.max()))) + 2) + 1
    down, right = np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side), indexing="ij")
    exponent = added[0, 0] * right**2 + 2 * added[0, 1] * right * down + added[1, 1] * down**2
    kernel = np.fft.fftshift(np.fft.ifft2(np.exp(-2 * np.pi**2 * exponent)).real).astype(np.float32)
    return np.asarray(cv2.filter2D(healthy, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)


def _plane(middle: Map, expected: Map, result: _Result) -> Map:
    """Gain and gradient; the plane of light (H, W) that was divided out. Pixels too dark or full are left out."""
    height, width = middle.shape
    size = (min(64, width), min(64, height))
    ratio = _resized(np.exp(middle), size).ravel()
    level = _resized(expected, size).ravel()
    use = (level > 8) & (level * ratio < 250) & (level < 250)
    if use.sum() < 50:
        return np.full_like(middle, np.exp(np.median(middle)))
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in (size[1], size[0]))
    terms = np.stack([np.ones(use.size), np.repeat(y, size[0]), np.tile(x, size[1])], axis=1)[use]
    weight, seen = np.ones(len(terms)), ratio[use]
    for _ in range(8):
        fit = np.linalg.lstsq(terms * weight[:, None], seen * weight, rcond=None)[0]
        miss = np.abs(seen - terms @ fit)
        scale = 1.4826 * float(np.median(miss)) + 1e-6
        weight = np.sqrt(np.minimum(1, 1.5 * scale / np.maximum(miss, 1e-9)))
    level_0, down, right = fit
    far, near = level_0 - (abs(down) + abs(right)) / 2, level_0 + (abs(down) + abs(right)) / 2
    result.values["gain"] = float(level_0 - 1)
    result.values["gradient"] = float(max(far, 0) / near - 1) if near > 0 else 0.0
    result.details["gradient_degrees"] = float(np.degrees(np.arctan2(-down, -right)) % 360)
    y, x = ((np.arange(n, dtype=np.float32) + 0.5) / n - 0.5 for n in (height, width))
    return np.asarray(np.maximum(level_0 + down * y[:, None] + right * x[None, :], 0.02), np.float32)


def _slope(level: Map) -> Map:
    """How much `level` can change within a pixel, in the 3x3 neighbourhood: (H, W)."""
    across, along = np.gradient(level)
    steep: Map = cv2.dilate(np.hypot(across, along).astype(np.float32), np.ones((3, 3), np.uint8))
    return steep


def _pixels(
    now: Map, expected: Map, spreads: tuple[Map | None, Map | None], images: int, result: _Result
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
    room = np.maximum(max(_PIXEL_LEVELS, _PIXEL_Z * noise), texture) + np.float32(2 * _EDGE_PX) * _slope(expected)
    still = _still(spread) & ~_still(healthy)
    dead = (now < 0.15 * local) & (local > 12) & (excess < -room)
    hot = (excess > room) & ~still
    stuck = still & ~dead
    bad = dead | hot | stuck
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


def _still(spread: Map) -> NDArray[np.bool_]:
    """Pixels that hardly change over time while their neighbours do."""
    around = cv2.medianBlur(spread, 5)
    return np.asarray((spread < 0.2 * around) & (around > 0.6), np.bool_)


def _dust_and_rest(ratios: NDArray[np.float32], edge: Map, result: _Result) -> None:
    """dust, then unknown: places that stay darker or different while parts come and go."""
    height, width = edge.shape
    factor = max(1, round(max(height, width) / _COARSE))
    if factor > 1:
        size = (width // factor, height // factor)
        ratios = np.stack([_resized(ratio, size) for ratio in ratios])
        edge = cv2.resize(edge, size, interpolation=cv2.INTER_NEAREST)
    fine = np.stack([cv2.GaussianBlur(ratio, (0, 0), 1.0) for ratio in ratios])
    band = np.stack([one - cv2.GaussianBlur(one, (0, 0), 8.0) for one in fine])
    middle = median_map(band)
    room = np.maximum(np.float32(_DUST_DEPTH), np.float32(_DUST_Z) * _error(band, middle)) + edge
    specks, covered = _specks(middle, room, factor)
    result.values["dust"] = float(len(specks))
    result.spots["dust"] = specks
    wide = np.stack([cv2.GaussianBlur(one, (0, 0), 2.5) for one in fine])
    rest = median_map(wide)
    limit = np.maximum(np.float32(_LEFT_DEPTH), np.float32(_LEFT_Z) * _error(wide, rest)) + edge
    different = (np.abs(rest) > limit) & (cv2.dilate(covered, np.ones((7, 7), np.uint8)) == 0)
    result.values["unknown"] = float(different.mean())


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
