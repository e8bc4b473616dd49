"""Estimated against true escape rate under injected drift: `python -m benchmarks.escapes [--plant DIR] [--seeds 0 1]`.

The first release of a demo that was run, its two cameras, and parts drawn on days that the demo does not have: healthy
windows for the references, labelled test parts, and for every case parts under a fault or with other defects, which
nobody labels. The truth is counted on some hundred defective parts more of the same kind.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.report import Figure, report
from inspection.cameras import Camera, read_cameras
from inspection.layout import Layout
from inspection.model.package import Package, Prediction, pieces
from inspection.network.features import Features
from inspection.params import read_params
from inspection.progress import progress
from monitoring.camera.window import Window
from monitoring.content import comparison
from monitoring.content.healthy import Content
from monitoring.content.learning import learn
from monitoring.content.parts import Shown
from monitoring.cost import rehearsal
from monitoring.cost.escapes import Estimate
from monitoring.cost.parts import fold, rates
from monitoring.cost.rates import HALF_WIDTH, Rate
from monitoring.judgement.calibration import limit
from monitoring.judgement.diagnosis import judge
from monitoring.judgement.learning import Learning
from monitoring.judgement.limit import Limit
from monitoring.judgement.reference import Reference
from plant.faults import Fault
from plant.line import CLASSES, GOOD, Plant
from plant.shot import Shot

WINDOWS, WINDOW = 12, 50  # healthy windows, images of each
TESTED, PRESENT, TRUE = 900, 200, 700  # images: labelled test parts, parts that come, defective parts of the truth
SURFACE_LEAST = 1.0  # standard deviations, the smallest change of a surface that counts
ROOT = Path(__file__).parents[1]
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
START = date(2027, 1, 4)
CASES = (
    *(("none", 0.0), ("lamp", -0.12), ("lamp", -0.4), ("lamp", -0.7), ("lamp", 0.2), ("exposure", 0.25)),
    *(("exposure", 0.8), ("gradient", -0.3), ("gradient", -0.6), ("colour", 0.15), ("colour", -0.5), ("flicker", 0.08)),
    *(("flicker", 0.25), ("shift", 3.0), ("shift", 10.0), ("rotation", 2.0), ("rotation", 8.0), ("defocus", 0.8)),
    *(("defocus", 1.6), ("motion", 4.0), ("motion", 8.0), ("dust", 3.0), ("dust", 12.0), ("hot", 3.0), ("hot", 12.0)),
    *(("dead", 2.0), ("stuck", 4.0), ("fibre", 60.0), ("scratched_glass", 6.0), ("oil_film", 0.35)),
    *(("condensation", 0.3), ("rate", 0.2), ("rate", 0.8), ("only scratch", 0.0), ("only stain", 0.0)),
    *(("only inclusion", 0.0), ("new dent", 0.0)),
)


class Bench:
    """A plant's cameras, its first release, and the frozen network; settings are the checkout's."""

    def __init__(self, plant: Path) -> None:
        layout, self.settings = Layout.find(plant), read_params(ROOT / "params.yaml")
        self.cameras = read_cameras(layout.cameras)
        lines = [json.loads(line) for line in layout.history.read_text(encoding="utf-8").splitlines()]
        self.package = Package(layout.releases / next(line["package"] for line in lines if line["kind"] == "done"))
        self.features = Features(layout, self.settings, self.package.card.frozen_blocks)


@dataclass(frozen=True)
class Case:
    """One change on one camera: what was estimated (None: nothing), what was true, and the rate without a change."""

    camera: str
    kind: str
    size: float
    causes: tuple[str, ...]
    truth: Rate
    healthy: Rate
    estimate: Estimate

    @property
    def error(self) -> float | None:
        return None if self.estimate.escapes is None else abs(self.estimate.escapes.value - self.truth.value)


@dataclass(frozen=True)
class Healthy:
    """A camera before the change: its references and labelled test parts, levels and truth."""

    camera: Camera
    reference: Reference
    content: Content
    surface: Limit
    images: list[Any]
    table: pd.DataFrame  # with what the model says of them


def escapes(plant: Path, seeds: Sequence[int] = (0,), cases: Sequence[tuple[str, float]] = CASES) -> list[Figure]:
    """The figures of `measured`."""
    return figures(measured(plant, seeds, cases))


def measured(plant: Path, seeds: Sequence[int], cases: Sequence[tuple[str, float]] = CASES) -> list[Case]:
    """Every case once for each seed, the cameras in turn; a seed is another month."""
    bench = Bench(plant)
    done = []
    with progress("estimating escapes", len(seeds) * len(cases)) as advance:
        for seed in seeds:
            first = START + timedelta(days=60 * seed)
            healthy = [_healthy(bench, camera, first) for camera in bench.cameras.values()]
            for number, (kind, size) in enumerate(cases):
                side = healthy[1] if kind == "colour" else healthy[(number + seed) % len(healthy)]
                done.append(_case(bench, side, kind, size, first + timedelta(days=3 + number)))
                advance(1)
    return done


def figures(done: Sequence[Case]) -> list[Figure]:
    """How often the escape rate was estimated, and how near the truth."""
    given = [(one, one.estimate.escapes, one.error) for one in done]
    kept = [(one, rate, error) for one, rate, error in given if rate is not None and error is not None]
    kept_cases = [one for one, _, _ in kept]
    errors = np.array([error for _, _, error in kept])
    near = float(np.mean(errors <= HALF_WIDTH)) if kept else 0.0
    covered = [rate.low <= one.truth.high and one.truth.low <= rate.high for one, rate, _ in kept]
    target = f">= 90 % within {HALF_WIDTH:.0%}"
    return [
        Figure("escape rate: cases", len(done), "changes of camera or defects"),
        Figure("escape rate: estimated", len(kept) / max(len(done), 1), "share of the cases, else it is said"),
        Figure("escape rate: within 5 points", near, "share of those estimated", target, bool(kept) and near >= 0.9),
        Figure("escape rate: mean error", float(errors.mean()) if kept else np.nan, "share of the defective parts"),
        Figure("... of the healthy rate instead, on the same cases", _mean_error(kept_cases), "share"),
        Figure("... and on all cases", _mean_error(done), "share"),
        Figure("cases whose true rate moved by 5 points", _moved(done), "cases"),
        Figure("... of these estimated", _moved(kept_cases), "cases"),
        Figure("escape rate: intervals that meet the truth's", float(np.mean(covered)) if kept else np.nan, "share"),
    ]


def _mean_error(cases: Sequence[Case]) -> float:
    """How far the rate without any change lies from the truth."""
    return float(np.mean([abs(one.healthy.value - one.truth.value) for one in cases])) if cases else float("nan")


def _moved(cases: Sequence[Case]) -> int:
    return sum(abs(one.healthy.value - one.truth.value) > HALF_WIDTH for one in cases)


def _shots(plant: Plant, day: date, images: int) -> Iterator[Shot]:
    return islice(plant.shots(day, images), images)


def _levels(shots: Sequence[Shot]) -> list[Any]:
    return [shot.levels for shot in shots]


def _table(shots: Sequence[Shot]) -> pd.DataFrame:
    rows = [(n, shot.camera, shot.part, shot.label, shot.label == GOOD, shot.serial) for n, shot in enumerate(shots)]
    return pd.DataFrame(rows, columns=["number", "camera", "part", "label", "acceptable", "serial"])


def _seen(bench: Bench, shots: Sequence[Shot]) -> tuple[Shown, pd.DataFrame]:
    """What the frozen network and the model see in pictures; both share the frozen part."""
    found = [bench.features.compute(some) for some in pieces(_levels(shots), 4)]
    embeddings = np.concatenate([some for _, some in found])
    said = [one for activations, _ in found for one in bench.package.judge(activations)]
    parts, serials = [shot.part for shot in shots], [shot.serial for shot in shots]
    return Shown(embeddings, parts, serials, network=bench.features.digest), _spoken(_table(shots), said)


def _spoken(table: pd.DataFrame, said: Sequence[Prediction]) -> pd.DataFrame:
    return table.assign(
        called=[one.label for one in said],
        reject=[one.reject for one in said],
        reject_probability=[one.reject_probability for one in said],
    )


def _said(bench: Bench, shots: Sequence[Shot]) -> pd.DataFrame:
    return _spoken(_table(shots), [one for some in pieces(_levels(shots)) for one in bench.package.predict(some)])


def _window(camera: str, shots: Sequence[Shot]) -> Window:
    window = Window(camera)
    for shot, levels in zip(shots, _levels(shots), strict=True):
        window.add(levels, shot.part, shot.captured_at, shot.key)
    return window


def _healthy(bench: Bench, camera: Camera, day: date) -> Healthy:
    health, watch = bench.settings.health, bench.settings.watch.model_copy(update={"window_images": WINDOW})
    shots = list(_shots(Plant(1, (camera,)), day, WINDOWS * WINDOW))
    learning = Learning(camera.name, health, watch)
    for shot, levels in zip(shots, _levels(shots), strict=True):
        learning.add(levels, shot.part, shot.captured_at, shot.key)
    content = learn([_seen(bench, some)[0] for some in pieces(shots, WINDOW)])
    assert content is not None
    surface = limit([values["surface"] for values in content.clean], SURFACE_LEAST, health)
    tested = list(_shots(Plant(1, (camera,), defect_rate=0.75), day + timedelta(days=1), TESTED))
    return Healthy(camera, learning.finish("v1"), content, surface, _levels(tested), _said(bench, tested))


def _plants(camera: Camera, kind: str, size: float) -> tuple[Plant, Plant]:
    """The line under a change, and the same with defective parts only."""
    plant = Plant(1, (camera,))
    if kind == "rate":
        plant = replace(plant, defect_rate=size)
    elif kind.startswith("only "):
        plant = replace(plant, classes=(kind.removeprefix("only "),))
    elif kind.startswith("new "):
        plant = replace(plant, classes=(*CLASSES, kind.removeprefix("new ")))
    elif kind != "none":
        plant = replace(plant, faults=(Fault(kind, size, camera.name, LONG_AGO),))
    return plant, replace(plant, defect_rate=1.0)


def _case(bench: Bench, side: Healthy, kind: str, size: float, day: date) -> Case:
    plant, defective = _plants(side.camera, kind, size)
    shots = list(_shots(plant, day, PRESENT))
    told = judge(_window(side.camera.name, shots[:WINDOW]), side.reference, bench.settings.health, bench.settings.watch)
    details = {**told.measurement.values, **told.measurement.details}
    findings = [{**one, "details": details} for one in told.as_json()["findings"]]
    shown, present = _seen(bench, shots)
    moved = comparison.measure(shown, side.content).values.get("surface", np.inf) >= side.surface.high
    tried = rehearsal.rehearse(bench.package, side.table, lambda row: side.images[row.number], findings, side.table)
    rule = bench.package.card.part_verdict
    estimate = rehearsal.estimated(tried, fold(present, rule), rule, moved)
    truth = list(_shots(defective, day + timedelta(days=365), TRUE))
    causes = tuple(one.cause for one in told.findings)
    healthy, now = (rates(fold(table, rule))[0] for table in (side.table, _said(bench, truth)))
    return Case(side.camera.name, kind, size, causes, now, healthy, estimate)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--plant", type=Path, default=Path(".demo/plant"))
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    done = measured(given.plant, given.seeds)
    for one in done:
        rate = one.estimate.escapes
        said = (
            f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f}) {one.estimate.how}" if rate else one.estimate.words
        )
        print(f"{one.camera} {one.kind} {one.size:+g} [{', '.join(one.causes)}]: true {one.truth.value:.3f}, {said}")
    cases = [{**asdict(one), "error": one.error} for one in done]
    report("Escapes: estimated against true", figures(done), given.out, cases=cases)


if __name__ == "__main__":
    main()
