"""Append-only events: batches, labels, verdicts, incidents, requests, mails. What is here is believed; all else is
folded from it. What is bulky lies beside it as Parquet under DVC, named by its hash. A cut pins how far a training run
reads it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from inspection import chain, clock, lock
from inspection.anchor import writing
from inspection.chain import Event
from inspection.errors import CheckHistory, FixSettings
from inspection.layout import Layout
from inspection.record import Record, read_json

FILE_BYTES = 1_000_000  # from which a month goes on in another file: git stores a file anew each time it grows
ABOUT = {"batch": "batch", "batch-ruling": "batch", "incident": "incident", "request": "request"}  # kind -> of what


@dataclass(frozen=True)
class Head:
    """How far the ledger goes: the number of its events and the hash of the last."""

    events: int
    digest: str


class Cut(Record):
    """Everything in the ledger (batches and labels) up to event number `events`, whose hash is `digest`, less
    the images in `exclusions`. An empty cut has no events."""

    events: int = 0
    digest: str = ""
    exclusions: tuple[str, ...] = ()

    @property
    def head(self) -> Head:
        return Head(self.events, self.digest)


def read_cut(path: Path) -> Cut:
    """The cut in a file.

    Raises:
        FixSettings: the file is missing or is not a cut.
    """
    return read_json(Cut, path, FixSettings(f"{path} is not a cut: restore it with git, or run `andon retrain`."))


def write_cut(path: Path, cut: Cut) -> None:
    path.write_text(cut.model_dump_json(indent=2) + "\n", encoding="utf-8")


def files(layout: Layout) -> list[Path]:
    """The ledger's files, one a month or more, oldest first."""
    found = layout.ledger.glob("????-??/events*.jsonl")
    return sorted(found, key=lambda path: (path.parent.name, path.name != "events.jsonl", path.name))


def read(layout: Layout, upto: Head | None = None) -> list[Event]:
    """All events in order, or those up to `upto`.

    Raises:
        CheckHistory: the chain is broken, or its event number `upto.events` is not the one that `upto` names.
    """
    events = _known(layout.ledger).events(files(layout))
    if upto is None:
        return list(events)
    if len(events) < upto.events or head_of(events[: upto.events]) != upto:
        raise CheckHistory(
            f"The ledger here is not the one that the cut was made on: event {upto.events} is missing or "
            "different. Bring data/ledger to the cut's revision with git."
        )
    return events[: upto.events]


class _Known:
    """What this process has read of a ledger: a flow asks many times, reads once, and then only what was added."""

    def __init__(self) -> None:
        self._read: list[tuple[Path, int, int]] = []  # each file, its time of change, and how far it was read
        self._events: list[Event] = []

    def events(self, paths: Sequence[Path]) -> list[Event]:
        """The events of the files; what was read is believed as long as files only grow at their end."""
        now = [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths]
        if now != self._read:
            try:
                self._go_on(now if self._grown(now) else self._forget(now))
            except CheckHistory:  # another history may have taken its place
                self._go_on(self._forget(now))
        return self._events

    def _forget(self, now: Sequence[tuple[Path, int, int]]) -> Sequence[tuple[Path, int, int]]:
        self._read, self._events = [], []
        return now

    def _go_on(self, now: Sequence[tuple[Path, int, int]]) -> None:
        """Read what stands behind the last byte read: the end of the last file, and the files after it."""
        old = max(len(self._read) - 1, 0)
        start = self._read[old][2] if self._read else 0
        events, read = list(self._events), self._read[:old]
        for path, changed, _ in now[old:]:
            more, end = chain.follow(path, start, events[-1] if events else None)
            events += more
            read.append((path, changed, end))
            start = 0
        self._events, self._read = events, read

    def _grown(self, now: Sequence[tuple[Path, int, int]]) -> bool:
        """Whether only the last file that was read is longer now, or others follow it."""
        last = len(self._read) - 1
        if last < 0 or len(now) <= last or list(now[:last]) != self._read[:last]:
            return False
        path, _, size = self._read[last]
        return now[last] == self._read[last] or (now[last][0] == path and now[last][2] > size)


@lru_cache(maxsize=4)
def _known(folder: Path) -> _Known:
    """One for each ledger."""
    return _Known()


def head(layout: Layout) -> Head:
    """How far the ledger goes now."""
    return head_of(read(layout))


def head_of(events: Sequence[Event]) -> Head:
    """How far a row of events goes, counted from the first."""
    return Head(len(events), events[-1].digest if events else chain.START)


def told(layout: Layout) -> set[str]:
    """The keys of all that people had a mail of."""
    return {event.body["key"] for event in read(layout) if event.kind == "mail"}


def missing_batches(layout: Layout) -> list[str]:
    """Batches that were accepted but are not on this disk, as on a clone without its data."""
    there = {path.parent.name for path in layout.batches.glob("*/*/manifest.parquet")}
    return [e.body["batch"] for e in read(layout) if e.kind == "batch" and e.body["batch"] not in there]


def strays(events: Iterable[Event]) -> list[Event]:
    """Events that speak of a batch, an incident or a request that never began here, oldest first: nothing follows from
    them, everything else goes on, and people are told."""
    known: set[tuple[str, str]] = set()
    found = []
    for event in events:
        of = ABOUT.get(event.kind)
        if of is None or of not in event.body:
            continue
        one = (of, event.body[of])
        if event.kind == "batch" or event.body.get("what") == "opened":
            known.add(one)
        elif one not in known:
            found.append(event)
    return found


def strays_in_words(events: Iterable[Event]) -> list[str]:
    """Each of `strays` in a sentence."""
    return [
        f"event {one.n} of the ledger ({one.kind}, by {one.by}, {one.at[:16].replace('T', ' ')} UTC) speaks of "
        f"{ABOUT[one.kind]} {str(one.body[ABOUT[one.kind]])[:80]!r}, which is not known here: it has no effect. Ask "
        f"{one.by} what was meant; a word on the right one counts from then on"
        for one in strays(events)
    ]


def append(layout: Layout, kind: str, by: str, bodies: Sequence[Mapping[str, Any]]) -> list[Event]:
    """Add one event per body, all at once; they are on the disk when this returns.

    Raises:
        CheckHistory: the ledger here does not go on from the one that git holds.
        FixSettings: git stands on another branch than the plant's.
    """
    if not bodies:
        return []
    with lock.hold(layout, "ledger", f"writing {kind} events"):
        writing.require_still(layout)
        events = read(layout)
        last = events[-1] if events else None
        return chain.append(_open_file(layout), last, kind, by, bodies)


def _open_file(layout: Layout) -> Path:
    """The file that takes the next events."""
    existing = files(layout)
    month = max([clock.stamp(clock.now())[:7], *(path.parent.name for path in existing)])
    mine = [path for path in existing if path.parent.name == month]
    if mine and mine[-1].stat().st_size < FILE_BYTES:
        return mine[-1]
    return layout.ledger / month / ("events.jsonl" if not mine else f"events-{len(mine) + 1:04d}.jsonl")
