import hashlib
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torchvision import models
from torchvision.models.convnext import CNBlockConfig

from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.network import backbone
from inspection.network.backbone import Network, behind, blank, frozen, network, weights
from inspection.network.graph import Graph, Preparation
from inspection.params import Backbone, read_params
from tests.conftest import ROOT

PACKAGED = read_params(ROOT / "params.yaml").backbone


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, tmp_path)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """So small are the pictures here that threads would mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def local(layout: Layout, content: bytes | None = None, **changes: object) -> Backbone:
    """Settings for the file w.pth; with `content` it is written and its hash set."""
    known = {"weights": "w.pth", "sha256": "0" * 64}
    if content is not None:
        (layout.root / "w.pth").write_bytes(content)
        known["sha256"] = hashlib.sha256(content).hexdigest()
    return PACKAGED.model_copy(update={**known, **changes})


def refused(settings: Backbone, layout: Layout) -> str:
    with pytest.raises(FixSettings) as refusal:
        network(settings, weights(settings, layout)[0])
    words = str(refusal.value)
    assert "\n" not in words
    return words


def saved(value: object, path: Path) -> bytes:
    torch.save(value, path)
    return path.read_bytes()


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_no_weights_file_is_refused_with_the_setting_s_name(layout: Layout) -> None:
    words = refused(local(layout), layout)
    assert "No weights file at" in words and "w.pth" in words and "backbone.weights" in words


def test_a_weights_file_without_a_hash_is_refused(layout: Layout) -> None:
    assert "backbone.sha256" in refused(local(layout, b"bytes", sha256=""), layout)


@pytest.mark.parametrize("sha256", ["0" * 64, "57934424", hashlib.sha256(b"bytes").hexdigest()[1:]])
def test_other_bytes_than_the_hash_says_are_refused_before_they_are_opened(layout: Layout, sha256: str) -> None:
    words = refused(local(layout, b"bytes", sha256=sha256), layout)
    assert "is not the file it should be" in words and hashlib.sha256(b"bytes").hexdigest()[:12] in words


def test_a_hash_of_a_few_letters_proves_nothing_and_is_refused(layout: Layout) -> None:
    settings = local(layout, b"bytes", sha256=hashlib.sha256(b"bytes").hexdigest()[:3])
    with pytest.raises(FixSettings, match="sha256"):
        weights(settings, layout)


def test_the_right_file_is_found_whatever_the_case_of_its_hash(layout: Layout) -> None:
    digest = hashlib.sha256(b"bytes").hexdigest()
    settings = local(layout, b"bytes", sha256=digest.upper())
    assert weights(settings, layout) == (layout.root / "w.pth", digest)


class Internet:
    """In the place of torchvision's server: its one file, and how often it was asked for it."""

    def __init__(self, content: bytes) -> None:
        self.content, self.asked = content, 0

    def fetch(self, url: str, path: str, hash_prefix: str) -> None:
        """As torch.hub does."""
        self.asked += 1
        if not hashlib.sha256(self.content).hexdigest().startswith(hash_prefix):
            raise RuntimeError("invalid hash value")
        Path(path).write_bytes(self.content)


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Internet:
    server = Internet(b"weights")
    address = f"https://example.org/resnet18-{hashlib.sha256(server.content).hexdigest()[:8]}.pth"
    monkeypatch.setattr("torchvision.models.get_model_weights", lambda _: SimpleNamespace(DEFAULT=Address(address)))
    monkeypatch.setattr("torch.hub.download_url_to_file", server.fetch)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return server


class Address(NamedTuple):
    url: str


RESNET = PACKAGED.model_copy(update={"name": "resnet18"})


def test_a_name_alone_is_enough_the_weights_are_fetched_once(layout: Layout, internet: Internet) -> None:
    path, digest = weights(RESNET, layout)
    assert path.read_bytes() == internet.content and digest == hashlib.sha256(internet.content).hexdigest()
    assert weights(RESNET, layout) == (path, digest) and internet.asked == 1


def test_weights_that_torch_has_in_its_own_cache_are_not_fetched(
    layout: Layout, internet: Internet, tmp_path: Path
) -> None:
    fetched, digest = weights(RESNET, layout)
    kept = tmp_path / "torch" / "hub" / "checkpoints" / fetched.name
    kept.parent.mkdir(parents=True)
    fetched.rename(kept)
    assert weights(RESNET, layout) == (kept, digest) and internet.asked == 1


def test_fetched_weights_are_checked_by_their_hash_each_time(layout: Layout, internet: Internet) -> None:
    internet.content = b"other weights"
    with pytest.raises(FixSettings, match="Could not download resnet18"):
        weights(RESNET, layout)
    internet.content = b"weights"
    path, _ = weights(RESNET, layout)
    path.write_bytes(b"damaged")
    with pytest.raises(FixSettings, match="is not the file it should be"):
        weights(RESNET, layout)


def test_without_internet_it_says_where_to_put_the_file(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise OSError("no internet")

    monkeypatch.setattr("torch.hub.download_url_to_file", fetch)
    with pytest.raises(FixSettings, match=r"Copy it to .*weights.*\.pth from a machine with internet"):
        weights(RESNET, layout)


def test_pictures_are_scaled_as_the_weights_were_made_for() -> None:
    usual = blank(PACKAGED.model_copy(update={"name": "resnet18", "image_size": 64}), 0)
    other = blank(PACKAGED.model_copy(update={"name": "efficientnet_v2_l", "image_size": 64}), 0)
    assert usual.mean == (0.485, 0.456, 0.406) and other.mean == other.std == (0.5, 0.5, 0.5)
    (whole,) = blank(PACKAGED.model_copy(update={"name": "googlenet", "image_size": 64}), 0).blocks
    assert whole.transform_input  # torchvision does so when it loads the weights itself


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_pickle_with_code_in_it_is_refused_and_never_executed(layout: Layout, wrapped: bool, tmp_path: Path) -> None:
    trap = Trap(tmp_path / "executed")
    content = saved({"conv.weight": trap}, tmp_path / "trap.pth") if wrapped else pickle.dumps(trap)
    assert "holds no plain weights" in refused(local(layout, content), layout)
    assert not trap.path.exists()


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04" + b"\0" * 100, b"\x80\x04."])
def test_a_file_that_is_no_weights_file_is_refused(layout: Layout, content: bytes) -> None:
    assert "holds no plain weights" in refused(local(layout, content), layout)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
@pytest.mark.parametrize("kind", ["another", "number", "list", "tensor", "words", "wrapped"])
def test_the_weights_of_another_network_are_refused(layout: Layout, tmp_path: Path, name: str, kind: str) -> None:
    value = {
        "another": lambda: models.get_model("mobilenet_v3_small", weights=None).state_dict(),
        "number": lambda: 3,
        "list": lambda: [torch.zeros(2)],
        "tensor": lambda: torch.zeros(2),
        "words": lambda: {"conv.weight": "none"},
        "wrapped": lambda: {"state_dict": {"conv.weight": torch.zeros(2)}},
    }[kind]()
    words = refused(local(layout, saved(value, tmp_path / "other.pth"), name=name), layout)
    assert "weights of another network" in words or "holds no plain weights" in words


def test_as_many_tensors_of_other_shapes_are_refused(layout: Layout, tmp_path: Path) -> None:
    state = models.get_model("resnet18", weights=None).state_dict()
    content = saved({name: torch.zeros(3) for name in state}, tmp_path / "other.pth")
    assert "weights of another network" in refused(local(layout, content, name="resnet18"), layout)


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet81", "resnet18"), ("convnext_tinny", "convnext_tiny"), ("vit_b16", "vit_b_16"), ("ResNet18", "resnet18")],
)
def test_an_unknown_network_is_refused_with_one_that_is_like_it(
    layout: Layout, tmp_path: Path, name: str, near: str
) -> None:
    content = saved({"a": torch.zeros(1)}, tmp_path / "other.pth")
    words = refused(local(layout, content, name=name), layout)
    assert f"'{name}' is unknown" in words and f"such as {near}." in words


@pytest.mark.parametrize("name", ["fcn_resnet50", "fasterrcnn_resnet50_fpn", "r3d_18", "raft_small"])
def test_a_network_that_is_no_classifier_of_images_is_refused_and_fetches_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise OSError("no internet")

    monkeypatch.setattr("torch.hub.download_url_to_file", fetch)
    with pytest.raises(FixSettings, match=r"params\.yaml"):
        blank(PACKAGED.model_copy(update={"name": name, "image_size": 64}), 0)


def test_a_transformer_that_was_made_for_another_size_is_refused_in_words() -> None:
    with pytest.raises(FixSettings, match=r"vit_b_16 cannot look at squares of backbone\.image_size = 64 pixels"):
        blank(PACKAGED.model_copy(update={"name": "vit_b_16", "image_size": 64}), 0)


# Network -> blocks, embedding's width, and its last layer; "": its pooled features are the embedding.
NETWORKS = {
    "resnet18": (9, 512, "fc"),
    "vgg11": (8, 512, ""),
    "mobilenet_v3_small": (13, 576, ""),
    "efficientnet_b0": (18, 1280, "classifier"),
    "convnext_tiny": (25, 768, "classifier.2"),
    "regnet_y_400mf": (5, 440, "fc"),
    "densenet121": (10, 1024, "classifier"),
    "shufflenet_v2_x0_5": (1, 1024, "fc"),  # its parts are no row of blocks: one block
    "squeezenet1_1": (9, 512, ""),
    "swin_t": (17, 768, "head"),
    "vit_b_16": (13, 768, "heads"),
}
SMALL: dict[str, Callable[[], torch.nn.Module]] = {  # of the large ones' kinds, for a test that is run often
    "ConvNeXt": lambda: models.ConvNeXt([CNBlockConfig(8, 12, 2), CNBlockConfig(12, None, 2)]),
    "SwinTransformer": lambda: models.SwinTransformer([4, 4], 8, [2, 2], [2, 4], [4, 4]),
    "VisionTransformer": lambda: models.VisionTransformer(64, 16, 3, 2, 16, 32),
}
LASTS = {"ConvNeXt": "classifier.2", "SwinTransformer": "head", "VisionTransformer": "heads"}
SLOW = {"vgg11", "convnext_tiny", "swin_t", "vit_b_16"}
EACH = [*(pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in NETWORKS), *SMALL]


def drawn(name: str) -> tuple[torch.nn.Module, Network, torch.Tensor]:
    """The whole network with weights drawn at random, its row of blocks with the same weights, and pixels for it."""
    torch.manual_seed(0)
    size = 224 if name == "vit_b_16" else 64
    model = SMALL[name]() if name in SMALL else models.get_model(name, weights=None)
    pixels = torch.randn(3, 3, size, size)
    settle(model, pixels)
    if name in SMALL:
        return model, Network(tuple(backbone._in_a_row(model)), 0, (0.5,) * 3, (0.5,) * 3), pixels
    settings = PACKAGED.model_copy(update={"name": name, "image_size": size})
    return model, backbone._network(settings, model.state_dict(), Path("w.pth")), pixels


def settle(model: torch.nn.Module, pixels: torch.Tensor) -> torch.nn.Module:
    """A fresh batch norm changes nothing, so nobody would miss it; this gives each the statistics of the pictures."""
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    if norms:
        with torch.no_grad():
            model.train()(pixels)
    return model.eval()


def differ(embeddings: torch.Tensor) -> bool:
    """Whether the pictures look different; if not, nothing is proved by them."""
    return bool((embeddings.std(0) > 0.05 * embeddings.abs().mean()).any())


def activations(net: Network, pixels: torch.Tensor) -> list[torch.Tensor]:
    """(blocks + 1) what is behind each block, `pixels` first; each block gets a copy, so none can spoil another's."""
    said = [pixels]
    for block in net.blocks:
        said.append(block(said[-1].clone()))
    return said


@pytest.mark.parametrize("name", EACH)
def test_blocks_in_a_row_say_what_the_whole_network_says_before_its_last_layer(name: str) -> None:
    model, net, pixels = drawn(name)
    with torch.inference_mode():
        if last := LASTS.get(name) or NETWORKS[name][2]:
            holder, _, layer = last.rpartition(".")
            setattr(model.get_submodule(holder), layer, torch.nn.Identity())
            expected = model(pixels)
        else:
            expected = model.features(pixels).mean((2, 3))
        said = activations(net, pixels)
    assert differ(expected)
    torch.testing.assert_close(said[-1], expected)
    if name in NETWORKS:
        assert (len(net.blocks), net.width) == NETWORKS[name][:2]


@pytest.mark.parametrize("name", EACH)
def test_no_block_changes_what_is_behind_an_earlier_one(name: str) -> None:
    """Many layers work in place."""
    _, net, pixels = drawn(name)
    with torch.inference_mode():
        said, row = activations(net, pixels), [pixels.clone()]
        for block in net.blocks:
            row.append(block(row[-1]))
    assert [number for number, pair in enumerate(zip(said, row, strict=True)) if not torch.equal(*pair)] == []


@pytest.mark.parametrize("name", EACH)
def test_the_graph_says_at_every_cut_what_torch_says(name: str, tmp_path: Path) -> None:
    """Three pictures in a batch of four, while the graph is made with two: no number of pictures may stand in it."""
    _, net, pixels = drawn(name)
    path, points = tmp_path / "frozen.onnx", [behind(number) for number in range(len(net.blocks) + 1)]
    path.write_bytes(backbone._export(net, pixels.shape[-1]))
    made = Graph(path)
    with torch.inference_mode():
        expected = [one.numpy() for one in activations(net, pixels)]
    for said, wanted in zip(made.stretch("pixels", points[1:], "f32", 4)(expected[0]), expected[1:], strict=True):
        assert alike(said, wanted)
    middle = len(points) // 2
    (ending,) = made.stretch(points[middle], points[-1:], "f32", 4)(expected[middle])
    assert alike(ending, expected[-1])
    assert [point for point in points if not closed(onnx.load(path), point, points[-1])] == []


def alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() <= 1e-3 * np.abs(other).max())


def closed(model: onnx.ModelProto, cut: str, end: str) -> bool:
    """Whether nothing of the graph but the tensor `cut` (and weights) is needed to compute `end`."""
    makers = {output: node for node in model.graph.node for output in node.output}
    free = {one.name for one in model.graph.initializer} | {cut, ""}
    wanted, seen = [end], set(free)
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        if name not in makers:
            return False  # the picture itself
        seen.add(name)
        wanted += makers[name].input
    return True


def test_lite0_in_a_row_says_what_the_whole_network_says() -> None:
    import timm

    torch.manual_seed(0)
    pixels = torch.randn(3, 3, 64, 64)
    model = settle(timm.create_model("tf_efficientnet_lite0", pretrained=False), pixels)
    net = backbone._network(PACKAGED, model.state_dict(), Path("w.pth"))
    with torch.inference_mode():
        expected = model.forward_head(model.forward_features(pixels), True)
        torch.testing.assert_close(net.tail(0)(pixels), expected)
    assert differ(expected)
    assert (len(net.blocks), net.width) == (18, 1280)


def test_the_tail_is_what_comes_behind_the_frozen_blocks(layout: Layout, tmp_path: Path) -> None:
    model = models.get_model("resnet18", weights=None).eval()
    settings = local(layout, saved(model.state_dict(), tmp_path / "r.pth"), name="resnet18", image_size=64)
    net = network(settings, weights(settings, layout)[0])
    pixels = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        for cut in range(10):
            embedding = net.tail(cut)(torch.nn.Sequential(*net.blocks[:cut])(pixels))
            torch.testing.assert_close(model.fc(embedding), model(pixels))
    assert len(net.tail(9)) == 0 and net.width == 512


@pytest.mark.parametrize(("name", "width"), [("resnet18", 512), ("mobilenet_v3_large", 960)])
def test_a_torchvision_network_from_a_local_file_is_made_into_a_graph_once(
    layout: Layout, tmp_path: Path, name: str, width: int
) -> None:
    """From a picture to its embedding; the weights are random, the way is the real one."""
    torch.manual_seed(0)
    state = models.get_model(name, weights=None).state_dict()
    settings = local(layout, saved(state, tmp_path / "w.pth"), name=name, image_size=64)
    net = network(settings, weights(settings, layout)[0])
    made = frozen(settings, layout)
    assert made.blocks == len(net.blocks) and made.digest == hashlib.sha256(made.path.read_bytes()).hexdigest()
    graph = Graph(made.path)
    picture = np.random.default_rng(0).uniform(0, 255, (50, 70, 3)).astype(np.float32)
    prepare = Preparation(graph)
    pixels = prepare([picture])
    (embedding,) = graph.stretch("pixels", [behind(made.blocks)], "f32", 4)(pixels)
    with torch.inference_mode():
        assert alike(embedding, net.tail(0)(torch.from_numpy(pixels)).numpy())
    assert net.width == width == embedding.shape[1]
    before = made.path.stat().st_mtime_ns
    assert frozen(settings, layout) == made and made.path.stat().st_mtime_ns == before
    small = frozen(settings.model_copy(update={"image_size": 32}), layout)
    assert small.path != made.path and small.digest != made.digest


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda _: b"\xff" * 99,
        lambda whole: whole[:-5000] + bytes([whole[-5000] ^ 1]) + whole[-4999:],  # a bit of a weight
    ],
)
def test_a_damaged_graph_is_made_again(layout: Layout, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    state = models.get_model("squeezenet1_1", weights=None).state_dict()
    settings = local(layout, saved(state, tmp_path / "w.pth"), name="squeezenet1_1", image_size=64)
    made = frozen(settings, layout)
    whole = made.path.read_bytes()
    made.path.write_bytes(damage(whole))
    assert frozen(settings, layout) == made and made.path.read_bytes() == whole


def test_a_graph_that_other_code_or_another_torch_made_is_made_anew(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = models.get_model("squeezenet1_1", weights=None).state_dict()
    settings = local(layout, saved(state, tmp_path / "w.pth"), name="squeezenet1_1", image_size=64)
    made = frozen(settings, layout)
    monkeypatch.setattr(backbone, "_makers", lambda: "f" * 64)
    other = frozen(settings, layout)
    assert other.path != made.path and other.digest == made.digest  # it was made the same way after all


def values(net: Network) -> torch.Tensor:
    return torch.cat([value.flatten() for block in net.blocks for value in block.parameters()])


def test_a_blank_network_is_drawn_by_the_seed_and_knows_nothing_of_the_weights(layout: Layout) -> None:
    settings = PACKAGED.model_copy(update={"image_size": 64})
    first, again, other = (blank(settings, seed) for seed in (1, 1, 2))
    pretrained = network(settings, weights(settings, layout)[0])
    assert torch.equal(values(first), values(again)) and not torch.equal(values(first), values(other))
    assert values(first).shape == values(pretrained).shape and not torch.equal(values(first), values(pretrained))
    assert (first.width, first.mean, first.std) == (pretrained.width, pretrained.mean, pretrained.std)
