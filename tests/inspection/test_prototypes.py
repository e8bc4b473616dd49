from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from inspection import backbone, prototypes
from inspection.graph import BATCH, Graph
from inspection.head import Said, grown
from inspection.prototypes import Prototypes, before_prototypes, prototyped
from inspection.tail import Tail
from tests.inspection.clouds import CLASSES, C, before, cloud, few, recalls, said

KNOWN = ("rust", "good", "dent")


def head(shown: Said, known: tuple[str, ...] = KNOWN) -> Prototypes:
    return prototyped(before(known, shown), known, shown, cloud(seed=1), CLASSES)


def test_known_scores_stay_in_their_new_places_and_a_new_class_is_found() -> None:
    shown = cloud()
    scores = said(head(shown), shown)
    assert np.array_equal(scores[:, [3, 1, 0]], said(before(KNOWN, shown), shown))
    assert recalls(head(shown), cloud(seed=2)).min() > 0.8


def test_two_new_classes_are_told_apart() -> None:
    assert recalls(head(cloud(), ("dent", "rust")), cloud(seed=2)).min() > 0.7


def test_what_is_said_does_not_depend_on_how_the_embedding_is_scaled_and_moved() -> None:
    shown, moved = cloud(), (cloud().embeddings * np.float32(20) + np.float32(50))
    same = Said(moved, shown.labels, shown.serials)
    left_out = cloud(seed=1)
    other = Said(left_out.embeddings * np.float32(20) + np.float32(50), left_out.labels, left_out.serials)
    old = before(KNOWN, shown)
    far = torch.nn.Linear(6, 3)
    with torch.no_grad():
        far.weight.copy_(old.weight / 20)
        far.bias.copy_(old.bias - 50 / 20 * old.weight.sum(1))
    one, two = prototyped(old, KNOWN, shown, left_out, CLASSES), prototyped(far, KNOWN, same, other, CLASSES)
    assert np.abs(said(one, shown) - said(two, same)).max() < 1e-2


def test_from_few_pieces_it_finds_more_of_a_new_class_than_a_row_and_costs_the_known_ones_no_more() -> None:
    """300 directions, of which few tell classes apart; four pieces of the new class; mean over ten."""
    known, left_out, tried = ("dent", "good", "rust"), few(cloud(400, 300, 1), 2, 0), cloud(1000, 300, 2)
    gains = []
    for seed in range(10, 20):
        shown = few(cloud(400, 300, seed), 2, 4)
        old = before(known, shown)
        row, kind = grown(old, known, shown, CLASSES, C), prototyped(old, known, shown, left_out, CLASSES)
        gains.append(recalls(kind, tried) - recalls(row, tried))
    gain = np.mean(gains, axis=0)
    assert gain[2] > 0.1 and -gain[[0, 1, 3]].mean() < gain[2] / 5, gain


def taken(doubt: float, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.float64]:
    """Recalls, mean over ten new classes of four pieces that lie near the known ones."""
    monkeypatch.setattr(prototypes, "_DOUBT", doubt)
    left_out, tried = few(cloud(400, 6, 1), 2, 0), cloud(1000, 6, 2)
    every = []
    for seed in range(10, 20):
        shown = few(cloud(400, 6, seed), 2, 4)
        known = before(KNOWN, shown)
        every.append(recalls(prototyped(known, KNOWN, shown, left_out, CLASSES), tried))
    return np.mean(every, axis=0)  # type: ignore[no-any-return]


def test_the_fewer_pieces_show_a_new_class_the_less_it_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    bold, careful = taken(0, monkeypatch), taken(100, monkeypatch)
    assert careful[2] < bold[2] and careful[[0, 1, 3]].mean() > bold[[0, 1, 3]].mean()


def test_one_piece_alone_and_no_known_picture_to_decide_by_are_enough() -> None:
    shown = cloud()
    alone = Said(shown.embeddings, shown.labels, np.where(shown.labels == 2, "one", shown.serials))
    known = before(KNOWN, shown)
    for left_out in (cloud(seed=1), few(cloud(seed=1), 2, 100).only(cloud(seed=1).labels == 2)):
        assert recalls(prototyped(known, KNOWN, alone, left_out, CLASSES), cloud(seed=2)).min() > 0.5


def test_pictures_that_are_all_alike_give_numbers() -> None:
    shown = cloud()
    same = Said(np.ones_like(shown.embeddings), shown.labels, shown.serials)
    assert np.isfinite(said(prototyped(torch.nn.Linear(6, 3), KNOWN, same, same, CLASSES), same)).all()


def test_before_prototypes_a_tail_is_what_it_grew_from() -> None:
    shown, known = cloud(), ("dent", "good", "rust")
    old = before(known, shown)
    grew = Tail([torch.nn.Linear(6, 6)], prototyped(old, known, shown, cloud(seed=1), CLASSES))
    weights, classes = before_prototypes(grew.state_dict(), CLASSES)
    again = Tail(grew.blocks, torch.nn.Linear(6, 3))
    again.load_state_dict(weights)
    assert classes == known and torch.equal(again.head.weight, old.weight) and torch.equal(again.head.bias, old.bias)
    plain = again.state_dict()
    assert before_prototypes(plain, known)[0] is plain


@pytest.mark.parametrize("tiles", [1, 4])
def test_in_a_package_it_says_the_same(tiles: int, tmp_path: Path) -> None:
    shown = cloud()
    tail = Tail([torch.nn.Linear(6, 6)], prototyped(before(KNOWN, shown), KNOWN, shown, cloud(seed=1), CLASSES), tiles)
    pictures = torch.from_numpy(shown.embeddings)
    pictures = pictures.reshape(-1, tiles, 6) if tiles > 1 else pictures
    onnx.save(backbone.to_onnx(tail.eval(), pictures[:2], "cut", ["logits"]), tmp_path / "tail.onnx")
    run = Graph(tmp_path / "tail.onnx").stretch("cut", ["logits"], "f32", BATCH)
    with torch.inference_mode():
        assert np.abs(run(pictures.numpy())[0] - tail(pictures).numpy()).max() < 1e-4
