"""New products: parts unlike any that are known."""

from collections.abc import Mapping

import numpy as np

from monitoring.content.healthy import Content, nearest
from monitoring.content.parts import MIN_PARTS, Mask, Names, Points
from monitoring.content.scatter import ALIKE, distance

_TOGETHER = 0.5  # cosine from which two new parts are alike
_MOVED = 1.0  # a surface that moved by more is taken out before parts are called new


def unlike(points: Points, kinds: Names, content: Content, moved: Mapping[str, float]) -> Mask:
    """Parts far from every centre, also from where their kind's surface moved it, and enough of them alike: (n,)."""
    away = points - np.stack([content.kinds[name].centre for name in kinds])
    far_off = nearest(points, content)[0]
    for name in [name for name, size in moved.items() if size > _MOVED]:
        mine = kinds == name
        nearer = mine & (far_off <= np.median(far_off[mine]))
        back = points[mine] - away[nearer].mean(axis=0)
        far_off[mine] = np.minimum(far_off[mine], distance(content.places(back, name)))
    far = far_off > content.far
    unit = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), ALIKE)
    alike = ((unit @ unit.T > _TOGETHER) & far).sum(axis=1) >= MIN_PARTS
    return np.asarray(far & alike, np.bool_)


def sentence(size: float, details: Mapping[str, float]) -> str:
    """The change in words, for whoever answers for quality."""
    named = details.get("unknown_names", 0.0) >= size / 2
    what = "have a name that the reference does not know" if named else "look like none of the clean pictures"
    return f"{size:.0%} of the parts {what}: a new product, or a new kind of picture."
