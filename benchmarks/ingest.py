"""What taking images in costs: `python -m benchmarks.ingest [--only PART ...] [--scale X] [--out FILE.json]`.

batch: a fixed start, the marginal cost of an image against decoding it, memory. history: a batch of 1,000 images, an
idle `dvc repro` and an idle push on top of 1,000 and 100,000 stored images and of 5,000 small batches, beside plain
`dvc add` of one growing folder. catalog: a query over a million rows, the snapshot and the rebuild of 100,000 captures.
s3: the same objects from a Ceph RADOS Gateway and from a folder. Every ratio is taken within one run.
"""

import argparse
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from sqlalchemy import insert, select
from sqlalchemy import text as sql
from yaml import safe_dump, safe_load

from andon.demo import scratch_copy
from benchmarks.report import Figure, report
from inspection import clock, git, lock
from inspection.cameras import Camera, read_cameras
from inspection.intake.images import decode
from inspection.layout import Layout
from inspection.records import batches, ledger
from inspection.records.catalog import Catalog, open_catalog, rebuild
from inspection.records.cut import Cut, write_cut
from inspection.records.schema import batch_table, capture_table, image_table
from plant.line import Plant
from plant.shot import Shot, key_of

ROOT = Path(__file__).parents[1]
START = datetime(2026, 1, 5, 6, tzinfo=UTC)
PARTS = ("batch", "history", "catalog", "s3")
PNG_END = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


def unlike(content: bytes, number: int) -> bytes:
    """The same picture as other bytes: a PNG with a comment, so that files differ and decoding costs the same."""
    body = b"Comment\x00" + str(number).encode()
    chunk = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    return content.removesuffix(PNG_END) + chunk + PNG_END


def pictures(camera: Camera, count: int = 16) -> list[bytes]:
    """Drawn pictures of a camera, as PNG."""
    return [shot.content for shot in Plant(1, (camera,)).shots(START.date(), count)]


def shots(camera: Camera, files: list[bytes], first: int, count: int) -> Iterator[Shot]:
    """Captures number `first` and on, two of each part, a second apart."""
    for number in range(first, first + count):
        at, serial = START + timedelta(seconds=number), f"s{number // 2:07d}"
        part = camera.parts[number // 2 % len(camera.parts)]
        content = unlike(files[number % len(files)], number)
        yield Shot(key_of(camera.name, part, serial, at), camera.name, camera.line, part, serial, at, "good", content)


@dataclass(frozen=True)
class Run:
    """One command: seconds by the wall clock, the largest process in MiB, what it printed."""

    seconds: float
    peak: float
    said: str


def run(layout: Layout, *command: str, **environment: str) -> Run:
    """Run `command` in the plant; its output, or its error, is shown if it fails."""
    quiet = {"PREFECT_LOGGING_LEVEL": "CRITICAL", "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": ""}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        env = {**os.environ, "PATH": path, **quiet, **environment}
        process = subprocess.Popen(command, cwd=layout.home, stdout=out, stderr=subprocess.STDOUT, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{said[-2000:]}")
    return Run(seconds, usage.ru_maxrss / 1024, said)


def andon(layout: Layout, *words: str, **environment: str) -> Run:
    return run(layout, sys.executable, "-m", "andon", *words, **environment)


@contextmanager
def scratch(width: int, height: int) -> Iterator[tuple[Layout, Camera]]:
    """A plant with one grey camera, in a temporary folder, that has taken one picture in: its backbone is cut."""
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
        layout = scratch_copy(Layout.find(ROOT), Path(folder))
        cameras = safe_load(layout.cameras.read_text(encoding="utf-8"))
        camera = {**cameras["cam-1"], "width": width, "height": height}
        layout.cameras.write_text(safe_dump({"cam-1": camera}), encoding="utf-8")
        git.commit(layout.home, [layout.cameras], "Bench: one camera")
        (layout.home / "inbox").mkdir()
        yield layout, read_cameras(layout.cameras)["cam-1"]


def fill(layout: Layout, some: Iterator[Shot]) -> int:
    """Write shots into the inbox; their bytes."""
    total = 0
    for shot in some:
        path = layout.home / "inbox" / shot.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(shot.content)
        os.utime(path, 2 * (shot.captured_at.timestamp(),))
        total += len(shot.content)
    os.sync()
    return total


def seconds_to_decode(files: list[bytes], count: int = 200) -> float:
    """Seconds for one picture, decoded in one process."""
    start = time.perf_counter()
    for number in range(count):
        decode(files[number % len(files)], 40)
    return (time.perf_counter() - start) / count


def batch(scale: float) -> list[Figure]:
    """Fixed start, marginal cost, memory, at 1 megapixel; the marginal cost at other sizes beside it."""
    figures = []
    for width, height, judged in ((1024, 1024, True), (640, 480, False), (128, 128, False)):
        share = scale if judged else scale / 5  # the small sizes are there to compare
        small, large = int(2000 * share), int(10_000 * share)
        with scratch(width, height) as (layout, camera):
            files = pictures(camera)
            fill(layout, shots(camera, files, 0, 1))
            andon(layout, "ingest")
            fill(layout, shots(camera, files, 1, 1))
            fixed = andon(layout, "ingest")
            decoding, runs = [], []
            for first, count in ((10, small), (10 + small, large)):
                size = fill(layout, shots(camera, files, first, count))
                decoding.append(seconds_to_decode(files))
                runs.append(andon(layout, "ingest"))
                decoding.append(seconds_to_decode(files))
                print(f"{width}×{height}: {count} images, {size / 1e6:.0f} MB, {runs[-1].seconds:.1f} s", flush=True)
            if judged:
                figures.append(Figure("fixed start", fixed.seconds, "s", "≤ 12", fixed.seconds <= 12))
            marginal = (runs[1].seconds - runs[0].seconds) / (large - small)
            one = median(decoding)
            ratio = marginal / one
            size_words = f"{width}×{height}"
            figures += [
                Figure(f"decoding one image of {size_words} in one process", one * 1e3, "ms"),
                Figure(f"marginal cost of an image of {size_words}", marginal * 1e3, "ms"),
                Figure(
                    f"... against decoding, {size_words}",
                    ratio,
                    "times",
                    "≤ 3" if judged else "",
                    ratio <= 3 if judged else None,
                ),
            ]
            if width == 128:
                fill(layout, shots(camera, files, 100_000, int(20_000 * scale)))
                peak = andon(layout, "ingest").peak
                figures.append(Figure(f"memory for {20_000 * scale:.0f} images", peak, "MiB", "< 1024", peak < 1024))
    return figures


def fabricate(layout: Layout, camera: Camera, count: int, each: int, tiny: bytes) -> None:
    """`count` accepted batches of `each` labelled images, as ingest leaves them, but for the pictures' worth."""
    month, limit = f"{clock.now():%Y-%m}", 20_000
    before = sum(event.body["captures"] for event in ledger.read(layout) if event.kind == "batch")
    events, names, partitions = [], [], set()
    for number in range(count):
        first = before + number * each
        partition = f"{month}-{first // limit + 1:02d}"
        name = f"{clock.now() - timedelta(days=1):%Y%m%dT%H%M%S}-f{number:05d}"
        folder = layout.batches / partition / name
        folder.mkdir(parents=True)
        rows = _rows(camera, folder, first, each, tiny)
        batches.write_manifest(rows, folder)
        (folder / batches.VERDICT).write_text('{"held": []}\n', encoding="utf-8")
        digest = batches.digest(folder / batches.MANIFEST)
        events.append({"batch": name, "partition": partition, "captures": each, "manifest": digest})
        names += list(rows["image_id"])
        partitions.add(partition)
    labels = [
        {"image_id": name, "label": ("good", "pit")[n // 2 % 2], "labelled_at": clock.stamp(START), "spec": "1"}
        for n, name in enumerate(names)
    ]
    with lock.hold(layout, lock.WRITE, "fabricating"):
        for partition in sorted(partitions):
            run(layout, sys.executable, "-m", "dvc", "add", str(layout.batches / partition))
        ledger.append(layout, "batch", "ingest", events)
        ledger.append(layout, "label", "Ines", labels)
        git.commit(layout.home, [*layout.batches.glob("*.dvc"), *ledger.files(layout)], "Bench: a past")
    run(layout, sys.executable, "-m", "dvc", "push")


def _rows(camera: Camera, folder: Path, first: int, each: int, tiny: bytes) -> pd.DataFrame:
    """A manifest's rows, whose files are written into `folder`."""
    import hashlib

    rows = []
    for number in range(first, first + each):
        content, at = unlike(tiny, number), START + timedelta(seconds=number)
        part, serial = camera.parts[number // 2 % len(camera.parts)], f"f{number // 2:07d}"
        key = key_of(camera.name, part, serial, at)
        image = hashlib.sha256(content).hexdigest()
        capture = batches.capture_id(key, image)
        (folder / f"{capture[:24]}.png").write_bytes(content)
        statistics = dict.fromkeys(("brightness", "contrast", "sharpness", "noise", "red", "blue"), 1.0)
        rows.append(
            {
                **statistics,
                "capture_id": capture,
                "image_id": image,
                "batch": folder.name,
                "line": camera.line,
                "camera": camera.name,
                "part": part,
                "serial": serial,
                "captured_at": pd.Timestamp(at),
                "time_doubtful": False,
                "width": camera.width,
                "height": camera.height,
                "channels": 1,
                "bit_depth": 8,
                "black": 0,
                "white": 255,
                "bytes": len(content),
                "path": f"data/batches/{folder.parent.name}/{folder.name}/{capture[:24]}.png",
                "ingested_at": pd.Timestamp(clock.now()),
                "key": key,
                "format": "PNG",
                "clipped": 0.0,
                "thumbnail": bytes(2048),
            }
        )
    return pd.DataFrame(rows)


def _first_model(layout: Layout) -> None:
    """Label what is there and reproduce once, as cheaply as can be."""
    settings = safe_load(layout.params.read_text(encoding="utf-8"))
    settings["embed"]["views"], settings["train"]["epochs"] = 1, 1
    layout.params.write_text(safe_dump(settings), encoding="utf-8")
    catalog = open_catalog(layout)
    captures = catalog.frame(select(capture_table.c.image_id, capture_table.c.serial).order_by(capture_table.c.key))
    catalog.close()
    labels = [
        {
            "image_id": image,
            "label": ("good", "pit")[int(serial[1:]) % 2],
            "labelled_at": clock.stamp(START),
            "spec": "1",
        }
        for image, serial in captures.itertuples(index=False)
    ]
    ledger.append(layout, "label", "Ines", labels)
    _cut(layout)
    run(layout, sys.executable, "-m", "dvc", "repro", "--quiet")
    git.run(layout.home, "add", "--all")
    git.run(layout.home, "commit", "--quiet", "--message", "Bench: a model")
    run(layout, sys.executable, "-m", "dvc", "push")


def _cut(layout: Layout) -> None:
    head = ledger.head(layout)
    write_cut(layout.cut, Cut(events=head.events, digest=head.digest))


def history(scale: float, rounds: int = 3) -> list[Figure]:
    """The same work on top of little, of much, and of many small batches."""
    with scratch(128, 128) as (layout, camera):
        files = pictures(camera)
        fill(layout, shots(camera, files, 0, int(1000 * scale)))
        andon(layout, "ingest")
        _first_model(layout)
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
        figures = []
        for what, by_plant in seconds.items():
            base = median(by_plant["1,000 images"])
            figures.append(Figure(f"{what} on 1,000 images", base, "s"))
            for name in list(plants)[1:]:
                ratio = median(by_plant[name]) / base
                judged = what != WHOLE_PUSH
                figures.append(
                    Figure(
                        f"{what} on {name}", ratio, "times", "≤ 1.3" if judged else "", ratio <= 1.3 if judged else None
                    )
                )
        large = plants[list(plants)[1]]
        figures += _folds(large, scale)
    return [*figures, *plain_dvc(scale, tiny)]


WHOLE_PUSH = "whole `dvc push`, idle"


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
    _cut(layout)
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


def catalog(scale: float) -> list[Figure]:
    """A query by day and camera over a million rows."""
    count, cameras = int(1_000_000 * scale), 10
    with scratch(128, 128) as (layout, _):
        store: Catalog = open_catalog(layout)
        with store.writing() as connection:
            connection.execute(insert(batch_table), {c.name: _filler(c) for c in batch_table.columns})
            connection.execute(insert(image_table), {c.name: _filler(c) for c in image_table.columns})
            for first in range(0, count, 50_000):
                rows = [
                    {
                        **{c.name: _filler(c) for c in capture_table.columns},
                        "capture_id": f"{number:064d}",
                        "camera": f"cam-{number % cameras}",
                        "captured_at": (START + timedelta(seconds=number * 8.64)).replace(tzinfo=None),
                    }
                    for number in range(first, min(first + 50_000, count))
                ]
                connection.execute(insert(capture_table), rows)
        seconds, found = [], 0
        for day in range(20):
            since = (START + timedelta(days=day)).replace(tzinfo=None)
            c = capture_table.c
            query = select(capture_table).where(
                c.camera == f"cam-{day % cameras}", c.captured_at >= since, c.captured_at < since + timedelta(days=1)
            )
            start = time.perf_counter()
            found = len(store.frame(query))
            seconds.append(time.perf_counter() - start)
        with store.engine.connect() as connection:
            assert connection.scalar(sql("SELECT count(*) FROM captures")) == count
        store.close()
    slowest = max(seconds) * 1e3
    return [
        Figure(
            f"a day of a camera ({found} rows) out of {count:,}, slowest of 20", slowest, "ms", "< 100", slowest < 100
        )
    ]


def _filler(column: Any) -> Any:
    """A value of the column's type."""
    return {str: "x", int: 1, float: 1.0, bool: False}.get(column.type.python_type, START.replace(tzinfo=None))


def s3(scale: float) -> list[Figure]:
    """The same objects from a real server and from a folder, in turn."""
    import boto3

    from tests.services.ceph import gateway

    count = int(2000 * scale)
    with (
        tempfile.TemporaryDirectory() as folder,
        gateway(Path(folder)) as server,
        scratch(640, 480) as (layout, camera),
    ):
        environment = {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": server.access,
            "AWS_SECRET_ACCESS_KEY": server.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        client = boto3.client(
            "s3", endpoint_url=server.url, aws_access_key_id=server.access, aws_secret_access_key=server.secret,
            region_name="us-east-1",
        )  # fmt: skip
        client.create_bucket(Bucket="line")
        files = pictures(camera)
        fill(layout, shots(camera, files, 0, 2))
        fixed = andon(layout, "ingest").seconds
        rates: dict[str, list[float]] = {"folder": [], "S3": []}
        for number in range(4):
            some = shots(camera, files, 10 + number * count, count)
            if number % 2:
                for shot in some:
                    client.put_object(Bucket="line", Key=f"inbox/{shot.key}", Body=shot.content)
                took = andon(layout, "ingest", "--inbox", "s3://line/inbox", **environment).seconds
            else:
                fill(layout, some)
                took = andon(layout, "ingest").seconds
            rates["S3" if number % 2 else "folder"].append(count / took)
    ratio = median(rates["S3"]) / median(rates["folder"])
    return [
        Figure(f"{count} images of 640×480 from a folder", median(rates["folder"]), "images/s"),
        Figure(f"{count} images of 640×480 from S3 (Ceph)", median(rates["S3"]), "images/s"),
        Figure("S3 against folder, fixed start included", ratio, "times", "≥ 0.5", ratio >= 0.5),
        Figure("the first run of that plant, which compiles the network", fixed, "s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="default: all parts")
    parser.add_argument("--scale", type=float, default=1.0, help="of every count; for a quick look")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    figures: list[Figure] = []
    for part in options.only or PARTS:
        figures += {"batch": batch, "history": history, "catalog": catalog, "s3": s3}[part](options.scale)
    report("Taking images in", figures, options.out, scale=options.scale)


if __name__ == "__main__":
    main()
