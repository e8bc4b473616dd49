"""A linear probe on frozen features: the baseline, and the head that tuning starts from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def baseline(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], c: float, seed: int, tolerance: float = 1e-4
) -> Any:
    """Logistic regression on frozen features (N, D): what fine-tuning is measured against.

    Args:
        tolerance: of the fit; 1e-3 takes half the time, for a probe that is only scored.
    """
    model = LogisticRegression(C=c, class_weight="balanced", max_iter=2000, random_state=seed, tol=tolerance)
    return make_pipeline(StandardScaler(), model).fit(embeddings, labels)


def head_from(probe: Any, width: int, classes: int) -> torch.nn.Linear:
    """The probe as a linear layer (classes, width) on raw embeddings; its scaling is folded in."""
    scaler, model = probe.named_steps["standardscaler"], probe.named_steps["logisticregression"]
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
        coefficients, intercepts = np.vstack([-coefficients, coefficients]) / 2, np.r_[-intercepts, intercepts] / 2
    weight, bias = np.zeros((classes, width)), np.full(classes, -10.0)
    weight[model.classes_] = coefficients / scaler.scale_
    bias[model.classes_] = intercepts - (coefficients / scaler.scale_) @ scaler.mean_
    head = torch.nn.Linear(width, classes)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
    return head


def grown(
    known: torch.nn.Linear,
    known_classes: Sequence[str],
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    c: float,
) -> torch.nn.Linear:
    """A head for `classes`: the rows of `known` as they are, and beside them a row for each class that it did not know.

    The new rows are a logistic regression with balanced classes in which the known ones' scores are given, so that a
    new class takes only the pictures that look more like it, and the others are told apart as before.

    Args:
        embeddings, labels: (N, D) and (N,), numbers in `classes`, of pictures of old and new classes.
        c: inverse regularisation of the new rows, as of `baseline`.
    """
    head = torch.nn.Linear(embeddings.shape[1], len(classes))
    shared = [number for number, name in enumerate(classes) if name in known_classes]
    fresh = [number for number, name in enumerate(classes) if name not in known_classes]
    with torch.no_grad():
        rows = [known_classes.index(classes[number]) for number in shared]
        head.weight[shared], head.bias[shared] = known.weight[rows], known.bias[rows]
        if fresh:
            given = head(torch.from_numpy(embeddings)).numpy().astype(np.float64)
            weight, bias = _rows_beside(given, embeddings, labels, fresh, c)
            head.weight[fresh], head.bias[fresh] = torch.from_numpy(weight).float(), torch.from_numpy(bias).float()
    return head


def _rows_beside(
    scores: NDArray[np.float64], embeddings: NDArray[np.float32], labels: NDArray[np.int64], fresh: list[int], c: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (F, D) and biases (F,) of the columns `fresh` of `scores` (N, K), whose other columns stay."""
    from scipy.optimize import minimize

    scaler = StandardScaler().fit(embeddings)
    x = np.c_[scaler.transform(embeddings).astype(np.float64), np.ones(len(labels))]
    truth = np.eye(scores.shape[1])[labels]
    share = c * (len(labels) / (truth.sum(axis=0).clip(1) * (truth.sum(axis=0) > 0).sum()))[labels]  # of each picture

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
