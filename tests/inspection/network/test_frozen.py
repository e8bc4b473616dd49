"""The graph says what torch says, is made once, and anew where it is damaged or something else made it."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import grimp
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torchvision import models

from inspection.layout import Layout
from inspection.network import frozen
from inspection.network.backbone import network
from inspection.network.frozen import MAKERS, behind, frozen_graph
from inspection.network.graph import Graph, Preparation
from inspection.network.weights import weights
from tests.inspection.network.test_blocks import EACH, activations, drawn
from tests.inspection.network.test_weights import local, saved

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, tmp_path)


@pytest.mark.parametrize("name", EACH)
def test_the_graph_says_at_every_cut_what_torch_says(name: str, tmp_path: Path) -> None:
    """Three pictures in a batch of four, while the graph is made with two: no number of pictures may stand in it."""
    _, net, pixels = drawn(name)
    path, points = tmp_path / "frozen.onnx", [behind(number) for number in range(len(net.blocks) + 1)]
    path.write_bytes(frozen._export(net, pixels.shape[-1]))
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


@pytest.mark.parametrize(("name", "width"), [("resnet18", 512), ("mobilenet_v3_large", 960)])
def test_a_torchvision_network_from_a_local_file_is_made_into_a_graph_once(
    layout: Layout, tmp_path: Path, name: str, width: int
) -> None:
    """From a picture to its embedding; the weights are random, the way is the real one."""
    torch.manual_seed(0)
    state = models.get_model(name, weights=None).state_dict()
    settings = local(layout, saved(state, tmp_path / "w.pth"), name=name, image_size=64)
    net = network(settings, weights(settings, layout)[0])
    made = frozen_graph(settings, layout)
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
    assert frozen_graph(settings, layout) == made and made.path.stat().st_mtime_ns == before
    small = frozen_graph(settings.model_copy(update={"image_size": 32}), layout)
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
    made = frozen_graph(settings, layout)
    whole = made.path.read_bytes()
    made.path.write_bytes(damage(whole))
    assert frozen_graph(settings, layout) == made and made.path.read_bytes() == whole


def test_a_graph_that_other_code_or_another_torch_made_is_made_anew(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = models.get_model("squeezenet1_1", weights=None).state_dict()
    settings = local(layout, saved(state, tmp_path / "w.pth"), name="squeezenet1_1", image_size=64)
    made = frozen_graph(settings, layout)
    monkeypatch.setattr(frozen, "_makers", lambda: "f" * 64)
    other = frozen_graph(settings, layout)
    assert other.path != made.path and other.digest == made.digest  # it was made the same way after all


def test_every_file_whose_code_makes_the_graph_is_one_of_its_makers() -> None:
    """Else a graph that older code made would be taken for a new one."""
    graph = grimp.build_graph("inspection", cache_dir=None)
    needed = graph.find_upstream_modules("inspection.network.frozen") | {"inspection.network.frozen"}
    room = "inspection.network."
    assert {name.removeprefix(room) for name in needed if name.startswith(room)} == set(MAKERS)
