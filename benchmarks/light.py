"""What changes of light cost the demo's first model: `python -m benchmarks.light [--plant DIR] [--out FILE.json]`.

Parts are drawn anew on days that the demo does not have; each change is judged on the same parts. Beside it, a logistic
regression on frozen features, once without and once with 100 images under the changed light, shows how much of the loss
labels can win back.
"""

import argparse
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.report import Figure, report
from inspection.cameras import read_cameras
from inspection.layout import Layout
from inspection.model.metrics import balanced
from inspection.model.package import Package, pieces
from inspection.network.features import Features
from inspection.network.frozen import frozen_graph
from inspection.params import read_params
from plant.faults import Fault
from plant.line import Plant

CHANGES = (
    ("cam-1", "lamp", -0.12),
    ("cam-1", "lamp", -0.85),
    ("cam-2", "lamp", -0.12),
    ("cam-2", "lamp", -0.7),
    ("cam-2", "lamp", -0.85),
    ("cam-2", "gradient", -0.6),
    ("cam-2", "colour", -0.6),
    ("cam-2", "exposure", 1.0),
)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

Images = list[NDArray[np.float32]]


class Bench:
    """One plant's first release and feature network, and parts drawn under any light."""

    def __init__(self, plant: Path) -> None:
        self.layout = Layout.find(plant)
        self.cameras = read_cameras(self.layout.cameras)
        settings = read_params(self.layout.params)
        cut = settings.train.frozen_of(frozen_graph(settings.backbone, self.layout).blocks)
        self.features = Features(self.layout, settings, cut)
        lines = [json.loads(line) for line in self.layout.history.read_text(encoding="utf-8").splitlines()]
        first = next(line for line in lines if line["kind"] == "done")
        self.version = str(first["version"])
        self.package = Package(self.layout.releases / first["package"])

    def parts(self, camera: str, faults: tuple[Fault, ...], day: date, images: int) -> tuple[Images, list[str]]:
        """Pictures of a day, (H, W, C) float32 0..255, and their labels."""
        shots = list(Plant(1, (self.cameras[camera],), faults).shots(day, images))
        return [shot.levels for shot in shots], [shot.label for shot in shots]

    def embedded(self, images: Images) -> NDArray[np.float32]:
        """(N, D) frozen features."""
        return np.concatenate([self.features.compute(some)[1] for some in pieces(images, 4)])

    def called(self, images: Images) -> list[str]:
        return [said.label for some in pieces(images) for said in self.package.predict(some)]


def accuracy(labels: list[str], called: Any) -> float:
    right = [a == b for a, b in zip(labels, called, strict=True)]
    return balanced(pd.DataFrame({"label": labels, "right": right}), "right")


def probe(features: NDArray[np.float32], labels: list[str]) -> Any:
    model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    return make_pipeline(StandardScaler(), model).fit(features, labels)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--plant", type=Path, default=Path(".demo/plant"))
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    bench = Bench(given.plant)
    healthy = [bench.parts(camera, (), date(2026, 10, day), 110) for camera in bench.cameras for day in (5, 6)]
    features = np.concatenate([bench.embedded(images) for images, _ in healthy])
    labels = [label for _, some in healthy for label in some]
    without = probe(features, labels)
    figures = []
    for camera, kind, size in (*((camera, "lamp", 0.0) for camera in bench.cameras), *CHANGES):
        fault = (Fault(kind, size, camera, LONG_AGO),) if size else ()
        learned, answers = bench.parts(camera, fault, date(2026, 10, 7), 100)
        images, truth = bench.parts(camera, fault, date(2026, 10, 8), 200)
        tested = bench.embedded(images)
        given_labels = probe(np.concatenate([features, bench.embedded(learned)]), labels + answers)
        name = f"{camera} {kind} {size:+g}" if size else f"{camera} healthy"
        figures += [
            Figure(f"{name}: {bench.version}", accuracy(truth, bench.called(images)), "balanced accuracy"),
            Figure(f"{name}: probe without labels", accuracy(truth, without.predict(tested)), "balanced accuracy"),
            Figure(f"{name}: probe with 100", accuracy(truth, given_labels.predict(tested)), "balanced accuracy"),
        ]
    report("What changes of light cost", figures, given.out)


if __name__ == "__main__":
    main()
