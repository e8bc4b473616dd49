"""Where tuning starts when there is a class more: a row of the head beside the known ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.preprocessing import StandardScaler

Scores = NDArray[np.float64]  # (N, K)


@dataclass(frozen=True)
class Said:
    """What the blocks before a head say of pictures: embeddings (N, tiles, D); class numbers (N,); which piece each
    shows."""

    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    pieces: NDArray[np.object_]

    @property
    def mean(self) -> NDArray[np.float32]:
        """Over the tiles, (N, D)."""
        return np.asarray(self.embeddings.mean(axis=1), np.float32)

    def only(self, rows: NDArray[np.bool_]) -> "Said":
        return Said(self.embeddings[rows], self.labels[rows], self.pieces[rows])


def grown(
    known: torch.nn.Linear, known_classes: Sequence[str], learned: Said, classes: Sequence[str], c: float
) -> torch.nn.Linear:
    """A head for `classes`, to be tuned: the rows of `known` as they are, and beside them a row for each class that it
    did not know.

    The new rows are a logistic regression with balanced classes in which the known ones' scores are given: a new class
    takes only what looks more like it, and the others are told apart as before.

    Args:
        learned: pictures of all classes.
        c: inverse regularisation of the new rows, as of `probe.baseline`.
    """
    head = torch.nn.Linear(learned.embeddings.shape[2], len(classes))
    shared = [number for number, name in enumerate(classes) if name in known_classes]
    fresh = [number for number, name in enumerate(classes) if name not in known_classes]
    with torch.no_grad():
        rows = [known_classes.index(classes[number]) for number in shared]
        head.weight[shared], head.bias[shared] = known.weight[rows], known.bias[rows]
        if fresh:
            weight, bias = _rows_beside(_scores(head, learned), learned, fresh, c)
            head.weight[fresh], head.bias[fresh] = torch.from_numpy(weight).float(), torch.from_numpy(bias).float()
    return head


def _scores(head: torch.nn.Linear, said: Said) -> Scores:
    scores: Scores = head(torch.from_numpy(said.mean)).detach().numpy().astype(np.float64)
    return scores


def _rows_beside(scores: Scores, learned: Said, fresh: list[int], c: float) -> tuple[Scores, NDArray[np.float64]]:
    """Weights (F, D) and biases (F,) of the columns `fresh` of `scores`, whose other columns stay."""
    scaler = StandardScaler().fit(learned.mean)
    x = np.c_[scaler.transform(learned.mean).astype(np.float64), np.ones(len(learned.labels))]
    truth = np.eye(scores.shape[1])[learned.labels]
    count = truth.sum(axis=0)
    share = c * len(x) / ((count > 0).sum() * count[learned.labels])  # of each picture: classes count alike

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        rows = flat.reshape(len(fresh), -1)
        scores[:, fresh] = x @ rows.T
        logs = scores - logsumexp(scores, axis=1, keepdims=True)
        penalty = np.c_[rows[:, :-1], np.zeros(len(rows))]  # the bias is free, as in scikit-learn
        slope = (share[:, None] * (np.exp(logs) - truth)[:, fresh]).T @ x + penalty
        return float(-share @ (logs * truth).sum(axis=1) + np.square(penalty).sum() / 2), slope.ravel()

    found = minimize(loss, np.zeros(len(fresh) * x.shape[1]), jac=True, method="L-BFGS-B").x.reshape(len(fresh), -1)
    weight = found[:, :-1] / scaler.scale_
    return weight, found[:, -1] - weight @ scaler.mean_
