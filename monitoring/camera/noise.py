"""The noise of the sensor against health: graininess, by what stands still, or by what no lens passes."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from monitoring.camera.healthy import Healthy
from monitoring.camera.measurement import Result
from monitoring.camera.window import Block, Look, calm_spectrum
from monitoring.camera.zones import Zones

_OTHER_LIGHT = 0.3  # gain beyond which noise is not told from the grain of a surface
_SECOND = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6  # passes noise, not structure


def grain_of(blocks: Sequence[Block], zones: Zones) -> float:
    """Noise of a pixel in one picture, levels, where nothing moves (J. Immerkaer, "Fast noise variance estimation",
    1996, on what differs between blocks of pictures); 0: nothing stands still, or no part has two blocks."""
    if not zones.split:
        return 0.0
    variance, count = 0.0, 0
    for part in sorted({block.part for block in blocks}):
        mine = [block for block in blocks if block.part == part]
        total = sum(block.images for block in mine)
        mean = sum(block.mean.astype(np.float32) * np.float32(block.images / total) for block in mine)
        for block in mine if len(mine) > 1 else ():
            rough = cv2.filter2D(block.mean.astype(np.float32) - mean, -1, _SECOND)[zones.still]
            away = 1.4826 * float(np.median(np.abs(rough)))
            variance += away**2 * block.images
            count += 1
        if len(mine) > 1:
            count -= 1  # their mean is one of them
    return float(np.sqrt(variance / count)) if count > 0 else 0.0


def tell_noise(
    known: Mapping[str, list[Look]], blocks: Sequence[Block], zones: Zones | None, reference: Healthy, result: Result
) -> None:
    """noise: what a pixel's noise has more than light explains; smoothed: the share of it that is missing.

    Noise of reading does not grow with the light, shot noise and the grain of a surface do: what explains more counts.
    """
    gain = result.values.get("gain", 0.0)
    grain = grain_of(blocks, zones) if zones is not None else 0.0
    if abs(gain) > _OTHER_LIGHT:
        return  # a sensor's curve and full pixels bend grain
    if grain and reference.grain:
        change = np.log(grain / reference.grain)
    elif any(result.values.get(name) for name in ("dead", "hot", "stuck", "dust")):
        return  # wrong pixels and sharp edges fill the finest scale too
    else:
        floors = {
            part: np.log(max(calm_spectrum(looks)[1], 1e-6) / reference.parts[part].floor) / 2
            for part, looks in known.items()
            if reference.parts[part].floor > 0
        }
        if not floors:
            return
        weights = [len(known[part]) for part in floors]
        change = float(np.average(list(floors.values()), weights=weights))
    light = np.log(max(1 + gain, 0.05))
    result.values["noise"] = max(0.0, float(np.exp(change - max(light, 0.0)) - 1))
    if grain and reference.grain:  # the finest scale of parts is weaker out of focus, too
        result.values["smoothed"] = max(0.0, float(1 - np.exp(change - min(light, 0.0))))
