"""Append-only events: batches, labels, verdicts, incidents, requests, mails. What is here is believed; all else is
folded from it. What is bulky lies beside it as Parquet under DVC, named by its hash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from inspection import chain, clock, lock
from inspection.chain import Event
from inspection.errors import CheckHistory
from inspection.layout import Layout


@dataclass(frozen=True)
class Head:
    """How far the ledger goes: the number of its events and the hash of the last."""

    events: int
    digest: str


def files(layout: Layout) -> list[Path]:
    """The ledger's files, one a month, oldest first."""
    return sorted(layout.ledger.glob("????-??/events.jsonl"))


def read(layout: Layout, upto: Head | None = None) -> list[Event]:
    """All events in order, or those up to `upto`.

    Raises:
        CheckHistory: the chain is broken, or its event number `upto.events` is not the one that `upto` names.
    """
    events = list(_read(tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files(layout))))
    if upto is None:
        return events
    if len(events) < upto.events or head_of(events[: upto.events]) != upto:
        raise CheckHistory(
            f"The ledger here is not the one that the cut was made on: event {upto.events} is missing or "
            "different. Bring data/ledger to the cut's revision with git."
        )
    return events[: upto.events]


@lru_cache(maxsize=4)
def _read(now: tuple[tuple[Path, int, int], ...]) -> tuple[Event, ...]:
    """The events of files with these sizes and times of change: a flow asks many times and reads once."""
    return tuple(chain.read([path for path, _, _ in now]))


def head(layout: Layout) -> Head:
    """How far the ledger goes now."""
    return head_of(read(layout))


def head_of(events: Sequence[Event]) -> Head:
    """How far a row of events goes, counted from the first."""
    return Head(len(events), events[-1].digest if events else chain.START)


def missing_batches(layout: Layout) -> list[str]:
    """Batches that were accepted but are not on this disk, as on a clone without its data."""
    there = {path.parent.name for path in layout.batches.glob("*/*/manifest.parquet")}
    return [e.body["batch"] for e in read(layout) if e.kind == "batch" and e.body["batch"] not in there]


def append(layout: Layout, kind: str, by: str, bodies: Sequence[Mapping[str, Any]]) -> list[Event]:
    """Add one event per body, all at once; they are on the disk when this returns."""
    if not bodies:
        return []
    with lock.hold(layout, "ledger", f"writing {kind} events"):
        events = read(layout)
        month = max([clock.stamp(clock.now())[:7], *(path.parent.name for path in files(layout))])
        last = events[-1] if events else None
        return chain.append(layout.ledger / month / "events.jsonl", last, kind, by, bodies)
