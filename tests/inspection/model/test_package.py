import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.model.package import CARD, MODEL, WEIGHTS, Package, Sight, copy, package_hash, pieces, sight_on_line
from inspection.network.masks import NO_MASKS
from inspection.params import read_params
from tests.inspection.world import card, fake_package


def test_a_card_is_read_without_opening_the_model(tmp_path: Path) -> None:
    fake_package(tmp_path / "p", "x")
    read = Package(tmp_path / "p").card
    assert read.classes == ("good", "scratch") and read.acceptable == (True, False) and read.trained_on["good"] == 10


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        json.dumps(card(threshhold=0.5)).encode(),
        json.dumps(card(threshold="high")).encode(),
        json.dumps({key: value for key, value in card().items() if key != "classes"}).encode(),
    ],
)
def test_a_card_that_is_none_is_refused_with_the_folder_and_the_remedy(tmp_path: Path, content: bytes) -> None:
    fake_package(tmp_path / "p", "x")
    (tmp_path / "p" / CARD).write_bytes(content)
    with pytest.raises(FixInput, match=r"p holds no package .*dvc checkout"):
        Package(tmp_path / "p")


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FixInput, match="holds no package"):
        Package(tmp_path)


def test_a_model_that_names_no_embedding_is_refused_with_the_remedy(tmp_path: Path) -> None:
    fake_package(tmp_path / "p", "x")
    value = [helper.make_tensor_value_info(name, 1, ["n", 2]) for name in ("image", "probability")]
    node = helper.make_node("Softmax", ["image"], ["probability"])
    onnx.save(helper.make_model(helper.make_graph([node], "old", value[:1], value[1:])), tmp_path / "p" / MODEL)
    with pytest.raises(FixInput, match=r"is of an older Andon.*train it anew"):
        Package(tmp_path / "p").predict([np.zeros((4, 4, 1), np.float32)])


def test_the_same_files_give_the_same_hash_wherever_they_lie(tmp_path: Path) -> None:
    assert (
        fake_package(tmp_path / "one", "x") == fake_package(tmp_path / "two", "x") != fake_package(tmp_path / "3", "y")
    )


@pytest.mark.parametrize("name", [CARD, MODEL, WEIGHTS])
def test_a_changed_byte_in_any_file_changes_the_hash(tmp_path: Path, name: str) -> None:
    before = fake_package(tmp_path / "p", "x")
    content = (tmp_path / "p" / name).read_bytes()
    (tmp_path / "p" / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert package_hash(tmp_path / "p") != before


def test_files_that_change_places_change_the_hash(tmp_path: Path) -> None:
    before = fake_package(tmp_path / "p", "x")
    (tmp_path / "p" / MODEL).rename(tmp_path / "held")
    (tmp_path / "p" / WEIGHTS).rename(tmp_path / "p" / MODEL)
    (tmp_path / "held").rename(tmp_path / "p" / WEIGHTS)
    assert package_hash(tmp_path / "p") != before


def test_what_else_lies_in_the_folder_does_not_count_and_is_not_copied(tmp_path: Path) -> None:
    before = fake_package(tmp_path / "p", "x")
    (tmp_path / "p" / "notes.txt").write_text("mine")
    assert package_hash(tmp_path / "p") == before
    copy(tmp_path / "p", tmp_path / "q")
    assert sorted(path.name for path in (tmp_path / "q").iterdir()) == sorted([CARD, MODEL, WEIGHTS])
    assert package_hash(tmp_path / "q") == before


def test_a_copy_that_fails_leaves_no_package_behind_and_can_be_made_later(tmp_path: Path) -> None:
    before = fake_package(tmp_path / "p", "x")
    (tmp_path / "p" / WEIGHTS).rename(tmp_path / "held")
    with pytest.raises(FileNotFoundError):
        copy(tmp_path / "p", tmp_path / "q")
    assert not (tmp_path / "q").exists()
    (tmp_path / "held").rename(tmp_path / "p" / WEIGHTS)
    copy(tmp_path / "p", tmp_path / "q")
    assert package_hash(tmp_path / "q") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "q"]


def test_pieces_are_all_items_in_order_in_runs_of_limited_length() -> None:
    assert [list(piece) for piece in pieces([1, 2, 3, 4, 5], 2)] == [[1, 2], [3, 4], [5]]
    assert list(pieces([])) == []


def live(layout: Layout, **changes: object) -> None:
    """Put a package with such a card on the line."""
    fake_package(layout.releases / "x", "x")
    (layout.releases / "x" / CARD).write_text(json.dumps(card(**changes)), encoding="utf-8")
    digest = package_hash(layout.releases / "x")
    layout.live.parent.mkdir(exist_ok=True)
    layout.live.symlink_to((layout.releases / "x").rename(layout.releases / digest))


def test_without_a_package_on_the_line_pictures_are_looked_at_as_the_next_one_will(repo: Layout) -> None:
    settings = read_params(repo.params)
    assert not repo.live.exists()
    for tuned, blocks in ((1, 17), (2, 16), (18, 0), (40, 0)):  # the network has 18
        train = settings.train.model_copy(update={"tuned_blocks": tuned})
        assert sight_on_line(repo, settings.model_copy(update={"train": train})) == Sight(blocks, NO_MASKS)


@pytest.mark.parametrize("blocks", [0, 5, 18])
def test_pictures_are_looked_at_as_the_package_on_the_line_does(repo: Layout, blocks: int) -> None:
    live(repo, frozen_blocks=blocks)
    assert sight_on_line(repo, read_params(repo.params)) == Sight(blocks, NO_MASKS)


@pytest.mark.parametrize("other", [{"backbone": "resnet18"}, {"image_size": 128}, {"grid": 2}])
def test_a_package_of_another_network_on_the_line_does_not_say_how_to_look(
    repo: Layout, other: dict[str, object]
) -> None:
    live(repo, frozen_blocks=5, **other)
    settings = read_params(repo.params)
    assert sight_on_line(repo, settings) == Sight(settings.train.frozen_of(18), NO_MASKS)


def test_a_damaged_package_on_the_line_is_said(repo: Layout) -> None:
    live(repo, frozen_blocks="many")
    with pytest.raises(FixInput, match="holds no package"):
        sight_on_line(repo, read_params(repo.params))


def test_a_package_that_was_changed_or_lies_elsewhere_does_not_say_how_to_look(repo: Layout, tmp_path: Path) -> None:
    live(repo, frozen_blocks=5)
    settings, folder = read_params(repo.params), repo.live.resolve()
    next_one = Sight(settings.train.frozen_of(18), NO_MASKS)
    (folder / MODEL).write_bytes(b"another")
    assert sight_on_line(repo, settings) == next_one
    (folder / MODEL).write_bytes(b"x")
    assert sight_on_line(repo, settings) == Sight(5, NO_MASKS)
    away = folder.rename(tmp_path / folder.name)
    repo.live.unlink()
    repo.live.symlink_to(away)
    assert sight_on_line(repo, settings) == next_one
