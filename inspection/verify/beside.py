"""What is too bulky for the ledger and lies beside it under DVC: references of cameras, verdicts and windows of
watches. The ledger's `reference` and `watch` events hold their SHA-256."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from inspection.chain import Event
from inspection.layout import Layout
from inspection.records import batches, commissions, verdicts
from inspection.verify.finding import Finding
from inspection.verify.kept import PULL, UNREADABLE, Kept, pointed

KINDS = ("reference", "watch")
FILES = ("maps.safetensors", "reference.json")  # of a reference, in the order of its hash (monitoring/judgement)


def references(layout: Layout, events: Sequence[Event]) -> Iterator[Finding]:
    """References that are not those that the ledger names, and folders of which it names none."""
    for event in events:
        if event.kind != "reference":
            continue
        folder = _reference(layout, event)
        wrong = [one for one in FILES if not (folder / one).is_file()]
        for name in wrong:
            yield _of(layout, folder / name, f"The reference's file is missing. {PULL}")
        if not wrong and _digest(folder) != event.body["digest"]:
            words = f"The reference is not the one that was recorded (event {event.n}). {PULL}"
            for name in FILES:  # the hash is of both
                yield _of(layout, folder / name, words)


def watches(layout: Layout, mine: Sequence[Event]) -> Iterator[Finding]:
    """Verdicts and windows of the watches in `mine` that are not those that the ledger names."""
    for event in mine:
        run = _run(layout, event)
        for file, digest in event.body["files"].items():
            if not (run / file).is_file():
                yield _of(layout, run / file, f"What a watch recorded is missing. {PULL}")
            elif batches.digest(run / file) != digest:
                yield _of(layout, run / file, f"It is not what the watch recorded (event {event.n}). {PULL}")


def cached(layout: Layout, kept: Kept) -> Iterator[Finding]:
    """What of both is wrong in DVC's cache."""
    for pointer in sorted((*layout.references.glob("*.dvc"), *layout.ledger.glob("*/*.dvc"))):
        name = pointer.relative_to(layout.home).as_posix()
        try:
            digest = pointed(pointer)
        except UNREADABLE:
            yield Finding(name, f"What it names cannot be read. {PULL}")
            continue
        yield from kept.findings(digest, pointer.with_suffix(""), name)


def unknown(layout: Layout, events: Sequence[Event]) -> Iterator[Finding]:
    """Folders of references, verdicts and windows of which the ledger names none."""
    known = {
        _run(layout, one) if one.kind == "watch" else _reference(layout, one) for one in events if one.kind in KINDS
    }
    for folder in sorted((*layout.references.glob("*/*"), *layout.ledger.glob("*/watch/*"))):
        if folder.is_dir() and folder not in known and not folder.name.startswith("."):
            words = "The ledger does not know it. A run that was killed leaves such a folder, and the next clears it."
            yield _of(layout, folder, words)


def _reference(layout: Layout, event: Event) -> Path:
    return commissions.folder(layout, str(event.body["camera"]), str(event.body["version"]))


def _run(layout: Layout, event: Event) -> Path:
    name = str(event.body["run"])
    return verdicts.folder(layout, f"{name[:4]}-{name[4:6]}") / name


def _digest(folder: Path) -> str:
    parts = (hashlib.sha256((folder / name).read_bytes()).digest() for name in FILES)
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _of(layout: Layout, path: Path, words: str) -> Finding:
    return Finding(path.relative_to(layout.home).as_posix(), words)
