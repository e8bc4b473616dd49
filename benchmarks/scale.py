"""Pictures on a Dask cluster of this machine against none, and workers that are killed: equal results.

`python -m benchmarks.scale [--images N] [--size PIXELS] [--rounds N] [--every S] [--span S] [--only PART] [--out F]`

Scheduler, workers and flow share this machine's cores, as Andon's own threads do without a cluster. The network is
loaded and the cluster up before anything is counted. Rounds go turn and turn about.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.ingest.scratch import fill, scratch
from benchmarks.ingest.shots import pictures, shots
from benchmarks.report import Figure, report
from benchmarks.unit_costs import used
from inspection.cameras import read_cameras
from inspection.intake.dropped import Dropped
from inspection.intake.folder import Folder
from inspection.intake.reading import Read, Reader
from inspection.intake.sidecar import Sidecars
from inspection.layout import Layout
from inspection.model.package import sight_on_line
from inspection.network.features import Features
from inspection.network.masks import NO_MASKS
from inspection.network.shelf import Shelf
from inspection.params import read_params
from inspection.scale.cluster import SHARD, Cluster
from inspection.scale.engine import Engine, Here
from inspection.scale.taking import Taking, taken
from inspection.scale.work import Tools
from monitoring.camera.image_stats import image_stats

ROOT = Path(__file__).parents[1]
PARTS = ("speed", "kills")


class Bench:
    """A plant whose inbox holds pictures that stay there."""

    def __init__(self, layout: Layout, count: int) -> None:
        self.layout, self.settings = layout, read_params(layout.params)
        cut = sight_on_line(layout, self.settings).frozen_blocks
        self.features, self.cut = Features(layout, self.settings, cut), cut
        self.shelf = Shelf(layout.home / "shelf")
        self.box = Folder(layout.home / "inbox", 0)
        self.files = self.box.list().files[:count]
        self.processor = 0.0  # seconds a picture of the last run, of all processes

    def warm(self, where: Engine) -> None:
        """Every worker has the network loaded."""
        self.run(where, self.files[: 4 * SHARD])

    def run(self, where: Engine, files: Sequence[Dropped]) -> tuple[float, str, int]:
        """Seconds, a digest of all rows (but the moment) and how many there are."""
        self.forget()
        folder = self.layout.staging / "bench"
        folder.mkdir(parents=True)
        reader = Reader(self.box, Sidecars(()), read_cameras(self.layout.cameras), self.settings.ingest, image_stats)
        start, before = time.perf_counter(), used()
        reads = list(taken(where, Taking(reader, NO_MASKS, folder, {}), files))
        seconds, self.processor = time.perf_counter() - start, (used() - before) / len(files)
        assert all(read.path.is_file() for read in reads)
        return seconds, _digest(reads), len(reads)

    def forget(self) -> None:
        """Nothing is known of any picture."""
        shutil.rmtree(self.shelf.folder / "features", ignore_errors=True)
        shutil.rmtree(self.layout.staging, ignore_errors=True)
        self.features._cache.clear()  # type: ignore[attr-defined]

    def kept(self) -> str:
        """A digest of the features on the shelf."""
        files = sorted(path for path in (self.shelf.folder / "features").rglob("*") if path.is_file())
        whole = hashlib.sha256()
        for path in files:
            whole.update(path.name.encode() + path.read_bytes())
        return f"{len(files)} {whole.hexdigest()}"


def _digest(reads: Sequence[Read]) -> str:
    rows = [
        {name: str(value) for name, value in (one.capture or {}).items() if name not in ("ingested_at", "batch")}
        for one in reads
    ]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


@contextmanager
def process(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process, ended with all that it started, by their ids."""
    started = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    try:
        yield started
    finally:
        try:
            family = [*psutil.Process(started.pid).children(recursive=True), psutil.Process(started.pid)]
        except psutil.NoSuchProcess:
            family = []
        for one in family:
            try:
                one.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        started.wait()


@contextmanager
def cluster(bench: Bench, workers: int) -> Iterator[tuple[Cluster, int]]:
    """A cluster of this machine with so many workers of one thread, all there; and the process that they are under."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
    worker = [sys.executable, "-m", "andon", "scale", "worker", address, "--processes", str(workers)]
    with process(*scheduler, "--dashboard-address", "127.0.0.1:0"), process(*worker) as under:
        joined = Cluster(address, bench.shelf, bench.features)
        while joined._workers()[0] < workers:
            time.sleep(0.5)
        joined._await_workers()
        yield joined, under.pid
        joined.close()


def speed(bench: Bench, rounds: int) -> list[Figure]:
    """Two workers against one, and against none."""
    seconds: dict[int, list[float]] = {0: [], 1: [], 2: []}
    processor: dict[int, list[float]] = {0: [], 1: [], 2: []}
    said = set()
    for _ in range(rounds):
        for workers in (0, 1, 2):
            if workers:
                with cluster(bench, workers) as (where, _):
                    bench.warm(where)
                    took, digest, _ = bench.run(where, bench.files)
            else:
                here = Here(Tools(bench.features, bench.layout.staging))
                bench.warm(here)
                took, digest, _ = bench.run(here, bench.files)
            seconds[workers].append(took)
            processor[workers].append(bench.processor)
            said.add(digest)
            print(f"{workers or 'no'} workers: {len(bench.files)} pictures in {took:.1f} s", flush=True)
    none, one, two = (median(seconds[workers]) for workers in (0, 1, 2))
    return [
        Figure("without a cluster, all cores", len(bench.files) / none, "pictures/s"),
        Figure("one worker of one thread", len(bench.files) / one, "pictures/s"),
        Figure("two workers of one thread", len(bench.files) / two, "pictures/s"),
        Figure("two workers against one", one / two, "×", "≥ 1.6", one / two >= 1.6),
        Figure("cluster on one machine against none", two / none, "times as long", "≤ 1.1", two / none <= 1.1),
        *(
            Figure(f"processor's time of a picture, {workers or 'no'} workers", median(took) * 1e3, "ms")
            for workers, took in processor.items()
        ),
        Figure("different results", len(said) - 1, "", "= 0", len(said) == 1),
    ]


def kills(bench: Bench, every: float, span: float) -> list[Figure]:
    """A worker killed every so many seconds, again and again over the same pictures."""
    over, killed = threading.Event(), list[int]()
    with cluster(bench, 2) as (where, under):
        bench.warm(where)
        took, right, rows = bench.run(where, bench.files)
        features = bench.kept()

        def kill() -> None:
            while not over.wait(every):
                found = psutil.Process(under).children(recursive=True)
                computing = [one for one in found if "spawn_main" in " ".join(one.cmdline())]
                if where._workers()[0] == len(computing) == 2:  # what still starts is let come up
                    computing[len(killed) % len(computing)].kill()
                    killed.append(1)

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        until, wrong, slow, runs = time.monotonic() + span, 0, 0.0, 0
        while time.monotonic() < until:
            seconds, said, count = bench.run(where, bench.files)
            same = (said, count, bench.kept()) == (right, rows, features)
            wrong, slow, runs = wrong + (not same), slow + seconds, runs + 1
            print(f"{len(killed)} kills, {runs} runs, {wrong} of them with another result", flush=True)
        over.set()
        killer.join()
    return [
        Figure("workers killed", len(killed), ""),
        Figure("runs over all pictures", runs, ""),
        Figure("... with another result", wrong, "", "= 0", wrong == 0),
        Figure("... a run, against one without kills", slow / runs / took, "times as long"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--size", type=int, default=1024, help="pixels a side")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=float, default=20, help="seconds between two kills")
    parser.add_argument("--span", type=float, default=300, help="seconds of kills")
    parser.add_argument("--only", choices=PARTS, action="append", help="default: both parts")
    parser.add_argument("--out", type=Path)
    wish: Any = parser.parse_args()
    figures: list[Figure] = []
    with scratch(wish.size, wish.size) as (layout, camera):
        fill(layout, shots(camera, pictures(camera), 0, wish.images))
        bench = Bench(layout, wish.images)
        if "speed" in (wish.only or PARTS):
            figures += speed(bench, wish.rounds)
        if "kills" in (wish.only or PARTS):
            figures += kills(bench, wish.every, wish.span)
        bench.features.close()
    report(f"{wish.images} pictures of {wish.size}×{wish.size}", figures, wish.out)


if __name__ == "__main__":
    main()
