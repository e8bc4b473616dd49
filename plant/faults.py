"""Faults of a camera with a size in a physical unit, each acting where it acts in life.

Light reaches a pixel through these places, in this order; `apply` is called at each of them:
scene (geometry, blur) -> glass (what lies on it) -> light -> exposure -> [shot and read noise] -> sensor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit, ive

from inspection.errors import FixSettings
from plant.chance import generator
from plant.geometry import moved
from plant.texture import Field, bump, grain, stroke, walk

Place = Literal["scene", "glass", "light", "exposure", "sensor"]
PLACES: tuple[Place, ...] = ("scene", "glass", "light", "exposure", "sensor")


@dataclass(frozen=True)
class Fault:
    """A fault on one camera: what it is, how big (in its kind's unit, see KINDS), from when to when.

    With `ramp_days` the size grows linearly from 0 at `since` to `size` that many days later.
    `number` tells several faults of one kind on one camera apart: each lies elsewhere.
    `depth`, `diameter_px` and `direction_degrees` (0 = right, 90 = down; None: drawn once per camera) refine
    the kinds that have them; None means the kind's usual value.
    """

    kind: str
    size: float
    camera: str
    since: datetime
    until: datetime | None = None
    ramp_days: float = 0.0
    depth: float | None = None
    diameter_px: float = 6.0
    direction_degrees: float | None = None
    number: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            near = get_close_matches(self.kind, KINDS, n=1, cutoff=0)[0]
            raise FixSettings(f"no fault '{self.kind}': did you mean '{near}'? Known: {', '.join(KINDS)}.")
        if self.since.tzinfo is None or (self.until is not None and self.until.tzinfo is None):
            raise FixSettings(f"fault '{self.kind}' on {self.camera}: since and until need a time zone.")

    def size_at(self, at: datetime) -> float:
        """The size at `at` in the kind's unit; 0 outside since..until."""
        if at < self.since or (self.until is not None and at >= self.until):
            return 0.0
        if self.ramp_days <= 0:
            return self.size
        return self.size * min(1.0, (at - self.since) / timedelta(days=1) / self.ramp_days)


class Kind(NamedTuple):
    """What a kind means. `effect(image, size, fault, rng)`: (H, W, C) float32, 0..1 full scale, to the same.

    `rng` depends on seed, camera and kind, so that places stay fixed; of a fleeting kind also on the time.
    """

    place: Place
    unit: str
    usual: float  # a size worth rehearsing
    effect: "Callable[[Field, float, Fault, np.random.Generator], Field]"
    depth: float = 0.0
    fleeting: bool = False


def apply(image: Field, place: Place, faults: Sequence[Fault], seed: int, camera: str, at: datetime) -> Field:
    """`image` ((H, W, C) float32, 0..1 full scale) after what `camera`'s faults do at `place` and time `at`.

    Faults act in the order of KINDS, whatever the order they are given in.
    """
    order = list(KINDS)
    for fault in sorted(faults, key=lambda fault: order.index(fault.kind)):
        kind = KINDS[fault.kind]
        size = fault.size_at(at) if fault.camera == camera and kind.place == place else 0.0
        if size:
            words = (seed, camera, fault.kind, *([fault.number] if fault.number else []))
            words = (*words, *([at.isoformat()] if kind.fleeting else []))
            image = kind.effect(image, size, fault, generator(*words)).astype(np.float32, copy=False)
    return image


def spots(rng: np.random.Generator, count: int, height: int, width: int) -> NDArray[np.int64]:
    """`count` distinct places (row, column) off the border: (count, 2). More spots keep the first ones."""
    shares = rng.random((4 * count + 16, 2))
    places = np.floor((0.12 + 0.76 * shares) * (height, width)).astype(np.int64)
    distinct = list(dict.fromkeys(map(tuple, places.tolist())))
    return np.array(distinct[:count], dtype=np.int64).reshape(-1, 2)


def _depth(fault: Fault) -> float:
    return KINDS[fault.kind].depth if fault.depth is None else fault.depth


def _heading(fault: Fault, rng: np.random.Generator) -> float:
    drawn = rng.uniform(0, 2 * np.pi)
    return drawn if fault.direction_degrees is None else float(np.deg2rad(fault.direction_degrees))


def _blurred(image: Field, sigma_px: float) -> Field:
    """Lindeberg's discrete Gaussian: its variance is sigma squared also where sigma is below a pixel."""
    reach = int(np.ceil(4 * sigma_px)) + 2
    kernel = ive(np.abs(np.arange(-reach, reach + 1)), sigma_px**2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        image = ndimage.correlate1d(image, kernel, axis=axis, mode="nearest")
    return image


def _shift(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    heading = _heading(fault, rng)
    return moved(image, size * np.sin(heading), size * np.cos(heading))


def _rotation(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    return moved(image, 0, 0, size)


def _defocus(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    return _blurred(image, size)


def _motion(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    heading = _heading(fault, rng)
    steps = np.linspace(-size / 2, size / 2, max(2, int(np.ceil(2 * size)) + 1))
    reach = int(np.ceil(size / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for step in steps:  # each position of the moving image, shared out over its four pixels
        _deposit(kernel, reach + step * np.sin(heading), reach + step * np.cos(heading), 1 / len(steps))
    smeared: Field = ndimage.convolve(image, kernel[..., None], mode="nearest")
    return smeared


def _deposit(kernel: Field, row: float, column: float, amount: float) -> None:
    y, x = int(row), int(column)
    for dy, wy in ((0, 1 - (row - y)), (1, row - y)):
        for dx, wx in ((0, 1 - (column - x)), (1, column - x)):
            if wy * wx > 0:
                kernel[y + dy, x + dx] += amount * wy * wx


def _dust(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    height, width = image.shape[:2]
    through = np.ones((height, width), np.float32)
    for row, column in spots(rng, round(size), height, width):
        through *= 1 - np.float32(_depth(fault)) * bump(height, width, column, row, fault.diameter_px / 2, 4)
    return image * through[..., None]


def _fibre(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    height, width = image.shape[:2]
    (row, column), heading = spots(rng, 1, height, width)[0], rng.uniform(0, 2 * np.pi)
    path = walk(rng, (float(column), float(row)), heading, size, 0.22)
    path += (np.array([width, height]) - path.min(axis=0) - path.max(axis=0)) / 4  # towards the middle
    shade = ndimage.gaussian_filter(stroke(path, 1.6, height, width), 0.6)
    through: Field = 1 - np.float32(_depth(fault)) * shade
    return image * through[..., None]


def _scratched_glass(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    height, width = image.shape[:2]
    lines = np.zeros((height, width), np.float32)
    heading = rng.uniform(0, 2 * np.pi)
    for row, column in spots(rng, round(size), height, width):
        length = rng.uniform(0.25, 0.6) * min(height, width)
        path = walk(rng, (float(column), float(row)), heading + rng.normal(0, 0.3), length, 0.01)
        lines = np.maximum(lines, ndimage.gaussian_filter(stroke(path, 1.2, height, width), 0.7))
    veil = np.float32(_depth(fault)) * lines[..., None]
    glow = 1.6 * image.mean()  # a scratch scatters light towards the sensor
    return np.asarray(image + veil * (glow - image), np.float32)


def _oil_film(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    height, width = image.shape[:2]
    film = grain(rng, height, width, min(height, width) / 7)
    edge = np.quantile(film, 1 - min(size, 1.0))
    inside = expit((film - edge) / np.float32(0.15))[..., None]
    smeared = _blurred(image, 1.6) * (1 - np.float32(_depth(fault)))
    sheen = 1 + 0.05 * np.sin(4 * film[..., None] + np.arange(image.shape[2]) * 2.1)
    return np.asarray(image + inside * (smeared * sheen - image), np.float32)


def _condensation(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    height, width = image.shape[:2]
    fog = np.clip(0.8 + 0.35 * grain(rng, height, width, min(height, width) / 5), 0, 1)[..., None]
    milk = _blurred(image, 3.0) * np.float32(0.15) + np.float32(0.95) * image.mean()
    return np.asarray(image + size * fog * (milk - image), np.float32)


def _lamp(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    return image * np.float32(1 + size)


def _colour(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    if image.shape[2] != 3:
        raise FixSettings(f"fault 'colour' on {fault.camera}: a grey camera has no colour to cast.")
    return image * np.array([1 + size, 1, 1 - size], np.float32)


def _gradient(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    height, width = image.shape[:2]
    heading = _heading(fault, rng)
    rows, columns = np.ogrid[:height, :width]
    along = rows / height * np.sin(heading) + columns / width * np.cos(heading)
    side = (along - along.min()) / (along.max() - along.min())
    return image * np.asarray(1 + size * side, np.float32)[..., None]


def _flicker(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    height = image.shape[0]
    phase = 2 * np.pi * (rng.random() + 1.7 * np.arange(height) / height)  # a rolling shutter sees bands
    return image * np.asarray(1 + size * np.sin(phase), np.float32)[:, None, None]


def _exposure(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    return np.asarray(np.minimum(image * np.float32(1 + size), 1), np.float32)


def _dead(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    return _set(image, rng, size, lambda value: value * 0)


def _hot(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    return _set(image, rng, size, lambda value: value + _depth(fault))


def _stuck(image: Field, size: float, fault: Fault, rng: np.random.Generator) -> Field:
    return _set(image, rng, size, lambda value: value * 0 + _depth(fault))


def _set(image: Field, rng: np.random.Generator, size: float, change: Callable[[Field], Field]) -> Field:
    places = spots(rng, round(size), *image.shape[:2])
    image = image.copy()
    image[places[:, 0], places[:, 1]] = change(image[places[:, 0], places[:, 1]])
    return image


KINDS: dict[str, Kind] = {
    "shift": Kind("scene", "px", 2.0, _shift),
    "rotation": Kind("scene", "degrees, clockwise", 1.0, _rotation),
    "defocus": Kind("scene", "px, sigma of the added Gaussian blur", 1.0, _defocus),
    "motion": Kind("scene", "px, length of the smear", 4.0, _motion),
    "dust": Kind("glass", "specks; depth is the share of light each takes", 3, _dust, depth=0.25),
    "fibre": Kind("glass", "px, its length; depth as for dust", 60.0, _fibre, depth=0.35),
    "scratched_glass": Kind(
        "glass", "scratches; depth is the share of light scattered", 6, _scratched_glass, depth=0.35
    ),
    "oil_film": Kind(
        "glass", "share of the image covered; depth is the share of light lost", 0.35, _oil_film, depth=0.12
    ),
    "condensation": Kind("glass", "share of contrast lost where thickest", 0.4, _condensation),
    "lamp": Kind("light", "relative gain of the light, -0.12 being 12 % darker", -0.12, _lamp),
    "colour": Kind("light", "relative: red times 1 + size, blue times 1 - size", 0.06, _colour),
    "gradient": Kind("light", "relative change of the light at the far side, 0 at the near", -0.2, _gradient),
    "flicker": Kind("light", "relative amplitude, phase at random per image", 0.08, _flicker, fleeting=True),
    "exposure": Kind("exposure", "relative exposure time; the sensor clips", 0.25, _exposure),
    "hot": Kind("sensor", "pixels; depth is the excess as a share of full scale", 3, _hot, depth=40 / 255),
    "dead": Kind("sensor", "pixels reading 0", 2, _dead),
    "stuck": Kind("sensor", "pixels reading depth, a share of full scale", 1, _stuck, depth=0.75),
}
