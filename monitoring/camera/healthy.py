"""What each part looks like to the healthy camera: what a window is measured against."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.camera.measurement import Map, Measurement
from monitoring.camera.window import Window


@dataclass(frozen=True)
class PartReference:
    """One part as the healthy camera sees it. `map`: (H, W) float32 mean levels; None: no fixed places.

    channels: (C,) median of the images' means, levels. power: (cells,) spectrum of its calmer images, levels^2.
    floor: the spectrum's noise. unsteady: how much rows differ in brightness from picture to picture (0: not known).
    """

    images: int
    map: Map | None
    channels: NDArray[np.float64]
    clipped: float
    power: NDArray[np.float64]
    floor: float
    unsteady: float = 0.0


@dataclass(frozen=True)
class Healthy:
    """A camera's healthy state, and its clean windows, each measured against the others.

    `height` and `width` are None where the camera crops; `spread` is (H, W) levels.
    """

    camera: str
    version: str
    parts: dict[str, PartReference]
    height: int | None
    width: int | None
    channels: int
    spread: Map | None
    clean: tuple[Measurement, ...] = ()

    def expected(self, window: Window) -> NDArray[np.float32] | None:
        """The healthy mean of the window's parts in their proportions: (H, W, 1) levels; None: no fixed places."""
        maps = [(n, self.parts[p].map) for p, n in window.parts.items() if p in self.parts]
        levels = [level * np.float32(count) for count, level in maps if level is not None]
        total = sum(count for count, level in maps if level is not None)
        return np.asarray(sum(levels) / np.float32(total), np.float32)[:, :, None] if levels else None
