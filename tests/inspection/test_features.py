import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import diskcache
import numpy as np
import pytest

from inspection.backbone import frozen
from inspection.features import Feature, Features, Levels, turn
from inspection.images import Picture, decode
from inspection.layout import Layout
from inspection.params import Params, View, read_params
from tests.conftest import ROOT
from tests.inspection.world import encoded, noise

VIEWS: tuple[View, ...] = ("identity", "flip_x", "flip_y", "turn_180")


@pytest.fixture(scope="module")
def settings() -> Params:
    return read_params(ROOT / "params.yaml")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, settings: Params) -> Layout:
    """A plant with the real backbone: made once per checkout, otherwise once here (10 s)."""
    home = tmp_path_factory.mktemp("plant")
    layout = Layout(home, home)
    made = ROOT / ".andon" / "backbones"
    if made.is_dir():
        shutil.copytree(made, layout.state / "backbones", ignore=shutil.ignore_patterns("*.part"))
    frozen(settings.backbone, layout)
    return layout


@pytest.fixture(scope="module")
def network(plant: Layout, settings: Params) -> Iterator[Features]:
    """Compiled once; these tests compute with it and keep nothing in it."""
    features = Features(plant, settings)
    features.compute([np.zeros((8, 8, 1), np.float32)])
    yield features
    features.close()


@pytest.fixture
def features(plant: Layout, settings: Params, network: Features) -> Iterator[Features]:
    """An empty store."""
    shutil.rmtree(plant.state / "features", ignore_errors=True)
    store = Features(plant, settings)
    store._stretches = network._stretches  # compiling takes half a second
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


def same(one: Feature | None, other: Feature | None) -> bool:
    assert one is not None and other is not None
    return np.array_equal(one.activation, other.activation) and np.array_equal(one.embedding, other.embedding)


def fake(seed: int, side: int = 7) -> Feature:
    rng = np.random.default_rng(seed)
    return Feature(rng.random((64, side, side)).astype(np.float16), rng.random(32).astype(np.float32))


def test_the_first_use_gives_features_of_the_declared_form(network: Features) -> None:
    (feature,) = network.compute([shot(1).levels()])
    assert feature.activation.dtype == np.float16 and feature.activation.ndim == 3
    assert feature.embedding.dtype == np.float32 and feature.embedding.ndim == 1
    assert np.isfinite(feature.embedding).all() and feature.embedding.std() > 0


def test_an_image_alone_or_among_others_gives_the_identical_feature(network: Features) -> None:
    images = [shot(n, *size).levels() for n, size in enumerate([(40, 56, 3), (30, 30, 1), (300, 20, 3), (1, 1, 1)] * 2)]
    together = network.compute(images[:7])
    for number, feature in enumerate(together):
        assert same(feature, network.compute([images[number]])[0])
    assert all(same(a, b) for a, b in zip(together, reversed(network.compute(images[6::-1])), strict=True))


def test_different_images_give_different_features(network: Features) -> None:
    one, other = network.compute([shot(1).levels(), shot(2).levels()])
    assert not same(one, other)


def test_a_view_s_feature_is_that_of_the_really_turned_image(features: Features, network: Features) -> None:
    picture = shot(5)
    features.add([("a", VIEWS, picture.levels)])
    turned = {
        "identity": picture.pixels,
        "flip_x": np.fliplr(picture.pixels),
        "flip_y": np.flipud(picture.pixels),
        "turn_180": np.rot90(picture.pixels, 2),
    }
    for view, pixels in turned.items():
        assert np.array_equal(turn(picture.levels(), view), pixels.astype(np.float32))
        levels = decode(encoded(np.ascontiguousarray(pixels)), 40).levels()
        kept, computed = features.get("a", view), network.compute([levels])[0]
        assert kept is not None
        assert np.array_equal(kept.activation, computed.activation)
        assert (kept.embedding is not None) == (view == "identity")  # drift and baselines ask for the plain view


def test_what_is_kept_is_what_was_computed(features: Features) -> None:
    assert features.get("a", "identity") is None and not features.has("a", "identity")
    feature = fake(1)
    features.put("a", "identity", feature)
    assert features.has("a", "identity") and same(features.get("a", "identity"), feature)
    assert not features.has("a", "flip_x") and not features.has("b", "identity")


def test_only_what_is_missing_is_computed_and_an_image_is_decoded_once_or_not_at_all(features: Features) -> None:
    (first, first_calls), (second, second_calls) = once(shot(1)), once(shot(2))
    progress: list[int] = []
    assert features.add([("a", VIEWS[:1], first)], progress.append) == 1
    assert features.add([("a", VIEWS, first), ("b", VIEWS[:2], second)], progress.append) == 5
    assert (len(first_calls), len(second_calls)) == (2, 1)  # once in each run
    assert features.add([("a", VIEWS, first), ("b", VIEWS[:2], second)], progress.append) == 0
    assert (len(first_calls), len(second_calls)) == (2, 1)
    assert progress == [1, 4, 2, 4, 2]


def test_features_survive_the_process(plant: Layout, settings: Params, features: Features) -> None:
    features.add([("a", ("identity",), shot(1).levels)])
    before = features.get("a", "identity")
    features.close()
    again = Features(plant, settings)
    assert same(again.get("a", "identity"), before)
    again.close()


def test_a_wiped_store_is_computed_again_to_the_same_bytes(features: Features, plant: Layout, settings: Params) -> None:
    wanted = [(f"{n}", VIEWS[:2], shot(n).levels) for n in range(3)]
    features.add(wanted)
    before = {(name, view): features.get(name, view) for name, views, _ in wanted for view in views}
    features.close()
    shutil.rmtree(plant.state / "features")
    again = Features(plant, settings)
    again._stretches = features._stretches
    assert again.add(reversed(wanted)) == 6
    assert all(same(again.get(*at), feature) for at, feature in before.items())
    again.close()


def large_entry(plant: Layout, features: Features) -> Path:
    """A feature so large that it lies in a file of its own, as those of more tuned blocks do; that file."""
    features.put("a", "identity", fake(1, 40))
    (path,) = (plant.state / "features").rglob("*.val")
    return path


def test_a_feature_whose_file_is_gone_is_computed_again(plant: Layout, features: Features) -> None:
    large_entry(plant, features).unlink()
    assert features.get("a", "identity") is None
    assert features.add([("a", ("identity",), shot(1).levels)]) == 1
    assert features.get("a", "identity") is not None


def test_a_feature_that_was_cut_off_when_the_power_failed_is_computed_again(plant: Layout, features: Features) -> None:
    path = large_entry(plant, features)
    path.write_bytes(path.read_bytes()[:1000])
    assert features.get("a", "identity") is None
    assert features.add([("a", ("identity",), shot(1).levels)]) == 1
    assert features.get("a", "identity") is not None


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.mkdir, (self.path,)


def test_a_pickle_in_the_store_is_never_opened(plant: Layout, features: Features, tmp_path: Path) -> None:
    with diskcache.Cache(str(plant.state / "features")) as planted:
        planted.set(features.key("a", "identity"), Trap(tmp_path / "executed"))
    assert features.get("a", "identity") is None
    assert not (tmp_path / "executed").exists()


def test_the_store_stays_within_its_size(plant: Layout, settings: Params) -> None:
    shutil.rmtree(plant.state / "features", ignore_errors=True)
    limit = settings.features.model_copy(update={"max_gigabytes": 0.001})
    store = Features(plant, settings.model_copy(update={"features": limit}))
    for number in range(300):  # 6.3 kB each: 1.9 MB
        store.put(f"{number}", "identity", fake(number))
    assert sum(path.stat().st_size for path in (plant.state / "features").rglob("cache.db")) < 1.6e6
    assert store.has("299", "identity") and not store.has("0", "identity")
    store.close()


def test_the_key_names_image_view_network_precision_and_runtime(features: Features) -> None:
    key = features.key("a" * 64, "flip_x")
    assert key.startswith("a" * 64 + "/flip_x/") and features.digest in key and features.precision in key
    assert "openvino-" in key
