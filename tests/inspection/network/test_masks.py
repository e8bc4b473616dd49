"""Masks are drawn by people, and what they hide cannot change a verdict."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from inspection import git
from inspection.cameras import Camera
from inspection.errors import FixInput, FixSettings
from inspection.layout import Layout
from inspection.model import package
from inspection.model.package import Card, Package
from inspection.model.scoring import score
from inspection.model.tail import Tail
from inspection.network.backbone import network
from inspection.network.features import Features, shown
from inspection.network.frozen import frozen_graph
from inspection.network.masks import (
    NO_MASKS,
    Mask,
    Masks,
    clear_mask,
    drawn,
    read_index,
    read_masks,
    set_mask,
    unpacked,
)
from inspection.network.views import PLAIN
from inspection.network.weights import weights
from inspection.params import Params
from tests.conftest import ROOT, copy_backbones
from tests.inspection.world import card, encoded

CAMERA = Camera(name="cam-1", line="A", width=48, height=40, mode="L", parts=("bracket", "housing"))
PLACE = ("cam-1", "bracket")


def picture(seed: int, height: int = 40, width: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 1)).astype(np.float32)


def png(look: np.ndarray) -> bytes:
    return encoded((255 * look).astype(np.uint8))


def left_half() -> np.ndarray:
    look = np.ones((40, 48), bool)
    look[:, :24] = False
    return look


@pytest.fixture
def plant(repo: Layout) -> Layout:
    return repo


def test_hidden_pixels_become_the_mean_of_the_rest_and_nothing_else_changes() -> None:
    levels = picture(0)
    seen = Mask("d", left_half()).applied(levels, PLACE)
    assert np.array_equal(seen[:, 24:], levels[:, 24:])
    assert np.allclose(seen[:, :24], levels[:, 24:].mean(), atol=1e-3)
    assert levels[:, :24].std() > 1  # the picture itself is left alone


def test_a_mask_holds_for_its_camera_and_part_alone() -> None:
    masks = Masks({PLACE: Mask("0123456789abcdef", left_half())})
    levels = picture(1)
    assert not np.array_equal(masks.applied(levels, *PLACE), levels)
    assert masks.applied(levels, "cam-1", "housing") is levels
    assert masks.applied(levels, "cam-2", "bracket") is levels
    assert (masks.name(*PLACE), masks.name("cam-1", "housing")) == ("0123456789ab", "")


@pytest.mark.parametrize(("height", "width"), [(10, 20), (80, 96), (41, 50)])
def test_a_mask_hides_the_same_share_of_pictures_of_another_size(height: int, width: int) -> None:
    """So that a camera which gets another resolution goes on being judged, and old pictures can be trained on."""
    levels = picture(0, height, width)
    seen = Mask("d", left_half()).applied(levels, PLACE)
    hidden = -(-width // 2)
    assert np.array_equal(seen[:, hidden:], levels[:, hidden:])
    assert np.ptp(seen[:, :hidden], axis=(0, 1)).max() == 0


def test_a_mask_that_leaves_nothing_of_a_small_picture_is_said_in_words() -> None:
    look = np.zeros((40, 48), bool)
    look[39, 47] = True
    with pytest.raises(FixInput, match=r"cam-1 / bracket was drawn for 48x40 pixels and leaves nothing .* of 20x10"):
        Mask("d", look).applied(picture(0, 10, 20), PLACE)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no picture", "not an image"),
        (png(np.zeros((40, 48), bool)), "black everywhere"),
        (encoded(np.full((40, 48), 128, np.uint8)), "without grey or colour"),
        (encoded(np.dstack([np.zeros((4, 4), np.uint8)] * 2 + [np.full((4, 4), 255, np.uint8)])), "without grey"),
    ],
)
def test_what_is_no_mask_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(FixInput, match=words):
        drawn(content)


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_mask_is_set_listed_replaced_and_cleared(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    first = set_mask(plant, CAMERA, "bracket", png(left_half()), "Lena", "the conveyor's belt")
    assert read_index(plant.masks).masks == (first,) and first.by == "Lena"
    set_mask(plant, CAMERA, "housing", png(left_half()), "Lena", "the same")
    again = set_mask(plant, CAMERA, "bracket", png(~left_half()), "Omar", "the other side")
    masks = read_masks(plant.masks)
    assert {one.by for one in read_index(plant.masks).masks} == {"Lena", "Omar"}
    assert np.array_equal(masks.by_place[PLACE].look, ~left_half()) and masks.by_place[PLACE].digest == again.sha256
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(git, "commit", killed)
        clear_mask(plant, "cam-1", "bracket", "Omar")
    clear_mask(plant, "cam-1", "bracket", "Omar")
    assert git.run(plant.home, "status", "--porcelain") == "", "what was cut short is finished"
    assert [one.part for one in read_index(plant.masks).masks] == ["housing"]
    with pytest.raises(FixInput, match="no mask for bracket"):
        clear_mask(plant, "cam-1", "bracket", "Omar")


@pytest.mark.parametrize(
    ("camera", "part", "look", "by", "words"),
    [
        (CAMERA, "panel", left_half(), "Lena", "sees no part 'panel'; it sees bracket, housing"),
        (CAMERA, "bracket", np.ones((10, 20), bool), "Lena", "20x10 pixels, pictures of cam-1 are 48x40"),
        (CAMERA.model_copy(update={"min_width": 20}), "bracket", left_half(), "Lena", "crops its pictures"),
        (CAMERA, "bracket", left_half(), " ", "add --by NAME"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused_and_nothing_is_written(
    plant: Layout, camera: Camera, part: str, look: np.ndarray, by: str, words: str
) -> None:
    with pytest.raises(FixInput, match=words):
        set_mask(plant, camera, part, png(look), by, "why")
    assert read_index(plant.masks).masks == () and not list(plant.masks.glob("*.png"))


@pytest.mark.parametrize("content", [b"", b"other"])
def test_a_png_that_is_not_the_one_that_was_set_is_refused(plant: Layout, content: bytes) -> None:
    set_mask(plant, CAMERA, "bracket", png(left_half()), "Lena", "belt")
    (path,) = plant.masks.glob("*.png")
    path.write_bytes(content)
    with pytest.raises(FixSettings, match="restore it with git"):
        read_masks(plant.masks)


def test_an_index_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match="no index of masks"):
        read_masks(tmp_path)


def test_masks_come_back_from_a_package_and_must_be_those_of_its_card() -> None:
    masks = Masks({PLACE: Mask("a" * 64, left_half())})
    assert np.array_equal(unpacked(masks.packed(), masks.digests()).by_place[PLACE].look, left_half())
    with pytest.raises(KeyError):
        unpacked({}, masks.digests())


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory, settings: Params) -> Package:
    """A package of the real network with a head drawn at random, and a mask over the left half of one part."""
    home = tmp_path_factory.mktemp("masked")
    layout = Layout(home, home)
    copy_backbones(layout)
    graph = frozen_graph(settings.backbone, layout)
    net = network(settings.backbone, weights(settings.backbone, layout)[0])
    masks = Masks({PLACE: Mask("a" * 64, left_half())})
    torch.manual_seed(0)
    tail = Tail(net.tail(17), torch.nn.Linear(net.width, 2))
    with torch.no_grad():
        example = torch.nn.Sequential(*net.blocks[:17])(torch.zeros(2, 3, 224, 224))
    said = card(frozen=graph.digest, frozen_blocks=17, masks=masks.digests())
    package.build(home / "package", graph.path, tail, example, Card.model_validate(said), masks)
    return Package(home / "package")


def hidden_otherwise(levels: np.ndarray) -> list[np.ndarray]:
    """The same picture with random content where the mask lies."""
    found = [levels]
    for seed in range(1, 6):
        other = levels.copy()
        other[:, :24] = picture(seed)[:, :24]
        found.append(other)
    return found


def test_random_content_under_the_mask_cannot_change_a_verdict(masked: Package) -> None:
    images = hidden_otherwise(picture(9))
    hidden = [one.probability for one in masked.predict(images, [PLACE] * len(images))]
    assert all(np.array_equal(one, hidden[0]) for one in hidden)
    seen = [one.probability for one in masked.predict(images, [("cam-1", "housing")] * len(images))]
    assert not any(np.array_equal(one, seen[0]) for one in seen[1:])


def test_pictures_that_differ_under_the_mask_alone_are_scored_alike(masked: Package, tmp_path: Path) -> None:
    names = []
    for number, levels in enumerate(hidden_otherwise(picture(9))):
        names.append(f"{number}.png")
        (tmp_path / names[-1]).write_bytes(encoded(levels[:, :, 0].astype(np.uint8)))
    files = pd.DataFrame({"path": names, "black": 0, "white": 255, "label": masked.card.classes[0]})
    for place, different in ((PLACE, 1), (("cam-1", "housing"), len(names))):
        table = files.assign(camera=place[0], part=place[1])
        (rows,) = score([masked], table, Layout(tmp_path, tmp_path), 40)
        assert rows["reject_probability"].nunique() == different


def test_a_package_without_its_masks_or_with_others_is_refused(masked: Package, tmp_path: Path) -> None:
    package.copy(masked.folder, tmp_path / "whole")
    assert package.package_hash(tmp_path / "whole") == package.package_hash(masked.folder)
    (tmp_path / "whole" / package.MASKS).unlink()
    assert package.package_hash(tmp_path / "whole") != package.package_hash(masked.folder)
    with pytest.raises(FixInput, match="dvc checkout"):
        Package(tmp_path / "whole").predict([picture(0)], [PLACE])


def test_features_under_another_mask_have_another_name(settings: Params, masked: Package) -> None:
    layout = Layout(masked.folder.parent, masked.folder.parent)
    features = Features(layout, settings, 17)
    plain, hidden = shown("a", 0, 255), shown("a", 0, 255, masked.masks.name(*PLACE))
    features.add([(plain, (PLAIN,), lambda: picture(9))])
    assert features.has(plain, PLAIN) and not features.has(hidden, PLAIN)
    features.close()


def test_the_repository_s_own_index_is_empty() -> None:
    assert json.loads((ROOT / "masks" / "masks.json").read_text()) == {"masks": []}
    assert read_masks(ROOT / "masks") == NO_MASKS
