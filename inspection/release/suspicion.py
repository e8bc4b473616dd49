"""Which parts a change makes suspect: what was judged since it began by a model that did not know it, until it was
mended or a model that has learned it is on the line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from inspection import clock
from inspection.chain import Event
from inspection.layout import Layout
from inspection.params import read_params
from inspection.pictures import piece, returned
from inspection.records import alarms, commissions, ledger
from inspection.records.alarms import JUDGED
from inspection.records.catalog import Catalog
from inspection.records.incidents import Incident
from inspection.records.schema import capture_table, label_table, score_table, stored
from inspection.release import registry


@dataclass(frozen=True)
class Suspicion:
    """From when to when captures of these cameras are suspect.

    Attributes:
        until: the last moment that may show the change; None: it stands, or counts as healthy since.
        knowing: packages that have learned the change.
        learned: since when such a package is on the line without a break; None: none is.
    """

    cameras: tuple[str, ...]
    since: datetime
    until: datetime | None
    knowing: frozenset[str] = frozenset()
    learned: datetime | None = None

    @property
    def complete(self) -> bool:
        """Whether no part is added any more."""
        return self.until is not None or self.learned is not None

    @property
    def captures(self) -> ColumnElement[bool]:
        """The condition on `captures`, outer-joined with `scores`, that selects the suspect ones."""
        c, s = capture_table.c, score_table.c
        parts: list[ColumnElement[bool]] = [c.camera.in_(self.cameras), c.captured_at > stored(self.since)]
        parts.append(returned.known(c.serial))
        if self.until is not None:
            parts.append(c.captured_at <= stored(self.until))
        unknowing = s.package.notin_(sorted(self.knowing))
        unjudged: ColumnElement[bool] = s.package.is_(None)
        if self.learned is not None:
            unjudged = and_(unjudged, c.captured_at <= stored(self.learned))
        return and_(*parts, or_(unjudged, unknowing)) if self.knowing else and_(*parts)

    def covers(self, camera: str, at: datetime, package: str | None) -> bool:
        """Whether a capture that this package judged (None: none did) is suspect."""
        if camera not in self.cameras or at <= self.since or (self.until is not None and at > self.until):
            return False
        if package is None:
            return self.learned is None or at <= self.learned
        return package not in self.knowing


def of(incident: Incident, layout: Layout, catalog: Catalog) -> Suspicion:
    """What an incident makes suspect, as things stand now."""
    span = (incident.cameras, incident.onset[0])
    until = over(incident, ledger.read(layout))
    releases = [one for one in registry.history(layout) if one.at > incident.onset[0]]
    if not releases or not doubted(incident):
        return Suspicion(*span, until)
    knowing = {one.package for one in releases if _taught(incident, layout, catalog, one.version)}
    learned = None
    for one in reversed(releases):
        if one.package not in knowing:
            break
        learned = one.at
    return Suspicion(*span, until, frozenset(knowing), learned)


def judged(incident: Incident, layout: Layout, catalog: Catalog) -> int:
    """How many of its suspect parts a model has judged."""
    c = capture_table.c
    query = select(func.count(piece.column(c).distinct())).join(score_table, score_table.c.capture_id == c.capture_id)
    with catalog.engine.connect() as connection:
        return connection.scalar(query.where(of(incident, layout, catalog).captures)) or 0


def doubted(incident: Incident) -> bool:
    """Whether its change makes what the model said of the parts doubtful; one that is only watched costs nothing."""
    return incident.action != "watch" and incident.marks


def unsettled(incident: Incident, layout: Layout, catalog: Catalog) -> bool:
    """Whether it is over and nobody has said what was done with all of its suspect parts."""
    if incident.open or not incident.action or not doubted(incident):
        return False
    return not incident.parts or waiting(incident, layout, catalog) > 0


def waiting(incident: Incident, layout: Layout, catalog: Catalog) -> int:
    """Its suspect parts that nobody has spoken of: those that came after the last word on them, if there was one."""
    if not incident.action or not doubted(incident):
        return 0
    c, events = capture_table.c, ledger.read(layout)
    words = [event.at for event in events if event.body.get("parts") and _about(event, incident)]
    end = over(incident, events)
    if words and end is not None and end <= clock.parse(words[-1]):
        return 0
    query = select(func.count(piece.column(c).distinct())).join(
        score_table, score_table.c.capture_id == c.capture_id, isouter=True
    )
    query = query.where(of(incident, layout, catalog).captures)
    if words:
        query = query.where(c.captured_at > stored(clock.parse(words[-1])))
    with catalog.engine.connect() as connection:
        return connection.scalar(query) or 0


def _about(event: Event, incident: Incident) -> bool:
    return event.kind == "incident" and event.body.get("incident") == incident.name


def over(incident: Incident, events: Sequence[Event]) -> datetime | None:
    """The last moment at which parts may show the change; None while it stands and where a new reference made it what
    counts as healthy, for it is in the pictures still."""
    if incident.closed is None:
        return None
    if incident.recovered or not doubted(incident):
        return incident.closed
    ends = [_over(incident, camera, events) for camera in incident.cameras]
    known = [one for one in ends if one is not None]
    return max(known) if len(known) == len(ends) else None


def _over(incident: Incident, camera: str, events: Sequence[Event]) -> datetime | None:
    """As `over`, on one of its cameras: before the first window that was without it, held against a reference that does
    not know it."""
    later = {
        one.version for one in commissions.fold(events).get(camera, ()) if one.first > incident.onset[0]
    }  # they may have learned the change
    start = clock.stamp(incident.onset[0])
    seen = sorted(
        (
            one
            for one in alarms.glances(event for event in events if event.at >= start)
            if one.camera == camera and one.state in JUDGED and one.last > incident.onset[0]
            if one.reference not in later and one.tells(incident)
        ),
        key=lambda one: one.last,
    )
    shown = [number for number, one in enumerate(seen) if incident.cause in one.causes]
    after = shown[-1] + 1 if shown else 0
    if after < len(seen):
        before = seen[shown[-1]].last if shown else incident.onset[1]
        return max(before, seen[after].first - timedelta(microseconds=1))
    learning = commissions.under_way(events).get(camera)
    if later or (learning is not None and learning.since >= incident.onset[0]):
        return None
    return incident.closed


def _taught(incident: Incident, layout: Layout, catalog: Catalog, version: str) -> bool:
    """Whether a release's model was trained on as many labelled images of the change, of as many parts, as a retrain
    waits for."""
    cut = registry.cut(layout, version)
    if cut is None:
        return False  # unknown, so it is not said to know
    c, labels = capture_table.c, label_table.c
    query: Any = (
        select(c.image_id, c.part, c.serial)
        .join(label_table, labels.image_id == c.image_id)
        .where(c.camera.in_(incident.cameras), c.captured_at > stored(incident.onset[1]), labels.n <= cut.events)
        .distinct()
    )
    found = catalog.frame(query)
    found = found[~found["image_id"].isin(cut.exclusions)]
    least = read_params(layout.params).requests
    return bool(found["image_id"].nunique() >= least.labels and piece.of(found).nunique() >= least.parts)
