"""The database to ask questions of: a fold over manifests, quarantine and ledger, never an authority.

SQLite in WAL mode; writers begin with BEGIN IMMEDIATE and wait for each other instead of failing.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DatabaseError

from inspection import batches, clock, ledger, verdicts
from inspection.chain import START, Event
from inspection.errors import CheckHistory
from inspection.layout import Layout

BUSY_MS = 30_000

metadata = MetaData()

batch_table = Table(
    "batches",
    metadata,
    Column("batch", String, primary_key=True),
    Column("partition", String, nullable=False),
    Column("captures", Integer, nullable=False),
    Column("manifest", String, nullable=False),
)
image_table = Table(
    "images",
    metadata,
    Column("image_id", String, primary_key=True),
    *(Column(name, Integer, nullable=False) for name in ("width", "height", "channels", "bit_depth", "bytes")),
    Column("format", String, nullable=False),
    *(
        Column(name, Float, nullable=False)
        for name in ("brightness", "contrast", "sharpness", "noise", "clipped", "red", "blue")
    ),
)
capture_table = Table(
    "captures",
    metadata,
    Column("capture_id", String, primary_key=True),
    Column("image_id", String, ForeignKey("images.image_id"), nullable=False),
    Column("batch", String, ForeignKey("batches.batch"), nullable=False),
    Column("line", String, nullable=False),
    Column("camera", String, nullable=False),
    Column("part", String, nullable=False),
    Column("serial", String, nullable=False),
    Column("captured_at", DateTime, nullable=False),  # UTC
    Column("path", String, nullable=False),
    Column("ingested_at", DateTime, nullable=False),  # UTC
    Column("key", String, nullable=False),
    Index("captures_by_camera_time", "camera", "captured_at"),
    Index("captures_by_image", "image_id"),
    Index("captures_by_key", "key"),
    Index("captures_by_serial", "serial"),
)
refusal_table = Table(
    "refusals",
    metadata,
    Column("capture_id", String, primary_key=True),
    Column("batch", String, nullable=False),
    Column("key", String, nullable=False),
    Column("path", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("refused_at", String, nullable=False),
)
label_table = Table(
    "labels",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("image_id", String, nullable=False, index=True),
    Column("label", String, nullable=False),
    Column("by", String, nullable=False),
    Column("at", String, nullable=False),
    Column("labelled_at", String, nullable=False),
    Column("spec", String, nullable=False),
    Column("latest", Boolean, nullable=False),
)
run_table = Table("runs", metadata, Column("run", String, primary_key=True))
score_table = Table(
    "scores",
    metadata,
    Column("capture_id", String, ForeignKey("captures.capture_id"), primary_key=True),
    Column("image_id", String, nullable=False, index=True),
    Column("run", String, ForeignKey("runs.run"), nullable=False),
    Column("version", String, nullable=False),
    Column("package", String, nullable=False),
    Column("label", String, nullable=False),
    Column("reject_probability", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("reject", Boolean, nullable=False),
)
look_table = Table(
    "looks",
    metadata,
    Column("capture_id", String, ForeignKey("captures.capture_id"), primary_key=True),
    Column("window", String, nullable=False, index=True),
)
fold_table = Table(
    "fold", metadata, Column("events", Integer, primary_key=True), Column("digest", String, nullable=False)
)

QUARANTINE = "refusals.jsonl"


class Catalog:
    """A folded view of one plant. Use `open_catalog`, which brings it up to date."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.engine = _engine(path)
        with self.writing() as connection:
            metadata.create_all(connection)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the one write lock from its start."""
        with self.engine.connect() as connection:
            connection.execute(text("BEGIN IMMEDIATE"))
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def frame(self, query: Any) -> pd.DataFrame:
        """The rows that `query` selects."""
        with self.engine.connect() as connection:
            return pd.read_sql_query(query, connection)

    def known(self, capture_ids: Sequence[str]) -> set[str]:
        """Those of `capture_ids` that were accepted or refused before."""
        found: set[str] = set()
        with self.engine.connect() as connection:
            for start in range(0, len(capture_ids), 500):
                some = capture_ids[start : start + 500]
                for table in (capture_table, refusal_table):
                    query = select(table.c.capture_id).where(table.c.capture_id.in_(some))
                    found.update(connection.scalars(query))
        return found

    def images_by_partition(self) -> dict[str, int]:
        """Partition -> captures in it."""
        query = select(batch_table.c.partition, func.sum(batch_table.c.captures)).group_by(batch_table.c.partition)
        with self.engine.connect() as connection:
            return {partition: int(count) for partition, count in connection.execute(query)}

    def close(self) -> None:
        self.engine.dispose()


def open_catalog(layout: Layout) -> Catalog:
    """The plant's catalog with everything folded in that has come since it was last opened."""
    catalog = Catalog(layout.catalog)
    refresh(catalog, layout)
    return catalog


def refresh(catalog: Catalog, layout: Layout) -> None:
    """Fold in batches, refusals and events that the catalog does not have yet. A ledger that is not a continuation
    of what was folded (git brought another one) is folded from its start."""
    events = ledger.read(layout)
    with catalog.engine.connect() as connection:
        if not _news(connection, layout, events):
            return
    with catalog.writing() as connection:  # what is new is asked again under the write lock: others fold too
        news = _news(connection, layout, events)
        if news is None:
            return
        for folder in news.batches:
            _fold_batch(connection, folder)
        for file in news.refusals:
            _fold_refusals(connection, file)
        if news.start == 0:
            for table in (score_table, look_table, run_table):
                connection.execute(table.delete())
        named = {event.body["run"]: event.body["files"] for event in events if event.kind == "watch"}
        for run in news.runs:
            _fold_run(connection, run, named[run.name])
        if news.start == 0:
            connection.execute(label_table.delete())
        _fold_events(connection, events[news.start :], ledger.head_of(events))


@dataclass(frozen=True)
class News:
    """What is on the disk and not yet folded; events from index `start` on."""

    batches: list[Path]
    refusals: list[Path]
    runs: list[Path]
    start: int


def _folded(connection: Connection, events: Sequence[Event]) -> tuple[int, bool]:
    """How many events were folded, and whether they are the first ones of `events`."""
    row = connection.execute(select(fold_table)).first()
    seen, digest = (row.events, row.digest) if row else (0, START)
    return seen, seen <= len(events) and ledger.head_of(events[:seen]).digest == digest


def _news(connection: Connection, layout: Layout, events: Sequence[Event]) -> News | None:
    have = set(connection.scalars(select(batch_table.c.batch)))
    refused = set(connection.scalars(select(refusal_table.c.batch).distinct()))
    watched = set(connection.scalars(select(run_table.c.run)))
    believed = {event.body["run"] for event in events if event.kind == "watch"}
    seen, known = _folded(connection, events)
    news = News(
        [folder for folder in batches.on_disk(layout) if folder.name not in have],
        [file for file in _quarantine_files(layout) if file.parent.name not in refused],
        [run for run in verdicts.on_disk(layout) if run.name in (believed - watched if known else believed)],
        seen if known else 0,
    )
    nothing = not (news.batches or news.refusals or news.runs) and known and seen == len(events)
    return None if nothing else news


def rebuild(layout: Layout) -> dict[str, bool]:
    """Fold everything anew, put the result in place, and say for each table whether it is what stood there.

    A file that is no database any more counts as different in every table.
    """
    fresh_path = layout.catalog.with_suffix(".new")
    _remove(fresh_path)
    fresh = Catalog(fresh_path)
    refresh(fresh, layout)
    try:
        with Catalog(layout.catalog).engine.connect() as connection:
            _, continued = _folded(connection, ledger.read(layout))
        old = open_catalog(layout)
        equal = {table.name: _rows(old, table) == _rows(fresh, table) for table in metadata.sorted_tables}
        equal[fold_table.name] &= continued
        old.close()
    except DatabaseError:
        equal = {table.name: False for table in metadata.sorted_tables}
    with fresh.engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    fresh.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{layout.catalog}{suffix}").unlink(missing_ok=True)
    os.replace(fresh_path, layout.catalog)
    _remove(fresh_path)
    return equal


def stored(moment: datetime) -> datetime:
    """A time as the tables keep it: UTC without a zone."""
    return clock.parse(str(moment)).replace(tzinfo=None)


def latest_labels() -> Any:
    """A query: the label of each image that has one."""
    return select(label_table.c.image_id, label_table.c.label).where(label_table.c.latest)


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_MS / 1000})

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")

    return engine


def _fold_batch(connection: Connection, folder: Path) -> None:
    rows = batches.read_manifest(folder)
    connection.execute(
        insert(batch_table),
        {
            "batch": folder.name,
            "partition": folder.parent.name,
            "captures": len(rows),
            "manifest": batches.digest(folder / batches.MANIFEST),
        },
    )
    images = rows[[c.name for c in image_table.columns]].drop_duplicates("image_id")
    connection.execute(insert(image_table).prefix_with("OR IGNORE"), _records(images))
    captures = rows[[c.name for c in capture_table.columns]].copy()
    for name in ("captured_at", "ingested_at"):
        captures[name] = captures[name].dt.tz_localize(None)
    connection.execute(insert(capture_table), _records(captures))


def _fold_refusals(connection: Connection, file: Path) -> None:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]
    if rows:
        connection.execute(
            insert(refusal_table).prefix_with("OR IGNORE"), [{**row, "batch": file.parent.name} for row in rows]
        )


def _fold_run(connection: Connection, run: Path, files: Mapping[str, str]) -> None:
    """Raises CheckHistory when a file is not the one that the ledger names."""
    for name, digest in files.items():
        if batches.digest(run / name) != digest:
            raise CheckHistory(f"{run / name} was changed after it was recorded: run `dvc checkout`.")
    connection.execute(insert(run_table), {"run": run.name})
    scores = verdicts.read(run, verdicts.SCORES).drop(columns="probabilities").assign(run=run.name)
    for table, rows in ((score_table, scores), (look_table, verdicts.read(run, verdicts.LOOKS))):
        if len(rows):
            connection.execute(insert(table).prefix_with("OR IGNORE"), _records(rows))


def _fold_events(connection: Connection, events: Sequence[Event], head: ledger.Head) -> None:
    labels = [_label_row(event) for event in events if event.kind == "label"]
    newest = {row["image_id"]: row["n"] for row in labels}
    for row in labels:
        row["latest"] = newest[row["image_id"]] == row["n"]
    if labels:
        touched = list(newest)
        for start in range(0, len(touched), 500):
            some = touched[start : start + 500]
            connection.execute(label_table.update().where(label_table.c.image_id.in_(some)).values(latest=False))
        connection.execute(insert(label_table), labels)
    connection.execute(fold_table.delete())
    connection.execute(insert(fold_table), {"events": head.events, "digest": head.digest})


def _label_row(event: Event) -> dict[str, Any]:
    body = {name: event.body[name] for name in ("image_id", "label", "labelled_at", "spec")}
    return {"n": event.n, "at": event.at, "by": event.by, **body}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object)
    for name in frame.select_dtypes("datetime"):
        plain[name] = frame[name].dt.to_pydatetime()
    return [{str(k): v for k, v in row.items()} for row in plain.to_dict("records")]


def _rows(catalog: Catalog, table: Table) -> list[tuple[Any, ...]]:
    with catalog.engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(table)))


def _quarantine_files(layout: Layout) -> Iterable[Path]:
    return sorted(layout.quarantine.glob(f"*/{QUARANTINE}"))


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
