"""Light of a window against its reference: gain, colour, gradient, clipping, flicker, the curve of the levels."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from monitoring.camera.daylight import LIGHT, gradient_of
from monitoring.camera.framing import resized
from monitoring.camera.healthy import Healthy, PartReference
from monitoring.camera.measurement import Map, Result, Vector
from monitoring.camera.window import Look
from monitoring.camera.zones import Zones

_NO_LIGHT = 0.06  # share of the healthy brightness below which the lamp is off
_FEWEST, _TOLD_GAIN = 8, 0.1  # clean windows, and a gain, below which lamp and exposure are not told apart
_DARK_LEVEL = 2.0  # grey levels that a pixel of most cameras reads in the dark, at least
_APART, _NEIGHBOURS = 0.004, 3.0  # error of a gain that is told from an offset; times chance, for cells go together
_BENT_ERROR, _FEWEST_CELLS = 0.01, 50  # of an exponent that is told; of parts, from which they are asked
_FOLLOWED = 0.4  # of the curve that the parts must follow
_CONTRAST = 0.15  # standard deviation of log levels from which the curve of a camera's levels can be told
_BY_OFFSET = 0.12  # of a change of the lamp that an offset in the dark may bend levels by
_FEWEST_PIXELS = 200  # of parts
_TOO_DARK, _TOO_BRIGHT = -0.5, 0.8  # gain beyond which dust and the rest are not looked for


def no_light(known: Mapping[str, list[Look]], reference: Healthy, result: Result) -> bool:
    shares = [
        float(look.channels.mean()) / max(float(reference.parts[part].channels.mean()), 1e-6)
        for part, looks in known.items()
        for look in looks
    ]
    if np.median(shares) >= _NO_LIGHT:
        return False
    result.values["gain"] = -1.0
    result.notes.append("There is no light: the lamp is off or the lens is covered. Nothing else can be measured.")
    return True


def _over_parts(known: Mapping[str, list[Look]], of: Mapping[str, Vector]) -> Vector:
    """The mean over parts of `of[part]`, weighted by their images."""
    weights = np.array([len(looks) for looks in known.values()], float)
    return np.asarray(np.average([of[part] for part in known], axis=0, weights=weights))


def lighting_of_looks(known: Mapping[str, list[Look]], reference: Healthy, zones: Zones | None, result: Result) -> None:
    """gain, colour, clipped and flicker from whole images, or from what stands still in them; per part, because parts
    differ."""
    change, clipped = {}, {}
    for part, looks in known.items():
        healthy = reference.parts[part]
        clipped[part] = np.array(np.mean([look.clipped for look in looks]) - healthy.clipped)
        change[part] = _common(_brightness(looks, healthy, zones))
    channels = _over_parts(known, change)
    _flicker_of_looks(known, reference, zones, result)
    result.values["gain"] = float(np.exp(channels.mean()) - 1)
    result.values["clipped"] = float(_over_parts(known, clipped))
    if channels.size == 3:
        red, blue = (float(np.exp(channels[c] - channels[1]) - 1) for c in (0, 2))
        result.values["colour"] = max(abs(red), abs(blue))
        result.details |= {"red": red, "blue": blue}


def _common(change: Vector) -> Vector:
    """The median of log brightness (n, C) over pictures; of its colour what three quarters of them share, for a lamp
    colours all of them."""
    middle = np.median(change, axis=0)
    if middle.size == 1:
        return np.asarray(middle)
    low, high = np.quantile(change - change[:, 1:2], [0.25, 0.75], axis=0)
    return np.asarray(middle[1] + np.where(low > 0, low, np.minimum(high, 0)))


def _brightness(looks: Sequence[Look], healthy: PartReference, zones: Zones | None) -> Vector:
    """Log brightness of each picture and channel against health: (n, C)."""
    if zones is not None and zones.split and healthy.grid is not None:
        return np.asarray(_against(looks, healthy)[:, zones.cells].mean(axis=1))
    now = np.log(np.maximum([look.channels for look in looks], 0.5))
    return np.asarray(now - np.log(np.maximum(healthy.channels, 0.5)))


def _against(looks: Sequence[Look], healthy: PartReference) -> Vector:
    """Log of each picture's grid over the part's in health: (n, h, w, C)."""
    assert healthy.grid is not None
    return np.asarray(np.log(np.array([look.grid for look in looks]) + 1) - np.log(healthy.grid + 1))


def unsteadiness(looks: Sequence[Look], healthy: PartReference, zones: Zones | None) -> float:
    """Standard deviation over pictures of the log brightness of a row of what stands still; robust, root mean square
    over rows."""
    if healthy.grid is None or len({look.grid.shape for look in looks} | {healthy.grid.shape}) > 1:
        return 0.0
    ratio = _against(looks, healthy).mean(axis=3)
    still = zones.cells if zones is not None else np.ones(ratio.shape[1:], np.bool_)
    rows = np.array([ratio[:, row, still[row]].mean(axis=1) for row in range(len(still)) if still[row].any()])
    if not len(rows):
        return 0.0
    away = np.abs(rows - np.median(rows, axis=1, keepdims=True))
    return float(np.sqrt(np.mean((1.4826 * np.median(away, axis=1)) ** 2)))


def _flicker_of_looks(known: Mapping[str, list[Look]], reference: Healthy, zones: Zones | None, result: Result) -> None:
    """flicker: what the brightness of rows wanders more from picture to picture than it does in health."""
    steady = {part: looks for part, looks in known.items() if len(looks) > 2 and reference.parts[part].unsteady > 0}
    if not steady or (zones is not None and not zones.split):  # rows of parts that fill the view differ anyway
        return
    added = {
        part: np.array(unsteadiness(looks, reference.parts[part], zones) ** 2 - reference.parts[part].unsteady ** 2)
        for part, looks in steady.items()
    }
    more = float(_over_parts(steady, added))
    result.values["flicker"] = float(np.sign(more) * np.sqrt(abs(more)))


def plane_of_light(middle: Map, expected: Map, zones: Zones, result: Result, softened: Map | None = None) -> Map:
    """Gain and gradient of what stands still; the plane of light (H, W) that was divided out. Pixels too dark or full
    are left out.

    Args:
        softened: log of light (H, W) by which the blur that was taken out changes each place: more or less of it is no
            light.
    """
    height, width = middle.shape
    size = (min(64, width), min(64, height))
    level = resized(expected, size).ravel()
    both = resized(np.exp(middle), size).ravel() * (level + 1) - 1  # to both levels in `middle` 1 was added
    ratio = np.asarray(both / np.maximum(level, 1), np.float32)
    seen = (level > 8) & (level * ratio < 250) & (level < 250)
    use = seen & (zones.weights(size).ravel() > 0)
    if use.sum() < 50:
        return np.full_like(middle, np.exp(np.median(middle)))
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in (size[1], size[0]))
    plane = [np.ones(use.size), np.repeat(y, size[0]), np.tile(x, size[1])]
    blur = [resized(softened, size).ravel()] if softened is not None else []
    everywhere = np.stack([*plane, *blur], axis=1)
    terms = everywhere[use]
    level_0, down, right = _fitted(terms, ratio[use])[:3]
    gain, _, error = _with_offset(terms, ratio[use], level[use])
    _, result.details["offset"], _ = _with_offset(everywhere[seen], ratio[seen], level[seen])
    contrast = zones.split and float(np.std(np.log(level[use] + 1))) > _CONTRAST
    apart = contrast and error < _APART
    result.values["gain"] = float((gain if apart else level_0) - 1)  # an offset in the dark hides part of a change
    result.values["gradient"] = gradient_of(np.array([level_0 - 1, down, right]))
    result.details |= dict(zip(LIGHT, (result.values["gain"], float(down), float(right)), strict=True))
    result.details["gradient_degrees"] = float(np.degrees(np.arctan2(-down, -right)) % 360)
    if contrast:
        every, parts = _Cells(everywhere, ratio, level), seen & (zones.weights(size).ravel() == 0)
        _curve_of_levels(every.some(use), every.some(parts), result)
    y, x = ((np.arange(n, dtype=np.float32) + 0.5) / n - 0.5 for n in (height, width))
    return np.asarray(np.maximum(level_0 + down * y[:, None] + right * x[None, :], 0.02), np.float32)


class _Cells(NamedTuple):
    """Places of a coarse grid: terms of a plane (n, 3), how light changed and the healthy level (n,)."""

    terms: Vector
    ratio: Map
    level: Map

    def some(self, where: NDArray[np.bool_]) -> "_Cells":
        return _Cells(self.terms[where], self.ratio[where], self.level[where])

    @property
    def logs(self) -> Map:
        """Of the level, full light 0."""
        return np.log((self.level + 1) / 256)

    @property
    def change(self) -> Map:
        return np.log(np.maximum(self.ratio, 0.02))


def _curve_of_levels(still: _Cells, parts: _Cells, result: Result) -> None:
    """tone: by how much another exponent bends the levels, on what stands still dark and bright under one light; 0
    where the parts do not follow the same curve."""
    one, y, x = still.terms.T[:3]
    middle = float(still.logs.mean())
    bent = np.stack([one, y, x, y**2, y * x, x**2, still.logs - middle], axis=1)
    fit = _fitted(bent, still.change)
    scale = 1.4826 * float(np.median(np.abs(still.change - bent @ fit)))
    error = _NEIGHBOURS * scale * float(np.sqrt(max(np.linalg.pinv(bent.T @ bent)[-1, -1], 0.0)))
    bend = float(fit[-1])
    result.values["tone"] = 0.0
    offset = _BY_OFFSET * abs(result.values["gain"])  # dark levels follow a lamp less
    if abs(bend) < offset or error > _BENT_ERROR:
        return
    if len(parts.level) >= _FEWEST_CELLS:
        flat = _fitted(still.terms, still.change)
        seen = float(np.median(parts.change - parts.terms @ flat))
        if seen / (bend * (float(parts.logs.mean()) - middle)) < _FOLLOWED:
            return
    result.values["tone"] = bend


def smooth_light(rest: Map, expected: Map, zones: Zones) -> Map:
    """What a plane leaves of an uneven light (H, W): the log ratio `rest`, smoothed over a twelfth of the picture."""
    height, width = rest.shape
    size = (min(64, width), min(64, height))
    weight = zones.weights(size) + np.float32(0.02)
    weight[resized(expected, size) < 8] = 0.001
    scale = min(size) / 12
    smooth = cv2.GaussianBlur(resized(rest, size) * weight, (0, 0), scale) / cv2.GaussianBlur(weight, (0, 0), scale)
    return np.asarray(np.exp(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)), np.float32)


def bent_light(rest: Map, expected: Map, zones: Zones | None) -> Map:
    """What a change of light does to dark and bright places differently (H, W): an offset in the dark, or another curve
    of the levels, of the log ratio `rest`. What stands still in `zones` decides where it has dark and bright places:
    parts that are brighter by themselves would bend all. None: every place does."""
    logs = np.log(np.maximum(expected, 0) + np.float32(1))
    size = (min(64, rest.shape[1]), min(64, rest.shape[0]))
    dark, left = (resized(one, size).ravel().astype(np.float64) for one in (logs, rest))
    terms, use = np.stack([np.ones_like(dark), dark], axis=1), np.ones(len(dark), np.bool_)
    still = zones.weights(size).ravel() > 0 if zones is not None else ~use
    if still.sum() >= _FEWEST_CELLS and dark[still].std() > _CONTRAST:
        use = still
    level, bend = _fitted(terms[use], np.asarray(left[use], np.float32))
    return np.asarray(np.exp(level + bend * logs), np.float32)


def parts_against_still(middle: Map, zones: Zones, reference: Healthy, result: Result) -> Map:
    """reflection: how much brighter the parts became than what stands still; that as a log ratio (H, W), `middle`
    (H, W) being one that is free of light."""
    nothing = np.zeros_like(middle)
    if not zones.split or reference.spread is None:
        return nothing
    inner = zones.inside > 0
    if inner.sum() < _FEWEST_PIXELS:
        return nothing
    weight = 1 / (np.square(reference.spread[inner]) + 1)
    size = float(np.average(middle[inner], weights=weight))
    result.values["reflection"] = float(np.exp(size) - 1)
    return np.asarray(cv2.GaussianBlur(inner.astype(np.float32), (0, 0), 1.5) * np.float32(size), np.float32)


def _with_offset(terms: Vector, ratio: Map, level: Map) -> tuple[float, float, float]:
    """Gain, the offset in levels that was added to it, and the gain's standard error, of a straight fit: now = gain x
    healthy + offset."""
    design = np.column_stack([terms, 1 / level])
    fit = _fitted(design, ratio)
    scale = 1.4826 * float(np.median(np.abs(ratio - design @ fit)))
    spread = np.linalg.pinv(design.T @ design)[0, 0]
    return float(fit[0]), float(fit[-1]), float(_NEIGHBOURS * scale * np.sqrt(max(spread, 0.0)))


def _fitted(terms: NDArray[np.float64], seen: Map) -> NDArray[np.float64]:
    """Robust straight fit (Huber, 1964) of `seen` (N,) by `terms` (N, K): (K,)."""
    weight = np.ones(len(terms))
    for _ in range(8):
        fit = np.linalg.lstsq(terms * weight[:, None], seen * weight, rcond=None)[0]
        miss = np.abs(seen - terms @ fit)
        scale = 1.4826 * float(np.median(miss)) + 1e-6
        weight = np.sqrt(np.minimum(1, 1.5 * scale / np.maximum(miss, 1e-9)))
    return np.asarray(fit)


def kept_in_the_dark(reference: Healthy, result: Result) -> None:
    """What dark places kept of a change of light, in standard deviations of the clean windows: positive where they kept
    their level, as when the lamp fades; 0 where all places changed alike, as with another exposure.

    A lamp leaves alone what a pixel reads in the dark, exposure does not: now = gain x healthy + offset.
    """
    gain, offset = result.values.get("gain", 0.0), result.details.get("offset")
    if offset is None or abs(gain) < _TOLD_GAIN:
        return
    clean = [one.details["offset"] for one in reference.clean if "offset" in one.details]
    if len(clean) < _FEWEST:
        return
    spread = max(float(np.std(clean, ddof=1)), 0.02)
    result.details["kept"] = float(-np.sign(gain) * (offset - np.mean(clean)) / spread)
    result.details["kept_expected"] = float(abs(gain) * _DARK_LEVEL / spread)


def faint(result: Result) -> bool:
    """Whether light has changed so much that it is no longer one factor everywhere: the sensor's own level shows."""
    return not _TOO_DARK < result.values.get("gain", 0.0) < _TOO_BRIGHT
