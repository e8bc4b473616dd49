"""A network is cut behind any of its blocks, and can be drawn at random."""

from pathlib import Path

import pytest
import torch
from torchvision import models

from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.network.backbone import Network, blank, network
from inspection.network.weights import weights
from tests.inspection.network.test_weights import PACKAGED, local, saved

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, tmp_path)


def test_a_transformer_that_was_made_for_another_size_is_refused_in_words() -> None:
    with pytest.raises(FixSettings, match=r"vit_b_16 cannot look at squares of backbone\.image_size = 64 pixels"):
        blank(PACKAGED.model_copy(update={"name": "vit_b_16", "image_size": 64}), 0)


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


def values(net: Network) -> torch.Tensor:
    return torch.cat([value.flatten() for block in net.blocks for value in block.parameters()])


def test_a_blank_network_is_drawn_by_the_seed_and_knows_nothing_of_the_weights(layout: Layout) -> None:
    settings = PACKAGED.model_copy(update={"image_size": 64})
    first, again, other = (blank(settings, seed) for seed in (1, 1, 2))
    pretrained = network(settings, weights(settings, layout)[0])
    assert torch.equal(values(first), values(again)) and not torch.equal(values(first), values(other))
    assert values(first).shape == values(pretrained).shape and not torch.equal(values(first), values(pretrained))
    assert (first.width, first.mean, first.std) == (pretrained.width, pretrained.mean, pretrained.std)
