"""What is fixed in a camera, and how it turns a part into pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from inspection.cameras import Camera
from plant.chance import generator
from plant.faults import Fault, apply
from plant.geometry import moved
from plant.texture import Field, bump, grain
from plant.wobble import wobble

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_FULL_WELL = 12_000.0  # electrons at full scale: 1.3 % shot noise on mid grey
_READ_NOISE = 0.0025  # sd, share of full scale
_PEDESTAL = 0.012  # what a pixel reads in the dark
_STATIC_BLUR_PX = 0.55  # a lens in focus


@dataclass(frozen=True)
class Optics:
    """One camera as mounted: arrays over the image, C = 1 or 3 channels."""

    light: Field  # (H, W, C) lamp, vignetting, white balance: full scale reached at reflectance 1
    gain: Field  # (H, W, C) per-pixel gain about 1
    dark: Field  # (H, W, C) per-pixel reading in the dark, share of full scale
    window: Field  # (H, W, 1) 0..1: 1 where the part is seen through the bezel
    bezel: Field  # (H, W, C) reflectance of the bezel


def margin(camera: Camera) -> int:
    """Pixels that a part must extend beyond the image on each side, so that jitter shows no edge."""
    return max(4, round(0.06 * min(camera.width, camera.height)))


@lru_cache(maxsize=32)
def optics(seed: int, camera: Camera) -> Optics:
    """The camera's fixed optics; the same for the same seed and camera."""
    rng = generator(seed, camera.name, "optics")
    height, width, channels = camera.height, camera.width, len(camera.mode)
    window, bezel = _bezel(rng, height, width)
    noise = rng.standard_normal((2, height, width, channels), dtype=np.float32)
    white = rng.normal(1.0, 0.01, channels) if channels == 3 else np.ones(1)
    return Optics(
        light=(_lamp(rng, height, width) * white).astype(np.float32),
        gain=1 + np.float32(0.008) * noise[0],
        dark=np.float32(_PEDESTAL) + np.float32(0.002) * noise[1],
        window=window,
        bezel=np.repeat(bezel, channels, axis=2),
    )


def capture(seed: int, camera: Camera, part: Field, at: datetime, faults: Sequence[Fault] = ()) -> Pixels:
    """What `camera` delivers at `at` of `part` ((H + 2m, W + 2m, C) reflectance, m = margin(camera)).

    (H, W) or (H, W, 3), uint8 or uint16 as the camera declares.
    """
    rig, state = optics(seed, camera), wobble(seed, camera, at)
    rim = margin(camera)
    lying = moved(part, *state.shift_px, state.turn_degrees)[rim:-rim, rim:-rim]
    scene = rig.bezel + rig.window * (lying - rig.bezel)
    scene = apply(scene, "scene", faults, seed, camera.name, at)
    image: Field = ndimage.gaussian_filter(scene, (_STATIC_BLUR_PX, _STATIC_BLUR_PX, 0), mode="nearest", truncate=3.0)
    image = apply(image, "glass", faults, seed, camera.name, at)
    image = apply(
        image * rig.light * _lamp_now(camera, state.light, state.warmth),
        "light",
        faults,
        seed,
        camera.name,
        at,
    )
    image = apply(image + rig.dark, "exposure", faults, seed, camera.name, at)
    image = _sensed(image, rig, generator(seed, camera.name, "noise", at.isoformat()))
    image = apply(image, "sensor", faults, seed, camera.name, at)
    return quantised(image[..., 0] if camera.mode == "L" else image, camera.bit_depth)


def quantised(image: Field, bit_depth: int) -> Pixels:
    """`image` (float, 0..1 full scale) as uint8 or uint16, clipped and rounded."""
    whole = np.rint(np.clip(image, 0, 1) * np.float32(2**bit_depth - 1))
    return np.asarray(whole, np.uint8) if bit_depth == 8 else np.asarray(whole, np.uint16)


def _lamp_now(camera: Camera, light: float, warmth: float) -> Field:
    factors = light * np.array([1 + warmth, 1, 1 - warmth]) if camera.mode == "RGB" else np.array([light])
    return factors.astype(np.float32)


def _sensed(image: Field, rig: Optics, rng: np.random.Generator) -> Field:
    """Per-pixel gain, shot and read noise on `image`, 0..1."""
    image = image * rig.gain
    variance = np.maximum(image, 0) / np.float32(_FULL_WELL) + np.float32(_READ_NOISE**2)
    return np.asarray(image + np.sqrt(variance) * rng.standard_normal(image.shape, np.float32), np.float32)


def _lamp(rng: np.random.Generator, height: int, width: int) -> Field:
    """Light over the field: (H, W, 1). Vignetting of 15-25 % in the corners, a lamp a little off centre."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    y, x = rows / height - 0.5 - rng.normal(0, 0.04), columns / width - 0.5 - rng.normal(0, 0.04)
    falloff = rng.uniform(0.30, 0.50) * (x**2 + y**2)
    heading, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.07)
    tilt = slope * (x * np.cos(heading) + y * np.sin(heading))
    level = rng.uniform(0.88, 0.98)
    return np.asarray(level * (1 - falloff + tilt), np.float32)[..., None]


def _bezel(rng: np.random.Generator, height: int, width: int) -> tuple[Field, Field]:
    """The clamp around the part: where it is open (H, W, 1) 0..1, and its reflectance (H, W, 1)."""
    scale = min(height, width) / 128
    top, bottom, left, right = rng.uniform(3, 6.5, 4) * scale
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    inside = np.minimum(
        np.minimum(rows - top, height - 1 - bottom - rows),
        np.minimum(columns - left, width - 1 - right - columns),
    )
    window = expit(inside / (0.35 * scale))
    reflectance = 0.13 + 0.012 * grain(rng, height, width, 1.5 * scale)
    for x, y in ((left / 2, top / 2), (width - right / 2, height - bottom / 2)):  # two index marks
        reflectance = reflectance + 0.45 * bump(height, width, x, y, 1.6 * scale, 6)
    return window.astype(np.float32)[..., None], reflectance.astype(np.float32)[..., None]
