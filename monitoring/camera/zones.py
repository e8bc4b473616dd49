"""What stands still in a camera's pictures while parts come and go: learned from how each pixel varies in health."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from monitoring.camera.measurement import Map
from monitoring.camera.window import cells

_NOISE = 2.0  # times the noise of a pixel that what stands still may vary
_LEVEL = 0.5  # levels that it may vary at least
_DARK, _FULL = 4.0, 250.0  # levels that a pixel must lie between to say something of light
_LEAST_SHARE, _LEAST_PIXELS = 0.02, 300  # of the picture that must stand still, or nothing is said to


class Zones(NamedTuple):
    """Where nothing changes from picture to picture but light, (H, W); all of it, and not `split`, where that is too
    little."""

    still: NDArray[np.bool_]
    split: bool

    def weights(self, size: tuple[int, int]) -> Map:
        """The share of each cell of a (width, height) grid that stands still; cells at a border do not count."""
        share = cv2.resize(self.still.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return np.where(share > 0.9, share, 0).astype(np.float32)

    def apart(self, away: int) -> "Zones | None":
        """What stands still so many px from where parts are and more; None: that is less than half of it."""
        if away < 1 or not self.split:
            return self
        side = np.ones((2 * away + 1, 2 * away + 1), np.uint8)
        inner = cv2.erode(self.still.astype(np.uint8), side, borderValue=1) > 0
        return Zones(np.asarray(inner, np.bool_), True) if 2 * inner.sum() >= self.still.sum() else None

    @property
    def halves(self) -> "tuple[Zones, Zones, Zones, Zones]":
        """What stands still at the left, right, top and bottom."""
        parts = []
        for axis in (1, 0):
            place = np.arange(self.still.shape[axis]) >= self.still.shape[axis] // 2
            late = place[None, :] if axis else place[:, None]
            parts += [Zones(self.still & ~late, self.split), Zones(self.still & late, self.split)]
        left, right, top, bottom = parts
        return left, right, top, bottom

    @property
    def all(self) -> "Zones":
        """As where nothing is known to stand still."""
        return Zones(np.ones_like(self.still), False)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Where parts are, two pixels and more from what stands still."""
        return np.asarray(cv2.erode((~self.still).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0, np.bool_)

    @property
    def cells(self) -> NDArray[np.bool_]:
        """As the grid of a look."""
        return np.asarray(cells(self.still.astype(np.float32)[:, :, None])[:, :, 0] > 0.9, np.bool_)


def zones_of(mean: Map, changes: Map | None, noise: float) -> Zones:
    """The zones of a camera, given its mean picture in health and how much each pixel changes over time (H, W), levels.

    Args:
        noise: variance of a pixel in the picture's centre, levels^2.
    """
    everything = Zones(np.ones(mean.shape, np.bool_), False)
    if changes is None:
        return everything
    height, width = mean.shape
    centre = float(mean[height // 4 : height - height // 4, width // 4 : width - width // 4].mean())
    allowed = _NOISE**2 * noise * np.maximum(1, mean / max(centre, 1)) + _LEVEL**2
    still = (np.square(changes) < allowed) & (mean > _DARK) & (mean < _FULL)
    smooth = cv2.medianBlur(still.astype(np.uint8), 5)
    inner = cv2.erode(smooth, np.ones((3, 3), np.uint8), borderValue=1) > 0
    if inner.sum() < max(_LEAST_PIXELS, _LEAST_SHARE * inner.size):
        return everything
    return Zones(np.asarray(inner, np.bool_), True)
