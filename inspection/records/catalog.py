"""The database to ask questions of: a fold over manifests, quarantine and ledger, never an authority.

SQLite in WAL mode, or PostgreSQL where ANDON_DATABASE_URL says so. Writers wait for each other instead of failing, and
a catalog that an earlier version made is brought up to date when it is opened (inspection/records/migrations).
"""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import URL, Connection, MetaData, Table, and_, extract, func, inspect, or_, select, text, union_all
from sqlalchemy.exc import DatabaseError
from sqlalchemy.schema import CreateSchema, DropSchema

from inspection import lock
from inspection.errors import FixInput, FixSettings
from inspection.intake.pace import Came
from inspection.layout import Layout
from inspection.pictures import returned
from inspection.pictures.returned import Piece, Returns
from inspection.records import fold, ledger, migrations
from inspection.records.batches import USABLE
from inspection.records.database import Place, among, engine_of, hold, patiently
from inspection.records.schema import (
    batch_table,
    capture_table,
    fold_table,
    label_table,
    metadata,
    refusal_table,
    stored,
)


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

    def refused_or_taken(self, keys: Sequence[str]) -> dict[str, set[str]]:
        """Each of `keys` that was accepted or refused before -> its captures' ids."""
        tables = (capture_table, refusal_table)
        found: dict[str, set[str]] = {}
        with self.engine.connect() as connection:
            asked = (select(t.c.key, t.c.capture_id).where(among(connection, t.c.key, keys)) for t in tables)
            for key, capture_id in connection.execute(union_all(*asked)):
                found.setdefault(key, set()).add(capture_id)
        return found

    def refused(self, keys: Sequence[str]) -> set[str]:
        """The captures in quarantine that came under one of `keys`."""
        c = refusal_table.c
        with self.engine.connect() as connection:
            return set(connection.scalars(select(c.capture_id).where(among(connection, c.key, keys))))

    def images_by_partition(self) -> dict[str, int]:
        """Partition -> captures in it."""
        query = select(batch_table.c.partition, func.sum(batch_table.c.captures)).group_by(batch_table.c.partition)
        with self.engine.connect() as connection:
            return {partition: int(count) for partition, count in connection.execute(query)}

    def captured(self, pieces: Collection[Piece], returns: Returns) -> dict[Piece, list[datetime]]:
        """When pictures of these were captured, by the part and serial that their cameras name."""
        c = capture_table.c
        names = [name for piece in pieces for name in returned.names(piece[1], returns.get(piece, ()))]
        found: dict[Piece, list[datetime]] = {piece: [] for piece in pieces}
        with self.engine.connect() as connection:
            query = select(c.part, c.serial, c.captured_at).where(among(connection, c.serial, names))
            for part, serial, at in connection.execute(query):
                if (piece := (part, returned.borne(serial))) in found:
                    found[piece].append(at.replace(tzinfo=UTC))
        return found

    def newest(self, cameras: Iterable[str]) -> dict[str, tuple[datetime, datetime]]:
        """Camera -> when its newest picture was captured, and when that was taken in."""
        c = capture_table.c
        found = {}
        with self.engine.connect() as connection:
            for camera in cameras:
                query = select(c.captured_at, c.ingested_at).where(c.camera == camera)
                row = connection.execute(query.order_by(c.captured_at.desc()).limit(1)).first()
                if row is not None:
                    found[camera] = (row.captured_at.replace(tzinfo=UTC), row.ingested_at.replace(tzinfo=UTC))
        return found

    def arrivals(self, since: datetime) -> dict[str, Came]:
        """Camera -> what of it was taken in hour by hour (UTC), of the pictures captured since then."""
        c = capture_table.c
        parts = [extract(part, c.ingested_at) for part in ("year", "month", "day", "hour")]
        query = select(c.camera, func.max(c.ingested_at), func.count(), *parts).where(c.captured_at >= stored(since))
        hours: defaultdict[str, dict[datetime, int]] = defaultdict(dict)
        lasts: dict[str, datetime] = {}
        with self.engine.connect() as connection:
            for camera, last, count, *when in connection.execute(query.group_by(c.camera, *parts)):
                year, month, day, hour = map(int, when)
                at, latest = datetime(year, month, day, hour, tzinfo=UTC), last.replace(tzinfo=UTC)
                hours[camera][at] = count
                lasts[camera] = max(latest, lasts.get(camera, latest))
        return {camera: Came(counts, lasts[camera]) for camera, counts in hours.items()}

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
        if not fold.news(connection, layout, events):
            return
    with catalog.writing() as connection:  # what is new is asked again under the write lock: others fold too
        if news := fold.news(connection, layout, events):
            fold.put_in(connection, news, events)


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
            equal = _compare(layout, fresh, place)
        except (FixInput, FixSettings, DatabaseError):
            equal = {table.name: False for table in metadata.sorted_tables}
        _put_in_place(fresh, place)
    return equal


def compared(layout: Layout, copy: Path) -> dict[str, bool]:
    """As `rebuild` says it of a copy of the SQLite file, which is brought up to date; nothing is put in place.

    Raises:
        CheckHistory: what it is folded from is damaged. FixInput, FixSettings: the copy cannot be read.
    """
    place = Place(URL.create("sqlite", database=str(copy)))
    fresh = Catalog(place.beside)
    refresh(fresh, layout)
    equal = _compare(layout, fresh, place)
    fresh.close()
    return equal


def usable_batches() -> Any:
    """A query: the batches that may be judged and trained on."""
    return select(batch_table.c.batch).where(batch_table.c.state.in_(USABLE))


def latest_labels() -> Any:
    """A query: the label that each image was given last."""
    return select(label_table.c.image_id, label_table.c.label).where(label_table.c.latest)


def fresh_labels() -> Any:
    """A query: as `latest_labels`, without those whose class has another meaning by now."""
    return latest_labels().where(~label_table.c.stale)


# the rebuild


def _compare(layout: Layout, fresh: Catalog, place: Place) -> dict[str, bool]:
    """Table -> whether the catalog in that place holds what `fresh` holds."""
    old = Catalog(place)
    with old.engine.connect() as connection:
        _, continued = fold.folded(connection, ledger.read(layout))
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
