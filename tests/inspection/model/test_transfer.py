"""What tuning changed, in figures that can be checked by hand."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from inspection.model.tail import Tail
from inspection.model.transfer import FEWEST, Block, _counted, _pooled, apart, blocks, drawn, left_out, moved, reason
from inspection.network.backbone import Network


def test_weights_that_doubled_moved_by_their_own_length() -> None:
    before = torch.nn.Linear(4, 3)
    after = copy.deepcopy(before)
    assert moved(before, after) == 0.0
    with torch.no_grad():
        for value in after.parameters():
            value.mul_(2)
    assert moved(before, after) == pytest.approx(1.0)
    assert moved(torch.nn.ReLU(), torch.nn.ReLU()) == 0.0


def test_apart_asks_the_nearest_picture_of_another_piece() -> None:
    vectors = np.array([[1, 0], [1, 0.01], [0, 1], [0.01, 1]], np.float32)
    labels, pieces = np.array(["a", "a", "b", "b"]), np.array(["1", "2", "3", "4"])
    assert apart(vectors, labels, pieces) == 1.0
    assert apart(vectors, np.array(["a", "b", "a", "b"]), pieces) == 0.0
    # the one picture that is near is of the same piece, so the next one is asked
    assert apart(vectors, labels, np.array(["1", "1", "3", "3"])) == 0.0


def network() -> Network:
    torch.manual_seed(0)
    stem = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU())
    end = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return Network((stem, torch.nn.Sequential(torch.nn.Conv2d(4, 4, 1), torch.nn.ReLU()), end), 4, (0.5,), (0.5,))


def shown(activations: torch.Tensor, labels: list[str]) -> Any:
    table = pd.DataFrame({"label": labels, "serial": [f"s-{n}" for n in range(len(labels))], "part": "p"})
    return SimpleNamespace(
        table=table, plain=lambda size: zip(activations.split(size), torch.zeros(len(labels)).split(size), strict=True)
    )


def test_with_one_piece_there_is_no_other_one_to_be_near_to() -> None:
    assert apart(np.eye(3, dtype=np.float32), np.array(["a", "a", "b"]), np.array(["1"] * 3)) is None


@pytest.mark.parametrize("shape", [(4, 6), (4, 5, 6), (4, 6, 5, 5), (4, 5, 5, 6)])
def test_places_and_tokens_are_pooled_and_channels_are_not(shape: tuple[int, ...]) -> None:
    assert _pooled(torch.rand(shape), tiles=1).shape == (4, 6) and _pooled(torch.rand(shape), tiles=2).shape == (2, 6)


def test_a_piece_that_two_cameras_photograph_is_not_learned_from_the_other_one() -> None:
    vectors, table = pieces({"x": 40, "y": 40})
    twice = pd.concat([table.assign(camera="one"), table.assign(camera="two")], ignore_index=True)
    scores = left_out(np.concatenate([vectors, vectors]), twice, "camera", 1.0, 0)
    assert [row["score"] for row in scores] == ["insufficient", "insufficient"]  # nothing is left to learn from


def test_frozen_blocks_say_nothing_and_only_what_was_tuned_moved() -> None:
    net, x = network(), torch.rand(6, 4, 5, 5)
    tail = Tail(copy.deepcopy(net.tail(1)), torch.nn.Linear(4, 2))
    with torch.no_grad():
        next(tail.block_parameters()).add_(0.1)
    rows = blocks(net, tail, 1, shown(x, ["a", "b"] * 3))
    assert [row.block for row in rows] == [1, 2, 3]
    here = apart(x.mean((2, 3)).numpy(), np.array(["a", "b"] * 3), np.arange(6))
    assert rows[0] == Block(1, 0.0, apart_before=here, apart_after=here)  # what stands at the cut
    assert rows[1].moved > 0.05 and rows[2].moved == 0.0
    assert rows[1].zeros_before != rows[1].zeros_after
    assert all(
        0 <= value <= 1 for row in rows[1:] for value in (row.apart_before, row.apart_after) if value is not None
    )


def test_untuned_blocks_stay_where_they_were() -> None:
    net, x = network(), torch.rand(6, 4, 5, 5)
    rows = blocks(net, Tail(copy.deepcopy(net.tail(1)), torch.nn.Linear(4, 2)), 1, shown(x, ["a", "b"] * 3))
    assert all(row.moved == 0 and row.apart_before == row.apart_after for row in rows[1:])
    assert "no block was tuned" in list(reason(rows, ()))[-1]


def test_of_a_head_alone_the_network_s_end_is_looked_at() -> None:
    net, x = network(), torch.rand(6, 4)
    rows = blocks(net, Tail([], torch.nn.Linear(4, 2)), 3, shown(x, ["a", "b"] * 3))
    assert [row.apart_before is None for row in rows] == [True, True, False]
    assert "behind block 3; no block was tuned" in list(reason(rows, ()))[-1]


def test_zeros_are_counted_behind_activation_functions_and_not_behind_what_follows_them() -> None:
    first = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.ReLU(inplace=True), torch.nn.Conv2d(1, 1, 1))
    with torch.no_grad():
        for layer in (first[0], first[2]):
            layer.weight.fill_(1.0)
            layer.bias.fill_(0.0)
        first[2].bias.fill_(1.0)  # nothing that comes out is 0
    pixels = torch.tensor([-1.0, -2.0, -3.0, 4.0]).reshape(1, 1, 2, 2)
    given, zeros = _counted(first, pixels)
    assert zeros == 0.75 and (given != 0).all()
    assert _counted(torch.nn.Identity(), pixels.clamp_min(0))[1] == 0.75
    assert not first[1]._forward_hooks


def pieces(parts: dict[str, int], flipped: str = "") -> tuple[np.ndarray, pd.DataFrame]:
    """Embeddings in which two classes lie far apart; on part `flipped` the other way round."""
    rng = np.random.default_rng(0)
    rows = [(part, "ab"[n % 2], f"{part}-{n}") for part, count in parts.items() for n in range(count)]
    table = pd.DataFrame(rows, columns=["part", "label", "serial"])
    side = np.where(table["label"] == "a", 3.0, -3.0) * np.where(table["part"] == flipped, -1, 1)
    return np.c_[side, rng.normal(size=len(table))].astype(np.float32), table


def test_a_part_that_is_like_the_others_is_known_unseen_and_one_that_is_not_is_not() -> None:
    vectors, table = pieces({"x": 40, "y": 40, "z": 40}, flipped="z")
    by_part = {row["value"]: row for row in left_out(vectors, table, "part", 1.0, 0)}
    assert by_part["z"]["score"] == 0.0 and by_part["z"]["high"] == 0.0
    assert left_out(*pieces({"x": 40, "y": 40}), "part", 1.0, 0)[0]["score"] == 1.0


def test_few_pieces_or_one_class_are_insufficient() -> None:
    vectors, table = pieces({"x": 60, "y": FEWEST - 1})
    assert left_out(vectors, table, "part", 1.0, 0)[1]["score"] == "insufficient"
    one = table.assign(label=np.where(table["part"] == "x", "a", table["label"]))
    assert left_out(vectors, one, "part", 1.0, 0)[1]["score"] == "insufficient"


def test_the_picture_is_drawn_and_has_no_time_in_it(tmp_path: Path) -> None:
    rows = [Block(1, 0.0), Block(2, 0.02, 0.5, 0.4, 0.6, 0.9)]
    scores = [
        {"left_out": "part", "value": "bracket", "score": 0.7, "low": 0.6, "high": 0.8},
        {"left_out": "camera", "value": "cam-1", "score": "insufficient"},
    ]
    drawn(rows, scores, "tail", tmp_path / "one.png")
    drawn(rows, scores, "tail", tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.width >= 600


def test_the_reason_names_the_block_that_moved_most() -> None:
    rows = [Block(1, 0.0), Block(2, 0.05, 0.5, 0.4, 0.6, 0.7), Block(3, 0.02, 0.5, 0.4, 0.6, 0.9)]
    words = list(reason(rows, ["train.depth asks for tail"]))
    assert words[0] == "train.depth asks for tail"
    assert "60 % behind block 2, 60 % at its end; tuned: 90 %" in words[1]
    assert "block 2 moved most, by 5.0 %" in words[2]
    assert json.dumps(words)
