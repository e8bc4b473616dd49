"""The same work on top of little, of much, and of many small batches."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.ingest.past import fabricate, first_model, fix_cut
from benchmarks.ingest.scratch import Run, andon, fill, run, scratch
from benchmarks.ingest.shots import pictures, shots, unlike
from benchmarks.report import Figure
from inspection.cameras import Camera
from inspection.layout import Layout
from inspection.records.catalog import rebuild

WHOLE_PUSH = "whole `dvc push`, idle"


def history(scale: float, rounds: int = 3) -> list[Figure]:
    """The same work on top of little, of much, and of many small batches."""
    with scratch(128, 128) as (layout, camera):
        files = pictures(camera)
        fill(layout, shots(camera, files, 0, int(1000 * scale)))
        andon(layout, "ingest")
        first_model(layout)
        tiny = pictures(camera.model_copy(update={"width": 8, "height": 8}), 1)[0]
        plants = {"1,000 images": layout}
        for name, count, each in (
            (f"{100_000 * scale:,.0f} images", int(99 * scale) or 1, 1000),
            (f"{5_000 * scale:,.0f} small batches", int(4999 * scale), 4),
        ):
            home = layout.home.with_name(name.replace(",", "").replace(" ", "-"))
            shutil.copytree(layout.home, home, symlinks=True)
            plants[name] = Layout(home, home)
            start = time.perf_counter()
            fabricate(plants[name], camera, count, each, tiny)
            print(f"{name}: made in {time.perf_counter() - start:.0f} s", flush=True)
        seconds = _alternate(plants, camera, files, int(1000 * scale), rounds)
        folds = _folds(plants[list(plants)[1]], scale)
    ratios = [figure for what, by_plant in seconds.items() for figure in _ratios(what, by_plant)]
    return [*ratios, *folds, *plain_dvc(scale, tiny)]


def _ratios(what: str, seconds: dict[str, list[float]]) -> list[Figure]:
    """A piece of work on the first plant, and how many times that on each other."""
    first, *others = seconds
    base = median(seconds[first])
    figures = [Figure(f"{what} on {first}", base, "s")]
    for name in others:
        ratio = median(seconds[name]) / base
        target, holds = ("", None) if what == WHOLE_PUSH else ("≤ 1.3", ratio <= 1.3)
        figures.append(Figure(f"{what} on {name}", ratio, "times", target, holds))
    return figures


def _alternate(
    plants: dict[str, Layout], camera: Camera, files: list[bytes], count: int, rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds of each piece of work on each plant, the plants in turn; the first round warms up and is not kept."""
    dvc = (sys.executable, "-m", "dvc")
    work: dict[str, Callable[[Layout], Run]] = {
        "a batch of 1,000": lambda layout: andon(layout, "ingest"),
        "idle `dvc repro`": lambda layout: run(layout, *dvc, "repro"),
        "idle push": lambda layout: andon(layout, "push"),
        WHOLE_PUSH: lambda layout: run(layout, *dvc, "push"),
    }
    seconds: dict[str, dict[str, list[float]]] = {what: {name: [] for name in plants} for what in work}
    for number in range(rounds + 1):
        for name, layout in plants.items():
            fill(layout, shots(camera, files, 1_000_000 + number * count, count))
            for what, do in work.items():
                took = do(layout).seconds
                if number:
                    seconds[what][name].append(took)
        print(f"round {number} of {rounds}", flush=True)
    return seconds


def _folds(layout: Layout, scale: float) -> list[Figure]:
    """Snapshot and rebuild on the large plant, without the start of Python."""
    fix_cut(layout)
    inside = "import time, {0} as m; t = time.perf_counter(); m.{1}; print(time.perf_counter() - t)"
    snapshot = run(layout, sys.executable, "-c", inside.format("stages.snapshot", "main()"))
    took = float(snapshot.said.splitlines()[-1])
    rows = f"{100_000 * scale:,.0f}"
    start = time.perf_counter()
    assert all(rebuild(layout).values())
    folded = time.perf_counter() - start
    return [
        Figure(f"snapshot of {rows} rows", took, "s", "< 3", took < 3),
        Figure(f"catalog rebuilt from {rows} captures", folded, "s", "< 60", folded < 60),
    ]


def plain_dvc(scale: float, tiny: bytes) -> list[Figure]:
    """Beside it: `dvc add` and idle push of one folder that grows."""
    figures = []
    for stored in (int(1000 * scale), int(100_000 * scale)):
        with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
            layout = Layout(Path(folder), Path(folder))
            for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
                run(layout, *command)
            run(layout, sys.executable, "-m", "dvc", "remote", "add", "-d", "local", f"{folder}-remote")
            took = 0.0
            for first, count in ((0, stored), (stored, int(1000 * scale))):
                (layout.home / "images").mkdir(exist_ok=True)
                for number in range(first, first + count):
                    (layout.home / "images" / f"{number}.png").write_bytes(unlike(tiny, number))
                took = run(layout, sys.executable, "-m", "dvc", "add", "images").seconds
            figures.append(Figure(f"plain `dvc add` of 1,000 more in a folder of {stored:,}", took, "s"))
            shutil.rmtree(f"{folder}-remote", ignore_errors=True)
    return figures
