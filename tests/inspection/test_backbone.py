import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from inspection.backbone import frozen, network, weights
from inspection.errors import FixSettings
from inspection.graph import Graph
from inspection.layout import Layout
from inspection.params import Backbone, read_params
from tests.conftest import ROOT

PACKAGED = read_params(ROOT / "params.yaml").backbone


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, tmp_path)


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


def test_only_one_network_comes_packaged(layout: Layout) -> None:
    assert "only efficientnet_lite0" in refused(PACKAGED.model_copy(update={"name": "resnet18"}), layout)


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
        "another": lambda: torchvision.models.get_model("mobilenet_v3_small", weights=None).state_dict(),
        "number": lambda: 3,
        "list": lambda: [torch.zeros(2)],
        "tensor": lambda: torch.zeros(2),
        "words": lambda: {"conv.weight": "none"},
        "wrapped": lambda: {"state_dict": {"conv.weight": torch.zeros(2)}},
    }[kind]()
    words = refused(local(layout, saved(value, tmp_path / "other.pth"), name=name), layout)
    assert "weights of another network" in words or "holds no plain weights" in words


def test_as_many_tensors_of_other_shapes_are_refused(layout: Layout, tmp_path: Path) -> None:
    state = torchvision.models.get_model("resnet18", weights=None).state_dict()
    content = saved({name: torch.zeros(3) for name in state}, tmp_path / "other.pth")
    assert "weights of another network" in refused(local(layout, content, name="resnet18"), layout)


def test_an_unknown_network_is_refused_with_those_that_are_known(layout: Layout, tmp_path: Path) -> None:
    content = saved({"a": torch.zeros(1)}, tmp_path / "other.pth")
    assert "'resnet81' is unknown" in refused(local(layout, content, name="resnet81"), layout)


def test_a_local_file_of_a_torchvision_network_is_cut_before_its_tuned_blocks(layout: Layout, tmp_path: Path) -> None:
    model = torchvision.models.get_model("resnet18", weights=None).eval()
    settings = local(
        layout, saved(model.state_dict(), tmp_path / "r.pth"), name="resnet18", image_size=64, tuned_blocks=2
    )
    net = network(settings, weights(settings, layout)[0])
    pixels = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        embedding = net.tail(net.frozen(pixels))
        assert net.width == 512 and embedding.shape == (2, 512)
        torch.testing.assert_close(model.fc(embedding), model(pixels))


def test_more_tuned_blocks_than_there_are_is_refused_with_the_number_that_is_possible(layout: Layout) -> None:
    assert "backbone.tuned_blocks must be at most" in refused(PACKAGED.model_copy(update={"tuned_blocks": 99}), layout)


@pytest.mark.parametrize(("name", "width"), [("resnet18", 512), ("mobilenet_v3_large", 960)])
def test_a_torchvision_network_from_a_local_file_is_cut_and_agrees_with_itself(
    layout: Layout, tmp_path: Path, name: str, width: int
) -> None:
    """Frozen graph and torch say the same of one picture; the weights are random, the way is the real one."""
    torch.manual_seed(0)
    state = torchvision.models.get_model(name, weights=None).state_dict()
    settings = local(layout, saved(state, tmp_path / "w.pth"), name=name)
    settings = settings.model_copy(update={"image_size": 64})
    net = network(settings, weights(settings, layout)[0])
    made = Graph(frozen(settings, layout).path)
    pixels = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    (embedding,) = made.stretch("pixels", ["embedding"], "f32")(pixels)
    with torch.inference_mode():
        expected = net.tail(net.frozen(torch.from_numpy(pixels))).numpy()
    assert net.width == width == embedding.shape[1]
    assert np.abs(embedding - expected).max() < 1e-3 * max(np.abs(expected).max(), 1)
