"""Captures from the catalog, filtered."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from inspection import clock
from inspection.catalog import capture_table, latest_labels, open_catalog
from inspection.errors import FixInput
from inspection.layout import Layout


def captures(
    layout: Layout, filters: Mapping[str, str | None], since: str | None, until: str | None, limit: int
) -> list[dict[str, Any]]:
    """The newest captures that match every filter; `since` and `until` are ISO 8601."""
    labelled = latest_labels().subquery()
    columns = {**dict(capture_table.c.items()), "label": labelled.c.label}
    query = select(capture_table, labelled.c.label).join(
        labelled, labelled.c.image_id == capture_table.c.image_id, isouter=True
    )
    for name, value in filters.items():
        if value is not None:
            query = query.where(columns[name] == value)
    if since:
        query = query.where(capture_table.c.captured_at >= moment(since, "--from").replace(tzinfo=None))
    if until:
        query = query.where(capture_table.c.captured_at < moment(until, "--to").replace(tzinfo=None))
    catalog = open_catalog(layout)
    frame = catalog.frame(query.order_by(capture_table.c.captured_at.desc()).limit(limit))
    catalog.close()
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(k): str(v)[:19] if k in ("captured_at", "ingested_at") else v for k, v in row.items()} for row in rows]


def moment(text: str, option: str) -> datetime:
    """The time (aware, UTC) that an option gives; raises FixInput, naming the option."""
    try:
        return clock.parse(text)
    except ValueError:
        raise FixInput(f"{option} {text!r} is not a time; write it like 2026-11-02T06:15:12.") from None
