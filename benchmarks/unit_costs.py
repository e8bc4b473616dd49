"""What a camera and a picture cost, step by step, and what that makes for 10, 1,000 and 100,000 cameras.

`python -m benchmarks.unit_costs [--images N] [--size PIXELS] [--a-day N] [--out FILE.json]`

docs/scale.md takes its figures from here. Each step is counted alone, in one thread, on drawn grey pictures, in the
processor's time (that of the processes that decode as well), which a busy computer changes little. Waiting for a disk
or a network is not in it.
"""

import argparse
import hashlib
import pickle
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from benchmarks.ingest.scratch import fill, scratch
from benchmarks.ingest.shots import pictures, shots
from benchmarks.report import Figure, report
from flows.versions import track
from inspection.cameras import Camera, read_cameras
from inspection.intake.folder import Folder
from inspection.intake.likeness import thumbnail
from inspection.intake.reading import Read, Reader
from inspection.intake.sidecar import Sidecars
from inspection.layout import Layout
from inspection.model.package import sight_on_line
from inspection.network.features import Features, shown
from inspection.network.masks import NO_MASKS
from inspection.network.shelf import Shelf
from inspection.network.views import PLAIN
from inspection.params import read_params
from inspection.pictures import images
from inspection.records import batches, ledger
from inspection.records.catalog import open_catalog
from inspection.scale.engine import Here
from inspection.scale.shard import packed
from inspection.scale.taking import Taking, taken
from inspection.scale.work import Tools
from monitoring.camera.image_stats import image_stats
from monitoring.camera.window import Window

CAMERAS = (10, 1_000, 100_000)
DAY = 86_400  # seconds
ROUNDS = 3


def ms(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Milliseconds of a processor for one of the items: the least of some rounds, for what disturbs only adds."""
    rounds = []
    for _ in range(ROUNDS):
        start = used()
        for item in items:
            work(item)
        rounds.append((used() - start) / len(items) * 1e3)
    return min(rounds)


def used() -> float:
    """Seconds of a processor that this process and those under it have taken."""
    under = (one.cpu_times() for one in psutil.Process().children(recursive=True))
    return time.process_time() + float(sum(one.user + one.system for one in under))


def measured(layout: Layout, camera: Camera, number: int) -> dict[str, float]:
    """Name -> ms or bytes of one picture, by step."""
    settings = read_params(layout.params)
    box, folder = Folder(layout.home / "inbox", 0), layout.staging / "bench"
    folder.mkdir(parents=True)
    fill(layout, shots(camera, pictures(camera), 0, number))
    files = box.list().files
    contents = [content for _, content in box.contents(files) if content is not None]
    features = Features(layout, settings, sight_on_line(layout, settings).frozen_blocks)
    few = contents[:32]
    levels = [images.decode(content, 40).levels() for content in few]
    one = Features.by(features.recipe, features.network, Shelf(layout.home / "shelf"), threads=1)
    one.compute(levels[:4])
    activation, embedding = one.compute(levels[:1])
    found = {
        "file, bytes": float(np.mean([len(content) for content in contents])),
        "fetch: read, ms": ms(lambda file: list(box.contents([file])), files),
        "fetch: SHA-256, ms": ms(lambda content: hashlib.sha256(content).digest(), contents),
        "check and decode, ms": ms(lambda content: images.decode(content, 40), few),
        "levels in memory, bytes": float(levels[0].nbytes),
        "statistics, ms": ms(image_stats, levels),
        "thumbnail, ms": ms(thumbnail, levels),
        "frozen network, ms": ms(one.compute, [levels[n : n + 4] for n in range(0, len(levels) - 3, 4)]) / 4,
        "features kept, bytes": float(activation[0].nbytes + np.asarray(embedding[0]).nbytes),
        "features kept, ms": ms(partial(_put, one, activation[0], np.asarray(embedding[0])), range(100)),
        "window: one picture added, ms": _window(camera, levels),
    }
    found |= _flow(layout, Reader(box, Sidecars(()), read_cameras(layout.cameras), settings.ingest, image_stats), one)
    features.close()
    return found


def _put(features: Features, activation: Any, embedding: Any, number: int) -> None:
    features.put(shown(str(number), 0, 255), PLAIN, activation, embedding)


def _window(camera: Camera, levels: Sequence[Any]) -> float:
    window, now = Window(camera.name), pd.Timestamp("2026-01-05T06:00:00Z").to_pydatetime()
    names = map(str, count())  # one that comes again is only counted
    return ms(lambda one: window.add(one, camera.parts[0], now, next(names)), levels)


def _flow(layout: Layout, reader: Reader, features: Features) -> dict[str, float]:
    """What the flow alone does: it fetches what a worker saw, publishes and records. Of a small batch and a large one:
    what the second costs more."""
    files, folder = reader.box.list().files, layout.staging / "bench"
    taking = Taking(reader, NO_MASKS, folder, {})
    reads = list(taken(Here(Tools(features, layout.staging, threads=1)), taking, files))
    fetched = ms(lambda read: reader.box.fetch(read.file, layout.staging / "copy"), reads)
    (layout.staging / "copy").unlink()
    warm, small, large = reads[:4], reads[4 : len(reads) // 5], reads[len(reads) // 5 :]
    _, first, second = (_recorded(layout, name, some) for name, some in (("a", warm), ("b", small), ("c", large)))
    more = len(large) - len(small)
    tracked, folded, catalog = ((second[one] - first[one]) / more for one in (1, 2, 3))
    wrote, manifest = second[0] / len(large), (second[4] - first[4]) / more  # writing one costs less than counting it
    return {
        "row of a worker's answer, bytes": float(np.mean([len(pickle.dumps(read)) for read in reads])),
        "work as it is sent, once a batch, bytes": float(len(packed(taking))),
        "flow: fetch and compare, ms": fetched,
        "flow: manifest, ms": wrote * 1e3,
        "manifest's row, bytes": manifest,
        "flow: DVC, ms": tracked * 1e3,
        "flow: catalog, ms": folded * 1e3,
        "catalog's row, bytes": catalog,
    }


def _recorded(layout: Layout, name: str, reads: Sequence[Read]) -> tuple[float, ...]:
    """Seconds for manifest, DVC and catalog, and bytes that catalog and manifest have grown by."""
    target = layout.batches / f"2026-01-{name}" / f"20260105T060000-{name}"
    target.mkdir(parents=True)
    for read in reads:
        shutil.move(read.path, target / read.path.name)
    frame = pd.DataFrame([read.capture for read in reads]).assign(batch=target.name)
    frame["path"] = f"data/batches/{target.parent.name}/{target.name}/" + frame["path"]
    times = [used()]
    batches.write_manifest(frame, target)
    times.append(used())
    (target / batches.VERDICT).write_text('{"held": []}\n', encoding="utf-8")
    track(layout, target)
    times.append(used())
    digest = batches.digest(target / batches.MANIFEST)
    event = {"batch": target.name, "partition": target.parent.name, "captures": len(reads), "manifest": digest}
    ledger.append(layout, "batch", "ingest", [event])
    before, began = _size(layout), used()
    open_catalog(layout).close()  # it folds what is new
    folded = used() - began
    grown = _size(layout) - before
    seconds = (times[1] - times[0], times[2] - times[1], folded)
    return *seconds, float(grown), float((target / batches.MANIFEST).stat().st_size)


def _size(layout: Layout) -> int:
    """Bytes of the catalog, all of it in one file."""
    with closing(sqlite3.connect(layout.catalog)) as base:
        base.execute("pragma wal_checkpoint(truncate)")
    return layout.catalog.stat().st_size


WORKER = (
    *("fetch: read, ms", "fetch: SHA-256, ms", "check and decode, ms", "statistics, ms", "thumbnail, ms"),
    *("frozen network, ms", "features kept, ms"),
)
FLOW = ("flow: fetch and compare, ms", "flow: manifest, ms", "flow: DVC, ms", "flow: catalog, ms")


def derived(unit: dict[str, float], a_day: int, store: float) -> list[Figure]:
    """What the unit costs make a day, for each number of cameras."""
    worker, flow = (sum(unit[name] for name in names) / 1e3 for names in (WORKER, FLOW))
    window = (unit["check and decode, ms"] + unit["window: one picture added, ms"]) / 1e3
    figures = [
        Figure("worker: a picture of an ingest", worker * 1e3, "ms of one core"),
        Figure("flow alone: a picture of an ingest", flow * 1e3, "ms"),
        Figure("cameras until the flow is at work all day", DAY / flow / a_day, "cameras"),
        Figure("watch: a picture, decoded again and added to its window", window * 1e3, "ms"),
        Figure("cameras until watch is at work all day, without workers", DAY / window / a_day, "cameras"),
        Figure("workers of one thread that one flow can use", worker / flow, ""),
    ]
    for cameras in CAMERAS:
        shots_a_day = cameras * a_day
        figures += [
            Figure(f"{cameras:,} cameras: pictures a day", shots_a_day, ""),
            Figure("... cores that looking at them takes, all day long", shots_a_day * worker / DAY, "cores"),
            Figure("... cores that windows take besides", shots_a_day * window / DAY, "cores"),
            Figure(
                "... the flow is at work", shots_a_day * flow / DAY * 24, "h a day", "≤ 24", shots_a_day * flow <= DAY
            ),
            Figure("... pictures kept", shots_a_day * unit["file, bytes"] / 1e9, "GB a day"),
            Figure(
                "... read from the inbox, with a cluster twice",
                2 * shots_a_day * unit["file, bytes"] / DAY / 1e6,
                "MB/s",
            ),
            Figure("... the feature store holds", store / (shots_a_day * unit["features kept, bytes"]), "days"),
            Figure("... catalog grows", 365 * shots_a_day * unit["catalog's row, bytes"] / 1e9, "GB a year"),
            Figure("... manifests grow", 365 * shots_a_day * unit["manifest's row, bytes"] / 1e9, "GB a year"),
            Figure("... remote grows", 365 * shots_a_day * unit["file, bytes"] / 1e12, "TB a year"),
        ]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.unit_costs", description=__doc__)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--size", type=int, default=1024, help="pixels a side")
    parser.add_argument("--a-day", type=int, default=1000, help="pictures of a camera")
    parser.add_argument("--out", type=Path)
    wish = parser.parse_args()
    with scratch(wish.size, wish.size) as (layout, camera):
        unit = measured(layout, camera, wish.images)
        store = read_params(layout.params).features.max_gigabytes * 1e9
    steps = [Figure(name.rpartition(", ")[0], value, name.rpartition(", ")[2]) for name, value in unit.items()]
    title = f"One picture of {wish.size}×{wish.size}, {wish.a_day} a day of a camera"
    report(title, [*steps, *derived(unit, wish.a_day, store)], wish.out)


if __name__ == "__main__":
    main()
