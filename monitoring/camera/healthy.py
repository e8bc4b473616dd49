"""What each part looks like to the healthy camera: what a window is measured against."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitoring.camera.daylight import Daylight
from monitoring.camera.measurement import Map, Measurement
from monitoring.camera.window import Window
from monitoring.camera.zones import Zones, zones_of


@dataclass(frozen=True)
class PartReference:
    """One part as the healthy camera sees it. `map`: (H, W) float32 mean levels; None: no fixed places.

    channels: (C,) median of the images' means, levels. power: (cells,) spectrum of its calmer images, levels^2.
    floor: the spectrum's noise. unsteady: how much rows differ in brightness from picture to picture (0: not known).
    grid: (h, w, C) mean of the images' grids, levels. blocky, step: as `window.Look` has them, their medians
    (step 0: not known).
    """

    images: int
    map: Map | None
    channels: NDArray[np.float64]
    clipped: float
    power: NDArray[np.float64]
    floor: float
    unsteady: float = 0.0
    grid: NDArray[np.float32] | None = None
    blocky: float = 0.0
    step: float = 0.0


@dataclass(frozen=True)
class Scatter:
    """How much a healthy window differs from what is expected, place by place; (H, W) standard deviations.

    pixel: of a pixel against its neighbours, levels. specks: of the log ratio at each scale of `dust`, (S, h, w).
    blocks: usual standard error by the window's own blocks, (h, w). images: of a clean window.
    """

    pixel: Map
    specks: NDArray[np.float32]
    blocks: Map
    images: int


@dataclass(frozen=True)
class Healthy:
    """A camera's healthy state, and its clean windows, each measured against the others.

    `height` and `width` are None where the camera crops; `spread` is (H, W) levels. `torn`: share of its pictures with
    rows that repeat the row before them. `grain`: noise of a pixel where the picture stands still, levels (0: nothing
    does). `daylight`: light that comes and goes.
    """

    camera: str
    version: str
    parts: dict[str, PartReference]
    height: int | None
    width: int | None
    channels: int
    spread: Map | None
    clean: tuple[Measurement, ...] = ()
    scatter: Scatter | None = None
    torn: float = 0.0
    grain: float = 0.0
    daylight: Daylight = field(default_factory=Daylight)

    @property
    def mean(self) -> Map | None:
        """The mean picture of all parts, (H, W) levels; None: no fixed places."""
        maps = [(part.images, part.map) for part in self.parts.values() if part.map is not None]
        total = sum(images for images, _ in maps)
        levels = [level * np.float32(images / total) for images, level in maps]
        return np.asarray(sum(levels), np.float32) if levels and self.height is not None else None

    @property
    def noise(self) -> float:
        """Of a pixel in one picture, levels."""
        return self.grain or float(np.sqrt(np.mean([part.floor for part in self.parts.values()])))

    @cached_property
    def zones(self) -> Zones | None:
        """What stands still; None: pictures have no fixed places."""
        mean = self.mean
        if mean is None:
            return None
        return zones_of(mean, self.spread, float(np.mean([part.floor for part in self.parts.values()])))

    @property
    def torn_is_usual(self) -> bool:
        return self.torn > 0.5

    def expected(self, window: Window) -> NDArray[np.float32] | None:
        """The healthy mean of the window's parts in their proportions: (H, W, 1) levels; None: no fixed places."""
        maps = [(n, self.parts[p].map) for p, n in window.parts.items() if p in self.parts]
        levels = [level * np.float32(count) for count, level in maps if level is not None]
        total = sum(count for count, level in maps if level is not None)
        return np.asarray(sum(levels) / np.float32(total), np.float32)[:, :, None] if levels else None
