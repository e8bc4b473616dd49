from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from inspection.model import prototypes
from inspection.model.head import Said, grown
from inspection.model.prototypes import Prototypes, before_prototypes, prototyped
from inspection.model.tail import Tail
from inspection.network.export import to_onnx
from inspection.network.graph import BATCH, Graph
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
    same = Said(moved, shown.labels, shown.pieces)
    left_out = cloud(seed=1)
    other = Said(left_out.embeddings * np.float32(20) + np.float32(50), left_out.labels, left_out.pieces)
    old = before(KNOWN, shown)
    far = torch.nn.Linear(6, 3)
    with torch.no_grad():
        far.weight.copy_(old.weight / 20)
        far.bias.copy_(old.bias - 50 / 20 * old.weight.sum(1))
    one, two = prototyped(old, KNOWN, shown, left_out, CLASSES), prototyped(far, KNOWN, same, other, CLASSES)
    assert np.abs(said(one, shown) - said(two, same)).max() < 1e-2


def test_from_few_pieces_it_finds_more_of_a_new_class_than_a_row_and_costs_the_known_ones_far_less_than_it_wins() -> (
    None
):
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


def test_the_fewer_pieces_show_a_new_class_the_less_it_may_take() -> None:
    won, lost = np.array([-3.0, -2.0, -1.0, 1.0]), np.repeat([-1.5, -9.0], [5, 11])
    share = np.full(16, 1 / 16)
    eases = [prototypes._ease(won, lost, share, pieces) for pieces in (1, 2, 50)]
    assert eases == pytest.approx([0, 1, 3], abs=1e-3)


def test_one_piece_to_learn_from_is_judged_by_those_of_validation() -> None:
    """Those lie nearer to the good ones than the piece does."""
    shown, left_out, known = cloud(), cloud(seed=1), before(KNOWN, cloud())
    mine, theirs = shown.labels == 2, left_out.labels == 2
    alone = shown.only(~mine | (shown.pieces == shown.pieces[mine][0]))
    half = (shown.mean[shown.labels == 1].mean(0) - shown.mean[mine].mean(0)) / 2
    nearer = Said(left_out.embeddings + half * theirs[:, None, None], left_out.labels, left_out.pieces)
    blind, judged = (prototyped(known, KNOWN, alone, some, CLASSES) for some in (few(nearer, 2, 0), nearer))
    assert float(blind.ease.detach()[0]) == 0 < float(judged.ease.detach()[0])
    assert recalls(judged, nearer)[2] > recalls(blind, nearer)[2]


def test_no_known_picture_to_decide_by_is_enough() -> None:
    shown, only = cloud(), cloud(seed=1).only(cloud(seed=1).labels == 2)
    assert recalls(prototyped(before(KNOWN, shown), KNOWN, shown, only, CLASSES), cloud(seed=2))[2] > 0.9


def test_a_class_that_looks_like_nothing_of_its_own_is_not_called() -> None:
    """Its pictures lie far apart in all directions, so that what is like some is unlike the others."""
    shown = cloud()
    mine = shown.labels == 2
    scattered = shown.embeddings.copy()
    scattered[mine] = 3 + 40 * np.resize(np.r_[np.eye(6), -np.eye(6)], (mine.sum(), 1, 6)).astype(np.float32)
    head = prototyped(
        before(KNOWN, shown),
        KNOWN,
        Said(scattered, shown.labels, np.arange(200).astype(object)),
        few(cloud(seed=1), 2, 0),
        CLASSES,
    )
    assert float(head.ease.detach()[0]) == prototypes._NEVER
    assert (said(head, cloud(seed=2)).argmax(1) != 2).all()


def test_a_class_gone_and_a_class_new_at_once() -> None:
    """Of three known classes one is there no more; one is new."""
    shown, left_out = cloud(), cloud(seed=1)
    kept = [1, 2, 3]
    now = Said(shown.embeddings, shown.labels - 1, shown.pieces).only(np.isin(shown.labels, kept))
    tried = Said(left_out.embeddings, left_out.labels - 1, left_out.pieces).only(np.isin(left_out.labels, kept))
    old = before(KNOWN, shown)
    head = prototyped(old, KNOWN, now, tried, ("good", "pit", "rust"))
    assert np.array_equal(said(head, now)[:, [2, 0]], said(old, now)[:, :2])
    assert (said(head, tried).argmax(1) == tried.labels).mean() > 0.8


def test_one_known_class_is_enough() -> None:
    shown = cloud()
    some = Said(shown.embeddings, shown.labels - 1, shown.pieces).only(np.isin(shown.labels, [1, 2]))
    head = prototyped(torch.nn.Linear(6, 1), ("good",), some, some, ("good", "pit"))
    assert (said(head, some).argmax(1) == some.labels).mean() > 0.9


def tiled(seed: int, pieces: int = 100) -> Said:
    """Four tiles a picture, of which one shows its class and the others what good ones show."""
    one, good = cloud(200, 6, seed), cloud(4000, 6, seed + 50)
    calm = good.embeddings[good.labels == 1][: 3 * 200].reshape(200, 3, 6)
    found = Said(np.concatenate([one.embeddings, calm], axis=1), one.labels, one.pieces)
    return few(found, 2, pieces)


def test_in_tiles_it_is_decided_by_what_the_tiles_say_together() -> None:
    shown, known = tiled(0, 5), torch.nn.Linear(6, 3)
    old = before(KNOWN, cloud())
    known.load_state_dict(old.state_dict())
    tail = Tail([], prototyped(known, KNOWN, shown, tiled(1, 0), CLASSES), 4)
    tried = tiled(2)
    with torch.inference_mode():
        now = tail(torch.from_numpy(tried.embeddings)).numpy()
        then = Tail([], old, 4)(torch.from_numpy(tried.embeddings)).numpy()
    places = np.array([CLASSES.index(name) for name in KNOWN])
    right, stayed = (places[then.argmax(1)] == tried.labels), (now.argmax(1) == tried.labels)
    assert stayed[tried.labels == 2].mean() > 0.5
    assert stayed[right].mean() > 0.85, stayed[right].mean()


def test_pictures_that_are_all_alike_give_numbers() -> None:
    shown = cloud()
    same = Said(np.ones_like(shown.embeddings), shown.labels, shown.pieces)
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
    pictures = torch.from_numpy(shown.mean)
    pictures = pictures.reshape(-1, tiles, 6) if tiles > 1 else pictures
    onnx.save(to_onnx(tail.eval(), pictures[:2], "cut", ["logits"]), tmp_path / "tail.onnx")
    run = Graph(tmp_path / "tail.onnx").stretch("cut", ["logits"], "f32", BATCH)
    with torch.inference_mode():
        assert np.abs(run(pictures.numpy())[0] - tail(pictures).numpy()).max() < 1e-4
