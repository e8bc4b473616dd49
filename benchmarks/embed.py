"""Embedding with the frozen graph against eager torch, decode in both, and how many images a second run embeds.

`python -m benchmarks.embed [--data DIR] [--images N] [--out FILE.json]`
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.report import Figure, report
from inspection.cameras import read_cameras
from inspection.layout import Layout
from inspection.network.backbone import network
from inspection.network.features import Features
from inspection.network.frozen import frozen_graph
from inspection.network.views import PLAIN
from inspection.network.weights import weights
from inspection.params import Params, read_params
from inspection.pictures.images import decode
from plant.line import Plant

ROOT = Path(__file__).parents[1]
BATCHES = (1, 16, 64)
ROUNDS = 3
LIMIT = 40.0  # megapixels


def images(data: Path | None, count: int) -> list[bytes]:
    """`count` images as files' bytes: from a folder with images/ below it, or drawn."""
    if data:
        paths = sorted(path for path in (data / "images").rglob("*") if path.is_file())
        return [path.read_bytes() for path in paths[:count]]
    plant = Plant(1, tuple(read_cameras(ROOT / "cameras.yaml").values()))
    return [shot.content for shot in plant.shots(date(2026, 11, 2), -(-count // 2))][:count]


def ours(files: Sequence[bytes], features: Features) -> float:
    """Images a second from bytes to features."""
    start = time.perf_counter()
    for first in range(0, len(files), 4):
        features.compute([decode(content, LIMIT).levels() for content in files[first : first + 4]])
    return len(files) / (time.perf_counter() - start)


def eager(files: Sequence[bytes], settings: Params, batch: int, layout: Layout) -> float:
    """Images a second from bytes to features with the same network in torch, resized by torchvision."""
    import torch
    from torchvision.transforms.v2 import functional

    net = network(settings.backbone, weights(settings.backbone, layout)[0])
    mean, std = (torch.tensor(value)[:, None, None] for value in (net.mean, net.std))
    size = [settings.backbone.image_size] * 2

    def prepared(content: bytes) -> torch.Tensor:
        pixels = torch.from_numpy(decode(content, LIMIT).levels()).permute(2, 0, 1) / 255
        resized: torch.Tensor = functional.resize(pixels, size, antialias=True)
        return (resized.expand(3, -1, -1) - mean) / std

    with torch.inference_mode():
        start = time.perf_counter()
        for first in range(0, len(files), batch):
            net.tail(0)(torch.stack([prepared(content) for content in files[first : first + batch]]))
    return len(files) / (time.perf_counter() - start)


def second_run(files: Sequence[bytes], features: Features) -> int:
    """How many features are computed when one image in twenty is new."""

    def item(number: int) -> tuple[str, tuple[str, ...], Callable[[], object]]:
        return str(number), (PLAIN,), lambda: decode(files[number], LIMIT).levels()

    old = len(files) * 20 // 21
    features.add(item(number) for number in range(old))  # type: ignore[misc]
    return features.add(item(number) for number in range(len(files)))  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with images/ (default: drawn images)")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--out", type=Path)
    wish = parser.parse_args()
    settings, files = read_params(ROOT / "params.yaml"), images(wish.data, wish.images)
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder), Path(folder))
        cut = settings.train.frozen_of(frozen_graph(settings.backbone, layout).blocks)
        features = Features(layout, settings, cut)
        ours(files[:8], features)  # compiling is not counted
        # turn and turn about, so that a noisy neighbour meets both
        rounds = [(ours(files, features), [eager(files, settings, b, layout) for b in BATCHES]) for _ in range(ROUNDS)]
        fresh = second_run(files, features)
        features.close()
    mine = float(np.median([one for one, _ in rounds]))
    peers = {b: float(np.median([row[i] for _, row in rounds])) for i, b in enumerate(BATCHES)}
    best = max(peers.values())
    new = len(files) - len(files) * 20 // 21
    report(
        f"Embedding {len(files)} images, {features.precision}",
        [
            *(Figure(f"eager torch, batch {batch}", value, "images/s") for batch, value in peers.items()),
            Figure("frozen graph", mine, "images/s"),
            Figure("ratio to the best eager batch", mine / best, "×", "≥ 8", mine / best >= 8),
            Figure("embedded again after 5 % new images", fresh, "images", f"= {new}", fresh == new),
        ],
        wish.out,
    )


if __name__ == "__main__":
    main()
