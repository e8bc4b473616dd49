"""Light of a window against its reference: gain, colour, gradient, clipping, flicker, and the noise of the sensor."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from monitoring.camera.framing import resized
from monitoring.camera.healthy import Healthy
from monitoring.camera.measurement import Map, Result, Vector
from monitoring.camera.window import Look, calm_spectrum, unsteadiness

_NO_LIGHT = 0.06  # share of the healthy brightness below which the lamp is off
_FEWEST, _TOLD_GAIN = 8, 0.1  # clean windows, and a gain, below which lamp and exposure are not told apart
_DARK_LEVEL = 2.0  # grey levels that a pixel of most cameras reads in the dark, at least
_OTHER_LIGHT = 0.3  # gain beyond which noise is not told from the grain of a surface
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


def lighting_of_looks(known: Mapping[str, list[Look]], reference: Healthy, result: Result) -> None:
    """gain, colour and clipped from whole images; per part, because parts differ."""
    change, clipped = {}, {}
    for part, looks in known.items():
        healthy = reference.parts[part]
        change[part] = np.median([np.log(np.maximum(look.channels, 0.5)) for look in looks], axis=0) - np.log(
            np.maximum(healthy.channels, 0.5)
        )
        clipped[part] = np.array(np.mean([look.clipped for look in looks]) - healthy.clipped)
    channels = _over_parts(known, change)
    _flicker_of_looks(known, reference, result)
    result.values["gain"] = float(np.exp(channels.mean()) - 1)
    result.values["clipped"] = float(_over_parts(known, clipped))
    if channels.size == 3:
        red, blue = (float(np.exp(channels[c] - channels[1]) - 1) for c in (0, 2))
        result.values["colour"] = max(abs(red), abs(blue))
        result.details |= {"red": red, "blue": blue}


def _flicker_of_looks(known: Mapping[str, list[Look]], reference: Healthy, result: Result) -> None:
    """flicker: what the brightness of rows wanders more from picture to picture than it does in health."""
    steady = {part: looks for part, looks in known.items() if len(looks) > 2 and reference.parts[part].unsteady > 0}
    if not steady:
        return
    added = {
        part: np.array(unsteadiness(looks) ** 2 - reference.parts[part].unsteady ** 2) for part, looks in steady.items()
    }
    more = float(_over_parts(steady, added))
    result.values["flicker"] = float(np.sign(more) * np.sqrt(abs(more)))


def noise_of_looks(known: Mapping[str, list[Look]], reference: Healthy, result: Result) -> None:
    """noise: what the finest scale, beyond the reach of any lens, has more than light explains.

    Noise of reading does not grow with the light, the grain of a surface does: the larger of both counts as explained.
    """
    if any(result.values.get(name) for name in ("dead", "hot", "stuck", "dust")):
        return  # wrong pixels and sharp edges fill the finest scale too
    if abs(result.values.get("gain", 0.0)) > _OTHER_LIGHT:
        return  # grain no longer follows the light by one factor: a sensor's curve and full pixels bend it
    floors = {
        part: np.array(np.log(max(calm_spectrum(looks)[1], 1e-6) / reference.parts[part].floor))
        for part, looks in known.items()
        if reference.parts[part].floor > 0
    }
    if floors:
        some = {part: known[part] for part in floors}
        light = 2 * np.log(max(1.0, 1 + result.values.get("gain", 0.0)))
        result.values["noise"] = max(0.0, float(np.exp((_over_parts(some, floors) - light) / 2)) - 1)


def plane_of_light(middle: Map, expected: Map, result: Result) -> Map:
    """Gain and gradient; the plane of light (H, W) that was divided out. Pixels too dark or full are left out."""
    height, width = middle.shape
    size = (min(64, width), min(64, height))
    ratio = resized(np.exp(middle), size).ravel()
    level = resized(expected, size).ravel()
    use = (level > 8) & (level * ratio < 250) & (level < 250)
    if use.sum() < 50:
        return np.full_like(middle, np.exp(np.median(middle)))
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in (size[1], size[0]))
    terms = np.stack([np.ones(use.size), np.repeat(y, size[0]), np.tile(x, size[1])], axis=1)[use]
    level_0, down, right = _fitted(terms, ratio[use])
    gain, *_, offset = _fitted(np.column_stack([terms, 1 / (level[use] + 1)]), ratio[use])
    result.details["offset"] = float(offset - (1 - gain))  # for both levels in `middle` had 1 added
    far, near = level_0 - (abs(down) + abs(right)) / 2, level_0 + (abs(down) + abs(right)) / 2
    result.values["gain"] = float(level_0 - 1)
    result.values["gradient"] = float(max(far, 0) / near - 1) if near > 0 else 0.0
    result.details["gradient_degrees"] = float(np.degrees(np.arctan2(-down, -right)) % 360)
    y, x = ((np.arange(n, dtype=np.float32) + 0.5) / n - 0.5 for n in (height, width))
    return np.asarray(np.maximum(level_0 + down * y[:, None] + right * x[None, :], 0.02), np.float32)


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
