"""Embeddings of drawn classes, and heads that tell some of them apart."""

import numpy as np
import torch
from numpy.typing import NDArray

from inspection.model.head import Said
from inspection.model.probe import baseline, head_from

CLASSES = ("dent", "good", "pit", "rust")
C = 0.1


def cloud(n: int = 200, width: int = 6, seed: int = 0) -> Said:
    """Pictures of four classes, two a piece."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.integers(0, len(CLASSES), n // 2), 2)
    centres = np.random.default_rng(9).normal(0, 1.5 * (6 / width) ** 0.5, (len(CLASSES), width))
    embeddings = (centres[labels] + rng.normal(3, 1, (n, width))).astype(np.float32)
    return Said(embeddings[:, None], labels.astype(np.int64), np.array([f"s{seed}-{i // 2}" for i in range(n)], object))


def said(head: torch.nn.Module, shown: Said) -> NDArray[np.float32]:
    with torch.inference_mode():
        values: NDArray[np.float32] = head(torch.from_numpy(shown.mean)).numpy()
        return values


def recalls(head: torch.nn.Module, shown: Said) -> NDArray[np.float64]:
    right = said(head, shown).argmax(1) == shown.labels
    return np.array([right[shown.labels == number].mean() for number in range(len(CLASSES))])


def before(classes: tuple[str, ...], shown: Said) -> torch.nn.Linear:
    """A head that tells `classes` apart and knows no other."""
    numbers = np.array([classes.index(name) if name in classes else -1 for name in CLASSES])[shown.labels]
    known = numbers >= 0
    return head_from(baseline(shown.mean[known], numbers[known], C, 0), shown.embeddings.shape[2], len(classes))


def few(shown: Said, number: int, pieces: int) -> Said:
    """All pictures but those of a class, of which so many pieces are left."""
    mine = shown.labels == number
    kept = np.unique(shown.pieces[mine])[:pieces]
    return shown.only(~mine | np.isin(shown.pieces, kept))
