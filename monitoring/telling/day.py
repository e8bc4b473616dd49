"""A day of the plant: how each camera was, and what the models said."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Integer, func, select

from inspection.cameras import read_cameras
from inspection.intake import pace
from inspection.layout import Layout
from inspection.post.causes import NAMES
from inspection.post.daily_letter import CameraDay
from inspection.records import alarms, commissions, incidents, ledger
from inspection.records.catalog import Catalog
from inspection.records.schema import capture_table, score_table, stored

State = Literal["well", "unknown", "troubled"]


def days(layout: Layout, catalog: Catalog, day: date, zone: ZoneInfo) -> list[CameraDay]:
    """Every declared camera's day, which begins and ends at midnight in `zone`."""
    events = ledger.read(layout)
    since, until = _midnights(day, zone)
    counts = _counts(catalog, since, until)
    seen = [one for one in alarms.glances(events) if since <= one.last < until]
    faults = [one for one in incidents.fold(events) if one.open and one.onset[0] < until]
    watched = commissions.current(events)
    came = catalog.arrivals(since - pace.HISTORY)
    told = []
    for name, camera in read_cameras(layout.cameras).items():
        images, judged, rejected = counts.get(name, (0, 0, 0))
        mine = [one for one in seen if one.camera == name]
        stands = [one for one in faults if name in one.cameras]
        known = pace.expected(camera, _before(came.get(name), since))
        if images:
            state, words = _state(mine, name in watched)
            if state == "well" and known is None:
                words += f"; how many pictures to expect is known after {pace.LEAST_HISTORY.days} days"
        else:
            silent = any(one.cause == "silent" for one in stands)
            state, words = _without_pictures(known, since, until, silent, bool(counts))
        names = tuple(_named(one, name) for one in stands)
        told.append(CameraDay(name, images, len(mine), rejected if judged else None, state, words, names))
    return told


def _named(incident: incidents.Incident, camera: str) -> str:
    """An incident in a few words, with what it explains on this camera."""
    also = [NAMES[cause] for cause in incident.also_on.get(camera, ())]
    return f"{NAMES[incident.cause]} ({incident.name}{', also ' + ' and '.join(also) if also else ''})"


def _before(came: pace.Came | None, since: datetime) -> pace.Came | None:
    """What had been delivered before the day began."""
    hours = {hour: count for hour, count in came.hours.items() if hour < since} if came else {}
    return pace.Came(hours, max(hours)) if hours else None


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


def _state(seen: Sequence[alarms.Glance], watched: bool) -> tuple[State, str]:
    """How a camera did on a day on which it delivered pictures, and that in words."""
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


def _without_pictures(
    known: pace.Expected | None, since: datetime, until: datetime, silent: bool, others: bool
) -> tuple[State, str]:
    """How a camera did on a day without pictures.

    Args:
        silent: whether an incident stands open because of it. others: whether any camera had pictures.
    """
    if silent:
        return "troubled", "no pictures"
    if known is None:
        words = "no pictures, while other cameras had some" if others else "no pictures"
        return "troubled" if others else "unknown", f"{words}; how many to expect is not known yet"
    if missed := known.between(since, until):
        return "troubled", f"no pictures, where about {missed:.0f} were expected"
    stop = known.camera.stop_at(since)
    why = f"announced stop: {stop.reason}" if stop else "night, weekend or announced stop"
    return "well", f"no pictures expected ({why})"


def _midnights(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the day begins and ends there, in UTC."""
    begins = (datetime.combine(day + timedelta(days=number), time(), zone) for number in (0, 1))
    since, until = (moment.astimezone(UTC) for moment in begins)
    return since, until
