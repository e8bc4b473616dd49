"""What was refused and is still kept: listed, brought back before the checks, or given up by a person.

That a file comes back is an event, and the next ingest looks at it. It stays in quarantine until it is safe elsewhere;
what was begun is noted beside it, so that an ingest finishes what one that was killed has left.
"""

import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sqlalchemy import select

from inspection import files, git, lock
from inspection.anchor import writing
from inspection.chain import Event
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.outside import documents
from inspection.records import ledger
from inspection.records.batches import QUARANTINE
from inspection.records.catalog import Catalog
from inspection.records.database import among
from inspection.records.schema import capture_table, refusal_table

REFUSED, RETRIED, DISCARDED = "refused", "retried", "discarded"
NOTE = ".returning.json"  # in the quarantine: capture_id -> path of what is being brought back
LEFT = "left.jsonl"  # in the folder of a batch: the refusals that are no more
TOGETHER = 1_000  # captures in one event


@dataclass(frozen=True)
class Refused:
    """A file in quarantine under the name that it came with: refused, retried (the next ingest looks at it) or
    discarded, who said so, and why."""

    capture_id: str
    key: str
    path: str
    reason: str
    refused_at: str
    state: str = REFUSED
    by: str = ""
    why: str = ""


def every(layout: Layout, catalog: Catalog) -> list[Refused]:
    """All files that are in quarantine, oldest first."""
    return _kept(layout, catalog, _rulings(layout))


def chosen(refused: Iterable[Refused], names: Sequence[str], reason: str, everything: bool) -> list[Refused]:
    """Those that a person means: of these names or masks (`cam-1/*`), or whose reason holds these words, or all.

    Raises:
        FixInput: nothing says which, or there is none.
    """
    if not (names or reason or everything):
        raise FixInput("Say which files: their names, --reason TEXT or --all; `andon quarantine list` shows them.")
    known = list(refused)
    for name in names:
        if not any(_is(one, name) for one in known):
            raise FixInput(f"No file {name!r} is in quarantine; see `andon quarantine list`.")
    found = [
        one
        for one in known
        if (not names or any(_is(one, name) for name in names))
        and reason.casefold() in one.reason.casefold()
        and (names or one.state != DISCARDED)
    ]
    if not found:
        raise FixInput("No such file is in quarantine; see `andon quarantine list`.")
    return found


def groups(refused: Iterable[Refused]) -> list[dict[str, Any]]:
    """Those that were refused for the same reason and stand alike, the most first: `files` (how many), `reason`,
    `state`, `by`, `why`, `first` and `last` (when), `keys`."""
    alike: defaultdict[tuple[str, ...], list[Refused]] = defaultdict(list)
    for one in refused:
        alike[one.reason, one.state, one.by, one.why].append(one)
    told = [
        {
            "files": len(some),
            **dict(zip(("reason", "state", "by", "why"), of, strict=True)),
            "first": min(one.refused_at for one in some),
            "last": max(one.refused_at for one in some),
            "keys": [one.key for one in some],
        }
        for of, some in alike.items()
    ]
    return sorted(told, key=lambda group: (-group["files"], group["reason"]))


def rule(layout: Layout, refused: Sequence[Refused], what: str, by: str, why: str) -> None:
    """Put on record that these files are `what` (retried or discarded); their bytes stay where they are.

    Raises:
        FixInput: nobody's name, or no reason for giving them up.
    """
    writing.require(layout)
    if not by.strip() or (what == DISCARDED and not why.strip()):
        raise FixInput("A ruling on refused files needs a person and a reason: add --by NAME --why TEXT.")
    portions = (refused[start : start + TOGETHER] for start in range(0, len(refused), TOGETHER))
    bodies = [{"what": what, "files": {one.capture_id: one.path for one in some}, "why": why} for some in portions]
    with lock.hold(layout, lock.WRITE, f"ruling on {len(refused)} refused files"):
        ledger.append(layout, "quarantine", by, bodies)
        git.commit(layout.home, ledger.files(layout)[-2:], f"Quarantine: {len(refused)} files {what} by {by}")


def begin(layout: Layout, catalog: Catalog) -> dict[str, tuple[str, Path]]:
    """Note what comes back now, which is all that a person wants to be checked anew: capture_id -> key and file."""
    asked = {capture: event for capture, event in _rulings(layout).items() if event.body["what"] == RETRIED}
    if not asked:
        return {}
    found = [one for one in _kept(layout, catalog, asked, list(asked)) if one.state == RETRIED]
    if found:
        files.write(layout.quarantine / NOTE, json.dumps({one.capture_id: one.path for one in found}))
    return {one.capture_id: (one.key, layout.home / one.path) for one in found}


def leave(layout: Layout, catalog: Catalog, captures: Mapping[str, str]) -> None:
    """Take files out of quarantine that are safe elsewhere, or were used: first their line, then their bytes.

    Args:
        captures: capture_id -> path. What was refused anew lies at another path, and stays.
    """
    if not captures:
        return
    folders: defaultdict[Path, set[str]] = defaultdict(set)
    for capture, path in captures.items():
        folders[(layout.home / path).parent].add(capture)
    for folder, gone in folders.items():
        _forget(folder, gone)
    for path in captures.values():
        (layout.home / path).unlink(missing_ok=True)
    t = refusal_table.c
    with catalog.writing() as connection:
        at = among(connection, t.capture_id, list(captures)) & among(connection, t.path, list(captures.values()))
        connection.execute(refusal_table.delete().where(at))


def finish(layout: Layout, catalog: Catalog) -> None:
    """Finish what files that come back have left half done: those that were taken in or refused anew leave. What was
    not looked at yet stays."""
    note = layout.quarantine / NOTE
    try:
        begun: dict[str, str] = documents.json_file(note)
    except (FileNotFoundError, ValueError):
        return
    c, t = capture_table.c, refusal_table.c
    with catalog.engine.connect() as connection:
        taken = set(connection.scalars(select(c.capture_id).where(among(connection, c.capture_id, list(begun)))))
        asked = select(t.capture_id, t.path).where(among(connection, t.capture_id, list(begun)))
        now = {row.capture_id: row.path for row in connection.execute(asked)}
    listed = _listed({(layout.home / path).parent for path in begun.values()})
    done = {
        capture: path
        for capture, path in begun.items()
        if capture in taken or capture not in listed or now.get(capture, path) != path
    }
    leave(layout, catalog, done)
    note.unlink()


def _kept(
    layout: Layout, catalog: Catalog, said: Mapping[str, Event], captures: Sequence[str] | None = None
) -> list[Refused]:
    """What is in quarantine, oldest first, with what was `said` of it; `captures`: of these alone."""
    t = refusal_table.c
    query = select(t.capture_id, t.key, t.path, t.reason, t.refused_at).order_by(t.refused_at, t.key)
    with catalog.engine.connect() as connection:
        if captures is not None:
            query = query.where(among(connection, t.capture_id, captures))
        kept = [_ruled(Refused(*row), said.get(row.capture_id)) for row in connection.execute(query)]
    return [one for one in kept if (layout.home / one.path).is_file()]


def _rulings(layout: Layout) -> dict[str, Event]:
    """capture_id -> what a person said of it last."""
    told = (event for event in ledger.read(layout) if event.kind == "quarantine")
    return {capture: event for event in told for capture in event.body["files"]}


def _ruled(refused: Refused, ruling: Event | None) -> Refused:
    """With what was said of it, unless it was refused again since: then it lies in another place."""
    if ruling is None or (ruling.body["what"] == RETRIED and ruling.body["files"][refused.capture_id] != refused.path):
        return refused
    return replace(refused, state=ruling.body["what"], by=ruling.by, why=ruling.body["why"])


def _is(refused: Refused, name: str) -> bool:
    return refused.key == name or fnmatchcase(refused.key, name)


def _listed(folders: Iterable[Path]) -> set[str]:
    """The captures that the refusals of these batches name."""
    texts = (file.read_text(encoding="utf-8") for folder in folders if (file := folder / QUARANTINE).is_file())
    return {documents.json_of(line)["capture_id"] for text in texts for line in text.split("\n")[:-1]}


def _forget(folder: Path, gone: Collection[str]) -> None:
    """Move the lines of these captures from the refusals of a batch to those that are no more."""
    path = folder / QUARANTINE
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    of = [documents.json_of(line)["capture_id"] in gone for line in lines]
    left = [line for line, is_gone in zip(lines, of, strict=True) if is_gone]
    if left:
        with (folder / LEFT).open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in left))
            file.flush()
            os.fsync(file.fileno())
        files.write(path, "".join(f"{line}\n" for line, is_gone in zip(lines, of, strict=True) if not is_gone))
