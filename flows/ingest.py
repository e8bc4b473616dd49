"""Inbox -> validated batch under DVC, rows in the catalog.

Killed anywhere, the next run finishes the job: a file leaves the inbox only when its batch is in the ledger, and
whatever lies in staging belongs to nobody yet.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.tasks import push, track
from inspection import batches, clock, contract, git, images, inbox, ledger, lock
from inspection.catalog import QUARANTINE, Catalog, open_catalog, refresh
from inspection.errors import FixInput, FixSettings
from inspection.features import Features
from inspection.inbox import Dropped
from inspection.layout import Layout
from inspection.params import Camera, Params, read_cameras, read_params
from inspection.progress import progress
from monitoring.image_stats import image_stats

OWN = ("data", "models", "releases", "approvals", "reports", ".git", ".dvc", ".andon", ".remote")


@dataclass
class Staged:
    """A batch in the making: files and rows of what is accepted so far, rows of what is refused."""

    name: str
    accepted: Path
    refused: Path
    captures: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, str]] = field(default_factory=list)
    sources: list[Dropped] = field(default_factory=list)  # of both
    known: list[Dropped] = field(default_factory=list)  # taken or refused before


@flow(name="ingest")
def ingest(source: str | None = None, root: Path | None = None) -> dict[str, Any]:
    """Take in what the cameras dropped; a second run changes nothing.

    Returns:
        batch: its name, or None if nothing was new; accepted, refused, known: images; reasons: of the refusals.
    """
    layout = Layout.find(root)
    settings, cameras = read_params(layout.params), read_cameras(layout.cameras)
    folder = layout.home / (source or settings.ingest.inbox)
    refuse_own_folder(folder, layout)
    git.require_identity(layout.home)
    with lock.hold(layout, "ingest", "an ingest"):
        catalog = open_catalog(layout)
        finish(layout, catalog)
        staged = stage(folder, layout, settings, cameras, catalog)
        judge(staged, cameras, settings)
        partition = publish(staged, layout, settings, catalog)
        record(layout)
        for file in (*staged.sources, *staged.known):
            file.remove()
        if partition:
            push(layout, str((layout.batches / partition / staged.name).relative_to(layout.home)))
        catalog.close()
    return {
        "batch": staged.name if staged.captures else None,
        "accepted": len(staged.captures),
        "refused": len(staged.refusals),
        "known": len(staged.known),
        "reasons": {row["key"]: row["reason"] for row in staged.refusals},
    }


def refuse_own_folder(folder: Path, layout: Layout) -> None:
    """What is ingested leaves its folder: raises FixSettings for one that holds the plant or is a part of it."""
    folder, home = folder.resolve(), layout.home.resolve()
    inside = folder.relative_to(home) if folder.is_relative_to(home) else None
    if home.is_relative_to(folder) or (inside and (inside.parts[0] in OWN or git.is_tracked(home, folder))):
        raise FixSettings(f"{folder} belongs to the plant itself: cameras must drop into a folder of their own.")


@task(name="finish", cache_policy=NO_CACHE)
def finish(layout: Layout, catalog: Catalog) -> None:
    """Complete or clear what an interrupted ingest left."""
    shutil.rmtree(layout.staging, ignore_errors=True)
    refresh(catalog, layout)
    record.fn(layout)


@task(name="stage", cache_policy=NO_CACHE)
def stage(folder: Path, layout: Layout, settings: Params, cameras: dict[str, Camera], catalog: Catalog) -> Staged:
    """Read every new file once: identity, pixels, statistics and features come from the same bytes."""
    found = list(inbox.dropped(folder))
    name = _next_name(layout)
    staged = Staged(name, layout.staging / name, layout.staging / f"{name}.refused")
    for path in (staged.accepted, staged.refused):
        path.mkdir(parents=True)
    expression = inbox.pattern(settings.ingest.key_pattern)
    features = Features(layout, settings)
    seen: set[str] = set()

    def examine(advance: Callable[[int], None]) -> Any:
        for file in found:
            content = file.path.read_bytes()
            image_id = hashlib.sha256(content).hexdigest()
            capture = batches.capture_id(file.key, image_id)
            advance(1)
            if capture in seen or catalog.known([capture]):
                staged.known.append(file)
                continue
            seen.add(capture)
            staged.sources.append(file)
            try:
                named = inbox.named(file.key, expression, cameras)
                picture = images.decode(content, settings.ingest.max_megapixels)
            except FixInput as error:
                _refuse(staged, capture, file, str(error), content)
                continue
            path = staged.accepted / f"{capture[:24]}{Path(file.key).suffix.lower()}"
            path.write_bytes(content)
            levels = picture.levels()
            staged.captures.append(
                {
                    "capture_id": capture,
                    "image_id": image_id,
                    "batch": name,
                    "line": named.camera.line,
                    "camera": named.camera.name,
                    "part": named.part,
                    "serial": named.serial,
                    "captured_at": pd.Timestamp(named.captured_at),
                    "width": picture.width,
                    "height": picture.height,
                    "channels": picture.pixels.shape[2],
                    "bit_depth": picture.bit_depth,
                    "bytes": len(content),
                    "path": path.name,
                    "ingested_at": pd.Timestamp(clock.now()),
                    "key": file.key,
                    "format": picture.format,
                    **image_stats(levels),
                }
            )
            yield image_id, ("identity",), lambda picture=picture: picture

    with progress("taking in", len(found)) as advance:
        features.add(examine(advance))
    features.close()
    return staged


@task(name="judge", cache_policy=NO_CACHE)
def judge(staged: Staged, cameras: dict[str, Camera], settings: Params) -> None:
    """Hold the captures to the contract; those that break it move to quarantine."""
    if not staged.captures:
        return
    not_after = clock.now() + timedelta(minutes=settings.ingest.max_future)
    verdict = contract.check_captures(pd.DataFrame(staged.captures), cameras, not_after)
    by_key = {file.key: file for file in staged.sources}
    for row in [row for row in staged.captures if row["capture_id"] in verdict.reasons]:
        path = staged.accepted / row["path"]
        _refuse(staged, row["capture_id"], by_key[row["key"]], verdict.reasons[row["capture_id"]], path.read_bytes())
        path.unlink()
    staged.captures = [row for row in staged.captures if row["capture_id"] not in verdict.reasons]


@task(name="publish", cache_policy=NO_CACHE)
def publish(staged: Staged, layout: Layout, settings: Params, catalog: Catalog) -> str | None:
    """Put the refused images into quarantine and the accepted ones into their partition; its name."""
    partition = None
    if staged.captures:
        month = f"{clock.now():%Y-%m}"
        limit = settings.batches.partition_images
        partition = batches.next_partition(month, catalog.images_by_partition(), len(staged.captures), limit)
        rows = pd.DataFrame(staged.captures)
        rows["path"] = f"data/batches/{partition}/{staged.name}/" + rows["path"]
        batches.write_manifest(rows, staged.accepted)
    if staged.refusals:
        lines = [json.dumps(row, ensure_ascii=False) for row in staged.refusals]
        (staged.refused / QUARANTINE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.sync()  # once a batch: what is renamed below is on the disk
    if staged.refusals:
        layout.quarantine.mkdir(parents=True, exist_ok=True)
        os.replace(staged.refused, layout.quarantine / staged.name)
    if partition:
        (layout.batches / partition).mkdir(parents=True, exist_ok=True)
        os.replace(staged.accepted, layout.batches / partition / staged.name)
    shutil.rmtree(layout.staging, ignore_errors=True)
    refresh(catalog, layout)
    return partition


@task(name="record", cache_policy=NO_CACHE)
def record(layout: Layout) -> None:
    """Bring every batch on the disk under DVC, into the ledger and into git."""
    recorded = {event.body["batch"] for event in ledger.read(layout) if event.kind == "batch"}
    new = [folder for folder in batches.on_disk(layout) if folder.name not in recorded]
    with lock.hold(layout, lock.WRITE, "recording a batch"):
        for folder in new:
            track(layout, folder)
            ledger.append(layout, "batch", "ingest", [_batch_event(folder)])
        tracked = [layout.batches / ".gitignore", *sorted(layout.batches.glob("*.dvc")), *ledger.files(layout)]
        if git.changed(layout.home, [str(path.relative_to(layout.home)) for path in tracked]):
            git.commit(layout.home, tracked, f"Ingest: {', '.join(f.name for f in new) or 'what was left over'}")


def _next_name(layout: Layout) -> str:
    """Time and running number, so that batches sort by age even where a clock stands still."""
    earlier = {folder.name for folder in (*batches.on_disk(layout), *layout.quarantine.glob("*"))}
    return f"{clock.now():%Y%m%dT%H%M%S}-{len(earlier):05d}"


def _batch_event(folder: Path) -> dict[str, Any]:
    return {
        "batch": folder.name,
        "partition": folder.parent.name,
        "captures": len(batches.read_manifest(folder)),
        "manifest": batches.digest(folder / batches.MANIFEST),
    }


def _refuse(staged: Staged, capture: str, file: Dropped, reason: str, content: bytes) -> None:
    """Keep the bytes under a safe name and say why they were refused."""
    path = staged.refused / f"{capture[:24]}.refused"
    path.write_bytes(content)
    staged.refusals.append(
        {
            "capture_id": capture,
            "key": file.key,
            "path": f"data/quarantine/{staged.name}/{path.name}",
            "reason": reason,
            "refused_at": clock.stamp(clock.now()),
        }
    )


def summary(result: dict[str, Any]) -> Sequence[str]:
    """The result in sentences."""
    lines = [f"{result['accepted']} images taken in, {result['refused']} refused, {result['known']} known already."]
    return [*lines, *(f"  {key!r}: {reason}" for key, reason in sorted(result["reasons"].items()))]
