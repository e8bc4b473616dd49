import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import diskcache
import numpy as np
import pytest
from numpy.typing import NDArray

from inspection.errors import FixSettings, MakeRoom
from inspection.layout import Layout
from inspection.network.features import SEAL, Features
from inspection.network.frozen import frozen_graph
from inspection.network.views import PLAIN, Levels, View, tiles, viewed
from inspection.params import Params
from inspection.pictures.images import Picture, decode
from tests.conftest import copy_backbones
from tests.inspection.world import encoded, noise

VIEWS: tuple[View, ...] = (PLAIN, "flip_x", "flip_y", "turn_180", "turn_90", "identity@1.1")
CUT = 16  # blocks that stay frozen


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A plant with the real backbone."""
    home = tmp_path_factory.mktemp("plant")
    layout = Layout(home, home)
    copy_backbones(layout)
    return layout


@pytest.fixture(scope="module")
def network(plant: Layout, settings: Params) -> Iterator[Features]:
    """Compiled once; these tests compute with it and keep nothing in it."""
    features = Features(plant, settings, CUT)
    features.compute([np.zeros((8, 8, 1), np.float32)])
    yield features
    features.close()


@pytest.fixture
def features(plant: Layout, settings: Params, network: Features) -> Iterator[Features]:
    """An empty store."""
    shutil.rmtree(plant.state / "features", ignore_errors=True)
    store = Features(plant, settings, CUT)
    store._runs = network._runs  # compiling takes half a second
    yield store
    store.close()


def shot(seed: int, height: int = 40, width: int = 56, channels: int = 3) -> Picture:
    return decode(encoded(noise(seed, height, width, channels)), 40)


def once(picture: Picture) -> tuple[Callable[[], Levels], list[int]]:
    """A loader, and the calls that it got."""
    calls: list[int] = []

    def load() -> Levels:
        calls.append(1)
        return picture.levels()

    return load, calls


def fake(seed: int, side: int = 7) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """An activation and an embedding."""
    rng = np.random.default_rng(seed)
    return rng.random((64, side, side)).astype(np.float16), rng.random(32).astype(np.float32)


def kept(features: Features, image: str, view: View) -> tuple[bytes, bytes]:
    """What the store holds of a view: activation and embedding as bytes."""
    activation, embedding = features.activation(image, view), features.embedding(image)
    assert activation is not None and embedding is not None
    return activation.tobytes(), embedding.tobytes()


def test_the_first_use_gives_features_of_the_declared_form(network: Features) -> None:
    (activation,), (embedding,) = network.compute([shot(1).levels()])
    assert activation.dtype == np.float16 and activation.ndim == 3
    assert embedding.dtype == np.float32 and embedding.ndim == 1
    assert np.isfinite(embedding).all() and embedding.std() > 0


def test_an_image_alone_or_among_others_gives_the_identical_feature(network: Features) -> None:
    images = [shot(n, *size).levels() for n, size in enumerate([(40, 56, 3), (30, 30, 1), (300, 20, 3), (1, 1, 1)] * 2)]
    together, backwards = network.compute(images[:7]), network.compute(images[6::-1])
    for number in range(7):
        alone = network.compute([images[number]])
        for kind in (0, 1):
            assert np.array_equal(together[kind][number], alone[kind][0])
            assert np.array_equal(together[kind][number], backwards[kind][6 - number])


def test_different_images_give_different_features(network: Features) -> None:
    activations, embeddings = network.compute([shot(1).levels(), shot(2).levels()])
    assert not np.array_equal(*activations) and not np.array_equal(*embeddings)


def test_embeddings_are_only_computed_where_they_are_asked_for(network: Features) -> None:
    images = [shot(1).levels(), shot(2).levels()]
    with_them, without = network.compute(images), network.compute(images, embed=False)
    assert np.array_equal(with_them[0], without[0]) and without[1] == [None, None]


def test_a_view_s_feature_is_that_of_the_really_turned_image(features: Features, network: Features) -> None:
    picture = shot(5)
    assert features.add([("a", VIEWS, picture.levels)]) == len(VIEWS)
    turned = {
        PLAIN: picture.pixels,
        "flip_x": np.fliplr(picture.pixels),
        "flip_y": np.flipud(picture.pixels),
        "turn_180": np.rot90(picture.pixels, 2),
        "turn_90": np.rot90(picture.pixels),
    }
    for view, pixels in turned.items():
        levels = decode(encoded(np.ascontiguousarray(pixels)), 40).levels()
        assert np.array_equal(features.activation("a", view), network.compute([levels], embed=False)[0][0])
    lit = network.compute([viewed(picture.levels(), "identity@1.1")], embed=False)[0][0]
    assert np.array_equal(features.activation("a", "identity@1.1"), lit)
    assert np.array_equal(features.embedding("a"), network.compute([picture.levels()])[1][0])  # of the plain view


def test_turned_views_alone_bring_no_embedding(features: Features) -> None:
    assert features.add([("a", VIEWS[1:3], shot(5).levels)]) == 2
    assert features.embedding("a") is None and features.has("a", VIEWS[1]) and not features.has("a", PLAIN)


def test_what_is_kept_is_what_was_computed(features: Features) -> None:
    assert features.activation("a", PLAIN) is None and not features.has("a", PLAIN)
    activation, embedding = fake(1)
    features.put("a", PLAIN, activation)
    assert np.array_equal(features.activation("a", PLAIN), activation)
    assert features.embedding("a") is None and not features.has("a", PLAIN)
    features.put("a", PLAIN, activation, embedding)
    assert features.has("a", PLAIN) and np.array_equal(features.embedding("a"), embedding)
    assert not features.has("a", "flip_x") and not features.has("b", PLAIN)


def test_what_is_trained_from_is_of_the_own_cut_and_what_is_looked_at_may_be_of_another(
    plant: Layout, settings: Params, features: Features
) -> None:
    features.add([("a", VIEWS[:2], shot(1).levels)])
    other = Features(plant, settings, CUT - 1)
    assert other.embedding("a") is None and other.any_embedding("b") is None
    assert np.array_equal(other.any_embedding("a"), features.embedding("a"))
    assert other.activation("a", PLAIN) is None and not other.has("a", PLAIN)
    assert other.digest == features.digest and other.key("a", PLAIN) != features.key("a", PLAIN)
    before = features.embedding("a")
    other.add([("a", VIEWS[:1], shot(1).levels)])  # an experiment with another cut changes nothing here
    assert np.array_equal(features.embedding("a"), before) and np.array_equal(features.any_embedding("a"), before)
    other.close()


def test_a_picture_in_tiles_is_kept_as_tiles_and_its_embedding_is_their_mean(
    plant: Layout, settings: Params, features: Features, network: Features
) -> None:
    levels = shot(1).levels()
    features.add([("a", (PLAIN,), lambda: levels)])
    fine = settings.backbone.model_copy(update={"grid": 2})
    tiled = Features(plant, settings.model_copy(update={"backbone": fine}), CUT)
    tiled._runs = network._runs
    assert not tiled.has("a", PLAIN)  # what is kept of the whole picture is another thing
    tiled.add([("a", (PLAIN,), lambda: levels)])
    activations, embeddings = network.compute(tiles(levels, 2))
    assert np.array_equal(tiled.activation("a", PLAIN), activations)
    assert np.allclose(tiled.embedding("a"), embeddings.mean(axis=0), atol=1e-5)
    tiled.close()


def test_behind_the_last_block_the_activation_is_the_embedding(plant: Layout, settings: Params) -> None:
    shutil.rmtree(plant.state / "features", ignore_errors=True)
    whole = Features(plant, settings, frozen_graph(settings.backbone, plant).blocks)
    whole.add([("a", (PLAIN,), shot(1).levels)])
    activation, embedding = whole.activation("a", PLAIN), whole.embedding("a")
    assert activation is not None and embedding is not None
    assert activation.shape == embedding.shape and np.array_equal(activation, embedding.astype(np.float16))
    whole.close()


def test_where_nothing_is_frozen_the_pixels_are_given_and_only_the_embedding_is_kept(
    plant: Layout, settings: Params, network: Features
) -> None:
    shutil.rmtree(plant.state / "features", ignore_errors=True)
    bare = Features(plant, settings, 0)
    assert bare.add([("a", VIEWS, shot(1).levels)]) == 1  # views of which nothing is kept are not made
    assert bare.activation("a", PLAIN) is None and bare.has("a", PLAIN) and bare.has("a", "flip_x")
    assert np.allclose(bare.embedding("a"), network.compute([shot(1).levels()])[1][0], rtol=0.02, atol=0.02)
    ((pixels,), _) = bare.compute([shot(1).levels()], embed=False)
    assert pixels.shape == (3, 224, 224) and pixels.dtype == np.float16
    bare.close()


def test_more_frozen_blocks_than_there_are_are_refused_with_their_number(plant: Layout, settings: Params) -> None:
    with pytest.raises(FixSettings, match=r"has 18 blocks, so 19 of them .* run `dvc repro plan`"):
        Features(plant, settings, 19)


def test_only_what_is_missing_is_computed_and_an_image_is_decoded_once_or_not_at_all(features: Features) -> None:
    (first, first_calls), (second, second_calls) = once(shot(1)), once(shot(2))
    progress: list[int] = []
    assert features.add([("a", VIEWS[:1], first)], progress.append) == 1
    assert features.add([("a", VIEWS, first), ("b", VIEWS[:2], second)], progress.append) == 7
    assert (len(first_calls), len(second_calls)) == (2, 1)  # once in each run
    assert features.add([("a", VIEWS, first), ("b", VIEWS[:2], second)], progress.append) == 0
    assert (len(first_calls), len(second_calls)) == (2, 1)
    assert progress == [1, 6, 2, 6, 2]


def test_features_survive_the_process(plant: Layout, settings: Params, features: Features) -> None:
    features.add([("a", (PLAIN,), shot(1).levels)])
    before = kept(features, "a", PLAIN)
    features.close()
    again = Features(plant, settings, CUT)
    assert kept(again, "a", PLAIN) == before
    again.close()


def test_a_wiped_store_is_computed_again_to_the_same_bytes(features: Features, plant: Layout, settings: Params) -> None:
    wanted = [(f"{n}", VIEWS[:2], shot(n).levels) for n in range(3)]
    features.add(wanted)
    before = {(name, view): kept(features, name, view) for name, views, _ in wanted for view in views}
    features.close()
    shutil.rmtree(plant.state / "features")
    again = Features(plant, settings, CUT)
    again._runs = features._runs
    assert again.add(reversed(wanted)) == 6
    assert all(kept(again, *at) == feature for at, feature in before.items())
    again.close()


def large_entry(plant: Layout, features: Features) -> Path:
    """A feature so large that it lies in a file of its own, as those of more tuned blocks do; that file."""
    features.put("a", PLAIN, *fake(1, 40))
    (path,) = (plant.state / "features").rglob("*.val")
    return path


def test_a_feature_whose_file_is_gone_is_computed_again(plant: Layout, features: Features) -> None:
    large_entry(plant, features).unlink()
    assert features.activation("a", PLAIN) is None
    assert features.add([("a", (PLAIN,), shot(1).levels)]) == 1
    assert features.activation("a", PLAIN) is not None


def test_a_feature_that_was_cut_off_when_the_power_failed_is_computed_again(plant: Layout, features: Features) -> None:
    path = large_entry(plant, features)
    path.write_bytes(path.read_bytes()[:1000])
    assert features.activation("a", PLAIN) is None
    assert features.add([("a", (PLAIN,), shot(1).levels)]) == 1
    assert features.activation("a", PLAIN) is not None


@pytest.mark.parametrize("damage", [lambda _: b"no database" * 999, lambda whole: whole[: len(whole) // 2]])
def test_a_damaged_store_is_thrown_away_and_said(
    tmp_path: Path, settings: Params, capsys: pytest.CaptureFixture[str], damage: Callable[[bytes], bytes]
) -> None:
    layout = Layout(tmp_path, tmp_path)
    copy_backbones(layout)
    filled = Features(layout, settings, CUT)
    for number in range(20):
        filled.put(f"{number}", PLAIN, *fake(number))
    filled.close()
    index = layout.state / "features" / "cache.db"
    for journal in index.parent.glob("cache.db-*"):
        journal.unlink()
    index.write_bytes(damage(index.read_bytes()))
    store = Features(layout, settings, CUT)
    assert "is damaged; it is thrown away" in capsys.readouterr().err
    assert not store.has("1", PLAIN)
    store.put("1", PLAIN, *fake(1))
    assert store.has("1", PLAIN)
    store.close()


def test_a_store_that_cannot_be_opened_is_left_alone_and_said(
    plant: Layout, settings: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(diskcache, "Cache", full)
    with pytest.raises(MakeRoom, match=r"cannot be opened .database or disk is full.: check space"):
        Features(plant, settings, CUT)


def test_an_entry_of_another_kind_is_dropped(features: Features) -> None:
    activation, embedding = fake(1)
    features.put("a", PLAIN, activation.astype(np.float32), embedding)
    assert features.activation("a", PLAIN) is None and not features.has("a", PLAIN)
    assert features.key("a", PLAIN) not in features._cache


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.mkdir, (self.path,)


def test_a_pickle_in_the_store_is_never_opened(plant: Layout, features: Features, tmp_path: Path) -> None:
    with diskcache.Cache(str(plant.state / "features")) as planted:
        planted.set(features.key("a", PLAIN), Trap(tmp_path / "executed"))
    assert features.activation("a", PLAIN) is None
    assert not (tmp_path / "executed").exists()


def test_the_store_stays_within_its_size(plant: Layout, settings: Params) -> None:
    shutil.rmtree(plant.state / "features", ignore_errors=True)
    limit = settings.features.model_copy(update={"max_gigabytes": 0.001})
    store = Features(plant, settings.model_copy(update={"features": limit}), CUT)
    for number in range(300):  # 6.5 kB each: 2.0 MB
        store.put(f"{number}", PLAIN, *fake(number))
    assert sum(path.stat().st_size for path in (plant.state / "features").rglob("cache.db")) < 1.6e6
    assert store.has("299", PLAIN) and not store.has("0", PLAIN)
    store.close()


def test_the_key_names_image_view_cut_network_precision_and_runtime(features: Features) -> None:
    key = features.key("a" * 64, "flip_x")
    assert key.startswith("a" * 64 + f"/flip_x/behind_{CUT}/") and features.digest in key and features.precision in key
    assert "openvino-" in key


def test_an_entry_that_was_changed_or_is_another_picture_s_is_computed_again(features: Features) -> None:
    features.add([("one", (PLAIN,), once(shot(1))[0]), ("two", (PLAIN,), once(shot(2))[0])])
    store, one, two = features._cache, features.key("one", PLAIN), features.key("two", PLAIN)
    kept = store.get(one)
    assert features.activation("one", PLAIN) is not None
    store.set(one, kept[:-1] + bytes([kept[-1] ^ 1]))
    assert features.activation("one", PLAIN) is None and store.get(one) is None
    store.set(one, store.get(two))
    assert features.activation("one", PLAIN) is None and features.activation("two", PLAIN) is not None


def test_an_entry_of_before_there_were_seals_is_taken(features: Features) -> None:
    features.add([("one", (PLAIN,), once(shot(1))[0])])
    store, key = features._cache, features.key("one", PLAIN)
    store.set(key, store.get(key)[len(SEAL) + 32 :])
    assert features.activation("one", PLAIN) is not None
