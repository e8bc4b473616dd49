"""A classifier as the blocks in a row that it runs through, from pixels to embedding."""

from pathlib import Path
from typing import Any

from inspection.errors import FixSettings
from inspection.network.weights import PACKAGED, torchvision_weights

RESCALED = ("googlenet", "inception_v3")  # with pretrained weights they scale their pixels once more

Row = tuple[list[Any], tuple[float, ...], tuple[float, ...]]  # blocks from pixels to embedding, mean, std


def blocks_of(name: str, state: dict[str, Any] | None, source: Path) -> Row:
    """The network `name` as blocks in a row, with weights `state` (None: drawn at random), mean and std."""
    if name == PACKAGED.network:
        return _lite0(state, source)
    import torchvision

    prepared = torchvision_weights(name).transforms()
    options = {"transform_input": True} if name in RESCALED else {}
    model = torchvision.models.get_model(name, weights=None, **options)
    if state is not None:
        _load(model, state, len(state), source)
    return in_a_row(model), tuple(prepared.mean), tuple(prepared.std)


def _lite0(state: dict[str, Any] | None, source: Path) -> Row:
    import timm
    import torch

    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    if state is not None:
        _load(model, dict(zip(model.state_dict(), state.values(), strict=False)), len(state), source)
    stem = torch.nn.Sequential(model.conv_stem, model.bn1)
    last = torch.nn.Sequential(model.conv_head, model.bn2, model.global_pool)
    return [stem, *(block for stage in model.blocks for block in stage), last], (0.5,) * 3, (0.5,) * 3


def in_a_row(model: Any) -> list[Any]:
    """A torchvision classifier without its last layer, as the blocks it runs through; one that does not run through
    blocks in a row is one block: only its head, or all of it, can be trained."""
    import torch
    from torchvision import models

    pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    if isinstance(model, models.ResNet):
        stem = torch.nn.Sequential(model.conv1, model.bn1, model.relu, model.maxpool)
        return _with_end([stem, *model.layer1, *model.layer2, *model.layer3, *model.layer4], pool)
    if isinstance(model, models.RegNet):
        return _with_end([model.stem, *_flat(model.trunk_output)], pool)
    if isinstance(model, models.ConvNeXt):
        return _with_end(_flat(model.features), torch.nn.AdaptiveAvgPool2d(1), model.classifier[0], torch.nn.Flatten())
    if isinstance(model, models.DenseNet):
        return _with_end(_flat(model.features), torch.nn.ReLU(), pool)
    if isinstance(model, models.SwinTransformer):
        return _with_end(_flat(model.features), model.norm, model.permute, pool)
    if isinstance(model, models.VisionTransformer):
        return _transformer(model)
    if isinstance(getattr(model, "features", None), torch.nn.Sequential):
        return _with_end(_flat(model.features), pool)
    return [_without_head(model)]


def _flat(modules: Any) -> list[Any]:
    """The layers of nested sequences in order; what has no weights (and may work in place) goes with the one before."""
    import torch

    rows: list[Any] = []
    for module in modules:
        inner = _flat(module) if type(module) is torch.nn.Sequential else [module]
        for one in inner:
            if rows and not any(True for _ in one.parameters()):
                rows[-1] = torch.nn.Sequential(rows[-1], one)
            else:
                rows.append(one)
    return rows


def _with_end(blocks: list[Any], *end: Any) -> list[Any]:
    """`blocks`, the last of which goes on to the embedding."""
    import torch

    return [*blocks[:-1], torch.nn.Sequential(blocks[-1], *end)]


def _transformer(model: Any) -> list[Any]:
    """A vision transformer: patches to tokens, its layers, the class token (Dosovitskiy et al., ICLR 2021)."""
    import torch

    class Tokens(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv_proj, self.class_token = model.conv_proj, model.class_token
            self.pos_embedding, self.dropout = model.encoder.pos_embedding, model.encoder.dropout

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            patches = self.conv_proj(pixels).flatten(2).transpose(1, 2)
            tokens = torch.cat([self.class_token.expand(patches.shape[0], -1, -1), patches], dim=1)
            return self.dropout(tokens + self.pos_embedding)  # type: ignore[no-any-return]

    class First(torch.nn.Module):
        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return tokens[:, 0]

    return _with_end([Tokens(), *model.encoder.layers], model.encoder.ln, First())


def _without_head(model: Any) -> Any:
    """The network with its last linear layer taken away, and the helpers that some have for training only."""
    import torch

    for helper in ("aux1", "aux2", "AuxLogits"):
        if hasattr(model, helper):
            setattr(model, helper, None)
    if hasattr(model, "aux_logits"):
        model.aux_logits = False
    heads = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    if not heads:
        raise FixSettings("params.yaml: backbone.name is a network without a last linear layer; choose another.")
    holder, _, last = heads[-1].rpartition(".")
    setattr(model.get_submodule(holder), last, torch.nn.Identity())
    return model


def _load(model: Any, state: dict[str, Any], given: int, source: Path) -> None:
    try:
        if given != len(model.state_dict()):
            raise RuntimeError("another number of tensors")
        model.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError):
        raise FixSettings(
            f"{source} holds the weights of another network; set backbone.name to the one it is."
        ) from None
