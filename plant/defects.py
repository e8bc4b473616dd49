"""The defects of parts, as relative changes of reflectance whose contrast overlaps with the texture below."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.special import expit

from inspection.errors import FixSettings
from plant.texture import Field, bump, grain, stroke, walk


class Defect(NamedTuple):
    """How a defect is drawn: `mark(rng, H, W)` -> (H, W) relative change; `hue` weighs it in R, G, B."""

    mark: Callable[[np.random.Generator, int, int], Field]
    hue: tuple[float, float, float] = (1.0, 1.0, 1.0)


def add(kind: str, rng: np.random.Generator, surface: Field, strength: float = 1.0) -> Field:
    """`surface` ((H, W) or (H, W, 3), 0..1) with a defect; `strength` scales its contrast, 1 being usual."""
    if kind not in KINDS:
        raise FixSettings(f"no defect '{kind}': choose one of {', '.join(KINDS)}.")
    height, width = surface.shape[:2]
    change = np.float32(strength) * KINDS[kind].mark(rng, height, width)
    if surface.ndim == 3:
        change = change[..., None] * np.array(KINDS[kind].hue, np.float32)[: surface.shape[2]]
    return np.clip(surface * (1 + change), 0.01, 0.99).astype(np.float32)


def blemish(rng: np.random.Generator, surface: Field) -> Field:
    """`surface` with a faint mark that the quality spec accepts: what makes inspection hard."""
    kind = str(rng.choice(["scratch", "pit", "stain"]))
    return add(kind, rng, surface, rng.uniform(0.12, 0.35))


def _somewhere(rng: np.random.Generator, height: int, width: int) -> tuple[float, float]:
    return width * rng.uniform(0.25, 0.75), height * rng.uniform(0.25, 0.75)  # x, y: clear of the bezel


def _scale(height: int, width: int) -> float:
    return min(height, width) / 128


def _scratch(rng: np.random.Generator, height: int, width: int) -> Field:
    scale = _scale(height, width)
    x, y = _somewhere(rng, height, width)
    length, heading = rng.uniform(55, 95) * scale, rng.uniform(0, 2 * np.pi)
    start = (x - np.cos(heading) * length / 2, y - np.sin(heading) * length / 2)
    path = walk(rng, start, heading, length, 0.03)
    groove = stroke(path, 1.7 * scale, height, width)
    shadow = stroke(path + 1.4 * scale, 1.4 * scale, height, width)
    pressure: Field = 0.75 + 0.25 * grain(rng, height, width, 5 * scale)
    return (0.90 * groove - 0.45 * shadow) * pressure


def _pit(rng: np.random.Generator, height: int, width: int) -> Field:
    scale = _scale(height, width)
    x, y = _somewhere(rng, height, width)
    mark = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(3, 8)):
        px, py = x + rng.normal(0, 11) * scale, y + rng.normal(0, 11) * scale
        radius = rng.uniform(1.7, 3.2) * scale
        hole = bump(height, width, px, py, radius, 4)
        rim = bump(height, width, px + radius, py + radius, radius, 3)
        mark += 0.25 * rim * (1 - hole) - 0.65 * hole
    return mark


def _stain(rng: np.random.Generator, height: int, width: int) -> Field:
    scale = _scale(height, width)
    x, y = _somewhere(rng, height, width)
    level = bump(height, width, x, y, rng.uniform(17, 27) * scale) + 0.14 * grain(rng, height, width, 5 * scale)
    inside = expit((level - 0.5) / 0.05)
    ring = np.exp(-(((level - 0.5) / 0.10) ** 2))
    return np.asarray(-0.36 * inside - 0.22 * ring, np.float32)


def _crack(rng: np.random.Generator, height: int, width: int) -> Field:
    scale = _scale(height, width)
    heading = rng.uniform(0, 2 * np.pi)
    path = walk(rng, _somewhere(rng, height, width), heading, rng.uniform(45, 80) * scale, 0.10, 0.6)
    path += path[0] - path[12]  # its middle, not its start, is where it was put
    mark = stroke(path, 1.5 * scale, height, width)
    for _ in range(rng.integers(2, 5)):
        fork = path[rng.integers(6, 20)]
        side = heading + rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        branch = walk(rng, (fork[0], fork[1]), side, rng.uniform(14, 30) * scale, 0.12, 0.6)
        mark = np.maximum(mark, 0.9 * stroke(branch, 1.1 * scale, height, width))
    return -0.65 * mark


def _inclusion(rng: np.random.Generator, height: int, width: int) -> Field:
    scale = _scale(height, width)
    x, y = _somewhere(rng, height, width)
    rows, columns = np.ogrid[:height, :width]
    angle, long, short = rng.uniform(0, np.pi), rng.uniform(8, 14) * scale, rng.uniform(5, 8) * scale
    along = ((columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)) / long
    across = ((rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)) / short
    level = along**2 + across**2 + 0.35 * grain(rng, height, width, 1.6 * scale)
    body = expit((1 - level) / 0.12)
    speckle = 1 + 0.4 * grain(rng, height, width, 0.8 * scale)
    return np.asarray(0.42 * body * speckle, np.float32)


def _burr(rng: np.random.Generator, height: int, width: int) -> Field:
    scale = _scale(height, width)
    along = rng.uniform(0.2, 0.3) * height if rng.random() < 0.5 else rng.uniform(0.7, 0.8) * height
    start = (width * rng.uniform(0.15, 0.4), along)
    path = walk(rng, start, 0.0, rng.uniform(45, 75) * scale, 0.02)
    teeth = path + np.stack([np.zeros(25), rng.normal(0, 1.3, 25) * scale], axis=1)
    ridge = stroke(teeth, 2.2 * scale, height, width)
    shadow = stroke(path + np.array([0.0, 2.2 * scale]), 1.8 * scale, height, width)
    return 0.60 * ridge - 0.35 * shadow * (1 - ridge)


def _corrosion(rng: np.random.Generator, height: int, width: int) -> Field:
    scale = _scale(height, width)
    x, y = _somewhere(rng, height, width)
    patch = bump(height, width, x, y, rng.uniform(16, 26) * scale)
    spots = np.clip(grain(rng, height, width, 1.3 * scale) + 2.2 * patch - 2.0, 0, 1)
    return -0.75 * spots * patch - 0.08 * patch


def _dent(rng: np.random.Generator, height: int, width: int) -> Field:
    scale = _scale(height, width)
    x, y = _somewhere(rng, height, width)
    hollow = bump(height, width, x, y, rng.uniform(9, 15) * scale)
    slope = ndimage.sobel(hollow, axis=0) + 0.6 * ndimage.sobel(hollow, axis=1)
    return np.asarray(0.36 * slope / max(float(np.abs(slope).max()), 1e-6), np.float32)


KINDS: dict[str, Defect] = {
    "scratch": Defect(_scratch),
    "pit": Defect(_pit),
    "stain": Defect(_stain, (0.8, 1.0, 1.3)),
    "crack": Defect(_crack),
    "inclusion": Defect(_inclusion, (1.1, 1.0, 0.8)),
    "burr": Defect(_burr),
    "corrosion": Defect(_corrosion, (0.5, 1.1, 1.5)),
    "dent": Defect(_dent),
}
