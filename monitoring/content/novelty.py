"""New products: parts unlike any that are known."""

from collections.abc import Mapping

import numpy as np

from monitoring.content.healthy import Content, nearest
from monitoring.content.parts import MIN_PARTS, Mask, Names, Points, Single
from monitoring.content.scatter import ALIKE, distance

_TOGETHER = 0.5  # cosine from which two new parts are alike
_ONE_WAY, _RARE = 0.7, 0.02  # cosine in healthy standard deviations; share of clean parts that may lie that way too
_MOVED = 1.0  # a surface that moved by more is taken out before parts are called new


def unlike(points: Points, kinds: Names, content: Content, moved: Mapping[str, float]) -> Mask:
    """Parts that are new (n,): far from every centre and alike, or gathered where hardly any clean part lies; both
    also from where their kind's surface moved it."""
    away = points - np.stack([content.kinds[name].centre for name in kinds])
    far_off, places = nearest(points, content)[0], np.empty((len(points), len(content.spread) - 1))
    for name in set(kinds.tolist()):
        mine = kinds == name
        places[mine] = content.places(points[mine], name)
        if moved.get(name, 0.0) > _MOVED:
            nearer = mine & (far_off <= np.median(far_off[mine]))
            places[mine] = content.places(points[mine] - away[nearer].mean(axis=0), name)
            far_off[mine] = np.minimum(far_off[mine], distance(places[mine]))
    far = far_off > content.far
    unit = _unit(away)
    alike = ((unit @ unit.T > _TOGETHER) & far).sum(axis=1) >= MIN_PARTS
    return np.asarray((far & alike) | _gathered(places, content), np.bool_)


def _gathered(places: Points, content: Content) -> Mask:
    """Parts (n,) of which many lie the same way from their centres, each no further off than a clean one may, and
    hardly any clean one does: a minority that a mean or a distance does not tell."""
    unit, clean = _unit(places), _unit(np.concatenate([kind.places for kind in content.kinds.values()]))
    many = (unit @ unit.T > _ONE_WAY).sum(axis=1) >= MIN_PARTS
    return np.asarray(many & ((clean @ unit.T > _ONE_WAY).mean(axis=0) <= _RARE), np.bool_)


def _unit(rows: Points | Single) -> Points:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), ALIKE), np.float64)


def sentence(size: float, details: Mapping[str, float]) -> str:
    """The change in words, for whoever answers for quality."""
    named = details.get("unknown_names", 0.0) >= size / 2
    what = "have a name that the reference does not know" if named else "look like none of the clean pictures"
    return f"{size:.0%} of the parts {what}: a new product, or a new kind of picture."
