"""The database to ask questions of: a fold over manifests, quarantine and ledger, never an authority.

SQLite in WAL mode, or PostgreSQL where ANDON_DATABASE_URL says so. Writers wait for each other instead of failing, and
a catalog that an earlier version made is brought up to date when it is opened (inspection/migrations).
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    func,
    insert,
    inspect,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.exc import DatabaseError
from sqlalchemy.schema import CreateSchema, DropSchema

from inspection import clock, lock
from inspection.chain import START, Event
from inspection.errors import CheckHistory, FixInput, FixSettings
from inspection.layout import Layout
from inspection.records import batches, ledger, migrations, verdicts
from inspection.records.database import Place, among, engine_of, hold, patiently, put

TOGETHER = 20  # batches that are folded in one insert
QUARANTINE = "refusals.jsonl"

metadata = MetaData()

batch_table = Table(
    "batches",
    metadata,
    Column("batch", String, primary_key=True),
    Column("partition", String, nullable=False),
    Column("captures", Integer, nullable=False),
    Column("manifest", String, nullable=False),
    Column("state", String, nullable=False),  # as batches.states says
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
    Column("batch", String, nullable=False),  # the first that holds the image
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
    *(Column(name, Integer, nullable=False) for name in ("black", "white")),
    Column("time_doubtful", Boolean, nullable=False),
    Index("captures_by_camera_time", "camera", "captured_at"),
    Index("captures_by_time", "captured_at"),
    Index("captures_by_batch", "batch"),
    Index("captures_by_image", "image_id"),
    Index("captures_by_key", "key"),
    Index("captures_by_serial", "serial"),
)
quarantine_table = Table("quarantine", metadata, Column("batch", String, primary_key=True))
refusal_table = Table(
    "refusals",
    metadata,
    Column("capture_id", String, primary_key=True),
    Column("batch", String, nullable=False),
    Column("key", String, nullable=False),
    Column("path", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("refused_at", String, nullable=False),
    Index("refusals_by_key", "key"),
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
    Column("stale", Boolean, nullable=False),  # the quality spec has changed the meaning of its class since
)
run_table = Table("runs", metadata, Column("run", String, primary_key=True))
score_table = Table(  # a clone has the verdicts on captures whose images are not on its disk
    "scores",
    metadata,
    Column("capture_id", String, primary_key=True),
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
    Column("capture_id", String, primary_key=True),
    Column("window", String, nullable=False, index=True),
)
fold_table = Table(
    "fold", metadata, Column("events", Integer, primary_key=True), Column("digest", String, nullable=False)
)


# the catalog


class Catalog:
    """A folded view of one plant. Use `open_catalog`, which brings it up to date."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.engine = engine_of(place)
        with self.engine.connect() as connection:
            if migrations.revision(connection) == migrations.REVISIONS[-1]:
                return
        with self.writing() as connection:
            if place.schema and not inspect(connection).has_schema(place.schema):
                connection.execute(CreateSchema(place.schema))
            migrations.upgrade(connection, metadata)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the one write lock from its start."""
        with self.engine.begin() as connection:
            hold(connection, self.place)
            yield connection

    def frame(self, query: Any) -> pd.DataFrame:
        """The rows that `query` selects."""
        with self.engine.connect() as connection:
            return pd.read_sql_query(query, connection)

    def known(self, capture_ids: Sequence[str]) -> set[str]:
        """Those of `capture_ids` that were accepted or refused before."""
        tables = (capture_table, refusal_table)
        with self.engine.connect() as connection:
            asked = (select(t.c.capture_id).where(among(connection, t.c.capture_id, capture_ids)) for t in tables)
            return set(connection.scalars(union_all(*asked)))

    def refused_or_taken(self, keys: Sequence[str]) -> dict[str, set[str]]:
        """Each of `keys` that was accepted or refused before -> its captures' ids."""
        tables = (capture_table, refusal_table)
        found: dict[str, set[str]] = {}
        with self.engine.connect() as connection:
            asked = (select(t.c.key, t.c.capture_id).where(among(connection, t.c.key, keys)) for t in tables)
            for key, capture_id in connection.execute(union_all(*asked)):
                found.setdefault(key, set()).add(capture_id)
        return found

    def keys_known(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` that were accepted or refused before, with whatever bytes."""
        return set(self.refused_or_taken(keys))

    def images_by_partition(self) -> dict[str, int]:
        """Partition -> captures in it."""
        query = select(batch_table.c.partition, func.sum(batch_table.c.captures)).group_by(batch_table.c.partition)
        with self.engine.connect() as connection:
            return {partition: int(count) for partition, count in connection.execute(query)}

    def close(self) -> None:
        self.engine.dispose()


def open_catalog(layout: Layout) -> Catalog:
    """The plant's catalog with everything folded in that has come since it was last opened.

    Raises:
        WaitForOther: the database does not answer, or another process writes for longer than BUSY_MS.
        FixSettings: the environment names a database that cannot be used, or a later version made the catalog.
        FixInput: the SQLite file is damaged.
    """
    catalog = patiently(Catalog)(Place.of(layout))
    refresh(catalog, layout)
    return catalog


@patiently
def refresh(catalog: Catalog, layout: Layout) -> None:
    """Fold in batches, refusals and events that the catalog does not have yet. A ledger that is not a continuation
    of what was folded (git brought another one) is folded from its start."""
    events = ledger.read(layout)
    with catalog.engine.connect() as connection:
        if not _news(connection, layout, events):
            return
    with catalog.writing() as connection:  # what is new is asked again under the write lock: others fold too
        if news := _news(connection, layout, events):
            _fold(connection, news, events)


def rebuild(layout: Layout) -> dict[str, bool]:
    """Fold everything anew, put the result in place, and say for each table whether it is what stood there.

    A catalog that cannot be read any more counts as different in every table.
    """
    with lock.hold(layout, "rebuild", "a rebuild of the catalog"):
        place = Place.of(layout)
        _clear(place.beside)
        fresh = Catalog(place.beside)
        refresh(fresh, layout)
        try:
            equal = _compare(layout, fresh)
        except (FixInput, FixSettings, DatabaseError):
            equal = {table.name: False for table in metadata.sorted_tables}
        _put_in_place(fresh, place)
    return equal


def stored(moment: datetime) -> datetime:
    """A time as the tables keep it: UTC without a zone."""
    return clock.parse(str(moment)).replace(tzinfo=None)


def latest_labels() -> Any:
    """A query: the label that each image was given last."""
    return select(label_table.c.image_id, label_table.c.label).where(label_table.c.latest)


def fresh_labels() -> Any:
    """A query: as `latest_labels`, without those whose class has another meaning by now."""
    return latest_labels().where(~label_table.c.stale)


# the fold


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
    have, refused, watched = (
        set(connection.scalars(select(column)))
        for column in (batch_table.c.batch, quarantine_table.c.batch, run_table.c.run)
    )
    seen, known = _folded(connection, events)
    believed = _runs(events)
    runs = _new(layout.ledger.glob("*/watch/"), watched if known else set(), verdicts.LOOKS)
    news = News(
        _new(layout.batches.glob("*/"), have, batches.MANIFEST),
        _new([layout.quarantine], refused, QUARANTINE),
        [run for run in runs if run.name in believed],
        seen if known else 0,
    )
    nothing = not (news.batches or news.refusals or news.runs) and known and seen == len(events)
    return None if nothing else news


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


def _fold(connection: Connection, news: News, events: Sequence[Event]) -> None:
    if news.start == 0:
        for table in (score_table, look_table, run_table, label_table):
            connection.execute(table.delete())
        connection.execute(batch_table.update().values(state=batches.ACCEPTED))
    states, believed, more = batches.states(events), _runs(events), events[news.start :]
    for start in range(0, len(news.batches), TOGETHER):
        _fold_batches(connection, news.batches[start : start + TOGETHER], states)
    for file in news.refusals:
        _fold_refusals(connection, file / QUARANTINE)
    for run in news.runs:
        _fold_run(connection, run, believed[run.name])
    for name, state in batches.states(more).items():
        connection.execute(batch_table.update().where(batch_table.c.batch == name).values(state=state))
    _fold_labels(connection, more)
    head = ledger.head_of(events)
    connection.execute(fold_table.delete())
    connection.execute(insert(fold_table), {"events": head.events, "digest": head.digest})


def _fold_batches(connection: Connection, folders: Sequence[Path], states: Mapping[str, str]) -> None:
    rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in (batch_table, image_table, capture_table)}
    for folder in folders:
        manifest = folder / batches.MANIFEST
        captures = _read(manifest, capture_table)
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


def _fold_refusals(connection: Connection, file: Path) -> None:
    """Raises CheckHistory when a line is no refusal."""
    batch = file.parent.name
    names = [column.name for column in refusal_table.columns if column.name != "batch"]
    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]
        rows = [{"batch": batch, **{name: _plain(line[name]) for name in names}} for line in lines]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CheckHistory(f"{file} is damaged: remove the line that is no refusal.") from None
    connection.execute(insert(quarantine_table), {"batch": batch})
    put(connection, refusal_table, rows)


def _fold_run(connection: Connection, run: Path, files: Mapping[str, str]) -> None:
    """Raises CheckHistory when a file is not the one that the ledger names."""
    for name, digest in files.items():
        if batches.digest(run / name) != digest:
            raise CheckHistory(f"{run / name} was changed after it was recorded: run `dvc checkout`.")
    connection.execute(insert(run_table), {"run": run.name})
    put(connection, score_table, _read(run / verdicts.SCORES, score_table, run=run.name), first="run")
    put(connection, look_table, _read(run / verdicts.LOOKS, look_table))


def _fold_labels(connection: Connection, events: Sequence[Event]) -> None:
    rows = [_label_row(event) for event in events if event.kind == "label"]
    newest = {row["image_id"]: row["n"] for row in rows}
    for row in rows:
        row["latest"] = newest[row["image_id"]] == row["n"]
    c = label_table.c
    if rows:
        again = among(connection, c.image_id, list(newest))
        connection.execute(label_table.update().where(again).values(latest=False))
        connection.execute(insert(label_table), rows)
    for spec in (one for one in events if one.kind == "spec"):
        older = (c.n < spec.n) & c.label.in_(spec.body["classes"])
        connection.execute(label_table.update().where(older).values(stale=True))


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


# the rebuild


def _compare(layout: Layout, fresh: Catalog) -> dict[str, bool]:
    """Table -> whether the catalog in place holds what `fresh` holds."""
    old = Catalog(Place.of(layout))
    with old.engine.connect() as connection:
        _, continued = _folded(connection, ledger.read(layout))
    refresh(old, layout)
    with old.engine.connect() as connection:
        if old.place.file:
            connection.execute(text("ATTACH DATABASE :file AS fresh"), {"file": str(fresh.place.file)})
        equal = {
            table.name: _same(connection, table, table.to_metadata(MetaData(), schema=fresh.place.schema or "fresh"))
            for table in metadata.sorted_tables
        }
    old.close()
    equal[fold_table.name] &= continued
    return equal


def _same(connection: Connection, here: Table, there: Table) -> bool:
    """Whether two tables hold the same rows: as many, and to each of one the like in the other."""
    one, other = here.alias("one"), there.alias("other")
    pair = and_(*(one.c[column.name] == other.c[column.name] for column in here.primary_key))
    differs = or_(*(column.is_distinct_from(other.c[column.name]) for column in one.columns))
    odd = select(one).join_from(one, other, pair, isouter=True).where(differs).limit(1)
    counts = {connection.scalar(select(func.count()).select_from(table)) for table in (one, other)}
    return len(counts) == 1 and connection.execute(odd).first() is None


def _put_in_place(fresh: Catalog, place: Place) -> None:
    if place.file:
        with fresh.engine.connect() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        fresh.close()
        _clear_wal(place.file)
        os.replace(str(place.beside.file), place.file)
    else:
        with fresh.writing() as connection:
            hold(connection, place)  # nobody folds into what goes away
            _move(connection, str(fresh.place.schema), str(place.schema))
        fresh.close()
    _clear(place.beside)


def _move(connection: Connection, source: str, target: str) -> None:
    """Replace our tables in schema `target` by those in `source`; whatever else is in `target` stays."""
    gone = MetaData()
    for table in (*metadata.sorted_tables, migrations.revision_table):
        table.to_metadata(gone, schema=target)
    gone.drop_all(connection)
    for table in (*metadata.sorted_tables, migrations.revision_table):
        connection.execute(text(f"ALTER TABLE {source}.{table.name} SET SCHEMA {target}"))


def _clear(place: Place) -> None:
    """Remove what an interrupted rebuild left."""
    if place.file:
        _clear_wal(place.file)
        place.file.unlink(missing_ok=True)
    else:
        engine = engine_of(place)
        with engine.begin() as connection:
            connection.execute(DropSchema(str(place.schema), cascade=True, if_exists=True))
        engine.dispose()


def _clear_wal(file: Path) -> None:
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
