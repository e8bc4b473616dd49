"""Captures from the catalog, filtered: as rows, or streamed into a file."""

import csv
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import ColumnElement, Row, Select, and_, exists, select

from andon.show import as_text
from inspection import clock, files
from inspection.cameras import read_cameras
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records.catalog import Catalog, open_catalog
from inspection.records.schema import batch_table, capture_table, label_table, score_table, stored
from inspection.taxonomy import read_taxonomy

AT_ONCE = 10_000  # rows in memory
_TEXT = pa.string()
SCHEMA = pa.schema(
    [
        ("captured_at", pa.timestamp("us", tz="UTC")),
        ("line", _TEXT),
        ("camera", _TEXT),
        ("part", _TEXT),
        ("serial", _TEXT),
        ("label", _TEXT),  # given last
        ("verdict", _TEXT),  # accept or reject, said by the model that was live when the image came
        ("model", _TEXT),  # its version
        ("batch", _TEXT),
        ("image_id", _TEXT),
        ("path", _TEXT),
        ("key", _TEXT),
        ("time_doubtful", pa.bool_()),
    ]
)
TABLE = {  # column -> heading, of the table for people
    "captured_at": "captured (UTC)",
    **{name: name for name in ("line", "camera", "part", "serial", "label", "verdict", "model")},
    "image_id": "image",
    "path": "file",
}
_c, _s = capture_table.c, score_table.c


@dataclass(frozen=True)
class Wanted:
    """Which captures; None: any. `since` and `until` are ISO 8601, `state` is that of the batch."""

    since: str | None = None
    until: str | None = None
    line: str | None = None
    camera: str | None = None
    part: str | None = None
    serial: str | None = None
    label: str | None = None
    batch: str | None = None
    verdict: str | None = None
    model: str | None = None
    state: str | None = None
    limit: int | None = None
    unlabelled: bool = False

    def query(self) -> Select[Any]:
        """The newest captures that match, newest first.

        Raises:
            FixInput: `since` or `until` is no time.
        """
        found = select(
            *(_c[name] for name in ("captured_at", "line", "camera", "part", "serial")),
            label_table.c.label,
            _s.reject,
            _s.version,
            *(_c[name] for name in ("batch", "image_id", "path", "key", "time_doubtful")),
        )
        labelled = and_(label_table.c.image_id == _c.image_id, label_table.c.latest)
        found = found.join_from(capture_table, label_table, labelled, isouter=True)
        found = found.join(score_table, _s.capture_id == _c.capture_id, isouter=True)
        return found.where(*self._conditions()).order_by(_c.captured_at.desc(), _c.capture_id).limit(self.limit)

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        if self.since:
            yield _c.captured_at >= stored(moment(self.since, "--from"))
        if self.until:
            yield _c.captured_at < stored(moment(self.until, "--to"))
        for name in ("line", "camera", "part", "serial", "batch"):
            if value := getattr(self, name):
                yield _c[name] == value
        if self.label:
            yield label_table.c.label == self.label
        if self.unlabelled:
            yield label_table.c.label.is_(None)
        if self.model:
            yield _s.version == self.model
        if self.verdict:
            yield _s.reject.is_(self.verdict == "reject")
        if self.state:
            yield _c.batch.in_(select(batch_table.c.batch).where(batch_table.c.state == self.state))


def captures(layout: Layout, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """The captures that match, newest first, in the columns of SCHEMA; read as they are asked for.

    Raises:
        FixInput: no such camera, line or label was ever seen, or no time.
    """
    query = wanted.query()
    catalog = open_catalog(layout)
    _check_names(layout, catalog, wanted)
    return _rows(catalog, query)


def write(rows: Iterator[dict[str, Any]], form: str, out: Path | None) -> int:
    """Write rows of `captures` as `csv`, `json` or `parquet` to `out`, or to the standard output; their number.

    Raises:
        FixInput: Parquet without a file, or no folder to put the file into.
    """
    if out is None:
        if form == "parquet":
            raise FixInput("--format parquet needs --out FILE.")
        return _WRITERS[form](sys.stdout, rows)
    part = out.with_name(f".{out.name}.part")
    if not out.parent.is_dir():
        raise FixInput(f"--out {out}: there is no folder {out.parent}; make it first.")
    try:
        if form == "parquet":
            count = _parquet(part, rows)
        else:
            with part.open("w", encoding="utf-8", newline="") as file:
                count = _WRITERS[form](file, rows)
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return count


def moment(text: str, option: str) -> datetime:
    """The time (aware, UTC) that an option gives; raises FixInput, naming the option."""
    try:
        return clock.parse(text)
    except ValueError:
        raise FixInput(f"{option} {text!r} is not a time; write it like 2026-11-02T06:15:12.") from None


def _check_names(layout: Layout, catalog: Catalog, wanted: Wanted) -> None:
    """Raises FixInput for a camera, line or label that is neither declared nor in the catalog."""
    cameras, classes = read_cameras(layout.cameras), read_taxonomy(layout.taxonomy).classes
    lines = {camera.line for camera in cameras.values()}
    asked = (("camera", cameras, _c.camera), ("line", lines, _c.line), ("label", classes, label_table.c.label))
    for option, declared, column in asked:
        value = getattr(wanted, option)
        if value is None or value in declared:
            continue
        with catalog.engine.connect() as connection:
            seen = connection.scalar(select(exists().where(column == value)))
        if not seen:
            near = get_close_matches(value, declared, 1, 0)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise FixInput(f"--{option} {value!r} is not declared and nothing was ever taken in under it{hint}")


def _rows(catalog: Catalog, query: Select[Any]) -> Iterator[dict[str, Any]]:
    with catalog.engine.connect() as connection:
        for row in connection.execution_options(yield_per=AT_ONCE).execute(query):
            yield _named(row)
    catalog.close()


def _named(row: Row[Any]) -> dict[str, Any]:
    named = dict(zip(SCHEMA.names, row, strict=True))
    verdict = None if named["verdict"] is None else "reject" if named["verdict"] else "accept"
    return {**named, "captured_at": named["captured_at"].replace(tzinfo=UTC), "verdict": verdict}


def _as_text(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "captured_at": clock.stamp(row["captured_at"])}


def _csv(file: TextIO, rows: Iterator[dict[str, Any]]) -> int:
    table = csv.DictWriter(file, SCHEMA.names, lineterminator="\n")
    table.writeheader()
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007
        table.writerow({name: files.as_cell(value) for name, value in _as_text(row).items()})
    return count


def _json(file: TextIO, rows: Iterator[dict[str, Any]]) -> int:
    """One document, an object a line."""
    count = 0
    for count, row in enumerate(rows, start=1):
        file.write(("[\n" if count == 1 else ",\n") + as_text(_as_text(row)))
    file.write("\n]\n" if count else "[]\n")
    return count


def _parquet(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    with pq.ParquetWriter(path, SCHEMA) as writer:
        while some := list(islice(rows, AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(some, schema=SCHEMA))
            count += len(some)
    return count


_WRITERS = {"csv": _csv, "json": _json}
