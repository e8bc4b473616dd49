"""What was done to the pictures after the sensor: sharpened, smoothed, compressed, bent levels, fewer of them."""

from collections.abc import Mapping, Sequence

import numpy as np

from inspection.params import Least
from monitoring.camera.healthy import Healthy
from monitoring.camera.measurement import Result
from monitoring.camera.window import Look

_SMEAR = 3.5  # length of a straight smear against the sigma of an even one of the same variance, about
_PLACES = ("dust", "unknown", "reflection", "dead", "hot", "stuck")
_EXPLAINED = {  # statistic -> those that are its consequences
    "sharpened": ("blur", "motion", "noise", "clipped", "tone", "gain", *_PLACES),
    "smoothed": ("noise", *_PLACES),
    "blocks": ("blur", "motion", "noise", "smoothed", "sharpened", "tone", "colour", *_PLACES),
    "tone": ("gain", "gradient", "clipped", "noise", "smoothed", "flicker", "blur", "motion", *_PLACES),
}


def tell_blocks(known: Mapping[str, Sequence[Look]], reference: Healthy, result: Result) -> None:
    """blocks: steps between blocks of 8 pixels, as JPEG leaves them, that health has not."""
    change = {
        part: np.median([look.blocky for look in looks]) - reference.parts[part].blocky for part, looks in known.items()
    }
    weights = [len(known[part]) for part in change]
    result.values["blocks"] = max(0.0, float(np.average(list(change.values()), weights=weights)))


def tell_coarse(looks: Mapping[str, Sequence[Look]], reference: Healthy, least: Least, result: Result) -> bool:
    """coarse: bits of brightness that health had and the pictures have no more, by how far neighbouring levels lie
    apart; whether that is so many that nothing else can be told. Nothing where the reference does not know it."""
    then = {part: reference.parts[part].step for part in looks if part in reference.parts}
    now = {part: float(np.median([look.step for look in looks[part]])) for part in then}
    told = [part for part in then if then[part] > 0 and now[part] > 0]
    if not told:
        return False
    lost = np.average([np.log2(now[part] / then[part]) for part in told], weights=[len(looks[part]) for part in told])
    result.values["coarse"] = max(0.0, float(lost))
    if lost <= least.coarse:
        return False
    result.notes.append("With so few levels of brightness nothing else can be told.")
    return True


def tell_processing(least: Least, result: Result) -> None:
    """sharpened, where pictures are sharper and noisier at once: a lens does not do that. Then what processing
    explains is taken away."""
    blur, noise = result.values.get("blur", 0.0), result.values.get("noise", 0.0)
    sharper = blur < -least.blur / 2 and noise > least.noise
    if max(blur, result.values.get("motion", 0.0) / _SMEAR) > least.blur and "smoothed" in result.values:
        result.values["smoothed"] = 0.0  # what smooths edges as well is a blur: a filter for noise spares them
    if "blur" in result.values:
        result.values["sharpened"] = noise if sharper else 0.0
    for name, consequences in _EXPLAINED.items():
        if result.values.get(name, 0.0) and abs(result.values[name]) > getattr(least, name):
            for other in consequences:
                result.values.pop(other, None)
                result.spots.pop(other, None)
