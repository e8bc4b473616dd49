"""The frozen network as an ONNX graph, made once per machine and kept; after that nothing but training needs torch."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from inspection import files, lock, params
from inspection.layout import Layout
from inspection.network.backbone import Network, network
from inspection.network.export import to_onnx
from inspection.network.preprocess import preprocess
from inspection.network.weights import weights

MAKERS = ("backbone", "blocks", "export", "frozen", "preprocess", "weights")  # files whose code makes the graph


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


def frozen_graph(settings: params.Backbone, layout: Layout) -> Frozen:
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
    code = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in MAKERS]
    versions = [version(name) for name in ("onnx", "timm", "torch", "torchvision")]
    return hashlib.sha256(b"".join(code) + " ".join(versions).encode()).hexdigest()


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
