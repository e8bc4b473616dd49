"""A day of the plant: how each camera was, and what the models said."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Integer, func, select

from inspection.cameras import read_cameras
from inspection.layout import Layout
from inspection.post.causes import NAMES
from inspection.post.daily_letter import CameraDay
from inspection.records import alarms, commissions, incidents, ledger
from inspection.records.catalog import Catalog
from inspection.records.schema import capture_table, score_table, stored


def days(layout: Layout, catalog: Catalog, day: date, zone: ZoneInfo) -> list[CameraDay]:
    """Every declared camera's day, which begins and ends at midnight in `zone`."""
    events = ledger.read(layout)
    since, until = _midnights(day, zone)
    counts = _counts(catalog, since, until)
    seen = [one for one in alarms.glances(events) if since <= one.last < until]
    faults = [one for one in incidents.fold(events) if one.open and one.onset[0] < until]
    watched = commissions.current(events)
    told = []
    for camera in read_cameras(layout.cameras):
        images, judged, rejected = counts.get(camera, (0, 0, 0))
        mine = [one for one in seen if one.camera == camera]
        state, words = _state(mine, camera in watched, images, bool(counts))
        names = tuple(f"{NAMES[one.cause]} ({one.name})" for one in faults if camera in one.cameras)
        told.append(CameraDay(camera, images, len(mine), rejected if judged else None, state, words, names))
    return told


def said(catalog: Catalog, day: date, zone: ZoneInfo) -> dict[str, tuple[int, int]]:
    """Version of each model that was live on that day -> captures that it accepted, and rejected."""
    since, until = _midnights(day, zone)
    c, s = capture_table.c, score_table.c
    query = (
        select(s.version, s.reject)
        .join(capture_table, c.capture_id == s.capture_id)
        .where(c.captured_at >= stored(since), c.captured_at < stored(until))
        .order_by(c.captured_at)
    )
    found = catalog.frame(query)
    return {
        str(version): (int((~some.astype(bool)).sum()), int(some.sum()))
        for version, some in found.groupby("version", sort=False)["reject"]
    }


def _counts(catalog: Catalog, since: datetime, until: datetime) -> dict[str, tuple[int, int, int]]:
    """Camera -> its captures, those that were judged, those that were rejected."""
    c, s = capture_table.c, score_table.c
    query = (
        select(c.camera, func.count(), func.count(s.capture_id), func.sum(s.reject.cast(Integer)))
        .join(score_table, s.capture_id == c.capture_id, isouter=True)
        .where(c.captured_at >= stored(since), c.captured_at < stored(until))
        .group_by(c.camera)
    )
    with catalog.engine.connect() as connection:
        return {row[0]: (row[1], row[2], int(row[3] or 0)) for row in connection.execute(query)}


def _state(
    seen: Sequence[alarms.Glance], watched: bool, images: int, others: bool
) -> tuple[Literal["well", "unknown", "troubled"], str]:
    """How a camera did on a day, and that in words; `others`: whether any camera had pictures."""
    if not images:
        return ("troubled", "no pictures, while other cameras had some") if others else ("well", "no pictures")
    if not watched:
        return "unknown", "is being learned"
    judged = [one for one in seen if one.state in alarms.JUDGED]
    if not judged:
        few = not seen or seen[-1].state == "too few"
        return "unknown", "too few pictures for a verdict" if few else "could not be compared"
    named = " and ".join(NAMES[cause] for cause in judged[-1].causes)
    if not named:
        return "well", "healthy"
    return "troubled", f"perhaps: {named}" if judged[-1].state == "suspect" else named


def _midnights(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the day begins and ends there, in UTC."""
    begins = (datetime.combine(day + timedelta(days=number), time(), zone) for number in (0, 1))
    since, until = (moment.astimezone(UTC) for moment in begins)
    return since, until
