"""Incidents: what went wrong on which cameras, since when, and what was done. A fold of the ledger's events."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inspection import clock
from inspection.chain import Event
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import ledger

RECOVERED = "recovered"

LINE_CAUSES = {  # what cameras of one line have in common
    "lighting": "the supply of the lamps or daylight",
    "dust": "the air of the hall, or how the lenses were cleaned",
    "framing": "the fixture or the conveyor",
    "blur": "vibration of the line",
    "noise": "the supply of the cameras or the heat of the hall",
    "frozen": "the network or the computer of the cameras",
    "new_product": "a new product on the line",
    "changed_mix": "what is produced",
    "changed_surface": "the material or its supplier",
    "defect_rate": "a machine upstream",
}


@dataclass(frozen=True)
class Incident:
    """One change with one cause.

    Attributes:
        cameras: first the one that `finding` and `window` are of.
        finding: as people were last told (statistic, size, unit, words, spots); current: as the last window that was
            worth a note shows it.
        onset: the interval in which it began: after the last window without it, and no later than the first with it.
        estimate: of what passes because of it, as `monitoring.cost.escapes` has it; empty where nobody knows.
        model: the package that the estimate is of; check: the estimate against labels that came since.
        parts: one of rulings.PARTS; empty until a person has said it.
    """

    name: str
    line: str
    cameras: tuple[str, ...]
    cause: str
    finding: Mapping[str, Any]
    onset: tuple[datetime, datetime]
    opened: datetime
    window: str
    told: float = 0.0  # strength when people were last told
    action: str = ""
    reasons: tuple[str, ...] = ()
    cost: Mapping[str, Any] = field(default_factory=dict)
    estimate: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    check: Mapping[str, Any] = field(default_factory=dict)
    refreshed: Mapping[str, Any] = field(default_factory=dict)
    closed: datetime | None = None
    why_closed: str = ""
    closed_by: str = ""  # the person; empty where it was over by itself
    parts: str = ""
    parts_by: str = ""
    ruling: str = ""  # use or drop, said by a person
    ruled_by: str = ""
    grew: int = 0  # how often it did
    weighed: int = 0  # `grew` when its cost was last weighed

    @property
    def state_key(self) -> str:
        """Another one for each state that people have to be told of."""
        cameras = "+".join(self.cameras)
        return f"incident/{self.name}/{cameras}/{self.action}/grew-{self.grew}/{'open' if self.open else 'closed'}"

    @property
    def open(self) -> bool:
        return self.closed is None

    @property
    def recovered(self) -> bool:
        """Whether it was over by itself."""
        return self.why_closed == RECOVERED and not self.closed_by

    @property
    def size(self) -> float:
        return float(self.finding["size"])

    @property
    def current(self) -> Mapping[str, Any]:
        return self.refreshed or self.finding

    @property
    def unsettled(self) -> bool:
        """Whether it is over and nobody has said what was done with the parts that a faulty camera let pass."""
        return not self.open and self.action == "repair" and not self.parts

    def covers(self, camera: str, at: datetime) -> bool:
        """Whether a capture is suspect because of it."""
        return camera in self.cameras and at > self.onset[0] and (self.closed is None or at <= self.closed)

    @property
    def line_level(self) -> bool:
        """Whether several cameras of the line agree on it."""
        return len(self.cameras) > 1

    @property
    def line_words(self) -> str:
        """Where to look first when several cameras agree; nothing for one camera alone."""
        if not self.line_level:
            return ""
        shared = LINE_CAUSES.get(self.cause, "what these cameras have in common")
        return (
            f"{len(self.cameras)} cameras of line {self.line} show it since about the same time, so the cause probably "
            f"is the line's and not each camera's: look at {shared} first."
        )


def fold(events: Iterable[Event]) -> list[Incident]:
    """Every incident as it stands, oldest first."""
    found: dict[str, Incident] = {}
    for event in events:
        if event.kind == "incident" and event.body["what"] != "followed":
            _go_on(found, event)
    return list(found.values())


def fold_one(incidents: Sequence[Incident], body: Mapping[str, Any], at: datetime) -> list[Incident]:
    """`incidents` after one more event, which is not written yet."""
    found = {incident.name: incident for incident in incidents}
    _go_on(found, Event(0, clock.stamp(at), "incident", "watch", body, ""))
    return list(found.values())


def find(layout: Layout, name: str) -> Incident:
    """The incident of that name.

    Raises:
        FixInput: there is none.
    """
    known = {incident.name: incident for incident in fold(ledger.read(layout))}
    if name not in known:
        raise FixInput(f"No incident {name!r}; there are: {', '.join(known) or 'none'}.")
    return known[name]


def kept_out(incidents: Iterable[Incident], camera: str, at: datetime) -> str | None:
    """The incident because of which a capture is kept out of training until a person rules, if any."""
    for incident in incidents:
        if incident.action == "repair" and incident.ruling != "use" and incident.covers(camera, at):
            return incident.name
    return None


def held_back(incidents: Sequence[Incident], rows: pd.DataFrame) -> NDArray[np.bool_]:
    """For each capture (`camera`, `captured_at` as the catalog has it) whether `kept_out` names an incident: (N,)."""
    pairs = zip(rows["camera"], rows["captured_at"], strict=True)
    return np.array([kept_out(incidents, camera, clock.parse(str(at))) is not None for camera, at in pairs], bool)


def ended(known: Iterable[Incident], camera: str) -> dict[str, datetime]:
    """Cause -> when its last incident on the camera was over."""
    found: dict[str, datetime] = {}
    for one in known:
        if one.closed and camera in one.cameras:
            found[one.cause] = max(one.closed, found.get(one.cause, one.closed))
    return found


def closing(incident: Incident, why: str, over: datetime) -> dict[str, Any]:
    """The event that closes an incident; until `over` images may show it."""
    return {"incident": incident.name, "what": "closed", "why": why, "over": clock.stamp(over)}


def _go_on(found: dict[str, Incident], event: Event) -> None:
    """Take one more event into what was found so far."""
    name, what = event.body["incident"], event.body["what"]
    found[name] = _opened(event) if what == "opened" else replace(found[name], **_CHANGES[what](found[name], event))


def _opened(event: Event) -> Incident:
    body = event.body
    return Incident(
        name=body["incident"],
        line=body["line"],
        cameras=(body["camera"],),
        cause=body["cause"],
        finding=body["finding"],
        onset=(clock.parse(body["onset"][0]), clock.parse(body["onset"][1])),
        opened=clock.parse(event.at),
        window=body["window"],
        told=body["finding"]["strength"],
    )


def _grew(one: Incident, event: Event) -> dict[str, Any]:
    body = event.body
    camera = body.get("camera", one.cameras[0])
    cameras = (camera, *(other for other in one.cameras if other != camera))
    told = {"finding": body["finding"], "told": body["finding"]["strength"], "window": body.get("window", one.window)}
    return {**told, "cameras": cameras, "refreshed": {}, "grew": one.grew + 1}


def _updated(_: Incident, event: Event) -> dict[str, Any]:
    return {"refreshed": event.body["finding"]}


def _joined(one: Incident, event: Event) -> dict[str, Any]:
    first, last = (clock.parse(text) for text in event.body["onset"])
    onset, told = (min(one.onset[0], first), min(one.onset[1], last)), max(one.told, event.body["finding"]["strength"])
    return {"cameras": (*one.cameras, event.body["camera"]), "onset": onset, "told": told}


def _routed(one: Incident, event: Event) -> dict[str, Any]:
    body = event.body
    said = {"action": body["action"], "reasons": tuple(body["reasons"]), "cost": body.get("cost") or {}}
    estimate = {"estimate": body.get("estimate") or {}, "model": body.get("package", ""), "check": {}}
    return {**said, **estimate, "weighed": one.grew}


def _checked(_: Incident, event: Event) -> dict[str, Any]:
    return {"check": event.body["check"]}


def _closed(one: Incident, event: Event) -> dict[str, Any]:
    body = event.body
    over = {"closed": clock.parse(body.get("over", event.at)), "why_closed": body["why"]}
    person = "" if body["why"] == RECOVERED and event.by == "watch" else event.by  # a person may use the word as well
    return {**over, "closed_by": person, **_settled(one, event)}


def _settled(_: Incident, event: Event) -> dict[str, Any]:
    """A word on the suspect parts, if there is one."""
    parts = event.body.get("parts", "")
    return {"parts": parts, "parts_by": event.by if parts else ""}


def _ruled(_: Incident, event: Event) -> dict[str, Any]:
    return {"ruling": event.body["images"], "ruled_by": event.by}


_CHANGES: Mapping[str, Callable[[Incident, Event], dict[str, Any]]] = {
    "grew": _grew,
    "updated": _updated,
    "joined": _joined,
    "routed": _routed,
    "checked": _checked,
    "closed": _closed,
    "settled": _settled,
    "ruled": _ruled,
}
