"""The looks of an only part: where a camera sees one kind, what is told apart are its clearly distinct looks."""

from collections.abc import Sequence

import numpy as np

from monitoring.content.parts import MIN_PARTS, Names, Parts, joined
from monitoring.content.scatter import directions

_LOOKS, _APART, _SMALLEST = 4, 0.25, 0.15  # looks of an only part: how many at most, how clear, share of the rarest


def with_looks(every: Sequence[Parts]) -> list[Parts]:
    """The parts of each window with their looks as kinds, found over all windows."""
    looks = np.split(_looks(joined(every)), np.cumsum([len(parts.points) for parts in every])[:-1])
    return [parts._replace(kinds=kinds) for parts, kinds in zip(every, looks, strict=True)]


def _looks(parts: Parts) -> Names:
    """Each part's kind: its declaration, or where there is only one, which of its clearly distinct looks it has."""
    names = sorted(set(parts.declared.tolist()))
    if len(names) > 1 or len(parts.declared) < 8 * MIN_PARTS:
        return parts.declared
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    away = parts.points - parts.points.mean(axis=0)
    flat = away @ directions(away)[:8].T
    best, apart = parts.declared, _APART
    for count in range(2, _LOOKS + 1) if flat.size else ():
        found = KMeans(count, n_init=3, random_state=0).fit_predict(flat)
        if np.bincount(found).min() >= _SMALLEST * len(found) and (score := silhouette_score(flat, found)) > apart:
            best, apart = np.array([f"{names[0]}, look {n + 1}" for n in found]), float(score)
    return best
