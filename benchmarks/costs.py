"""What one image costs at every cut of the network, for the plan: `python -m benchmarks.costs --write`.

Training itself never reads a clock; the plan reads these figures, which are committed and so lock what it decides.
"""

import argparse
import copy
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch

from benchmarks.report import Figure, machine, report
from inspection import files
from inspection.layout import Layout
from inspection.memory import keep_freed
from inspection.model.plan import UnitCosts
from inspection.model.tail import Tail
from inspection.network.backbone import Network, network
from inspection.network.features import Features
from inspection.network.weights import weights
from inspection.params import Params, Train, read_params
from inspection.pictures.images import decode
from inspection.progress import progress
from plant.shot import png

ROOT = Path(__file__).parents[1]
CLASSES, ROUNDS = 6, 5


def frozen_ms(layout: Layout, settings: Params, cut: int, content: bytes) -> float:
    """Decoding, resizing and the blocks before the cut."""
    features = Features(layout, settings, cut)

    def four() -> None:
        features.compute([decode(content, 40).levels() for _ in range(4)], embed=False)

    value = _median(four, 5) / 4
    features.close()
    return value


def tail_ms(net: Network, cut: int, side: int, settings: Train, bf16: bool) -> tuple[float, float]:
    """Training and running the blocks behind the cut with a head."""
    keep_freed()
    with torch.no_grad():
        start = torch.zeros(1, 3, side, side)
        for block in net.blocks[:cut]:
            start = block(start)
    activations = torch.randn(settings.batch_size, *start.shape[1:])
    labels = torch.arange(settings.batch_size) % CLASSES
    tail = Tail(copy.deepcopy(net.tail(cut)), torch.nn.Linear(net.width, CLASSES))
    optimizer = torch.optim.AdamW(tail.parameters(), lr=1e-5, fused=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = tail(activations)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def judge() -> None:
        with torch.inference_mode():
            tail(activations)

    return _median(step, ROUNDS) / settings.batch_size, _median(judge, ROUNDS) / settings.batch_size


def _median(work: Callable[[], None], rounds: int) -> float:
    """Milliseconds of a call, the first not counted."""
    work()
    times = []
    for _ in range(rounds):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return 1000 * float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put them into models/costs.json")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    settings, layout = read_params(ROOT / "params.yaml"), Layout(ROOT, ROOT)
    net = network(settings.backbone, weights(settings.backbone, layout)[0])
    content = png(np.random.default_rng(0).integers(0, 255, (224, 224), np.uint8))
    frozen, tuned, judged = [], [], []
    with TemporaryDirectory() as folder, progress("cuts", len(net.blocks) + 1) as advance:
        scratch = Layout(Path(folder), Path(folder))
        bf16 = Features(scratch, settings, 0).precision == "bf16"
        for cut in range(len(net.blocks) + 1):
            frozen.append(round(frozen_ms(scratch, settings, cut, content), 3))
            train, judge = tail_ms(net, cut, settings.backbone.image_size, settings.train, bf16)
            tuned.append(round(train, 3))
            judged.append(round(judge, 3))
            advance(1)
    costs = UnitCosts(frozen=tuple(frozen), tuned=tuple(tuned), judged=tuple(judged))
    figures = [
        Figure(f"{words}, {cut} blocks frozen", value, "ms an image")
        for words, row in (("cached once", frozen), ("trained", tuned), ("judged", judged))
        for cut, value in enumerate(row)
    ]
    report(f"Unit costs of {settings.backbone.name}", figures, options.out)
    if options.write:
        path = layout.costs
        known = json.loads(path.read_text(encoding="utf-8"))
        known["networks"][f"{settings.backbone.name}-{settings.backbone.image_size}"] = costs.model_dump()
        measured_on = {**machine(), "precision": "bf16" if bf16 else "f32"}
        files.write(path, json.dumps({**known, "machine": measured_on}, indent=2) + "\n")


if __name__ == "__main__":
    main()
