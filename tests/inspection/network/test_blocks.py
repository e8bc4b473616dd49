"""A row of blocks says what the whole network says."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torchvision import models
from torchvision.models.convnext import CNBlockConfig

from inspection.layout import Layout
from inspection.network import backbone
from inspection.network.backbone import Network, blank
from inspection.network.blocks import in_a_row
from tests.inspection.network.test_weights import PACKAGED, local, refused, saved

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, tmp_path)


def test_pictures_are_scaled_as_the_weights_were_made_for() -> None:
    usual = blank(PACKAGED.model_copy(update={"name": "resnet18", "image_size": 64}), 0)
    other = blank(PACKAGED.model_copy(update={"name": "efficientnet_v2_l", "image_size": 64}), 0)
    assert usual.mean == (0.485, 0.456, 0.406) and other.mean == other.std == (0.5, 0.5, 0.5)
    (whole,) = blank(PACKAGED.model_copy(update={"name": "googlenet", "image_size": 64}), 0).blocks
    assert whole.transform_input  # torchvision does so when it loads the weights itself


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
        return model, Network(tuple(in_a_row(model)), 0, (0.5,) * 3, (0.5,) * 3), pixels
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
