"""Accepted batches and a first model, as if they had long been there."""

import hashlib
import sys
from datetime import timedelta
from pathlib import Path

import pandas as pd
from sqlalchemy import select
from yaml import safe_dump, safe_load

from benchmarks.ingest.scratch import run
from benchmarks.ingest.shots import START, unlike
from inspection import clock, git, lock
from inspection.cameras import Camera
from inspection.intake.dropped import capture_id
from inspection.layout import Layout
from inspection.records import batches, ledger
from inspection.records.catalog import open_catalog
from inspection.records.ledger import Cut, write_cut
from inspection.records.schema import capture_table
from plant.shot import key_of


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
    rows = []
    for number in range(first, first + each):
        content, at = unlike(tiny, number), START + timedelta(seconds=number)
        part, serial = camera.parts[number // 2 % len(camera.parts)], f"f{number // 2:07d}"
        key = key_of(camera.name, part, serial, at)
        image = hashlib.sha256(content).hexdigest()
        capture = capture_id(key, image)
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


def first_model(layout: Layout) -> None:
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
    fix_cut(layout)
    run(layout, sys.executable, "-m", "dvc", "repro", "--quiet")
    git.run(layout.home, "add", "--all")
    git.run(layout.home, "commit", "--quiet", "--message", "Bench: a model")
    run(layout, sys.executable, "-m", "dvc", "push")


def fix_cut(layout: Layout) -> None:
    """Let the next snapshot stand on all events."""
    head = ledger.head(layout)
    write_cut(layout.cut, Cut(events=head.events, digest=head.digest))
