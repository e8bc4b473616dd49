"""A linear probe on frozen features: the baseline, and the head that tuning starts from."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits


def baseline(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], c: float, seed: int, tolerance: float = 1e-4
) -> Any:
    """Logistic regression on frozen features (N, D): what fine-tuning is measured against.

    Args:
        tolerance: of the fit; 1e-3 takes half the time, for a probe that is only scored.
    """
    model = LogisticRegression(C=c, class_weight="balanced", max_iter=2000, random_state=seed, tol=tolerance)
    with threadpool_limits(1, user_api="blas"):  # many small products: more threads only wait for each other
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
