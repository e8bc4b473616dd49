"""What a plant believes, by content: two plants that did the same work hold the same, whenever they did it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from inspection import git
from inspection.intake.dropped import capture_id
from inspection.layout import Layout
from inspection.params import read_params
from inspection.records import batches, ledger, verdicts
from inspection.records.batches import QUARANTINE
from inspection.release import approval, registry
from inspection.verify.everything import verify

Record = Mapping[str, Counter[str]]
_VOLATILE = {"n", "at", "prev", "batch", "batches", "run", "files", "path", "words", "manifest"}  # of when, not of what


def record(layout: Layout) -> Record:
    """Kind of thing -> each that is believed, and how often."""
    events = ledger.read(layout)
    windows = [one for event in events if event.kind == "watch" for one in event.body["windows"]]
    scores = [verdicts.read(run, verdicts.SCORES) for run in verdicts.on_disk(layout)]
    sides = [path.read_text().splitlines()[1:] for path in sorted(layout.assignments.glob("*.csv"))]
    return {
        "pictures taken in": Counter(accepted(layout)),
        "files refused": Counter(refused(layout)),
        "events": Counter(_told(event.kind, event.body) for event in events if event.kind not in ("batch", "watch")),
        "verdicts": Counter(f"{one.capture_id} {one.label}" for rows in scores for one in rows.itertuples()),
        "windows": Counter(f"{one['window']} {one['state']}" for one in windows),
        "sides": Counter(line for lines in sides for line in lines),
        "candidates": Counter(f"{one.version} {one.package} {one.promote}" for one in approval.requests(layout)),
        "approvals": Counter(path.name for path in layout.approvals.glob("*.json")),
        "releases": Counter(f"{one.version} {one.action} {one.package}" for one in registry.history(layout)),
        "on the line": Counter([str(layout.live.resolve().name)] if layout.live.is_symlink() else []),
    }


def _told(kind: str, body: Mapping[str, object]) -> str:
    return f"{kind} {json.dumps({k: v for k, v in body.items() if k not in _VOLATILE}, sort_keys=True, default=str)}"


def troubles(layout: Layout) -> list[str]:
    """What no finished command leaves behind, in words; and what `andon verify` finds."""
    inbox = layout.home / read_params(layout.params).ingest.inbox
    left = [path.name for path in inbox.rglob("*") if path.is_file()]
    changed = git.run(layout.home, "status", "--porcelain").splitlines()
    trees = git.run(layout.home, "worktree", "list").splitlines()[1:]
    found = [f"{one.file}: {one.words}" for one in verify(layout).findings]
    held = held_locks(layout)
    half = [path.name for path in (layout.staging, layout.state / "bringing-back") if path.exists()]
    return [
        *(f"left in the inbox: {name}" for name in left),
        *(f"git: {line}" for line in changed),
        *(f"work tree: {line}" for line in trees),
        *(f"verify: {words}" for words in found),
        *(f"lock: {name}" for name in held),
        *(f"half done: {name}" for name in half),
    ]


def accepted(layout: Layout) -> Iterator[str]:
    """Each capture that was taken in, as often as it was.

    Raises:
        AssertionError: bytes that are not those of their row.
    """
    for folder in batches.on_disk(layout):
        for row in pd.read_parquet(folder / batches.MANIFEST).itertuples():
            assert batches.digest(layout.home / row.path) == row.image_id, row.path
            assert capture_id(row.key, row.image_id) == row.capture_id
            yield row.capture_id


def refused(layout: Layout) -> Iterator[str]:
    """Each capture in quarantine; raises as `accepted`."""
    for file in sorted(layout.quarantine.glob(f"*/{QUARANTINE}")):
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            assert capture_id(row["key"], batches.digest(layout.home / row["path"])) == row["capture_id"]
            yield row["capture_id"]


def held_locks(layout: Layout) -> list[str]:
    """Our locks that somebody holds, and those that git and DVC left."""
    held = [str(path) for path in (layout.home / ".git").rglob("*.lock")]
    for path in (layout.state / "locks").glob("*.lock"):
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            held.append(str(path))
    return held


def written(one: Record, path: Path) -> None:
    path.write_text(json.dumps(one, indent=1, sort_keys=True), encoding="utf-8")


def read(path: Path) -> Record:
    return {name: Counter(rows) for name, rows in json.loads(path.read_text(encoding="utf-8")).items()}


def lost(whole: Record, found: Record) -> list[str]:
    """What the one has and the other lacks."""
    return [f"{name}: {row}" for name, rows in whole.items() for row in (rows - found[name]).elements()]
