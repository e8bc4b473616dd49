import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inspection.head import Said, grown
from inspection.probe import baseline, head_from

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element")  # a head without classes

CLASSES = ("dent", "good", "pit", "rust")
C = 0.1


def cloud(n: int = 200, width: int = 6, seed: int = 0) -> Said:
    """Pictures of four classes, two a piece."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.integers(0, len(CLASSES), n // 2), 2)
    centres = np.random.default_rng(9).normal(0, 1.5 * (6 / width) ** 0.5, (len(CLASSES), width))
    embeddings = (centres[labels] + rng.normal(3, 1, (n, width))).astype(np.float32)
    return Said(embeddings, labels.astype(np.int64), np.array([f"s{seed}-{i // 2}" for i in range(n)], object))


def said(head: torch.nn.Linear, shown: Said) -> NDArray[np.float32]:
    with torch.inference_mode():
        values: NDArray[np.float32] = head(torch.from_numpy(shown.embeddings)).numpy()
        return values


def recalls(head: torch.nn.Linear, shown: Said) -> NDArray[np.float64]:
    right = said(head, shown).argmax(1) == shown.labels
    return np.array([right[shown.labels == number].mean() for number in range(len(CLASSES))])


def before(classes: tuple[str, ...], shown: Said) -> torch.nn.Linear:
    """A head that tells `classes` apart and knows no other."""
    numbers = np.array([classes.index(name) if name in classes else -1 for name in CLASSES])[shown.labels]
    known = numbers >= 0
    return head_from(baseline(shown.embeddings[known], numbers[known], C, 0), shown.embeddings.shape[1], len(classes))


def few(shown: Said, number: int, pieces: int) -> Said:
    """All pictures but those of a class, of which so many pieces are left."""
    mine = shown.labels == number
    kept = np.unique(shown.serials[mine])[:pieces]
    return shown.only(~mine | np.isin(shown.serials, kept))


def test_with_no_class_known_it_is_the_probe() -> None:
    shown = cloud()
    head = grown(torch.nn.Linear(6, 0), (), shown, cloud(seed=1), CLASSES, C)
    expected = baseline(shown.embeddings, shown.labels, C, 0).predict_proba(shown.embeddings)
    assert np.abs(torch.softmax(torch.from_numpy(said(head, shown)), 1).numpy() - expected).max() < 1e-3


def test_known_rows_stay_in_their_new_places_and_a_new_class_is_found() -> None:
    shown, known = cloud(), ("rust", "good", "dent")
    old = before(known, shown)
    head = grown(old, known, shown, cloud(seed=1), CLASSES, C)
    assert np.array_equal(said(head, shown)[:, [3, 1, 0]], said(old, shown))
    assert recalls(head, cloud(seed=2)).min() > 0.8


@pytest.mark.parametrize("classes", [("good", "rust"), ("dent", "rust", "good")])
def test_a_class_that_is_gone_leaves_no_output_and_nothing_is_fitted(classes: tuple[str, ...]) -> None:
    shown, known = cloud(), torch.nn.Linear(6, 3)
    some = Said(shown.embeddings, shown.labels % len(classes), shown.serials)
    head = grown(known, ("dent", "good", "rust"), some, some, classes, C)
    places = [("dent", "good", "rust").index(name) for name in classes]
    assert np.array_equal(said(head, shown), said(known, shown)[:, places])


def changed(width: int) -> NDArray[np.float64]:
    """What deciding by left-out pieces changes in the recall of each class, mean over ten new classes of four pieces;
    where all pictures of the new class show one piece, nothing can be left out."""
    known = ("dent", "good", "rust")
    left_out, tried = few(cloud(400, width, 1), 2, 0), cloud(1000, width, 2)
    changes = []
    for seed in range(10, 20):
        shown = few(cloud(400, width, seed), 2, 4)
        alone = Said(shown.embeddings, shown.labels, np.where(shown.labels == 2, "one", shown.serials))
        old = before(known, shown)
        one, other = (grown(old, known, some, left_out, CLASSES, C) for some in (shown, alone))
        changes.append(recalls(one, tried) - recalls(other, tried))
    return np.mean(changes, axis=0)  # type: ignore[no-any-return]


def test_a_new_class_that_fits_its_few_pictures_too_well_is_called_more_readily() -> None:
    change = changed(300)
    assert change[2] > 0.05 and -change[[0, 1, 3]].mean() < change[2] / 5, change


def test_a_new_class_that_takes_known_pictures_for_its_own_is_called_less_readily() -> None:
    change = changed(6)
    assert change[[0, 1, 3]].mean() > 0, change
