"""Batches: manifests against the ledger, pictures against manifests, all of it against what DVC keeps.

The ledger's `batch` event holds a manifest's SHA-256 and the manifest each picture's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from inspection import clock
from inspection.anchor.named import md5
from inspection.chain import Event
from inspection.layout import Layout
from inspection.progress import Advance, progress
from inspection.records import batches
from inspection.records.batches import MANIFEST
from inspection.verify.finding import Finding
from inspection.verify.kept import PULL, UNREADABLE, Kept, pointed, same

RECENT = timedelta(days=30)


@dataclass(frozen=True)
class Looked:
    """How many batches and pictures were compared, and how many batches are older than what was asked for."""

    batches: int
    pictures: int
    older: int


def chosen(events: Sequence[Event], every: bool) -> tuple[list[Event], int]:
    """The batches to look at (of the last 30 days, or every one), and how many older ones are left out."""
    taken = [event for event in events if event.kind == "batch"]
    since = clock.now() - RECENT
    mine = [event for event in taken if every or clock.parse(event.at) >= since]
    return mine, len(taken) - len(mine)


def findings(layout: Layout, kept: Kept, mine: Sequence[Event], older: int, found: list[Finding]) -> Looked:
    """Compare these batches, and add to `found` what is wrong."""
    pictures = 0
    lists = _Lists(layout, kept)
    with progress("Pictures compared", sum(int(event.body["captures"]) for event in mine)) as advance:
        for event in mine:
            folder = layout.batches / str(event.body["partition"]) / str(event.body["batch"])
            listed = lists.of(folder, found)
            count, wrong = _of_batch(layout, event, folder, advance)
            pictures += count
            found += wrong
            found += _of_cache(kept, folder, listed, {one.file for one in wrong})
    return Looked(len(mine), pictures, older)


def unknown(layout: Layout, events: Sequence[Event]) -> Iterator[Finding]:
    """Batches that lie there and of which the ledger says nothing: they are taken for accepted."""
    known = {str(event.body["batch"]) for event in events if event.kind == "batch"}
    for folder in batches.on_disk(layout, known):
        name = folder.relative_to(layout.home).as_posix()
        yield Finding(
            name,
            "The ledger does not know it. An ingest that was killed leaves such a folder, and the next records "
            "it; if you know of none, move it away.",
        )


def _of_batch(layout: Layout, event: Event, folder: Path, advance: Advance) -> tuple[int, list[Finding]]:
    """How many pictures a batch has, and what of it is not what the ledger says."""
    manifest = folder / MANIFEST
    name = manifest.relative_to(layout.home).as_posix()
    if not manifest.is_file():
        return 0, [Finding(name, f"The batch is not on this disk. {PULL}")]
    if batches.digest(manifest) != event.body["manifest"]:
        return 0, [Finding(name, f"It is not what the ledger says (event {event.n}). {PULL}")]
    rows = batches.read_columns(manifest, ["path", "image_id"]).to_pylist()
    wrong = []
    for row in rows:
        advance(1)
        path = layout.home / row["path"]
        if not path.is_file():
            wrong.append(Finding(row["path"], f"The picture is missing. {PULL}"))
        elif batches.digest(path) != row["image_id"]:
            wrong.append(Finding(row["path"], f"The picture is not the one that was accepted. {PULL}"))
    return len(rows), wrong


def _of_cache(kept: Kept, folder: Path, listed: Mapping[str, str], wrong: set[str]) -> Iterator[Finding]:
    """What of a batch's files in the cache is missing or not what its name says, and which of its other files are not
    what DVC keeps. A picture that is one file with its copy in the cache was read already."""
    for name, digest in listed.items():
        here, place = folder / name, kept.place(digest)
        picture = name not in (MANIFEST, batches.VERDICT)
        told = kept.name(here) in wrong
        linked = here.is_file() and same(here, place)
        if picture and linked and not told:
            continue
        words = kept.wrong(digest)
        if words:
            yield Finding(kept.name(place), f"{words} (of batch {folder.name}). {PULL}")
        if picture or told:
            continue
        if not here.is_file() or (bool(words) if linked else md5(here) != digest):
            yield Finding(kept.name(here), f"It is not what DVC keeps of it (of batch {folder.name}). {PULL}")


class _Lists:
    """The lists of partitions as their `.dvc` files name them, each read once."""

    def __init__(self, layout: Layout, kept: Kept) -> None:
        self._layout, self._kept = layout, kept
        self._lists: dict[Path, dict[str, dict[str, str]]] = {}

    def of(self, folder: Path, found: list[Finding]) -> Mapping[str, str]:
        """A batch's files and their MD5; what is wrong with the list is added to `found`."""
        partition = folder.parent
        if partition not in self._lists:
            self._lists[partition] = {}
            pointer, named = partition.with_name(f"{partition.name}.dvc"), ""
            try:
                named = pointed(pointer)
                for path, digest in self._kept.files(named).items():
                    batch, _, name = path.partition("/")
                    self._lists[partition].setdefault(batch, {})[name] = digest
            except UNREADABLE:
                name = pointer.relative_to(self._layout.home).as_posix()
                listed = self._kept.name(self._kept.place(named)) if named else "no list"
                found.append(Finding(name, f"What it names ({listed}) cannot be read, or is not that. {PULL}"))
        mine = self._lists[partition].get(folder.name)
        if mine is None and self._lists[partition]:
            name = folder.relative_to(self._layout.home).as_posix()
            found.append(Finding(name, f"DVC does not know the batch: {partition.name}.dvc does not list it."))
        return mine or {}
