"""A window against what the healthy camera shows: each cause, in a fixed order.

The order is fixed, because each later cause would mistake an earlier one for itself: names that nobody declared -> mix
-> surface, within each part -> parts unlike any other -> rejections.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from monitoring.content import mix, novelty, rejections, surface
from monitoring.content.drift import Drift, share_error
from monitoring.content.healthy import Content, kinds_of, of_their_look
from monitoring.content.parts import MIN_PARTS, Mask, Parts, Shown, fold, images_of
from monitoring.content.scatter import ALIKE

_MOST = 0.5  # of a window's parts have to lie where healthy ones do, or their shares say nothing
_FAR = 3.0  # healthy standard deviations from which all parts look different


class Compared(NamedTuple):
    """Every statistic, and the images (N,) of parts that look like none of the clean ones, in a window where others
    look as they did."""

    drift: Drift
    strange: Mask


def measure(shown: Shown, content: Content, camera: Collection[str] = (), other_parts: bool = False) -> Drift:
    """How a window differs from what the healthy camera shows; as `compare`, then `judged`."""
    return judged(compare(shown, content).drift, content, camera, other_parts)


def compare(shown: Shown, content: Content) -> Compared:
    """How a window differs from what the healthy camera shows, whatever the camera itself may have added."""
    parts, nobody = fold(shown, content.model), np.zeros(len(shown.parts), np.bool_)
    if len(parts.points) < MIN_PARTS:
        words = f"What the pictures show takes {MIN_PARTS} parts to judge; there are {len(parts.points)}."
        return Compared(Drift(notes=[words]), nobody)
    if shown.network != content.network or parts.points.shape[1] != content.basis.shape[1]:
        words = "What the pictures show was not judged: the reference knows them from another feature network."
        return Compared(Drift(notes=[f"{words} Make a new one."]), nobody)
    drift, strange = differences(parts, content)
    if shown.rejected is not None and shown.model != content.model:
        drift.notes.append("The reference does not know how often the model that is on the line now rejects parts.")
    return Compared(drift, images_of(strange, shown))


def judged(drift: Drift, content: Content, camera: Collection[str], other_parts: bool) -> Drift:
    """`drift`, without what the camera itself may have added.

    Args:
        camera: causes found on the camera in this window. Light, blur and dust move embeddings too, so with any of
            them only declared names and, where there are several, their mix are judged.
        other_parts: whether nothing stands still in view, and the pictures show other places than in health or several
            causes at once: what was found on the camera is then explained by parts that look different, if they do
            (`all_else`).
    """
    if not camera or not drift.details:  # nothing was compared
        return drift
    if other_parts and drift.values.get("surface", 0.0) > _FAR:
        words = "Nothing stands still in view: it may be another view as well as other parts."
        return replace(drift, details={**drift.details, "all_else": 1.0}, notes=[*drift.notes, words])
    return _withheld(drift, content, camera)


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


def differences(parts: Parts, content: Content) -> tuple[Drift, Mask]:
    """Every statistic, in the order in which one explains the next; which parts (n,) are new where others are not."""
    drift, known = Drift(), np.isin(parts.declared, content.parts)
    drift.details |= {"parts": float(len(known)), "unknown_names": float(1 - known.mean())}
    for name in sorted(set(parts.declared[~known].tolist())):
        count = int((parts.declared == name).sum())
        drift.notes.append(f"{count} {'part is' if count == 1 else 'parts are'} '{name}', which the reference lacks.")
    rest, new, strange = parts.some(known), ~known, np.zeros(len(known), np.bool_)
    if len(rest.points) < MIN_PARTS:
        drift.notes.append("Too few parts that the reference knows: they were not compared with it.")
    elif not len(content.basis) or float(np.ptp(rest.points, axis=0).max()) < ALIKE:
        drift.notes.append("All pictures are alike, in this window or in the reference: they were not compared.")
    else:
        new[known] = _of_known(rest, content, drift)
        strange = new
    if drift.values or not known.all():
        share = float(new.mean())
        drift.put("novelty", share, share_error(share, len(known)))
    return drift, strange


def _of_known(parts: Parts, content: Content, drift: Drift) -> Mask:
    """Which parts (n,) of a known name are unlike any other; sets the statistics of the rest.

    A look that moved while the others of its part stayed has no other surface: other parts took its place.
    """
    kinds = kinds_of(parts, content)
    moved = surface.measure(parts.points, kinds, content, drift)
    whole = {look: min(by, moved.parts[content.kinds[look].part]) for look, by in moved.looks.items()}
    unlike = novelty.unlike(parts.points, kinds, content, whole)
    elsewhere = [look for look, by in moved.looks.items() if by > _FAR]
    of_it = of_their_look(parts.points, kinds, content, elsewhere)
    if len(content.kinds) > 1 and of_it.mean() >= _MOST:
        mix.measure(kinds[of_it], content, drift)
    rejections.measure(parts.some(~unlike), kinds[~unlike], content, drift)
    return unlike


def words(statistic: str, size: float, details: Mapping[str, float]) -> str:
    """A value of `Drift.values`, with its details, as a sentence for whoever answers for quality."""
    return _SENTENCES[statistic](size, details)


_SENTENCES = {
    "novelty": novelty.sentence,
    "mix": mix.sentence,
    "surface": surface.sentence,
    "defects": rejections.sentence,
}
