"""Blur that was added since the reference: defocus (even) against motion (along a line)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from monitoring.camera.healthy import PartReference
from monitoring.camera.measurement import Map, Result, Vector
from monitoring.camera.spectrum import frequencies
from monitoring.camera.window import Look, calm_spectrum
from monitoring.camera.zones import Zones

_SECOND = tuple(  # second differences / 2: along rows + down, along rows - down, twice the mixed one
    np.array(kernel, np.float32) / 2
    for kernel in (
        [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
        [[0, -1, 0], [1, 0, 1], [0, -1, 0]],
        [[0.5, 0, -0.5], [0, 0, 0], [-0.5, 0, 0.5]],
    )
)
BLURRED_PX2 = 0.06  # smaller added variances are not taken out: it would add noise
_DOUBT = 9.0  # variances of an uneven blur below which it is taken as even
_MODEL_ERROR = 0.3  # of a log spectrum, from cell to cell
_RIM = 2  # px at the border that the neighbours outside may change; more by a rim that has moved in
_BESIDE = 2.0  # px, over which what stands still goes on beneath the parts
_VEIL = 5.0  # px, over which contrast is taken
_SHARPEST = 0.0  # px^2 that a picture can be sharper than its reference and be drawn so
_UNKNOWN = 0.5  # px^2, error from which nothing is known of a blur
_MODEL = 0.05  # levels by which a mean picture errs in any case
_CERTAIN = 0.05  # px^2, error of a blur seen on what stands still, below which nothing else is asked
_PLAIN = 0.25  # of itself, error of a blur below which it is known all the same
_TILTED = 0.6  # of the stronger side's blur, by which sides differ where the lens is tilted
_SMEAR_ERROR = 0.02  # px^2, of any estimate of a blur


class Smear(NamedTuple):
    """Variance in px^2 that was added: even, more along x than along y, and along the diagonal; (3,) and (3, 3).

    marked: how well a scene tells a blur at all: the error of the even part were there none.
    """

    free: Vector
    covariance: Vector
    marked: float = np.inf

    def matrix(self) -> Vector:
        """(2, 2), x before y."""
        even, uneven, slant = self.free
        return np.array([[even + uneven, slant], [slant, even - uneven]])

    def with_(self, other: "Smear") -> "Smear":
        """Both estimates, weighted by their certainty."""
        mine, its = np.linalg.inv(self.covariance), np.linalg.inv(other.covariance)
        covariance = np.linalg.inv(mine + its)
        return Smear(covariance @ (mine @ self.free + its @ other.free), covariance)

    @property
    def certain(self) -> bool:
        """Whether what was looked at has marks enough to tell it alone."""
        return self.marked < _CERTAIN

    @property
    def known(self) -> bool:
        """Whether it says anything."""
        return bool(np.sqrt(self.covariance[0, 0]) < max(_UNKNOWN, _PLAIN * self.free[0]))

    def beyond(self, variance: float) -> "Smear":
        """Without an even part that something else explains, if it is so small."""
        return self._replace(free=self.free * [0, 1, 1]) if abs(self.free[0]) < variance else self

    def without_chance(self) -> "Smear":
        """The uneven part shrunk by its uncertainty (James and Stein): what cannot be told is taken as even."""
        doubt = _DOUBT * (self.covariance[1, 1] + self.covariance[2, 2])
        shrink = max(0.0, 1 - doubt / max(float(self.free[1] ** 2 + self.free[2] ** 2), 1e-12))
        return Smear(self.free * [1, shrink, shrink], self.covariance)


def tell_blur(smear: Smear, rows: Sequence["_Spectra"], result: Result) -> Vector:
    """Sets blur and motion; the variance (2, 2) that was added."""
    smear = smear.without_chance()
    even, uneven, slant = smear.free.tolist()
    if rows and np.hypot(uneven, slant) > BLURRED_PX2:
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


def gaussian_smear(rows: Sequence[_Spectra]) -> Smear:
    """Power falls by exp(-4 pi^2 f' S f). S and one gain per part are fitted to the log spectra, the window's
    noise floor standing beside the signal, over the cells in which the healthy signal was above the noise."""

    def misfit(free: Vector) -> Vector:
        along = np.array([free[0] + free[1], free[0] - free[1], free[2]])
        cells = [row.misfit(free[3 + n] - 4 * np.pi**2 * row.quad @ along) for n, row in enumerate(rows)]
        return np.concatenate([*cells, free[1:3] / 0.5])

    free, covariance = _fitted(misfit, np.zeros(3 + len(rows)))
    return Smear(free[:3], covariance[:3, :3] + np.eye(3) * _SMEAR_ERROR**2)


def edge_smear(expected: Map, now: Map, zones: Zones, noise: float, rim: int = 0) -> Smear | None:
    """The added variance seen on whatever keeps its place (levels, same framing and light): Gauss-Newton on
    I + (S_xx I_xx + 2 S_xy I_xy + S_yy I_yy) / 2 + c (I - I around) + d P, for a veil or another curve of the levels
    takes contrast at every scale, and parts (P), brighter now and then, shine in from beside. None: nothing there is
    sharp enough to tell.

    Args:
        noise: standard deviation of a pixel of `now` by chance, levels.
        rim: px at the border that have moved in.
    """
    inner, beside, veil = _inside(zones, rim), _Around.of(zones, _BESIDE), _Around.of(zones, _VEIL)
    if not inner.any():
        return None
    smear, marked = np.zeros((2, 2)), np.inf
    ridge = np.diag([1e-6] * 3 + [1e-6 if zones.split else 1e9] * 2)
    for _ in range(4):
        sizes, axes = np.linalg.eigh(smear)
        smear = axes @ np.diag(np.clip(sizes, -_SHARPEST, 25)) @ axes.T
        blurred = as_now(expected, smear)
        soft = cv2.GaussianBlur(blurred, (0, 0), 0.6)
        alone = np.where(zones.still, soft, beside.mean(soft))
        curves = [cv2.filter2D(alone, -1, kernel)[inner] for kernel in _SECOND]
        shine = cv2.filter2D(soft - alone, -1, _SECOND[0])[inner]
        contrast = (soft - veil.mean(soft))[inner]
        missing = (now - blurred)[inner]
        some = missing[:: max(1, missing.size // 50_000)]
        scale = 1.4826 * float(np.median(np.abs(some - np.median(some)))) + 0.05
        least = 0 if zones.split else 2 * scale  # where parts pass, flat places hold only texture
        curved = np.max([np.abs(curve) for curve in curves], axis=0) > least
        if curved.sum() < 100:
            return None
        terms = np.stack([c[curved] for c in (*curves, contrast, shine)], axis=1).astype(np.float64)
        miss = missing[curved]
        weight = np.minimum(1, 3 * scale / np.maximum(np.abs(miss), 1e-9))
        square = terms.T @ (terms * weight[:, None]) + ridge
        if marked == np.inf:
            marked = 3 * (noise + _MODEL) * float(np.sqrt(np.linalg.inv(terms.T @ terms + ridge)[0, 0]))
        even, uneven, slant, *_ = np.linalg.solve(square, terms.T @ (miss * weight))
        smear = smear + np.array([[even + uneven, slant], [slant, even - uneven]])
        if max(abs(even), abs(uneven), abs(slant)) < _SMEAR_ERROR / 4:
            break
    free = np.array([(smear[0, 0] + smear[1, 1]) / 2, (smear[0, 0] - smear[1, 1]) / 2, smear[0, 1]])
    error = (3 * scale) ** 2 * np.linalg.inv(square)[:3, :3] + np.eye(3) * _SMEAR_ERROR**2
    return Smear(free, error, marked) if np.isfinite(free).all() else None


def tell_tilt(expected: Map, now: Map, zones: Zones, noise: float, rim: int, result: Result) -> None:
    """Sets blur_degrees (0: right, 90: bottom) where what stands still is blurred far more at one side."""
    result.details.pop("blur_degrees", None)
    sides = [edge_smear(expected, now, half, noise, rim) for half in zones.halves]
    if any(side is None or not side.certain for side in sides):
        return
    left, right, top, bottom = (max(0.0, float(side.free[0])) for side in sides if side is not None)
    across, down = right - left, bottom - top
    if max(abs(across), abs(down)) > _TILTED * max(left, right, top, bottom, BLURRED_PX2):
        first = (across, 0.0) if abs(across) > abs(down) else (down, 90.0)
        result.details["blur_degrees"] = first[1] + (180.0 if first[0] < 0 else 0.0)


def misfit(smear: Smear, expected: Map, now: Map, zones: Zones, rim: int = 0) -> float:
    """By how many levels what stands still differs from what is expected with such a blur."""
    away = (now - as_now(expected, smear.without_chance().matrix()))[_inside(zones, rim)]
    return float(np.abs(away - np.median(away)).mean())


def _inside(zones: Zones, rim: int) -> NDArray[np.bool_]:
    """What stands still, without the border that is changed from outside."""
    inner, inside = np.zeros_like(zones.still), slice(_RIM + rim, -_RIM - rim)
    inner[inside, inside] = zones.still[inside, inside]
    return inner


class _Around(NamedTuple):
    """What stands still around each place, so many px about: (H, W) shares of each pixel and of its neighbourhood."""

    share: Map
    near: Map
    scale: float

    @classmethod
    def of(cls, zones: Zones, scale: float) -> "_Around":
        share = zones.still.astype(np.float32)
        return cls(share, np.maximum(cv2.GaussianBlur(share, (0, 0), scale), 1e-3), scale)

    def mean(self, level: Map) -> Map:
        """Of `level` (H, W)."""
        return np.asarray(cv2.GaussianBlur(level * self.share, (0, 0), self.scale) / self.near, np.float32)


def _line_smear(rows: Sequence[_Spectra], even: float, uneven: float, slant: float) -> tuple[float, float, float]:
    """As `gaussian_smear` of a straight smear, whose spectrum is a squared sinc, on an even blur."""

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


def spectra_of(looks: Sequence[Look], healthy: PartReference) -> _Spectra | None:
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
    return _Spectra(frequencies()[usable], signal[usable], np.log(power[usable]), weight, max(floor, 1e-6))


def as_now(healthy: Map, smear: Vector) -> Map:
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
