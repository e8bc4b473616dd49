"""Blocks, head, and the pooling of tiles."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inspection.model.tail import Tail
from inspection.network.export import to_onnx
from inspection.network.graph import BATCH, Graph
from inspection.network.views import tiles


def tail(count: int) -> Tail:
    torch.manual_seed(0)
    return Tail(
        [torch.nn.Conv2d(2, 3, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()], torch.nn.Linear(3, 2), count
    )


def test_a_picture_in_one_piece_runs_through_blocks_and_head() -> None:
    one, x = tail(1), torch.randn(5, 2, 4, 4)
    assert one(x).shape == (5, 2)
    torch.testing.assert_close(one(x), torch.nn.Sequential(*one.blocks, one.head)(x))


def test_tiles_that_look_alike_say_what_one_says() -> None:
    x = torch.randn(3, 2, 4, 4)
    torch.testing.assert_close(tail(4)(x[:, None].expand(-1, 4, -1, -1, -1)), tail(1)(x))


def test_one_tile_with_a_defect_is_not_outvoted() -> None:
    pooled = tail(9)
    with torch.no_grad():
        pooled.head.weight.copy_(torch.eye(2, 3))
        pooled.head.bias.zero_()
        calm, defect = torch.tensor([4.0, -4.0, 0.0]), torch.tensor([-4.0, 12.0, 0.0])
        scores = pooled.scored(torch.stack([calm] * 8 + [defect]))
    assert scores.argmax().item() == 1
    assert torch.stack([calm] * 8 + [defect]).mean(0)[:2].argmax().item() == 0  # their mean would say good


def test_in_a_package_tiles_are_pooled_alike(tmp_path: Path) -> None:
    pooled, x = tail(4).eval(), torch.randn(6, 4, 2, 4, 4)
    onnx.save(to_onnx(pooled, x[:2], "cut", ["logits"]), tmp_path / "tail.onnx")
    run = Graph(tmp_path / "tail.onnx").stretch("cut", ["logits"], "f32", BATCH)
    with torch.inference_mode():
        np.testing.assert_allclose(run(x.numpy())[0], pooled(x).numpy(), atol=1e-4)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 8))
def test_tiles_are_alike_and_cover_the_picture(height: int, width: int, grid: int) -> None:
    levels = np.arange(height * width, dtype=np.float32).reshape(height, width, 1)
    cut = tiles(levels, grid)
    assert len(cut) == grid**2
    assert len({tile.shape for tile in cut}) == 1
    assert set(np.concatenate([tile.ravel() for tile in cut])) == set(levels.ravel())


def test_neighbours_overlap_by_an_eighth() -> None:
    levels = np.zeros((160, 160, 1), np.float32)
    assert tiles(levels, 2)[0].shape == (90, 90, 1)
    assert tiles(levels, 1)[0] is levels


@pytest.mark.parametrize("count", [1, 4])
def test_its_weights_have_the_same_names_however_it_is_used(count: int) -> None:
    assert list(tail(count).state_dict()) == ["0.weight", "0.bias", "3.weight", "3.bias"]
