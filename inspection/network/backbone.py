"""A network in torch: blocks in a row, pretrained or drawn at random."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection import params
from inspection.errors import FixSettings
from inspection.network.blocks import blocks_of
from inspection.network.weights import opened

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Network:
    """A network as blocks in a row, from pixels (N, 3, S, S) to an embedding (N, width). It can be cut behind any of
    them: what comes before stays as ImageNet left it, what comes after is trained."""

    blocks: tuple["torch.nn.Module", ...]
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def tail(self, frozen_blocks: int) -> "torch.nn.Sequential":
        """What is trained when the first `frozen_blocks` blocks stay frozen: activation -> embedding."""
        import torch

        return torch.nn.Sequential(*self.blocks[frozen_blocks:])


def network(settings: params.Backbone, source: Path) -> Network:
    """The pretrained network in torch.

    Raises:
        FixSettings: an unknown name, or a file that holds the weights of another network.
    """
    return _network(settings, opened(source), source)


def blank(settings: params.Backbone, seed: int) -> Network:
    """The same network with weights drawn at random: what pretraining is compared with."""
    import torch

    torch.manual_seed(seed)
    return _network(settings, None, Path())


def _network(settings: params.Backbone, state: dict[str, Any] | None, source: Path) -> Network:
    blocks, mean, std = blocks_of(settings.name, state, source)
    width = _width(blocks, settings.name, settings.image_size)
    return Network(tuple(block.eval() for block in blocks), width, mean, std)


def _width(blocks: list[Any], name: str, size: int) -> int:
    import torch

    try:
        with torch.inference_mode():
            return int(torch.nn.Sequential(*blocks).eval()(torch.zeros(1, 3, size, size)).shape[1])
    except (RuntimeError, AssertionError):
        raise FixSettings(
            f"params.yaml: {name} cannot look at squares of backbone.image_size = {size} pixels; most networks were "
            "made for 224."
        ) from None
