"""A query by day and camera over a million rows."""

import time
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy import text as sql

from benchmarks.ingest.scratch import scratch
from benchmarks.ingest.shots import START
from benchmarks.report import Figure
from inspection.records.catalog import Catalog, open_catalog
from inspection.records.schema import batch_table, capture_table, image_table

CAMERAS, DAYS = 10, 20


def catalog(scale: float) -> list[Figure]:
    """The slowest of as many queries as days."""
    count = int(1_000_000 * scale)
    with scratch(128, 128) as (layout, _):
        store = open_catalog(layout)
        _fill(store, count)
        seconds, found = [], 0
        for day in range(DAYS):
            start = time.perf_counter()
            found = len(store.frame(_of_day(day)))
            seconds.append(time.perf_counter() - start)
        with store.engine.connect() as connection:
            assert connection.scalar(sql("SELECT count(*) FROM captures")) == count
        store.close()
    slowest, words = max(seconds) * 1e3, f"a day of a camera ({found} rows) out of {count:,}, slowest of {DAYS}"
    return [Figure(words, slowest, "ms", "< 100", slowest < 100)]


def _of_day(day: int) -> Any:
    """The query for one camera."""
    since, c = (START + timedelta(days=day)).replace(tzinfo=None), capture_table.c
    return select(capture_table).where(
        c.camera == f"cam-{day % CAMERAS}", c.captured_at >= since, c.captured_at < since + timedelta(days=1)
    )


def _fill(store: Catalog, count: int) -> None:
    with store.writing() as connection:
        for table in (batch_table, image_table):
            connection.execute(insert(table), {c.name: _filler(c) for c in table.columns})
        for first in range(0, count, 50_000):
            rows = [
                {
                    **{c.name: _filler(c) for c in capture_table.columns},
                    "capture_id": f"{number:064d}",
                    "camera": f"cam-{number % CAMERAS}",
                    "captured_at": (START + timedelta(seconds=number * 8.64)).replace(tzinfo=None),
                }
                for number in range(first, min(first + 50_000, count))
            ]
            connection.execute(insert(capture_table), rows)


def _filler(column: Any) -> Any:
    """A value of the column's type."""
    return {str: "x", int: 1, float: 1.0, bool: False}.get(column.type.python_type, START.replace(tzinfo=None))
