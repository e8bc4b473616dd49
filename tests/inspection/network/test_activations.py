"""Batches of activations: from memory, from the store or made again, always the same."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torchvision import models

from inspection.layout import Layout
from inspection.network import activations
from inspection.network.activations import Activations, chances
from inspection.network.features import Features, shown
from inspection.network.masks import Mask, Masks
from inspection.network.views import PLAIN, Levels, View, viewed
from inspection.params import Params, read_params
from inspection.pictures.images import levels_of
from tests.conftest import ROOT
from tests.inspection.world import encoded, noise

CLASSES = ("good", "pit")


class Store:
    """In the place of `Features`: the activation of a picture is (1, 2, 2) of its corners, which shows every view."""

    def __init__(self, frozen_blocks: int = 1) -> None:
        self.frozen_blocks, self.grid = frozen_blocks, 1
        self.kept: dict[tuple[str, View], NDArray[np.float16]] = {}
        self.embeddings: dict[str, NDArray[np.float32]] = {}
        self.asked: list[tuple[str, View]] = []
        self.computed = 0

    def activation(self, image: str, view: View) -> NDArray[np.float16] | None:
        assert self.frozen_blocks, "where nothing is frozen, nothing is kept"
        self.asked.append((image, view))
        return self.kept.get((image, view))

    def embedding(self, image: str) -> NDArray[np.float32] | None:
        return self.embeddings.get(image)

    def compute(self, images: Sequence[Levels], embed: bool = True) -> tuple[NDArray[np.float16], list[Any]]:
        self.computed += len(images)
        seen = np.stack([corners(levels) for levels in images])
        return seen, list(seen.reshape(len(seen), -1)) if embed else [None] * len(images)

    def put(
        self, image: str, view: View, activation: NDArray[np.float16], embedding: NDArray[np.float32] | None = None
    ) -> None:
        if self.frozen_blocks:
            self.kept[image, view] = activation
        if embedding is not None:
            self.embeddings[image] = embedding


def corners(levels: Levels) -> NDArray[np.float16]:
    return levels[:: levels.shape[0] - 1, :: levels.shape[1] - 1, 0][None].astype(np.float16)


def table(folder: Path, count: int = 7) -> pd.DataFrame:
    """Rows of the split with their pictures on the disk; the last image is the only pit."""
    rows = []
    for number in range(count):
        content = encoded(noise(number, 6, 8))
        (folder / f"{number}.png").write_bytes(content)
        rows.append(
            {
                "image_id": hashlib.sha256(content).hexdigest(),
                "path": f"{number}.png",
                "black": 0,
                "white": 255,
                "label": CLASSES[number == count - 1],
                "part": "bracket",
                "serial": f"s-{number // 2}",
                "camera": "cam-1",
                "captured_at": pd.Timestamp("2026-11-02T06:00Z"),
            }
        )
    return pd.DataFrame(rows, index=range(90, 90 - count, -1))  # as it comes out of a larger table


def of(rows: pd.DataFrame, store: Any, folder: Path, views: dict[str, tuple[View, ...]] | None = None) -> Activations:
    return Activations(rows, CLASSES, store, folder, 40, views)


def drawn(found: Activations, seed: int, size: int = 3) -> list[tuple[bytes, list[int]]]:
    """An epoch of balanced batches: activations as bytes, and labels."""
    batches = found.balanced(size, ("class",), torch.Generator().manual_seed(seed))
    return [(values.numpy().tobytes(), labels.tolist()) for values, labels in batches]


def plainly(found: Activations, size: int = 3) -> NDArray[np.float32]:
    return torch.cat([values for values, _ in found.plain(size)]).numpy()


def test_plain_batches_are_every_image_once_and_in_order(tmp_path: Path) -> None:
    rows = table(tmp_path)
    batches = list(of(rows, Store(), tmp_path).plain(3))
    assert [len(labels) for _, labels in batches] == [3, 3, 1]
    assert torch.cat([labels for _, labels in batches]).tolist() == [0] * 6 + [1]
    values = torch.cat([values for values, _ in batches])
    assert values.dtype == torch.float32 and values.shape == (7, 1, 2, 2)
    for value, row in zip(values, rows.itertuples(), strict=True):
        assert np.array_equal(value, corners(levels_of(tmp_path, 40, row)))


def test_embeddings_are_those_of_the_plain_views(tmp_path: Path) -> None:
    store = Store()
    found = of(table(tmp_path), store, tmp_path, {})
    embeddings = found.embeddings
    assert embeddings.dtype == np.float32 and store.computed == 7
    assert np.array_equal(embeddings, plainly(found).reshape(7, 4))
    assert np.array_equal(of(table(tmp_path), store, tmp_path, {}).embeddings, embeddings)
    assert store.computed == 7  # all of it was in the store


def test_balanced_batches_show_as_many_images_only_in_views_that_are_allowed(tmp_path: Path) -> None:
    rows, store = table(tmp_path), Store()
    allowed: dict[str, tuple[View, ...]] = dict.fromkeys(rows["image_id"][:3], (PLAIN, "flip_x"))
    allowed[rows["image_id"].iloc[6]] = (PLAIN, "flip_y", "turn_180")
    found = of(rows, store, tmp_path, allowed)
    for seed in range(20):
        assert sum(len(labels) for _, labels in drawn(found, seed)) == 7
    shown_views = {image: {view for name, view in store.asked if name.startswith(image)} for image in rows["image_id"]}
    assert {image: set(allowed.get(image, (PLAIN,))) for image in rows["image_id"]} == shown_views


def test_an_epoch_is_drawn_by_the_generator_and_by_nothing_else(tmp_path: Path) -> None:
    rows = table(tmp_path)
    views = dict.fromkeys(rows["image_id"], (PLAIN, "flip_x", "flip_y"))
    found = of(rows, Store(), tmp_path, views)
    first = drawn(found, 1)
    torch.manual_seed(99)
    assert drawn(found, 1) == first == drawn(of(rows, Store(), tmp_path, views), 1)
    assert drawn(found, 2) != first
    generator = torch.Generator().manual_seed(1)
    one, two = ([labels.tolist() for _, labels in found.balanced(3, ("class",), generator)] for _ in range(2))
    assert one != two  # the second epoch is another


@pytest.mark.parametrize(("balance", "share"), [((), 1 / 7), (("class",), 1 / 2)])
def test_the_balance_decides_what_is_drawn(tmp_path: Path, balance: tuple[str, ...], share: float) -> None:
    found, generator = of(table(tmp_path), Store(), tmp_path), torch.Generator().manual_seed(0)
    pits = [labels.sum() for _ in range(60) for _, labels in found.balanced(7, balance, generator)]
    assert len(pits) == 60
    assert sum(pits) / 420 == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize(("bytes_held", "reads"), [(0, 28), (8, 27), (24, 25), (10**9, 21)])
def test_memory_is_bounded_and_changes_nothing_but_the_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_held: int, reads: int
) -> None:
    rows, store = table(tmp_path), Store()
    views = dict.fromkeys(rows["image_id"], ("flip_x", PLAIN))
    expected, order = plainly(of(rows, Store(), tmp_path)), drawn(of(rows, Store(), tmp_path, views), 4)
    monkeypatch.setattr(activations, "HELD_BYTES", bytes_held)
    found = of(rows, store, tmp_path, views)
    assert all(np.array_equal(plainly(found), expected) for _ in range(2))
    for view in ("flip_x", "flip_y"):
        found._stack(range(7), [view] * 7)  # more views than there is room for
    assert len(store.asked) == reads
    assert sum(value.nbytes for value in found._held.values()) <= bytes_held  # 8 bytes each
    assert drawn(found, 4) == order


def test_what_the_store_lost_is_made_again_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "HELD_BYTES", 0)
    rows, store = table(tmp_path), Store()
    found = of(rows, store, tmp_path, dict.fromkeys(rows["image_id"], ("flip_x", "identity@1.5")))
    before, plain = drawn(found, 3), plainly(found)
    kept, computed = dict(store.kept), store.computed
    assert drawn(found, 3) == before and store.computed == computed  # all from the store
    for name in list(store.kept)[::2]:
        del store.kept[name]
    assert drawn(found, 3) == before and np.array_equal(plainly(found), plain)
    assert store.kept.keys() == kept.keys() and store.computed == computed + (len(kept) + 1) // 2
    for (image, view), value in store.kept.items():
        row = rows[[shown(one, 0, 255) == image for one in rows["image_id"]]].iloc[0]
        assert np.array_equal(value, corners(viewed(levels_of(tmp_path, 40, row), view)))


def test_where_nothing_is_frozen_nothing_is_read_from_the_store_or_kept_in_it(tmp_path: Path) -> None:
    rows, store = table(tmp_path), Store(frozen_blocks=0)
    found = of(rows, store, tmp_path, dict.fromkeys(rows["image_id"], ("flip_x",)))
    assert np.array_equal(plainly(found), plainly(of(rows, Store(), tmp_path)))
    assert len(drawn(found, 1)) == 3 and store.kept == {}


def test_a_picture_is_kept_under_its_span_and_its_mask_which_hides_before_it_is_turned(tmp_path: Path) -> None:
    rows, store = table(tmp_path, 2).assign(white=[200, 255]), Store()
    look = np.ones((6, 8), bool)
    look[0, 0] = False
    mask = Mask("f" * 64, look)
    views = dict.fromkeys(rows["image_id"], ("flip_x",))
    found = Activations(rows, CLASSES, store, tmp_path, 40, views, Masks({("cam-1", "bracket"): mask}))  # type: ignore[arg-type]
    drawn(found, 1)
    name = shown(rows["image_id"].iloc[0], 0, 200, "f" * 12)
    assert name in {image for image, _ in store.kept}
    seen = mask.applied(levels_of(tmp_path, 40, rows.iloc[0]), ("cam-1", "bracket"))
    assert np.array_equal(store.kept[name, "flip_x"], corners(viewed(seen, "flip_x")))
    assert (
        store.kept[name, "flip_x"][0, 0, 1] != corners(viewed(levels_of(tmp_path, 40, rows.iloc[0]), "flip_x"))[0, 0, 1]
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, Params]:
    """A plant with a real, small network, whose weights are drawn at random."""
    home = tmp_path_factory.mktemp("plant")
    torch.manual_seed(0)
    torch.save(models.get_model("squeezenet1_1", weights=None).state_dict(), home / "w.pth")
    settings = read_params(ROOT / "params.yaml")
    digest = hashlib.sha256((home / "w.pth").read_bytes()).hexdigest()
    network = {"name": "squeezenet1_1", "weights": "w.pth", "sha256": digest, "image_size": 64}
    return Layout(home, home), settings.model_copy(update={"backbone": settings.backbone.model_copy(update=network)})


@pytest.mark.parametrize("grid", [1, 2])
@pytest.mark.parametrize("frozen_blocks", [0, 4, 9])
def test_the_real_store_gives_the_same_before_and_after_it_was_wiped(
    small: tuple[Layout, Params], tmp_path: Path, frozen_blocks: int, grid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activations, "HELD_BYTES", 0)
    layout, settings = small
    network = settings.backbone.model_copy(update={"grid": grid})
    settings = settings.model_copy(update={"backbone": network})
    rows, features = table(tmp_path, 5), Features(layout, settings, frozen_blocks)
    features._cache.clear()
    views = dict.fromkeys(rows["image_id"], (PLAIN, "turn_90", "identity@1.1"))
    names = [shown(image, 0, 255) for image in rows["image_id"]]
    features.add((name, (PLAIN,), partial(levels_of, tmp_path, 40, rows.iloc[at])) for at, name in enumerate(names))
    found = of(rows, features, tmp_path, views)
    plain, before, embeddings = plainly(found), drawn(found, 5), found.embeddings
    kept = len(features._cache)
    features._cache.clear()
    assert drawn(found, 5) == before and plainly(found).tobytes() == plain.tobytes()
    assert np.array_equal(found.embeddings, embeddings) and embeddings.shape == (5, 512)
    assert found.tiles == grid**2
    if grid > 1:
        assert plain.shape[:2] == (5, grid**2)
    if frozen_blocks:
        assert features.activation(names[0], PLAIN) is not None and kept > len(names)
    else:
        assert plain.shape[-3:] == (3, 64, 64) and kept == len(names) and len(features._cache) == 0  # embeddings only
    features.close()


def shares() -> pd.DataFrame:
    """Six good images of three pieces, one pit; a bracket and a panel that bear one serial, beside a piece of one."""
    return pd.DataFrame(
        {
            "label": ["good"] * 6 + ["pit"],
            "part": ["bracket"] * 2 + ["panel"] * 5,
            "serial": ["a"] * 5 + ["b", "c"],
            "camera": ["cam-1"] * 7,
            "captured_at": pd.to_datetime(["2026-11-02T06:00Z"] * 4 + ["2026-11-03T06:00Z"] * 3),
        },
        index=[5, 9, 1, 2, 3, 4, 0],
    )


def test_without_balance_every_image_is_drawn_alike() -> None:
    assert chances(shares(), ()) == pytest.approx([1 / 7] * 7)


def test_balance_shares_equally_at_each_level_and_in_its_order() -> None:
    assert chances(shares(), ("class",)) == pytest.approx([1 / 12] * 6 + [1 / 2])
    assert chances(shares(), ("class", "serial")) == pytest.approx([1 / 12] * 2 + [1 / 18] * 3 + [1 / 6, 1 / 2])
    assert chances(shares(), ("serial",)) == pytest.approx([1 / 8] * 2 + [1 / 12] * 3 + [1 / 4] * 2)
    assert chances(shares(), ("class", "day")) == pytest.approx([1 / 16] * 4 + [1 / 8] * 2 + [1 / 2])
    assert chances(shares(), ("camera", "class")) == pytest.approx([1 / 12] * 6 + [1 / 2])


def test_a_part_is_a_kind_and_a_serial_a_piece() -> None:
    assert chances(shares(), ("part",)) == pytest.approx([1 / 4] * 2 + [1 / 10] * 5)
    assert chances(shares(), ("class", "part")) == pytest.approx([1 / 8] * 2 + [1 / 16] * 4 + [1 / 2])
    assert chances(shares(), ("part", "serial")) == pytest.approx(
        [1 / 4] * 2 + [1 / 18] * 3 + [1 / 6, 1 / 6]
    )  # the panels are of three pieces, one of which shows three
