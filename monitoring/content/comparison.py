"""A window against what the healthy camera shows: each cause, in a fixed order.

The order is fixed, because each later cause would mistake an earlier one for itself: names that nobody declared -> mix
-> surface, within each part -> parts unlike any other -> rejections.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from monitoring.content import mix, novelty, rejections, surface
from monitoring.content.drift import Drift, share_error
from monitoring.content.healthy import Content, kinds_of
from monitoring.content.parts import MIN_PARTS, Parts, Shown, fold
from monitoring.content.scatter import ALIKE


def measure(shown: Shown, content: Content, camera: Collection[str] = ()) -> Drift:
    """How a window differs from what the healthy camera shows.

    Args:
        camera: causes found on the camera in this window. Light, blur and dust move embeddings too, so with any of
            them only declared names and, where there are several, their mix are judged.
    """
    parts = fold(shown, content.model)
    if len(parts.points) < MIN_PARTS:
        return Drift(notes=[f"What the pictures show takes {MIN_PARTS} parts to judge; there are {len(parts.points)}."])
    if shown.network != content.network or parts.points.shape[1] != content.basis.shape[1]:
        words = "What the pictures show was not judged: the reference knows them from another feature network."
        return Drift(notes=[f"{words} Make a new one."])
    drift = differences(parts, content)
    if shown.rejected is not None and shown.model != content.model:
        drift.notes.append("The reference does not know how often the model that is on the line now rejects parts.")
    return _withheld(drift, content, camera) if camera else drift


def _withheld(drift: Drift, content: Content, camera: Collection[str]) -> Drift:
    """`drift` without what a fault of the camera may explain."""
    kept = {"mix"} if len(content.parts) > 1 else set()
    values = {name: value for name, value in drift.values.items() if name in kept}
    if drift.details["unknown_names"]:
        values["novelty"] = drift.details["unknown_names"]
    causes = " and ".join(cause.replace("_", " ") for cause in sorted(camera))
    words = (
        f"The camera itself changed ({causes}), and with it how every part looks: whether products, surfaces or the "
        "rate of defects changed too can be said when that is mended."
    )
    return replace(drift, values=values, errors={n: drift.errors[n] for n in values}, notes=[*drift.notes, words])


def differences(parts: Parts, content: Content) -> Drift:
    """Every statistic, in the order in which one explains the next."""
    drift, known = Drift(), np.isin(parts.declared, content.parts)
    drift.details |= {"parts": float(len(known)), "unknown_names": float(1 - known.mean())}
    for name in sorted(set(parts.declared[~known].tolist())):
        count = int((parts.declared == name).sum())
        drift.notes.append(f"{count} {'part is' if count == 1 else 'parts are'} '{name}', which the reference lacks.")
    rest = parts.some(known)
    unlike = np.zeros(len(rest.points), bool)
    if len(rest.points) < MIN_PARTS:
        drift.notes.append("Too few parts that the reference knows: they were not compared with it.")
    elif not len(content.basis) or float(np.ptp(rest.points, axis=0).max()) < ALIKE:
        drift.notes.append("All pictures are alike, in this window or in the reference: they were not compared.")
    else:
        kinds = kinds_of(rest, content)
        if len(content.kinds) > 1:
            mix.measure(kinds, content, drift)
        unlike = novelty.unlike(rest.points, kinds, content, surface.measure(rest.points, kinds, content, drift))
        rejections.measure(rest.some(~unlike), kinds[~unlike], content, drift)
    if drift.values or not known.all():
        new = float(((~known).sum() + unlike.sum()) / len(known))
        drift.put("novelty", new, share_error(new, len(known)))
    return drift


def words(statistic: str, size: float, details: Mapping[str, float]) -> str:
    """A value of `Drift.values`, with its details, as a sentence for whoever answers for quality."""
    return _SENTENCES[statistic](size, details)


_SENTENCES = {
    "novelty": novelty.sentence,
    "mix": mix.sentence,
    "surface": surface.sentence,
    "defects": rejections.sentence,
}
