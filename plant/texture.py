"""Random fields and strokes that surfaces, defects and faults are made of."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

Field = NDArray[np.float32]

_SUPERSAMPLE = 4  # strokes are drawn this much larger and averaged down, so a 0.5 px line is a faint line


def grain(rng: np.random.Generator, height: int, width: int, *sigma_px: float) -> Field:
    """Gaussian field of correlation length `sigma_px` (one value, or y and x): (H, W), mean 0, sd 1."""
    sigma_y, sigma_x = (sigma_px * 2)[:2]
    coarse_y, coarse_x = (max(1, int(sigma / 2)) for sigma in (sigma_y, sigma_x))
    small = (-(-height // coarse_y) + 2, -(-width // coarse_x) + 2)  # a smooth field needs few samples
    noise = rng.standard_normal(small, dtype=np.float32)
    field: Field = ndimage.gaussian_filter(noise, (sigma_y / coarse_y, sigma_x / coarse_x), mode="wrap", truncate=3.0)
    if (coarse_y, coarse_x) != (1, 1):
        size = (small[1] * coarse_x, small[0] * coarse_y)
        field = np.asarray(Image.fromarray(field).resize(size, Image.Resampling.BICUBIC))
    field = field[:height, :width]
    standard: Field = (field - field.mean()) / max(float(field.std()), 1e-6)
    return standard


def stroke(points: NDArray[np.float64], width_px: float, height: int, width: int) -> Field:
    """Coverage of a line through `points` ((N, 2) x, y in px): (H, W), 0..1, anti-aliased."""
    canvas = Image.new("L", (width * _SUPERSAMPLE, height * _SUPERSAMPLE))
    path = [(float(x), float(y)) for x, y in points * _SUPERSAMPLE]
    ImageDraw.Draw(canvas).line(path, fill=255, width=max(1, round(width_px * _SUPERSAMPLE)), joint="curve")
    return np.asarray(canvas.reduce(_SUPERSAMPLE), dtype=np.float32) / np.float32(255)


def walk(
    rng: np.random.Generator,
    start: tuple[float, float],
    heading: float,
    length_px: float,
    bend: float,
    jag: float = 0.0,
) -> NDArray[np.float64]:
    """A path of 24 steps from `start` (x, y): (25, 2) px.

    `bend` and `jag` are sd in radians of the turn per step: of one that stays, and of one that does not.
    """
    turns = heading + np.cumsum(rng.normal(0, bend, 24)) + rng.normal(0, jag, 24)
    steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * (length_px / 24)
    return np.concatenate([[start], start + np.cumsum(steps, axis=0)])


def bump(height: int, width: int, x: float, y: float, radius_px: float, sharpness: float = 2.0) -> Field:
    """exp(-ln2 (r / radius)^sharpness): (H, W), 1 at (x, y), one half at `radius_px`, 0 below 1e-4."""
    field = np.zeros((height, width), np.float32)
    reach = radius_px * np.log2(1e4) ** (1 / sharpness)  # a speck in 12 megapixels costs a speck
    top, left = max(0, int(y - reach)), max(0, int(x - reach))
    bottom, right = min(height, int(y + reach) + 2), min(width, int(x + reach) + 2)
    if top < bottom and left < right:
        rows, columns = np.ogrid[top:bottom, left:right]
        distance = np.hypot(rows - y, columns - x) / radius_px
        field[top:bottom, left:right] = np.exp(-np.log(2) * distance**sharpness)
    return field
