import numpy as np
import pytest
import torch

from inspection.model.head import Said, grown
from inspection.model.probe import baseline
from tests.inspection.clouds import CLASSES, C, before, cloud, recalls, said

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element")  # a head without classes


def test_with_no_class_known_it_is_the_probe() -> None:
    shown = cloud()
    head = grown(torch.nn.Linear(6, 0), (), shown, CLASSES, C)
    expected = baseline(shown.mean, shown.labels, C, 0).predict_proba(shown.mean)
    assert np.abs(torch.softmax(torch.from_numpy(said(head, shown)), 1).numpy() - expected).max() < 1e-3


def test_known_rows_stay_in_their_new_places_and_a_new_class_is_found() -> None:
    shown, known = cloud(), ("rust", "good", "dent")
    old = before(known, shown)
    head = grown(old, known, shown, CLASSES, C)
    assert torch.equal(head.weight[[3, 1, 0]], old.weight) and torch.equal(head.bias[[3, 1, 0]], old.bias)
    assert recalls(head, cloud(seed=2)).min() > 0.8


@pytest.mark.parametrize("classes", [("good", "rust"), ("dent", "rust", "good")])
def test_a_class_that_is_gone_leaves_no_output_and_nothing_is_fitted(classes: tuple[str, ...]) -> None:
    shown, known = cloud(), torch.nn.Linear(6, 3)
    some = Said(shown.embeddings, shown.labels % len(classes), shown.pieces)
    head = grown(known, ("dent", "good", "rust"), some, classes, C)
    places = [("dent", "good", "rust").index(name) for name in classes]
    assert np.array_equal(said(head, shown), said(known, shown)[:, places])
