"""What a verdict costs at the line: `python -m benchmarks.predict [--out FILE.json]`.

A package of the default network, its head drawn at random, on drawn pictures of three sizes: pictures a second in fours
and the latency of one alone, from levels to verdict. Beside it, turn and turn about: the package's own graph run by
OpenVINO as it stands, with its own choice of precision, and the same network in eager torch.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms.v2 import functional

from benchmarks.report import Figure, report
from inspection.layout import Layout
from inspection.model import package
from inspection.model.package import Card, Package
from inspection.model.tail import Tail
from inspection.network.backbone import network
from inspection.network.frozen import frozen_graph
from inspection.network.graph import BATCH, best_precision
from inspection.network.weights import weights
from inspection.params import Params, read_params

ROOT = Path(__file__).parents[1]
SIDES = {"224 x 224": (224, 224), "1 megapixel": (1000, 1000), "4 megapixels": (2000, 2000)}
ROUNDS, ALONE = 7, 200  # rounds turn and turn about; pictures of which the latency is taken
Levels = NDArray[np.float32]
Judge = Callable[[Sequence[Levels]], object]


def built(folder: Path, settings: Params) -> Package:
    """The default network with a head of six classes."""
    layout = Layout(ROOT, ROOT)
    graph = frozen_graph(settings.backbone, layout)
    cut = settings.train.frozen_of(graph.blocks)
    net = network(settings.backbone, weights(settings.backbone, layout)[0])
    side = settings.backbone.image_size
    with torch.no_grad():
        example = torch.nn.Sequential(*net.blocks[:cut])(torch.zeros(2, 3, side, side))
    card = Card(
        classes=tuple("abcdef"), acceptable=(True,) + (False,) * 5, threshold=0.5, temperature=1.0, part_verdict="any",
        backbone=settings.backbone.name, frozen=graph.digest, frozen_blocks=cut, depth="tail", image_size=side, grid=1,
        precision=best_precision(settings.features.precision), trained_on={}, masks={}, data="", seed=0,
    )  # fmt: skip
    package.build(folder, graph.path, Tail(net.tail(cut), torch.nn.Linear(net.width, 6)), example, card)
    return Package(folder)


def raw(folder: Path, shape: tuple[int, ...], batch: int) -> Judge:
    """The package's graph as one OpenVINO model, for pictures of one shape."""
    import openvino

    core = openvino.Core()
    model = core.read_model(folder / package.MODEL)
    model.reshape([batch, *shape])
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": len(os.sched_getaffinity(0))}  # as ours
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda images: request.infer([np.stack(images)], share_inputs=True)


def eager(settings: Params) -> Judge:
    """The network in torch as it is."""
    net = network(settings.backbone, weights(settings.backbone, Layout(ROOT, ROOT))[0])
    model = torch.nn.Sequential(*net.blocks, torch.nn.Linear(net.width, 6)).eval()
    mean, std = (torch.tensor(value)[:, None, None] for value in (net.mean, net.std))
    size = [settings.backbone.image_size] * 2

    def judge(images: Sequence[Levels]) -> object:
        with torch.inference_mode():
            pixels = [functional.resize(torch.from_numpy(one).permute(2, 0, 1) / 255, size) for one in images]
            return torch.softmax(model(torch.stack([(one.expand(3, -1, -1) - mean) / std for one in pixels])), 1)

    return judge


def rate(judge: Judge, images: Sequence[Levels]) -> float:
    """Pictures a second, in fours."""
    start = perf_counter()
    for first in range(0, len(images), BATCH):
        judge(images[first : first + BATCH])
    return len(images) / (perf_counter() - start)


def latencies(judges: Sequence[Judge], images: Sequence[Levels], count: int) -> NDArray[np.float64]:
    """Milliseconds of pictures one by one, (count, judges)."""
    times = np.zeros((count, len(judges)))
    for number in range(count):
        for which, judge in enumerate(judges):
            start = perf_counter()
            judge([images[number % len(images)]])
            times[number, which] = 1000 * (perf_counter() - start)
    return times


def figures(folder: Path, settings: Params, name: str, size: tuple[int, int]) -> list[Figure]:
    """One size of picture, all sides turn and turn about."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 1)).astype(np.float32) for _ in range(16)]
    judges: dict[str, Any] = {
        "package": Package(folder).predict,
        "OpenVINO": raw(folder, images[0].shape, BATCH),
        "torch": eager(settings),
    }
    for judge in judges.values():
        judge(images[:BATCH])
    rates: dict[str, list[float]] = {side: [] for side in judges}
    for _ in range(ROUNDS):
        for side, judge in judges.items():
            rates[side].append(rate(judge, images if side != "torch" else images[:BATCH]))
    mine, theirs, torchs = (float(np.median(rates[side])) for side in judges)
    alone, raw_alone = judges["package"], raw(folder, images[0].shape, 1)
    raw_alone(images[:1])
    one, other = latencies((alone, raw_alone), images, ALONE).T
    ratio = mine / theirs
    target = ("≥ 20", mine >= 20) if name.startswith("1 ") else ("", None)
    return [
        Figure(f"{name}: package, in fours", mine, "images/s", *target),
        Figure(f"{name}: its graph in OpenVINO as it stands", theirs, "images/s"),
        Figure(f"{name}: eager torch", torchs, "images/s"),
        Figure(f"{name}: package against OpenVINO", ratio, "times", "≥ 0.9", ratio >= 0.9),
        Figure(f"{name}: package against eager torch", mine / torchs, "times"),
        Figure(f"{name}: latency of one picture, median", float(np.median(one)), "ms"),
        Figure(f"{name}: ... p99", float(np.percentile(one, 99)), "ms"),
        Figure(f"{name}: ... p99 of OpenVINO as it stands", float(np.percentile(other, 99)), "ms"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    settings = read_params(ROOT / "params.yaml")
    with TemporaryDirectory() as folder:
        built(Path(folder), settings)
        every = [figure for name, size in SIDES.items() for figure in figures(Path(folder), settings, name, size)]
    report("Verdicts at the line", every, options.out)


if __name__ == "__main__":
    main()
