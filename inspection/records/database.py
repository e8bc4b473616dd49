"""The database under the catalog: SQLite, or PostgreSQL where ANDON_DATABASE_URL says so; its errors in words."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ARRAY,
    URL,
    ColumnElement,
    Connection,
    Engine,
    ExceptionContext,
    String,
    Table,
    any_,
    bindparam,
    create_engine,
    event,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_exponential

from inspection.errors import AndonError, CheckHistory, FixInput, FixSettings, MakeRoom, WaitForOther
from inspection.layout import Layout

BUSY_MS = 30_000  # that a writer waits for another
AGAIN_S = 8  # for which a server that went away is tried again: a restart takes less


class Away(WaitForOther):
    """The database does not answer, or the connection to it broke."""


patiently = retry(
    retry=retry_if_exception_type(Away),
    stop=stop_after_delay(AGAIN_S),
    wait=wait_exponential(multiplier=0.1, max=2),
    reraise=True,
)


@dataclass(frozen=True)
class Place:
    """Where a catalog lies: its database and, in PostgreSQL, the schema that holds its tables."""

    url: URL
    schema: str | None = None

    @classmethod
    def of(cls, layout: Layout) -> "Place":
        """What ANDON_DATABASE_URL and ANDON_DATABASE_SCHEMA say; without them the plant's SQLite file.

        Raises:
            FixSettings: they say something that cannot be.
        """
        if not (given := os.environ.get("ANDON_DATABASE_URL")):
            return cls(URL.create("sqlite", database=str(layout.catalog)))
        form = "write it like postgresql://USER:PASSWORD@HOST:5432/DATABASE"
        try:
            url = make_url(given)
        except (ArgumentError, ValueError):  # their words would show the password
            raise FixSettings(f"ANDON_DATABASE_URL is not a database's address; {form}.") from None
        if url.get_backend_name() not in ("postgresql", "postgres"):
            raise FixSettings(f"ANDON_DATABASE_URL names a {url.drivername} database; {form}, or leave it out.")
        schema = os.environ.get("ANDON_DATABASE_SCHEMA") or "andon"
        if not re.fullmatch(r"(?!pg_|public$)[a-z_][a-z0-9_]{0,49}", schema):
            raise FixSettings(
                f"ANDON_DATABASE_SCHEMA is {schema!r}; give the catalog a schema of its own, named in small letters, "
                "digits and underscores (at most 50), and neither public nor pg_..."
            )
        return cls(url.set(drivername="postgresql+psycopg"), schema)

    def __str__(self) -> str:
        if self.file:
            return str(self.file)
        return self.url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None in PostgreSQL."""
        return None if self.schema else Path(str(self.url.database))

    @property
    def beside(self) -> "Place":
        """Where a rebuild folds before it takes this place."""
        if self.file:
            return replace(self, url=self.url.set(database=f"{self.file.with_suffix('.new')}"))
        return replace(self, schema=f"{self.schema}_rebuild")


def engine_of(place: Place) -> Engine:
    if place.file:
        place.file.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(place.url, connect_args={"timeout": BUSY_MS / 1000})
        event.listen(engine, "connect", _set_up_sqlite)
    else:
        options = f"-c search_path={place.schema} -c lock_timeout={BUSY_MS}"
        engine = create_engine(place.url, pool_pre_ping=True, connect_args={"options": options, "connect_timeout": 10})

    @event.listens_for(engine, "handle_error")
    def _say(context: ExceptionContext) -> None:
        if not context.is_pre_ping and (refusal := _in_words(place, context)):
            raise refusal from context.original_exception

    return engine


def _set_up_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -65536")  # KiB: keys are hashes, so a fold touches every page of an index
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")


def _in_words(place: Place, context: ExceptionContext) -> AndonError | None:
    """What a person can do about a database's error; None where it is the program's fault."""
    error = context.original_exception
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(context.sqlalchemy_exception, IntegrityError):
        return CheckHistory(
            f"The batches on the disk contradict each other ({said}): bring them back with `dvc checkout`."
        )
    return _sqlite_in_words(place, error, said) if place.file else _postgres_in_words(place, context, said)


def _sqlite_in_words(place: Place, error: BaseException, said: str) -> AndonError | None:
    match getattr(error, "sqlite_errorname", "").split("_")[1:]:
        case ["BUSY" | "LOCKED", *_]:
            return _locked(place)
        case ["NOTADB" | "CORRUPT", *_]:
            return FixInput(f"The catalog at {place} is damaged ({said}): run `andon catalog rebuild`.")
        case ["FULL" | "READONLY" | "CANTOPEN" | "IOERR", *_]:
            return MakeRoom(f"The catalog at {place} cannot be written ({said}): check space and permissions there.")
    return None


def _postgres_in_words(place: Place, context: ExceptionContext, said: str) -> AndonError | None:
    state = getattr(context.original_exception, "sqlstate", None) or ""
    if state == "55P03":  # lock_timeout
        return _locked(place)
    if state == "42501":
        return FixSettings(
            f"The catalog at {place} refuses ({said}): let the role of ANDON_DATABASE_URL create and own the schemas "
            f"{place.schema} and {place.beside.schema}."
        )
    if state.startswith("53") and state != "53300":
        return MakeRoom(f"The catalog at {place} has no room ({said}): free some space on its server.")
    unanswered = not state and isinstance(context.sqlalchemy_exception, OperationalError)
    if not (unanswered or context.is_disconnect or state.startswith(("08", "57P", "53300"))):
        return None
    if re.search(r"authentication|no password|pg_hba|does not exist", said):
        return FixSettings(f"The catalog at {place} cannot be opened ({said}): correct ANDON_DATABASE_URL.")
    return Away(f"The catalog at {place} does not answer ({said}). Try again when its server runs.")


def _locked(place: Place) -> WaitForOther:
    wait = f"locked by another process for more than {BUSY_MS / 1000:.0f} s"
    return WaitForOther(f"The catalog at {place} is {wait}. Try again when it has finished.")


def hold(connection: Connection, place: Place) -> None:
    """Hold the one write lock until the transaction ends."""
    if place.file:
        connection.execute(text("BEGIN IMMEDIATE"))
    else:
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"andon catalog {place.schema}"))))


def among(connection: Connection, column: ColumnElement[str], values: Sequence[str]) -> ColumnElement[bool]:
    """`column` is one of `values`, which travel as one parameter, however many they are."""
    if connection.dialect.name == "sqlite":
        return column.in_(select(func.json_each(json.dumps(list(values))).table_valued("value").c.value))
    return column == any_(bindparam(None, list(values), type_=ARRAY(String)))


def put(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    first: str | None = None,
    last: str | None = None,
) -> None:
    """Insert rows; of two with the same key the one that is there stays, or the one whose column `first` is less, or
    whose column `last` is greater."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    by = first or last
    if by is None:
        connection.execute(statement.on_conflict_do_nothing(), rows)
        return
    new = statement.excluded
    values = {column.name: new[column.name] for column in table.columns if not column.primary_key}
    keys = [column.name for column in table.primary_key]
    better = new[by] < table.c[by] if first else new[by] > table.c[by]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values, where=better), rows)
