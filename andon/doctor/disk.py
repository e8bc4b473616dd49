"""Room on the disk: for the next retrain and ingest, and for how many days."""

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from andon.doctor.answer import Answer, unknown, well, wrong
from inspection import clock
from inspection.errors import AndonError
from inspection.intake.inbox import open_inbox
from inspection.layout import Layout
from inspection.params import Params
from inspection.records import batches, ledger
from inspection.records.growth import Growth, growth

FLOOR = 10**9  # bytes that DVC and a training take for a while
COPIES = 2  # of an accepted picture: in the batch and in DVC's cache, where the disk cannot share them
FEWEST_DAYS = 14
RECENT = timedelta(days=30)
POINTS = 200  # batches that the growth is read off
ROOM = "Free some space, or move DVC's cache and remote to another disk: `dvc cache dir PATH`, docs/production.md."


def ask(layout: Layout, settings: Params) -> Iterator[Answer]:
    """Free space against what is needed next and against how fast the plant has grown."""
    free, need = shutil.disk_usage(layout.home).free, FLOOR + _retrain(layout)
    waits = _inbox(layout, settings)
    need += (waits or 0) * COPIES
    if waits is None:
        yield unknown("How many bytes wait in the inbox: it cannot be looked into.", "Run `andon status`.")
    words = f"{_size(free)} are free; a retrain and what waits in the inbox take about {_size(need)}"
    yield wrong(f"{words}.", ROOM) if free < need else well(f"{words}.")
    found = _growth(layout)
    if found is None or found.per_day <= 0:
        yield unknown("For how many days that is enough: too few batches in the last 30 days to know how it grows.")
        return
    days = max(free - need, 0) / (found.per_day * COPIES)
    words = f"Pictures take {_size(found.per_day * COPIES)} a day: the disk is full in about {days:.0f} days."
    yield wrong(words, ROOM) if days < FEWEST_DAYS else well(words)


def _retrain(layout: Layout) -> int:
    """What its stages wrote last, which it writes once more in a checkout of its own."""
    made = (layout.snapshot, layout.set_aside, layout.alike, layout.split, layout.features, layout.candidate)
    return sum(_bytes(path) for path in (*made, layout.reports))


def _inbox(layout: Layout, settings: Params) -> int | None:
    try:
        found = open_inbox(settings.ingest.inbox, layout.home, settings.ingest).list()
    except AndonError:
        return None
    return sum(file.size for file in found.files)


def _growth(layout: Layout) -> Growth | None:
    """Of the batches of the last 30 days on this disk, in bytes."""
    since = clock.now() - RECENT
    here = {folder.name: folder for folder in batches.on_disk(layout)}
    came = [(clock.parse(one.at), one.body["batch"]) for one in ledger.read(layout) if one.kind == "batch"]
    recent = [(at, here[name]) for at, name in came if at >= since and name in here]
    whole, when, sizes = 0, [], []
    for at, folder in recent:
        whole += _bytes(folder)
        when.append(at)
        sizes.append(float(whole))
    step = max(len(when) // POINTS, 1)
    return growth(when[::step], sizes[::step])


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(_bytes(Path(one.path)) for one in os.scandir(path))
    return path.stat().st_size if path.is_file() else 0


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
