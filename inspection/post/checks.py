"""What of a plant is not as it has to be: one list, which `andon status` and the daily mail both ask, so that neither
says that all is well where the other would not."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import select

from inspection import backlog, clock, fingerprint
from inspection.anchor import writing
from inspection.cameras import read_cameras
from inspection.errors import AndonError
from inspection.intake.inbox import open_inbox
from inspection.layout import Layout
from inspection.outside.quoted import quoted
from inspection.params import Params
from inspection.pictures.returned import WAITS
from inspection.post import compared, secrets
from inspection.records import ledger, verdicts
from inspection.records.catalog import Catalog
from inspection.records.classes import undeclared, undeclared_words
from inspection.records.schema import capture_table
from inspection.release import approval, pieces, registry

LOOKED_AT = 5  # pictures of a camera whose `white` may be missing


@dataclass(frozen=True)
class Check:
    """One thing that is not as it has to be: the word before it on a screen, the check that found it, and a sentence
    with what to do."""

    about: str
    name: str
    words: str


def ask(layout: Layout, settings: Params, catalog: Catalog, known: Mapping[str, Iterable[str]] = {}) -> list[Check]:
    """Everything that is not as it has to be. A check that cannot be made is one of them.

    Args:
        known: check -> its words, of those that the caller has made already.
    """
    return [
        Check(about, name, words)
        for name, (about, check) in CHECKS.items()
        for words in (known[name] if name in known else _answers(partial(check, layout, settings, catalog)))
    ]


def inbox(layout: Layout, settings: Params) -> dict[str, Any]:
    """How many files wait in the inbox (None if it cannot be seen), and that in words."""
    try:
        listing = open_inbox(settings.ingest.inbox, layout.home, settings.ingest).list()
    except AndonError as error:
        return {"waiting_in_inbox": None, "inbox": str(error), "apart_in_inbox": {}}
    count = len(listing.files) + len(listing.unfinished)
    words = f"files that wait: {count}" + ("; andon ingest" if count else "")
    if listing.apart:
        words += f"; {_apart(dict(listing.apart))}"
    return {"waiting_in_inbox": count, "inbox": words, "apart_in_inbox": dict(listing.apart)}


def remote(layout: Layout) -> str:
    """What waits to be sent and what to do, "" when nothing does; a note that cannot be read is told."""
    try:
        words = backlog.words(backlog.read(layout))
    except AndonError as error:
        return str(error).rstrip(".")
    return f"{words}; the next run tries again, or: andon push" if words else ""


def _answers(check: Callable[[], Iterator[str]]) -> list[str]:
    try:
        return list(check())
    except AndonError as error:
        return [str(error).rstrip(".")]


def _line(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    if words := registry.difference(layout):
        yield words


def _records(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    yield from (words.rstrip(".") for words in approval.unrecorded(layout).values())


def _git(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    yield from (str(one).rstrip(".") for one in writing.refusals(layout))


def _code(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    if words := fingerprint.difference(layout):
        yield words


def _batches(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    if away := ledger.missing_batches(layout):
        yield f"batches that are not on this disk: {len(away)}; run `dvc pull`"


def _verdicts(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    """Of runs whose files are away nobody knows what was judged, and how cameras looked."""
    there = {run.name for run in verdicts.on_disk(layout)}
    named = [event.body for event in ledger.read(layout) if event.kind == "watch" and event.body.get("files")]
    if away := [body["run"] for body in named if body["run"] not in there]:
        yield f"watches whose verdicts are not on this disk: {len(away)}; run `dvc pull`"


def _remote(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    if words := remote(layout):
        yield words


def _inbox(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    yield from inbox_words(inbox(layout, settings))


def inbox_words(seen: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with what `inbox` saw."""
    if seen["waiting_in_inbox"] is None:
        yield f"the inbox cannot be looked into: {seen['inbox'].rstrip('.')}"
    elif seen["apart_in_inbox"]:
        yield f"the inbox holds {_apart(seen['apart_in_inbox'])}"


def _dim(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    """Cameras of 16 bits whose newest pictures use so few of them that `white` was forgotten."""
    from inspection.pictures.images import read

    c = capture_table.c
    for camera in read_cameras(layout.cameras).values():
        if not camera.dim(0):
            continue
        with catalog.engine.connect() as connection:
            newest = select(c.path).where(c.camera == camera.name).order_by(c.captured_at.desc()).limit(LOOKED_AT)
            paths = [layout.home / path for path in connection.scalars(newest)]
        highest = []
        for path in paths:
            with suppress(AndonError):  # not on this disk, or no longer what it was
                highest.append(read(path, settings.ingest.max_megapixels, known=True).highest)
        if highest and (words := camera.dim(max(highest))):
            yield words
        if len(highest) < len(paths):
            yield (
                f"{len(paths) - len(highest)} of the newest {len(paths)} pictures of {camera.name} cannot be read: run "
                "`dvc pull`"
            )


def _compared(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    """What the last comparison with the record found; and that there was none for long, for then nobody knows."""
    first = next(iter(ledger.read(layout)), None)
    if first is not None and (words := compared.wrong(layout, clock.parse(first.at))):
        yield words


def _secrets(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    yield from secrets.words(layout)


def _classes(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    yield from undeclared_words(undeclared(layout, catalog))


def _pieces(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    if count := sum(one.state == WAITS for one in pieces.every(layout)):
        serials = "1 serial that came again waits" if count == 1 else f"{count} serials that came again wait"
        yield f"{serials} for a word: andon piece list, then andon piece same (or new) SERIAL --by NAME"


def _apart(apart: Mapping[str, str]) -> str:
    key, why = next(iter(apart.items()))
    return f"{len(apart)} that cannot be taken, first {quoted(key[-40:])}: {why}"


CHECKS: Mapping[str, tuple[str, Callable[[Layout, Params, Catalog], Iterator[str]]]] = {
    "line": ("Beware", _line),
    "git": ("Beware", _git),
    "records": ("Beware", _records),
    "code": ("Beware", _code),
    "compared": ("Beware", _compared),
    "secrets": ("Beware", _secrets),
    "batches": ("Beware", _batches),
    "verdicts": ("Beware", _verdicts),
    "inbox": ("Beware", _inbox),
    "dim": ("Beware", _dim),
    "remote": ("Remote", _remote),
    "classes": ("Labels", _classes),
    "pieces": ("Piece", _pieces),
}
