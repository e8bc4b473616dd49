import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inspection.probe import baseline, grown, head_from

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element")  # a head without classes

CLASSES = ("dent", "good", "pit", "rust")
C = 0.1


def cloud(n: int = 200, width: int = 6) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(CLASSES), n)
    centres = rng.normal(0, 1.5, (len(CLASSES), width))
    return (centres[labels] + rng.normal(3, 1, (n, width))).astype(np.float32), labels.astype(np.int64)


def said(head: torch.nn.Linear, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        values: NDArray[np.float32] = head(torch.from_numpy(embeddings)).numpy()
        return values


def test_with_no_class_known_it_is_the_probe() -> None:
    embeddings, labels = cloud()
    head = grown(torch.nn.Linear(6, 0), (), embeddings, labels, CLASSES, C)
    expected = baseline(embeddings, labels, C, 0).predict_proba(embeddings)
    assert np.abs(torch.softmax(torch.from_numpy(said(head, embeddings)), 1).numpy() - expected).max() < 1e-3


def test_known_rows_stay_in_their_new_places_and_a_new_class_is_found() -> None:
    embeddings, labels = cloud()
    known = ("rust", "good", "dent")
    old = (labels != 2).nonzero()[0]
    numbers = np.array([2, 1, -1, 0])[labels[old]].astype(np.int64)
    before = head_from(baseline(embeddings[old], numbers, C, 0), 6, 3)
    head = grown(before, known, embeddings, labels, CLASSES, C)
    assert np.array_equal(said(head, embeddings)[:, [3, 1, 0]], said(before, embeddings))
    called = said(head, embeddings).argmax(1)
    assert (called[labels == 2] == 2).mean() > 0.85 and (called == labels)[old].mean() > 0.85


@pytest.mark.parametrize("classes", [("good", "rust"), ("dent", "rust", "good")])
def test_a_class_that_is_gone_leaves_no_output_and_nothing_is_fitted(classes: tuple[str, ...]) -> None:
    embeddings, labels = cloud()
    known = torch.nn.Linear(6, 3)
    head = grown(known, ("dent", "good", "rust"), embeddings, labels % len(classes), classes, C)
    places = [("dent", "good", "rust").index(name) for name in classes]
    assert np.array_equal(said(head, embeddings), said(known, embeddings)[:, places])


def test_a_new_class_without_pictures_is_hardly_ever_called() -> None:
    embeddings, labels = cloud()
    labels = np.where(labels == 3, 0, labels)
    head = grown(torch.nn.Linear(6, 0), (), embeddings, labels, CLASSES, C)
    assert (said(head, embeddings).argmax(1) == 3).mean() < 0.02
