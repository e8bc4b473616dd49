"""The head that tuning starts from says what the probe says."""

import numpy as np
import pytest
import torch

from inspection.model.probe import baseline, head_from


def cloud(classes: int, n: int = 60, width: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = rng.normal(0, 2, (classes, width))
    return (centres[labels] + rng.normal(0, 1, (n, width))).astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_head_says_what_the_probe_says(classes: int) -> None:
    embeddings, labels = cloud(classes)
    probe = baseline(embeddings, labels, 1.0, 0)
    head = head_from(probe, 8, classes)
    with torch.inference_mode():
        said = torch.softmax(head(torch.from_numpy(embeddings)), 1).numpy()
    assert np.abs(said - probe.predict_proba(embeddings)).max() < 1e-4


def test_a_class_without_training_images_is_never_called() -> None:
    embeddings, labels = cloud(3)
    keep = labels != 1
    head = head_from(baseline(embeddings[keep], labels[keep], 1.0, 0), 8, 3)
    with torch.inference_mode():
        assert not (head(torch.from_numpy(embeddings)).argmax(1) == 1).any()
