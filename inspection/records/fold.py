"""What has come since the tables were last brought up to date, and how it goes into them."""

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Table, bindparam, insert, select

from inspection.chain import START, Event
from inspection.errors import CheckHistory
from inspection.layout import Layout
from inspection.outside import documents
from inspection.pictures import returned
from inspection.pictures.returned import Returns
from inspection.records import batches, labels, ledger, verdicts
from inspection.records.database import among, put
from inspection.records.schema import (
    batch_table,
    capture_table,
    fold_table,
    image_table,
    label_table,
    look_table,
    quarantine_table,
    refusal_table,
    run_table,
    score_table,
)

TOGETHER = 20  # batches that are folded in one insert


@dataclass(frozen=True)
class News:
    """What is on the disk and not yet folded; events from index `start` on."""

    batches: list[Path]
    refusals: list[Path]
    runs: list[Path]
    start: int


def folded(connection: Connection, events: Sequence[Event]) -> tuple[int, bool]:
    """How many events were folded, and whether they are the first ones of `events`."""
    row = connection.execute(select(fold_table)).first()
    seen, digest = (row.events, row.digest) if row else (0, START)
    return seen, seen <= len(events) and ledger.head_of(events[:seen]).digest == digest


def news(connection: Connection, layout: Layout, events: Sequence[Event]) -> News | None:
    """What the tables do not have yet; None when they have it all."""
    have, refused, watched = (
        set(connection.scalars(select(column)))
        for column in (batch_table.c.batch, quarantine_table.c.batch, run_table.c.run)
    )
    seen, known = folded(connection, events)
    believed = _runs(events)
    runs = _new(layout.ledger.glob("*/watch/"), watched if known else set(), verdicts.LOOKS)
    found = News(
        _new(layout.batches.glob("*/"), have, batches.MANIFEST),
        _new([layout.quarantine], refused, batches.QUARANTINE),
        [run for run in runs if run.name in believed],
        seen if known else 0,
    )
    nothing = not (found.batches or found.refusals or found.runs) and known and seen == len(events)
    return None if nothing else found


def put_in(connection: Connection, found: News, events: Sequence[Event]) -> None:
    """Fold what `news` found into the tables.

    Raises:
        CheckHistory: a file of it is damaged, or is not the one that the ledger names.
    """
    if found.start == 0:
        for table in (score_table, look_table, run_table, label_table):
            connection.execute(table.delete())
        connection.execute(batch_table.update().values(state=batches.ACCEPTED))
    states, believed, more = batches.states(events), _runs(events), events[found.start :]
    returns = returned.fold(events)
    for start in range(0, len(found.batches), TOGETHER):
        _fold_batches(connection, found.batches[start : start + TOGETHER], states, returns)
    _name_anew(connection, returns, more, anew=found.start == 0)
    for file in found.refusals:
        _fold_refusals(connection, file / batches.QUARANTINE)
    for run in found.runs:
        _fold_run(connection, run, believed[run.name])
    for name, state in batches.states(more).items():
        connection.execute(batch_table.update().where(batch_table.c.batch == name).values(state=state))
    _fold_labels(connection, more, events)
    head = ledger.head_of(events)
    connection.execute(fold_table.delete())
    connection.execute(insert(fold_table), {"events": head.events, "digest": head.digest})


def _new(folders: Iterable[Path], have: Set[str], file: str) -> list[Path]:
    """Folders in `folders` that hold `file` and whose names are not in `have`, oldest first."""
    found = []
    for folder in folders:
        if folder.is_dir():
            with os.scandir(folder) as entries:
                names = {entry.name for entry in entries} - have
            found += [folder / name for name in names if (folder / name / file).is_file()]
    return sorted(found, key=lambda path: path.name)


def _runs(events: Iterable[Event]) -> dict[str, Mapping[str, str]]:
    """Run of the watch -> its files and their SHA-256."""
    return {event.body["run"]: event.body["files"] for event in events if event.kind == "watch"}


def _name_anew(connection: Connection, returns: Returns, more: Sequence[Event], anew: bool) -> None:
    """Give pieces the serials that they have by now: those of whom the events in `more` speak, or all."""
    spoken = [one for event in more if event.kind == "batch" for one in event.body.get(returned.AGAIN, ())]
    spoken += [event.body for event in more if event.kind == "piece"]
    serials = sorted({serial for _, serial in returns} if anew else {body["serial"] for body in spoken})
    if not serials and not anew:
        return
    c = capture_table.c
    most = max((some for (_, one), some in returns.items() if one in set(serials)), key=len, default=())
    every = [name for serial in serials for name in returned.names(serial, most)]
    ours = among(connection, c.serial, every)
    asked = select(c.capture_id, c.part, c.serial, c.captured_at).where(ours | c.serial.contains("+") if anew else ours)
    rows = [(row.capture_id, row.part, row.serial, row.captured_at) for row in connection.execute(asked)]
    for capture, part, serial, at in rows:
        bears = returned.borne(serial)
        new = returned.named(bears, returns.get((part, bears), ()), at.replace(tzinfo=UTC))
        if new != serial:
            connection.execute(capture_table.update().where(c.capture_id == capture).values(serial=new))


def _fold_batches(connection: Connection, folders: Sequence[Path], states: Mapping[str, str], returns: Returns) -> None:
    rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in (batch_table, image_table, capture_table)}
    for folder in folders:
        manifest = folder / batches.MANIFEST
        captures = [
            {**row, "serial": _named(row, returns)} if (row["part"], row["serial"]) in returns else row
            for row in _read(manifest, capture_table)
        ]
        rows[capture_table.name] += captures
        rows[image_table.name] += _read(manifest, image_table, batch=folder.name)
        rows[batch_table.name].append(
            {
                "batch": folder.name,
                "partition": folder.parent.name,
                "captures": len(captures),
                "manifest": batches.digest(manifest),
                "state": states.get(folder.name, batches.ACCEPTED),
            }
        )
    connection.execute(insert(batch_table), rows[batch_table.name])
    put(connection, image_table, rows[image_table.name], first="batch")
    if rows[capture_table.name]:
        connection.execute(insert(capture_table), rows[capture_table.name])
        taken = [row["capture_id"] for row in rows[capture_table.name]]
        connection.execute(refusal_table.delete().where(among(connection, refusal_table.c.capture_id, taken)))


def _fold_refusals(connection: Connection, file: Path) -> None:
    """What came back from quarantine and was taken in is no refusal, and of what was refused again the last counts.

    Raises:
        CheckHistory: a line is no refusal.
    """
    batch = file.parent.name
    names = [column.name for column in refusal_table.columns if column.name != "batch"]
    try:
        lines = [documents.json_of(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]
        rows = [{"batch": batch, **{name: _plain(line[name]) for name in names}} for line in lines]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CheckHistory(f"{file} is damaged: remove the line that is no refusal.") from None
    connection.execute(insert(quarantine_table), {"batch": batch})
    c = capture_table.c.capture_id
    asked = select(c).where(among(connection, c, [row["capture_id"] for row in rows]))
    taken = set(connection.scalars(asked))
    put(connection, refusal_table, [row for row in rows if row["capture_id"] not in taken], last="batch")


def _fold_run(connection: Connection, run: Path, files: Mapping[str, str]) -> None:
    """Raises CheckHistory when a file is not the one that the ledger names."""
    for name, digest in files.items():
        if batches.digest(run / name) != digest:
            raise CheckHistory(f"{run / name} was changed after it was recorded: run `dvc checkout`.")
    connection.execute(insert(run_table), {"run": run.name})
    put(connection, score_table, _read(run / verdicts.SCORES, score_table, run=run.name), first="run")
    put(connection, look_table, _read(run / verdicts.LOOKS, look_table))


def _fold_labels(connection: Connection, more: Sequence[Event], events: Sequence[Event]) -> None:
    """Fold the events in `more`, the last of `events`. Of an image's labels the last one stands that was not undone."""
    rows = [_label_row(event) for event in more if event.kind == "label"]
    gone = labels.undone(events)
    newest = {row["image_id"]: row["n"] for row in rows if row["n"] not in gone}
    for row in rows:
        row["latest"] = newest.get(row["image_id"]) == row["n"]
    c = label_table.c
    if rows:
        again = among(connection, c.image_id, list(newest))
        connection.execute(label_table.update().where(again).values(latest=False))
        connection.execute(insert(label_table), rows)
    for event in more:
        if event.kind == "spec":
            older = (c.n < event.n) & c.label.in_(event.body["classes"])
            connection.execute(label_table.update().where(older).values(stale=True))
        elif event.kind == "class-rename":
            older = (c.n < event.n) & (c.label == event.body["old"])
            connection.execute(label_table.update().where(older).values(label=event.body["new"]))
    _stand_again(connection, {event.body["image_id"] for event in more if event.kind == "label-undo"}, set(gone))


def _stand_again(connection: Connection, images: Set[str], gone: Set[int]) -> None:
    """Let the last label of each image stand that was not undone."""
    if not images:
        return
    c, own = label_table.c, among(connection, label_table.c.image_id, sorted(images))
    given = connection.execute(select(c.image_id, c.n).where(own).order_by(c.n)).all()
    last = {row.image_id: row.n for row in given if row.n not in gone}
    connection.execute(label_table.update().where(own).values(latest=False))
    if last:
        one = label_table.update().where(c.n == bindparam("number")).values(latest=True)
        connection.execute(one, [{"number": n} for n in last.values()])


def _named(row: Mapping[str, Any], returns: Returns) -> str:
    return returned.named(row["serial"], returns[row["part"], row["serial"]], row["captured_at"].replace(tzinfo=UTC))


def _label_row(event: Event) -> dict[str, Any]:
    said = {"by": event.by, **{name: event.body[name] for name in ("image_id", "label", "labelled_at", "spec")}}
    return {"n": event.n, "at": event.at, "stale": False, **{name: _plain(value) for name, value in said.items()}}


def _read(path: Path, table: Table, **fixed: str) -> list[dict[str, Any]]:
    """The rows of a Parquet file in the columns of `table`, those in `fixed` with that value.

    Raises:
        CheckHistory: the file is damaged.
    """
    names = [column.name for column in table.columns if column.name not in fixed]
    try:
        found = batches.read_columns(path, names)
    except pa.ArrowException:
        raise CheckHistory(f"{path} is damaged: bring it back with `dvc checkout`.") from None
    columns = [_values(found[name]) for name in names]
    return [{**dict(zip(names, row, strict=True)), **fixed} for row in zip(*columns, strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    """As the tables keep them: times are UTC without a zone."""
    values: list[Any] = (column.cast(pa.timestamp("us")) if pa.types.is_timestamp(column.type) else column).to_pylist()
    return values


def _plain(value: str) -> str:
    """Text that every database takes: PostgreSQL refuses the character 0."""
    return value.replace("\0", "\ufffd")
