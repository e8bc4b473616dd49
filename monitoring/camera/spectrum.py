"""Power spectrum of a picture's centre, in cells of direction and scale, and the noise beyond what a lens passes."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from monitoring.camera.measurement import Map, Vector

_PATCH = 256  # px, the largest patch of which a spectrum is taken ...
_MIN_PATCH = 24  # ... and the smallest
_DIRECTIONS, _RINGS = 8, 18  # cells of the power spectrum ...
_FROM, _RING = 0.04, 0.025  # ... whose rings begin at 0.04 and are 0.025 cycles per px wide
_CORNER = 0.6  # cycles per px, beyond which a lens passes nothing: what is there is noise


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
def frequencies() -> Vector:
    """(cells, 3): mean right^2, down^2 and 2 right down of each cell, (cycles per px)^2."""
    radius = _FROM + (np.arange(_RINGS) + 0.5) * _RING
    angle = np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS
    right, down = (np.outer(radius, trig(angle)).ravel() for trig in (np.cos, np.sin))
    return np.stack([right**2, down**2, 2 * right * down], axis=1)


def spectrum(grey: Map) -> tuple[Vector, float]:
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
