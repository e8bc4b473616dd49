"""Changed surface: all pictures of a kind look different."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from monitoring.content.drift import Drift
from monitoring.content.healthy import Content
from monitoring.content.parts import MIN_PARTS, Names, Points, Single
from monitoring.content.scatter import ALIKE

_QUARTILES = (0.25, 0.5, 0.75)


class Moved(NamedTuple):
    """How far each kind with enough pieces moved, and each part, in healthy standard deviations."""

    looks: Mapping[str, float]
    parts: Mapping[str, float]


def measure(points: Points, kinds: Names, content: Content, drift: Drift) -> Moved:
    """Sets surface, that of the part that moved furthest.

    A part whose looks are told apart has moved as far as three quarters of its pieces: where one look alone has, other
    pieces took its place.
    """
    moved, number = {}, {}
    for name, kind in content.kinds.items():
        mine = kinds == name
        if mine.sum() >= MIN_PARTS and len(kind.places) >= MIN_PARTS:
            moved[name], number[name] = _common(content.places(points[mine], name), kind.places), int(mine.sum())
    if not moved:
        drift.notes.append(f"No kind has {MIN_PARTS} parts here and in the reference: surfaces were not compared.")
        return Moved({}, {})
    pieces: dict[str, list[float]] = {}  # part -> how far the look of each of its pieces moved
    for name, by in moved.items():
        pieces.setdefault(content.kinds[name].part, []).extend([by] * number[name])
    whole = {part: float(np.quantile(some, _QUARTILES[0], method="lower")) for part, some in pieces.items()}
    furthest = max(whole, key=lambda part: whole[part])
    error = 1.25 / np.sqrt(len(pieces[furthest]))  # of a median of standard deviation 1
    drift.put("surface", whole[furthest], error)
    drift.details |= {f"surface of {part}": size for part, size in whole.items()}
    return Moved(moved, whole)


def _common(now: Points, healthy: Single) -> float:
    """How far all parts moved together: the least that a quartile moved, along the way that the other parts went.

    More defects move some quartiles, another surface all. A far part has no more say in the way than a usual one
    (spatial signs; L. Wang et al., "A High-Dimensional Nonparametric Multivariate Test for Mean Vector", JASA 2015).
    """
    usual = float(np.median(np.linalg.norm(healthy, axis=1)))
    signs = now * np.minimum(1, usual / np.maximum(np.linalg.norm(now, axis=1, keepdims=True), ALIKE))
    others = signs.sum(axis=0) - signs
    along = (now * others).sum(axis=1) / np.maximum(np.linalg.norm(others, axis=1), ALIKE)
    way = signs.sum(axis=0) / max(float(np.linalg.norm(signs.sum(axis=0))), ALIKE)
    return float(np.min(np.quantile(along, _QUARTILES) - np.quantile(healthy @ way, _QUARTILES)))


def sentence(size: float, details: Mapping[str, float]) -> str:
    """The change in words, for whoever answers for quality."""
    moved = {name.removeprefix("surface of "): by for name, by in details.items() if name.startswith("surface of ")}
    which = f"'{max(moved, key=lambda name: moved[name])}'" if moved else "one part"
    return f"All pictures of {which} look different, by {size:.1f} times how much clean ones differ: another surface."
