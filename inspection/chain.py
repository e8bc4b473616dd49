"""An append-only file of events in which each line carries the hash of the one before."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from inspection import clock
from inspection.errors import CheckHistory, FixInput
from inspection.outside import credentials

START = "0" * 64
WAY = (
    "Restore it with git (`git log` tells when it changed; after a merge of two clones that both wrote take one side "
    "whole, and enter again what the other wrote)."
)


@dataclass(frozen=True)
class Event:
    """One line: its number (from 1), time, kind, author, content, and the SHA-256 of the line itself."""

    n: int
    at: str
    kind: str
    by: str
    body: Mapping[str, Any]
    digest: str


def read(paths: Sequence[Path]) -> Iterator[Event]:
    """The events of the files in order. A last line without its end was never believed and is left out.

    Raises:
        CheckHistory: a line was changed, removed or put in.
    """
    last = None
    for path in paths:
        events, _ = follow(path, 0, last)
        yield from events
        last = events[-1] if events else last


def follow(path: Path, start: int, last: Event | None) -> tuple[list[Event], int]:
    """The events of one file from byte `start` on, which follow `last`, and the byte behind them; raises as `read`."""
    previous, n = (last.digest, last.n) if last else (START, 0)
    lines = _whole_lines(path, start)
    events: list[Event] = []
    for line in lines:
        n += 1
        event = _event(line, path, n)
        if event.n != n or event.body.get("prev") != previous:
            raise CheckHistory(f"{path}: event {n} does not follow the one before it{_fork(event, events, last)}.", WAY)
        previous = event.digest
        events.append(event)
    return events, start + sum(map(len, lines)) + len(lines)


def append(path: Path, last: Event | None, kind: str, by: str, bodies: Sequence[Mapping[str, Any]]) -> list[Event]:
    """Write one event per body behind `last`, durably and in one write; the caller holds the lock.

    Raises:
        FixInput: a body holds an address with a password or key in it, which nobody could take back.
    """
    previous, n, lines, events = (last.digest, last.n, [], []) if last else (START, 0, [], [])
    at = clock.stamp(clock.now())
    for body in bodies:
        if taken := {"n", "at", "kind", "by", "prev"} & body.keys():
            raise ValueError(f"an event's body may not hold {', '.join(sorted(taken))}")
        n += 1
        raw = {"n": n, "at": at, "kind": kind, "by": by, **body, "prev": previous}
        text = json.dumps(raw, ensure_ascii=False, separators=(",", ":"))
        if credentials.held(text):
            where = next((name for name, _ in credentials.places(raw)), kind)
            raise FixInput(
                f"`{where}` holds a password or a key, and the record keeps what it is told: write it without."
            )
        line = text.encode()
        previous = hashlib.sha256(line).hexdigest()
        lines.append(line + b"\n")
        events.append(Event(n, at, kind, by, {**body, "prev": raw["prev"]}, previous))
    path.parent.mkdir(parents=True, exist_ok=True)
    _drop_torn_line(path)
    with path.open("ab") as file:
        file.write(b"".join(lines))
        file.flush()
        os.fsync(file.fileno())
    return events


def _whole_lines(path: Path, start: int = 0) -> list[bytes]:
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(start)
        return file.read().split(b"\n")[:-1]


def _drop_torn_line(path: Path) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def _fork(event: Event, before: Sequence[Event], last: Event | None) -> str:
    """Where an event follows an earlier one: two wrote behind that, and git put them together."""
    earlier = {one.digest: one.n for one in (*([last] if last else []), *before)}
    behind = earlier.get(str(event.body.get("prev")))
    return f": two went on behind event {behind}" if behind else ""


def _event(line: bytes, path: Path, n: int) -> Event:
    if line.startswith((b"<<<<<<<", b"=======", b">>>>>>>")):
        raise CheckHistory(f"{path}: git left a conflict here (event {n}): two clones of the plant wrote.", WAY)
    try:
        raw = orjson.loads(line)
        fixed = {key: raw.pop(key) for key in ("n", "at", "kind", "by")}
    except (ValueError, KeyError, AttributeError, TypeError):
        raise CheckHistory(f"{path}: line of event {n} is not an event. Restore the file with git.") from None
    return Event(**fixed, body=raw, digest=hashlib.sha256(line).hexdigest())
