"""The surfaces of good parts, drawn from noise: no two alike, all of one kind recognisable."""

import hashlib
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from inspection.errors import FixSettings
from plant.texture import Field, bump, grain

_OF_PART = {"bracket": "brushed", "housing": "cast", "panel": "painted", "mesh": "woven"}

_TINTS = {  # red, green, blue relative to grey
    "brushed": (0.99, 1.00, 1.01),
    "cast": (1.03, 1.00, 0.95),
    "painted": (0.72, 0.98, 1.18),
    "woven": (1.08, 1.01, 0.88),
    "turned": (1.05, 1.00, 0.90),
    "sintered": (0.97, 1.00, 1.04),
}


def kind_of(part: str) -> str:
    """The surface that a part name stands for; an unknown name always gets the same one."""
    kinds = sorted(KINDS)
    return _OF_PART.get(part) or kinds[hashlib.blake2b(part.encode()).digest()[0] % len(kinds)]


def draw(kind: str, rng: np.random.Generator, height: int, width: int) -> Field:
    """Reflectance of a fresh part: (H, W) float32, 0..1. Grain grows with the image: 1 at 128 px."""
    if kind not in KINDS:
        raise FixSettings(f"no surface '{kind}': choose one of {', '.join(KINDS)}.")
    field = KINDS[kind](rng, height, width, min(height, width) / 128)
    brightness = rng.normal(1.0, 0.02)  # each part takes finish a little differently
    reflectance: Field = np.clip(field * brightness, 0.02, 0.98).astype(np.float32)
    return reflectance


def tint(kind: str, rng: np.random.Generator) -> Field:
    """Colour of a part: (3,) float32 RGB factors about 1, 0.6 % apart between parts."""
    return (np.array(_TINTS[kind]) * rng.normal(1.0, 0.006, 3)).astype(np.float32)


def _brushed(rng: np.random.Generator, height: int, width: int, scale: float) -> Field:
    streaks = grain(rng, height, width, 0.5 * scale, 40 * scale) + 0.5 * grain(rng, height, width, 0.4, 8 * scale)
    sheen = grain(rng, height, width, 24 * scale, 50 * scale)
    return 0.54 + 0.038 * streaks + 0.02 * sheen


def _cast(rng: np.random.Generator, height: int, width: int, scale: float) -> Field:
    relief = grain(rng, height, width, 1.6 * scale) + 1.5 * grain(rng, height, width, 4 * scale)
    pores: Field = np.clip(grain(rng, height, width, 0.9 * scale) - 2.4, 0, 1)
    shade = 0.02 * grain(rng, height, width, 12 * scale)
    return np.asarray(0.47 + 0.028 * _lit(relief) + shade - 0.10 * pores, np.float32)


def _painted(rng: np.random.Generator, height: int, width: int, scale: float) -> Field:
    peel = _lit(grain(rng, height, width, 2.4 * scale))
    gloss = bump(height, width, rng.uniform(0, width), rng.uniform(0, height), 45 * scale)
    wave = grain(rng, height, width, 16 * scale)
    return np.asarray(0.55 + 0.012 * peel + 0.012 * wave + 0.07 * gloss, np.float32)


def _woven(rng: np.random.Generator, height: int, width: int, scale: float) -> Field:
    pitch = 3.6 * scale * rng.uniform(0.95, 1.05)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    rows = rows / pitch + 0.16 * grain(rng, height, width, 7 * scale) + rng.uniform(0, 2)
    columns = columns / pitch + 0.16 * grain(rng, height, width, 7 * scale) + rng.uniform(0, 2)
    over = (np.floor(rows) + np.floor(columns)) % 2
    across, along = rows % 1 - 0.5, columns % 1 - 0.5
    thread = np.where(over > 0, np.cos(np.pi * across) * 1.06, np.cos(np.pi * along) * 0.94)
    fray, shade = grain(rng, height, width, 0.6 * scale), grain(rng, height, width, 10 * scale)
    return np.asarray(0.39 + 0.13 * thread + 0.016 * fray + 0.018 * shade, np.float32)


def _turned(rng: np.random.Generator, height: int, width: int, scale: float) -> Field:
    x, y = width * rng.uniform(-0.6, 0.1), height * rng.uniform(-0.6, 0.1)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    radius = np.hypot(rows - y, columns - x)
    groove = grain(rng, 1, int(radius.max()) + 2, 1.0, 0.9 * scale)[0]
    angle = np.arctan2(rows - y, columns - x)
    rings = np.interp(radius, np.arange(groove.size), groove)
    glare = np.cos(6 * angle + rng.uniform(0, 6))
    return np.asarray(0.50 + 0.05 * rings + 0.05 * glare, np.float32)


def _sintered(rng: np.random.Generator, height: int, width: int, scale: float) -> Field:
    grains = grain(rng, height, width, 0.7 * scale) + 0.7 * grain(rng, height, width, 2 * scale)
    pores: Field = np.clip(grain(rng, height, width, 0.8 * scale) - 1.9, 0, 1)
    return 0.50 + 0.04 * grains - 0.16 * pores


def _lit(relief: Field) -> Field:
    """A height map as a lamp from the upper left shows it: (H, W), mean 0, sd 1."""
    slope = ndimage.sobel(relief, axis=0) + 0.6 * ndimage.sobel(relief, axis=1)
    shaded: Field = slope / max(float(slope.std()), 1e-6)
    return shaded


KINDS: dict[str, Callable[[np.random.Generator, int, int, float], Field]] = {
    "brushed": _brushed,
    "cast": _cast,
    "woven": _woven,
    "painted": _painted,
    "turned": _turned,
    "sintered": _sintered,
}
