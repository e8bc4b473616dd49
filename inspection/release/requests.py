"""Requests: what has to happen before the next retrain, and what each still waits for. A fold of the ledger's events.

One request per incident, one per new class. A `label` request asks people for labels, so that the cost of a change can
be known; a `retrain` request is answered by the scheduled retrain as soon as its labels are there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import select

from inspection import clock, git, lock
from inspection.chain import Event
from inspection.layout import Layout
from inspection.model.package import Package
from inspection.params import Params, read_params
from inspection.records import incidents, ledger
from inspection.records.catalog import Catalog, fresh_labels, usable_batches
from inspection.records.schema import capture_table
from inspection.release import registry
from inspection.taxonomy import read_taxonomy


@dataclass(frozen=True)
class Request:
    """So many labelled images of so many parts, of these cameras since then (or of this class)."""

    name: str
    kind: Literal["label", "retrain"]
    why: str
    labels: int
    parts: int
    opened: datetime
    incident: str = ""
    cameras: tuple[str, ...] = ()
    since: datetime | None = None
    label: str = ""  # of a new class
    answered: datetime | None = None
    answer: str = ""
    candidate: str = ""
    have: int = 0  # labels that it had when it was answered

    @property
    def open(self) -> bool:
        return self.answered is None


@dataclass(frozen=True)
class Standing:
    """How far a request has come."""

    request: Request
    labels: int
    parts: int
    not_before: datetime | None  # the end of the cool-down, if it still runs

    @property
    def met(self) -> bool:
        return self.labels >= self.request.labels and self.parts >= self.request.parts and self.not_before is None

    @property
    def words(self) -> str:
        """What it waits for, in a sentence."""
        asked = self.request
        if self.labels < asked.labels or self.parts < asked.parts:
            of = f"of {asked.label}" if asked.label else f"from {' and '.join(asked.cameras)}"
            since = f", captured since {asked.since:%Y-%m-%d %H:%M} UTC" if asked.since else ""
            return (
                f"waits for labels {of}{since}: {self.labels} of {asked.labels} images, "
                f"{self.parts} of {asked.parts} parts"
            )
        if self.not_before is not None:
            return (
                f"has its labels; the last retrain was just now, so it waits until {self.not_before:%Y-%m-%d %H:%M} UTC"
            )
        if asked.kind == "label":
            return "has its labels; the next watch works out what the change costs"
        return "has its labels; the next scheduled retrain takes it up"


def fold(events: Iterable[Event]) -> list[Request]:
    """Every request as it stands, oldest first."""
    found: dict[str, Request] = {}
    for event in events:
        if event.kind != "request":
            continue
        body, name = event.body, event.body["request"]
        if body["what"] == "opened":
            found[name] = _opened(event)
        else:
            found[name] = replace(
                found[name],
                answered=clock.parse(event.at),
                answer=body["answer"],
                candidate=body.get("candidate") or "",
                have=body["have"],
            )
    return list(found.values())


def wish(
    known: Sequence[Request],
    kind: Literal["label", "retrain"],
    why: str,
    needs: Mapping[str, Any],
) -> dict[str, Any] | None:
    """The event that opens a request, or None when its incident or class has one that is open already.

    Args:
        needs: `labels`, `parts`, and either `incident`, `cameras` and `since` or `label`.
    """
    about = needs.get("incident") or needs.get("label")
    if any(one.open and one.kind == kind and about in (one.incident, one.label) for one in known):
        return None
    return {"request": f"R-{len(known) + 1:04d}", "what": "opened", "asks": kind, "why": why, **needs}


def answer(name: str, words: str, candidate: str | None = None, have: int = 0) -> dict[str, Any]:
    """The event that answers a request; `have` is how many labels it had."""
    return {"request": name, "what": "answered", "answer": words, "candidate": candidate, "have": have}


def answers(
    events: Sequence[Event], met: Sequence[Standing], version: str | None, refused: bool, settings: Params
) -> list[dict[str, Any]]:
    """The events that close the requests that a retrain met; where the gate `refused` its candidate, those that ask
    again are among them, so that both are written or neither.

    Args:
        version: of the candidate; None: the model came out the same again.
    """
    bodies = [answer(one.request.name, version or "the same model again", version, one.labels) for one in met]
    for one in met if refused else ():
        more = again(fold([*events, *(_event(body) for body in bodies)]), one, settings)
        bodies += [more] if more else []
    return bodies


def again(known: Sequence[Request], refused: Standing, settings: Params) -> dict[str, Any] | None:
    """The event that asks once more, for more labels than there were, after the gate refused a candidate."""
    one = refused.request
    needs: dict[str, Any] = {"labels": refused.labels + settings.train.min_labels, "parts": one.parts}
    if one.label:
        needs["label"] = one.label
    else:
        more = max(settings.requests.labels // 2, 1)
        since = clock.stamp(one.since) if one.since else None
        needs |= {"incident": one.incident, "cameras": list(one.cameras), "since": since}
        needs["labels"] = refused.labels + more
    return wish(known, "retrain", one.why, needs)


def standings(layout: Layout, catalog: Catalog, settings: Params) -> list[Standing]:
    """Every open request and how far it has come."""
    events = ledger.read(layout)
    every, faults = fold(events), incidents.fold(events)
    declared = list(read_taxonomy(layout.taxonomy).classes)
    return [
        Standing(one, *_labelled(one, catalog, faults, declared), _cool_down(one, every, settings))
        for one in every
        if one.open
    ]


def due(every: Iterable[Standing]) -> list[Standing]:
    """The retrain requests whose conditions are met."""
    return [one for one in every if one.request.kind == "retrain" and one.met]


def ask_for_classes(layout: Layout, catalog: Catalog) -> list[Request]:
    """Open a request for each declared class that the live model does not know and that has its first labels, and for
    each that it knows by its likeness to few pictures alone, once twice as many are labelled."""
    live = registry.live(layout)
    if live is None or not (layout.live / "card.json").exists():
        return []
    settings, taxonomy = read_params(layout.params), read_taxonomy(layout.taxonomy)
    card, opened = Package(layout.live).card, []
    wanted = [name for name in taxonomy.classes if name not in card.classes or name in card.alike]
    with lock.hold(layout, lock.WRITE, "opening requests"):
        for name in wanted:
            every = fold(ledger.read(layout))
            mine = [one for one in every if one.label == name]
            had = max((one.have for one in mine), default=0)
            least = max(had + settings.train.min_labels, 2 * card.alike.get(name, 0))
            needs = {"label": name, "labels": least, "parts": settings.train.min_parts}
            why = f"class {name}, known by its likeness to few pictures" if name in card.alike else f"new class {name}"
            event = wish(every, "retrain", why, needs)
            if event is None or any(one.candidate and _waits(layout, one) for one in mine):
                continue
            faults = incidents.fold(ledger.read(layout))
            labels, parts = _labelled(_opened(_event(event)), catalog, faults, list(taxonomy.classes))
            if labels >= least and parts >= settings.train.min_parts:
                opened += [_opened(one) for one in ledger.append(layout, "request", "Andon", [event])]
        git.commit(layout.home, ledger.files(layout), f"Requests: {', '.join(one.name for one in opened) or 'none'}")
    return opened


def _waits(layout: Layout, request: Request) -> bool:
    """Whether the candidate that answered a request may still be approved."""
    from inspection.release import approval

    found = {one.version: one for one in approval.requests(layout)}.get(request.candidate)
    return found is not None and approval.state(layout, found) in ("waiting for approval", "approved")


def _event(body: Mapping[str, Any]) -> Event:
    """As it would stand in the ledger."""
    return Event(0, clock.stamp(clock.now()), "request", "", body, "")


def _labelled(
    request: Request, catalog: Catalog, faults: Sequence[incidents.Incident], declared: Sequence[str]
) -> tuple[int, int]:
    """Labelled images, and parts they show, that count for a request: those that training may use, so none of a held
    batch, with a stale label or one that is not `declared`, or that a camera's fault keeps out."""
    labels, c = fresh_labels().subquery(), capture_table.c
    query = select(c.image_id, c.serial, c.camera, c.captured_at).join(labels, labels.c.image_id == c.image_id)
    query = query.where(c.batch.in_(usable_batches()), labels.c.label.in_(declared))
    if request.label:
        query = query.where(labels.c.label == request.label)
    else:
        query = query.where(c.camera.in_(request.cameras))
    if request.since is not None:
        query = query.where(c.captured_at > request.since.replace(tzinfo=None))
    found = catalog.frame(query)
    usable = found[~incidents.held_back(faults, found)]
    return int(usable["image_id"].nunique()), int(usable["serial"].nunique())


def _cool_down(request: Request, every: Sequence[Request], settings: Params) -> datetime | None:
    """Until when a retrain that nobody typed has to wait after the last one."""
    ends = [
        one.answered + timedelta(hours=settings.requests.cool_down_hours)
        for one in every
        if one.answered is not None and one.kind == "retrain"
    ]
    last = max(ends, default=None)
    return last if last is not None and request.kind == "retrain" and last > clock.now() else None


def _opened(event: Event) -> Request:
    body = event.body
    return Request(
        name=body["request"],
        kind=body["asks"],
        why=body["why"],
        labels=body["labels"],
        parts=body["parts"],
        opened=clock.parse(event.at),
        incident=body.get("incident") or "",
        cameras=tuple(body.get("cameras") or ()),
        since=clock.parse(body["since"]) if body.get("since") else None,
        label=body.get("label") or "",
    )
