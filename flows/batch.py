"""A staged batch -> partition or quarantine, DVC, ledger, git: nothing else records what came in."""

import json
import os
import shutil
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.versions import track
from inspection import clock, git, lock
from inspection.intake.staging import Staged
from inspection.layout import Layout
from inspection.outside import documents
from inspection.params import Params
from inspection.pictures import returned
from inspection.pictures.returned import Piece
from inspection.records import batches, ledger, quarantine
from inspection.records.batches import QUARANTINE
from inspection.records.catalog import Catalog, refresh


def begin(layout: Layout) -> Staged:
    """An empty batch, named by time and a running number: batches sort by age even if a clock stands."""
    number = sum(event.kind == "batch" for event in ledger.read(layout))
    while _is_used(layout, name := f"{clock.now():%Y%m%dT%H%M%S}-{number:05d}"):
        number += 1
    return Staged.begin(layout.staging, name)


def look_back(staged: Staged, layout: Layout, settings: Params, catalog: Catalog) -> None:
    """Note in the verdict which serials come again long after their last picture: whose pieces they are is for a person
    to say."""
    now: defaultdict[Piece, list[datetime]] = defaultdict(list)
    for row in (read.capture for read in staged.captures if read.capture):
        now[row["part"], row["serial"]].append(clock.parse(str(row["captured_at"])))
    if not now:
        return
    before = catalog.captured(now, returned.fold(ledger.read(layout)))
    again = [
        returned.told(piece, gap)
        for piece, times in sorted(now.items())
        for gap in returned.gaps(before[piece], times, settings.pieces.max_gap)
    ]
    if again:
        staged.verdict = {**staged.verdict, returned.AGAIN: again}


def _is_used(layout: Layout, name: str) -> bool:
    return (layout.quarantine / name).exists() or any(layout.batches.glob(f"*/{name}"))


@task(name="finish", cache_policy=NO_CACHE)
def finish(layout: Layout, catalog: Catalog) -> None:
    """Complete or clear what an interrupted ingest left."""
    shutil.rmtree(layout.staging, ignore_errors=True)
    refresh(catalog, layout)
    record.fn(layout)
    quarantine.finish(layout, catalog)


@task(name="publish", cache_policy=NO_CACHE)
def publish(staged: Staged, layout: Layout, settings: Params, catalog: Catalog) -> None:
    """Put the accepted images into their partition, then the refused ones into quarantine: were these there alone, the
    next run would not count them, and take a batch that has to be held for a good one."""
    targets: list[tuple[Path, Path]] = []
    if staged.captures:
        limit = settings.batches.partition_images
        held = catalog.images_by_partition()
        partition = batches.next_partition(f"{clock.now():%Y-%m}", held, len(staged.captures), limit)
        _write_manifest(staged, partition)
        targets.append((staged.accepted, layout.batches / partition / staged.name))
    if staged.refusals:
        lines = [json.dumps(row, ensure_ascii=False) for row in staged.refusals]
        (staged.refused / QUARANTINE).write_text("\n".join(lines) + "\n", encoding="utf-8")
        targets.append((staged.refused, layout.quarantine / staged.name))
    os.sync()  # once a batch: what is renamed below is on the disk
    for source, target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
        _make_durable(target.parent)
    shutil.rmtree(layout.staging, ignore_errors=True)
    refresh(catalog, layout)


def _write_manifest(staged: Staged, partition: str) -> None:
    """What the batch holds, and what the contract said of it."""
    rows = pd.DataFrame([read.capture for read in staged.captures])
    rows["path"] = f"data/batches/{partition}/{staged.name}/" + rows["path"]
    batches.write_manifest(rows, staged.accepted)
    told = json.dumps(staged.verdict, indent=1, ensure_ascii=False) + "\n"
    (staged.accepted / batches.VERDICT).write_text(told, encoding="utf-8")


def _make_durable(folder: Path) -> None:
    """What was renamed in `folder` stays so when the power fails."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@task(name="record", cache_policy=NO_CACHE)
def record(layout: Layout) -> None:
    """Bring every batch on the disk under DVC, into the ledger and into git."""
    recorded = {event.body["batch"] for event in ledger.read(layout) if event.kind == "batch"}
    new = batches.on_disk(layout, recorded)
    with lock.hold(layout, lock.WRITE, "recording a batch"):
        for folder in new:
            track(layout, folder)
            ledger.append(layout, "batch", "ingest", [_event(folder)])
        tracked = [layout.batches / ".gitignore", *sorted(layout.batches.glob("*.dvc")), *ledger.files(layout)[-2:]]
        if git.changed(layout.home, [str(path.relative_to(layout.home)) for path in tracked]):
            git.commit(layout.home, tracked, f"Ingest: {', '.join(f.name for f in new) or 'what was left over'}")


def _event(folder: Path) -> dict[str, Any]:
    verdict = documents.json_file(folder / batches.VERDICT)
    return {
        "batch": folder.name,
        "partition": folder.parent.name,
        "captures": len(batches.read_columns(folder / batches.MANIFEST, ["capture_id"])),
        "manifest": batches.digest(folder / batches.MANIFEST),
        **({"held": verdict["held"]} if verdict["held"] else {}),
        **({returned.AGAIN: verdict[returned.AGAIN]} if returned.AGAIN in verdict else {}),
    }
