"""What captures show, and the parts that they fold to.

A part is a point: the mean of its images' normalised embeddings in the frozen network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_PARTS = 5  # below which nothing is said of a window or a kind, and new parts are no kind

Points = NDArray[np.float64]
Single = NDArray[np.float32]
Names = NDArray[np.str_]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Shown:
    """What captures show, one entry an image.

    Attributes:
        embeddings: (N, D) of the frozen network whose hash is `network`.
        parts, serials: what each image was declared to show, and of which piece.
        rejected: what the live model, whose package has the hash `model`, said; None: none was live.
        rule: how images fold to a part, any or majority.
    """

    embeddings: Single
    parts: Sequence[str]
    serials: Sequence[str]
    rejected: Sequence[bool] | None = None
    model: str = ""
    network: str = ""
    rule: str = "any"


class Parts(NamedTuple):
    """One row a part: points (n, D), what it was declared to be, whether it was rejected (1, 0; nan: not judged), and
    its kind."""

    points: Points
    declared: Names
    rejected: Points
    kinds: Names

    def some(self, rows: Mask) -> "Parts":
        return Parts(self.points[rows], self.declared[rows], self.rejected[rows], self.kinds[rows])


def fold(shown: Shown, model: str) -> Parts:
    """The window's parts. Images without a finite embedding and verdicts of another model do not count."""
    embeddings, usable = _embeddings(shown)
    pieces, index = _pieces(shown, usable)
    share = (index == np.arange(len(pieces))[:, None]).astype(np.float64)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1)
    rejected = np.full(len(pieces), np.nan)
    if shown.rejected is not None and shown.model == model:
        images = share @ np.asarray(shown.rejected, np.float64)[usable]
        rejected = (images > (0 if shown.rule == "any" else 0.5)).astype(np.float64)
    return Parts(share @ embeddings[usable], pieces[:, 0], rejected, pieces[:, 0])


def images_of(some: Mask, shown: Shown) -> Mask:
    """The images (N,) of `some` of the parts (n,) that `fold` makes of them."""
    usable = _embeddings(shown)[1]
    mine = np.zeros(len(shown.parts), np.bool_)
    mine[usable] = some[_pieces(shown, usable)[1]]
    return mine


def _embeddings(shown: Shown) -> tuple[Points, Mask]:
    """Each image's, of length 1 (N, D), and which images have one."""
    embeddings = np.atleast_2d(np.asarray(shown.embeddings, np.float64))[: len(shown.parts)]
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    usable = (np.isfinite(length) & (length > 0)).ravel()
    return embeddings / np.where(usable[:, None], length, 1), usable


def _pieces(shown: Shown, usable: Mask) -> tuple[Names, NDArray[np.int64]]:
    """Declared name and serial of each part (n, 2), and the part of each usable image."""
    names = np.stack([np.asarray(shown.parts, str), np.asarray(shown.serials, str)], axis=1)[usable]
    pieces, index = np.unique(names, axis=0, return_inverse=True)
    return pieces, index.ravel()


def joined(every: Sequence[Parts]) -> Parts:
    """The parts of several windows as one."""
    return Parts(*(np.concatenate(column) for column in zip(*every, strict=True)))
