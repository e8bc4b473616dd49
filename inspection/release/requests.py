"""Requests: what has to happen before the next retrain, and what each still waits for. A fold of the ledger's events.

One request per incident, one per new class. A `label` request asks people for labels, so that the cost of a change can
be known; a `retrain` request is answered by the scheduled retrain as soon as its labels are there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import pandas as pd

from inspection import clock, git, lock
from inspection.chain import Event
from inspection.layout import Layout
from inspection.model.package import Package
from inspection.params import Params, read_params
from inspection.pictures import piece
from inspection.records import ledger
from inspection.records.catalog import Catalog
from inspection.records.labels import learned_as, renamings
from inspection.release import aside, registry
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
    aside: str = ""  # how many more are labelled and set aside, why, and what brings them back

    @property
    def lacks(self) -> bool:
        """Whether labels are missing."""
        return self.labels < self.request.labels or self.parts < self.request.parts

    @property
    def met(self) -> bool:
        return not self.lacks and self.not_before is None

    @property
    def words(self) -> str:
        """What it waits for, in a sentence."""
        asked = self.request
        if self.lacks:
            of = f"of {asked.label}" if asked.label else f"from {' and '.join(asked.cameras)}"
            since = f", captured since {asked.since:%Y-%m-%d %H:%M} UTC" if asked.since else ""
            return (
                f"waits for labels {of}{since}: {self.labels} of {asked.labels} images, "
                f"{self.parts} of {asked.parts} parts" + (f". {self.aside}" if self.aside else "")
            )
        if self.not_before is not None:
            return (
                f"has its labels; the last retrain was just now, so it waits until {self.not_before:%Y-%m-%d %H:%M} UTC"
            )
        if asked.kind == "label":
            return "has its labels; the next watch works out what the change costs"
        return "has its labels; the next scheduled retrain takes it up"


def fold(events: Iterable[Event]) -> list[Request]:
    """Every request as it stands, oldest first; a class is called what it is called now."""
    found: dict[str, Request] = {}
    for event in events:
        if event.kind == "class-rename":
            old, new = event.body["old"], event.body["new"]
            found |= {name: replace(one, label=new) for name, one in found.items() if one.label == old}
        if event.kind != "request":
            continue
        body, name = event.body, event.body["request"]
        if body["what"] == "opened":
            found[name] = _opened(event)
        elif name in found:  # what answers another has no effect (ledger.strays)
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


def standings(
    layout: Layout, catalog: Catalog, settings: Params, labelled: pd.DataFrame | None = None
) -> list[Standing]:
    """Every open request and how far it has come.

    Args:
        labelled: as `aside.sorted_out` gives it, where it is known.
    """
    every = fold(ledger.read(layout))
    if not any(one.open for one in every):
        return []
    labelled = aside.sorted_out(layout, catalog) if labelled is None else labelled
    return [_standing(one, labelled, _cool_down(one, every, settings)) for one in every if one.open]


def due(every: Iterable[Standing]) -> list[Standing]:
    """The retrain requests whose conditions are met."""
    return [one for one in every if one.request.kind == "retrain" and one.met]


def ask_for_classes(layout: Layout, labelled: pd.DataFrame) -> list[Request]:
    """Open a request for each declared class that the live model does not know and that has its first labels, and for
    each that it knows by its likeness to few pictures alone, once twice as many are labelled.

    Args:
        labelled: as `aside.sorted_out` gives it.
    """
    line = registry.on_line(layout)
    if line is None:
        return []
    settings, taxonomy = read_params(layout.params), read_taxonomy(layout.taxonomy)
    card, opened = Package(line.folder).card, []
    now = learned_as(card.classes, renamings(ledger.read(layout)))
    alike = {now.get(name, name): count for name, count in card.alike.items()}
    wanted = [name for name in taxonomy.classes if name not in now.values() or name in alike]
    with lock.hold(layout, lock.WRITE, "opening requests"):
        for name in wanted:
            every = fold(ledger.read(layout))
            mine = [one for one in every if one.label == name]
            had = max((one.have for one in mine), default=0)
            least = max(had + settings.train.min_labels, 2 * alike.get(name, 0))
            needs = {"label": name, "labels": least, "parts": settings.train.min_parts}
            why = f"class {name}, known by its likeness to few pictures" if name in alike else f"new class {name}"
            event = wish(every, "retrain", why, needs)
            if event is None or any(one.candidate and _waits(layout, one) for one in mine):
                continue
            if not _standing(_opened(_event(event)), labelled).lacks:
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


def _standing(request: Request, labelled: pd.DataFrame, not_before: datetime | None = None) -> Standing:
    """How far it has come on the labelled images (`aside.sorted_out`): none that is set aside counts, but what a change
    costs can be seen on those that a camera's fault keeps out of training."""
    mine = labelled["label"] == request.label if request.label else labelled["camera"].isin(request.cameras)
    if request.since is not None:
        mine &= labelled["captured_at"] > request.since.replace(tzinfo=None)
    counted = labelled["reason"].isin(["", "excluded"] if request.kind == "label" else [""])
    usable, others = labelled[mine & counted], labelled[mine & ~counted]
    return Standing(request, len(usable), int(piece.of(usable).nunique()), not_before, aside.in_words(others))


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
