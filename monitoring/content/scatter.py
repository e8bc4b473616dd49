"""How healthy parts scatter about their centres: the directions in which they differ most, and how far along each.

All kinds share one scatter (after K. Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution
Samples", NeurIPS 2018).
"""

import numpy as np

from monitoring.content.parts import Points, Single

ALIKE = 1e-6  # scatter of normalised embeddings below which pictures are all the same
_DIRECTIONS = 32  # in which healthy parts differ most
_MOST = 512  # parts that directions are taken from, at most


def directions(away: Points) -> Points:
    """(K, D): the leading directions of `away` (n, D), from the Gram matrix of at most 512 of its rows."""
    some = away[:: max(1, -(-len(away) // _MOST))]
    values, vectors = np.linalg.eigh(some @ some.T / len(some))
    chosen = np.flatnonzero(values > ALIKE**2)[::-1][: min(_DIRECTIONS, len(some) // 2)]
    return np.asarray((some.T @ vectors[:, chosen] / np.sqrt(values[chosen] * len(some))).T)


def _rest(away: Points, along: Points, basis: Single) -> Points:
    return np.asarray(np.log(np.linalg.norm(away - along @ basis, axis=1) + ALIKE))


def spread(away: Points, basis: Single) -> Single:
    """(K + 2,): standard deviation along each direction, then mean and deviation of the log distance from all."""
    along = away @ basis.T
    rest = _rest(away, along, basis)
    sizes = np.maximum([*along.std(axis=0), rest.std()], ALIKE)
    return np.insert(sizes, -1, rest.mean()).astype(np.float32)


def places(away: Points, basis: Single, spread: Single) -> Points:
    """Along each direction, then the log distance from all, in healthy standard deviations: (n, K + 1)."""
    along = away @ basis.T
    rest = _rest(away, along, basis)
    return np.column_stack([along / spread[:-2], (rest - spread[-2]) / spread[-1]])


def distance(places: Points | Single) -> Points:
    """How far parts lie from the centre, in healthy standard deviations: (n,)."""
    return np.asarray(np.sqrt(np.mean(places**2, axis=1)))
