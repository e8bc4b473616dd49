"""Incidents: what went wrong on which cameras, since when, and what was done. A fold of the ledger's events.

A change is an incident when so many windows in a row show it, and is over when so many in a row do not.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inspection import clock, git, ledger, lock
from inspection.chain import Event
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.params import Watch

JUDGED = ("healthy", "changed")  # states of windows that say something
RECOVERED = "recovered"


@dataclass(frozen=True)
class Glance:
    """What one window said of its camera: its causes, each with its finding as JSON."""

    window: str
    camera: str
    line: str
    first: datetime
    last: datetime
    images: int
    state: str
    causes: Mapping[str, Mapping[str, Any]]
    reference: str = ""


@dataclass(frozen=True)
class Incident:
    """One change with one cause. `onset` is the interval in which it began: after the last window without it,
    and no later than the first with it."""

    name: str
    line: str
    cameras: tuple[str, ...]
    cause: str
    finding: Mapping[str, Any]  # statistic, size, unit, words, spots
    onset: tuple[datetime, datetime]
    opened: datetime
    window: str
    told: float = 0.0  # strength when people were last told
    action: str = ""
    reasons: tuple[str, ...] = ()
    cost: Mapping[str, Any] = field(default_factory=dict)
    closed: datetime | None = None
    why_closed: str = ""
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
    def size(self) -> float:
        return float(self.finding["size"])


def glances(events: Iterable[Event]) -> list[Glance]:
    """Every window that was looked at, in the order in which it was."""
    return [_glance(one) for event in events if event.kind == "watch" for one in event.body["windows"]]


def fold(events: Iterable[Event]) -> list[Incident]:
    """Every incident as it stands, oldest first."""
    found: dict[str, Incident] = {}
    for event in events:
        if event.kind == "incident" and event.body["what"] != "followed":
            name = event.body["incident"]
            found[name] = _STEPS[event.body["what"]](found.get(name), event)
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


def rule(layout: Layout, name: str, by: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A person closes an incident (`what: closed`, `why`) or rules on its images (`what: ruled`, `images`).

    Raises:
        FixInput: no such incident, no name, it is closed already, or `images` is neither use nor drop.
    """
    git.require_identity(layout.home)
    if not by.strip():
        raise FixInput("That needs a person's name: add --by NAME.")
    with lock.hold(layout, lock.WRITE, f"ruling on {name}"):
        incident = find(layout, name)
        if body["what"] == "closed" and not incident.open:
            raise FixInput(f"{name} is closed already: {incident.why_closed}.")
        if body["what"] == "ruled" and body["images"] not in ("use", "drop"):
            raise FixInput(f"--images {body['images']!r}: say use or drop.")
        ledger.append(layout, "incident", by, [{"incident": name, **body}])
        git.commit(layout.home, ledger.files(layout), f"{name}: {body['what']} by {by}")
    return body


def follow(
    incidents: Sequence[Incident], before: Sequence[Glance], new: Sequence[Glance], settings: Watch
) -> list[dict[str, Any]]:
    """The events that `new` windows make of the `incidents`, given the windows `before` them. Pure.

    A window that ends before another of its camera that was judged already came late; it changes nothing.
    """
    known = list(incidents)
    past: dict[str, list[Glance]] = defaultdict(list)
    for glance in before:
        if glance.state in JUDGED and not _late(glance, past[glance.camera]):
            past[glance.camera].append(glance)
    events: list[dict[str, Any]] = []
    for glance in sorted(new, key=lambda one: (one.last, one.camera)):
        seen = past[glance.camera]
        if glance.state not in JUDGED or _late(glance, seen):
            continue
        seen.append(glance)
        for event in (*_spread(known, glance, seen, settings), *_recovered(known, glance, past, settings)):
            events.append(event)
            known = fold_one(known, event, glance.last)
    return events


def fold_one(incidents: Sequence[Incident], body: Mapping[str, Any], at: datetime) -> list[Incident]:
    """`incidents` after one more event, which is not written yet."""
    event = Event(0, clock.stamp(at), "incident", "watch", body, "")
    found = {incident.name: incident for incident in incidents}
    found[body["incident"]] = _STEPS[body["what"]](found.get(body["incident"]), event)
    return list(found.values())


def kept_out(incidents: Iterable[Incident], camera: str, at: datetime) -> str | None:
    """The incident because of which a capture is kept out of training until a person rules, if any."""
    for incident in incidents:
        over = incident.closed is not None and at > incident.closed
        affected = camera in incident.cameras and at > incident.onset[0] and not over
        if affected and incident.action == "repair" and incident.ruling != "use":
            return incident.name
    return None


def held_back(incidents: Sequence[Incident], rows: pd.DataFrame) -> NDArray[np.bool_]:
    """For each capture (`camera`, `captured_at` as the catalog has it) whether `kept_out` names an incident: (N,)."""
    pairs = zip(rows["camera"], rows["captured_at"], strict=True)
    return np.array([kept_out(incidents, camera, clock.parse(str(at))) is not None for camera, at in pairs], bool)


def _spread(known: Sequence[Incident], glance: Glance, seen: Sequence[Glance], settings: Watch) -> list[dict[str, Any]]:
    """Incidents that this window opens, joins or lets grow."""
    events: list[dict[str, Any]] = []
    number = len(known)
    for cause, finding in glance.causes.items():
        mine = _standing(known, cause, glance.camera)
        if mine is not None:
            if finding["strength"] >= mine.told * settings.remind_growth:
                events.append({"incident": mine.name, "what": "grew", "finding": dict(finding)})
            continue
        run = _run(seen, cause, _closed_at(known, cause, glance.camera))
        if len(run) < settings.confirm_windows:
            continue
        onset = _onset(seen, run)
        body = {"camera": glance.camera, "finding": dict(finding), "onset": onset, "window": run[0].window}
        near = _together(known, cause, glance, onset, settings)
        if near is not None:
            events.append({"incident": near.name, "what": "joined", **body})
        else:
            number += 1
            name = f"I-{number:04d}"
            events.append({"incident": name, "what": "opened", "line": glance.line, "cause": cause, **body})
    return events


def _recovered(
    known: Sequence[Incident], glance: Glance, past: Mapping[str, Sequence[Glance]], settings: Watch
) -> list[dict[str, Any]]:
    """Incidents of this camera that no window has shown for long enough, on none of their cameras."""
    return [
        {
            "incident": incident.name,
            "what": "closed",
            "why": RECOVERED,
            "over": clock.stamp(_last_shown(incident, past)),
        }
        for incident in known
        if incident.open
        and glance.camera in incident.cameras
        and all(_gone(past.get(camera, ()), incident.cause, settings) for camera in incident.cameras)
    ]


def _last_shown(incident: Incident, past: Mapping[str, Sequence[Glance]]) -> datetime:
    """When the last window without it began: until then images may show it."""
    ends = [incident.onset[1]]
    for camera in incident.cameras:
        ends += [one.last for one in past.get(camera, ()) if incident.cause in one.causes]
    return max(ends)


def _gone(seen: Sequence[Glance], cause: str, settings: Watch) -> bool:
    last = seen[-settings.recover_windows :]
    return len(last) == settings.recover_windows and all(cause not in one.causes for one in last)


def _late(glance: Glance, seen: Sequence[Glance]) -> bool:
    """Whether it ends before a window of its camera that was judged already."""
    return bool(seen) and glance.last <= seen[-1].last


def _standing(known: Sequence[Incident], cause: str, camera: str) -> Incident | None:
    return next((one for one in known if one.open and one.cause == cause and camera in one.cameras), None)


def _together(
    known: Sequence[Incident], cause: str, glance: Glance, onset: Sequence[str], settings: Watch
) -> Incident | None:
    """An open incident of the same cause that began on another camera of the line at about the same time."""
    near = timedelta(hours=settings.together_hours)
    began = clock.parse(onset[1])
    for one in known:
        if one.open and one.cause == cause and one.line == glance.line and abs(began - one.onset[1]) <= near:
            return one
    return None


def _run(seen: Sequence[Glance], cause: str, closed: datetime | None) -> list[Glance]:
    """The windows in a row, up to the last, that show the cause against one reference, since it was last closed."""
    run: list[Glance] = []
    for one in reversed(seen):
        if cause not in one.causes or one.reference != seen[-1].reference or (closed and one.last <= closed):
            break
        run.insert(0, one)
    return run


def _closed_at(known: Sequence[Incident], cause: str, camera: str) -> datetime | None:
    """When the last incident of this cause on this camera was over."""
    return max(
        (one.closed for one in known if one.closed and one.cause == cause and camera in one.cameras), default=None
    )


def _onset(seen: Sequence[Glance], run: Sequence[Glance]) -> list[str]:
    """From the last capture of the last window without it to the last capture of the first window with it."""
    clean = seen[: -len(run)]
    start = clean[-1].last if clean else run[0].first - timedelta(microseconds=1)  # the first capture is in it
    return [clock.stamp(start), clock.stamp(run[0].last)]


def _opened(_: Incident | None, event: Event) -> Incident:
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


def _known(incident: Incident | None) -> Incident:
    assert incident is not None, "an event of an incident that was never opened"
    return incident


def _grew(incident: Incident | None, event: Event) -> Incident:
    finding = event.body["finding"]
    one = _known(incident)
    return replace(one, finding=finding, told=finding["strength"], grew=one.grew + 1)


def _joined(incident: Incident | None, event: Event) -> Incident:
    one = _known(incident)
    first, last = (clock.parse(text) for text in event.body["onset"])
    onset = (min(one.onset[0], first), min(one.onset[1], last))
    return replace(one, cameras=(*one.cameras, event.body["camera"]), onset=onset)


def _routed(incident: Incident | None, event: Event) -> Incident:
    body = event.body
    one = _known(incident)
    said = {"action": body["action"], "reasons": tuple(body["reasons"]), "cost": body.get("cost") or {}}
    return replace(one, **said, weighed=one.grew)


def _closed(incident: Incident | None, event: Event) -> Incident:
    return replace(_known(incident), closed=clock.parse(event.body.get("over", event.at)), why_closed=event.body["why"])


def _ruled(incident: Incident | None, event: Event) -> Incident:
    return replace(_known(incident), ruling=event.body["images"], ruled_by=event.by)


_STEPS = {
    "opened": _opened,
    "grew": _grew,
    "joined": _joined,
    "routed": _routed,
    "closed": _closed,
    "ruled": _ruled,
}


def _glance(body: Mapping[str, Any]) -> Glance:
    return Glance(
        window=body["window"],
        camera=body["camera"],
        line=body["line"],
        first=clock.parse(body["first"]),
        last=clock.parse(body["last"]),
        images=body["images"],
        state=body["state"],
        causes={finding["cause"]: finding for finding in body["findings"]},
        reference=body["reference"],
    )
