"""Incidents: what went wrong on which cameras, since when, and what was done. A fold of the ledger's events.

A change is an incident when one window is sure of it or so many in a row show it, and is over when so many in a row do
not show it at all. Suspicion begins below certainty, so an incident does not open and close at its limit.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import func, select

from inspection import clock, git, lock
from inspection.chain import Event
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.params import Watch
from inspection.records import ledger
from inspection.records.catalog import capture_table, open_catalog, score_table, stored
from inspection.records.growth import growth

JUDGED = ("healthy", "suspect", "changed")  # states of windows that say something
RECOVERED = "recovered"
PARTS = ("reinspected", "released", "scrapped", "none")  # what was done with the suspect parts
NEAR = 4  # pixels within which two windows show a spot at the same place
REFRESH = 0.1  # share of the size by which it has to change before the ledger notes it, or 2 standard errors

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
class Glance:
    """What one window said of its camera: its causes, each with its finding as JSON.

    Attributes:
        measured: the statistics that it could tell; None: nobody knows.
    """

    window: str
    camera: str
    line: str
    first: datetime
    last: datetime
    images: int
    state: str
    causes: Mapping[str, Mapping[str, Any]]
    reference: str = ""
    measured: frozenset[str] | None = None

    def tells(self, incident: "Incident") -> bool:
        """Whether it says that the incident's cause is there, or that it is not: a fault may hide another change."""
        if incident.cause in self.causes or self.measured is None:
            return True
        return incident.finding["statistic"] in self.measured


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
        parts: one of PARTS; empty until a person has said it.
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


def glances(events: Iterable[Event]) -> list[Glance]:
    """Every window that was looked at, in the order in which it was."""
    return [_glance(one) for one in windows(events)]


def windows(events: Iterable[Event], camera: str | None = None) -> list[Mapping[str, Any]]:
    """Every window as the ledger has it, in the order in which it was looked at; of one camera, or of all."""
    seen = (one for event in events if event.kind == "watch" for one in event.body["windows"])
    return [one for one in seen if camera in (None, one["camera"])]


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


def rule(layout: Layout, name: str, by: str, images: str) -> Mapping[str, Any]:
    """A person says what becomes of the images that an incident has marked; the event.

    Raises:
        FixInput: no such incident, nobody's name, or `images` is neither use nor drop.
    """
    if images not in ("use", "drop"):
        raise FixInput(f"--images {images!r}: say use or drop.")
    return _say(layout, name, by, lambda _: {"what": "ruled", "images": images})


def close(layout: Layout, name: str, by: str, why: str, parts: str = "") -> Mapping[str, Any]:
    """A person closes an incident and says what was done with the suspect parts; the event. One that is over by itself
    takes the word on its parts alone.

    Raises:
        FixInput: no such incident, nobody's name, no reason, closed already, or parts were judged on its pictures and
            `parts` is none of PARTS.
    """
    choices = f"{', '.join(PARTS[:-1])} or {PARTS[-1]}"
    if not why.strip():
        raise FixInput(f"Closing {name} needs a reason: add --why TEXT.")
    if parts and parts not in PARTS:
        raise FixInput(f"--parts {parts!r}: say {choices}.")

    def event(incident: Incident) -> dict[str, Any]:
        if not incident.open and (incident.parts or not parts):
            raise FixInput(f"{name} is closed already: {incident.why_closed}.")
        if not parts and (judged := _judged(layout, incident)):
            raise FixInput(
                f"{judged} suspect parts of {name} were judged on such pictures: say what was done with them, "
                f"--parts {choices}."
            )
        return {"what": "closed" if incident.open else "settled", "why": why.strip(), "parts": parts or "none"}

    return _say(layout, name, by, event)


def _say(layout: Layout, name: str, by: str, event: Callable[[Incident], dict[str, Any]]) -> Mapping[str, Any]:
    """Write a person's word on an incident to the ledger and commit it."""
    git.require_identity(layout.home)
    if not by.strip():
        raise FixInput("That needs a person's name: add --by NAME.")
    with lock.hold(layout, lock.WRITE, f"ruling on {name}"):
        body = {"incident": name, **event(find(layout, name))}
        ledger.append(layout, "incident", by, [body])
        git.commit(layout.home, ledger.files(layout), f"{name}: {body['what']} by {by}")
    return body


def _judged(layout: Layout, incident: Incident) -> int:
    """How many of its suspect parts a model has judged."""
    catalog = open_catalog(layout)
    with catalog.engine.connect() as connection:
        count: int = connection.scalar(_suspects(incident)) or 0
    catalog.close()
    return count


def _suspects(incident: Incident) -> Any:
    """A query: the number of parts judged since it may have begun, until it was over."""
    c = capture_table.c
    query = (
        select(func.count(c.serial.distinct()))
        .join(score_table, score_table.c.capture_id == c.capture_id)
        .where(c.camera.in_(incident.cameras), c.captured_at > stored(incident.onset[0]))
    )
    return query if incident.closed is None else query.where(c.captured_at <= stored(incident.closed))


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
        if incident.action == "repair" and incident.ruling != "use" and incident.covers(camera, at):
            return incident.name
    return None


def held_back(incidents: Sequence[Incident], rows: pd.DataFrame) -> NDArray[np.bool_]:
    """For each capture (`camera`, `captured_at` as the catalog has it) whether `kept_out` names an incident: (N,)."""
    pairs = zip(rows["camera"], rows["captured_at"], strict=True)
    return np.array([kept_out(incidents, camera, clock.parse(str(at))) is not None for camera, at in pairs], bool)


def _spread(known: Sequence[Incident], glance: Glance, seen: Sequence[Glance], settings: Watch) -> list[dict[str, Any]]:
    """Incidents that this window opens, joins, refreshes or lets grow."""
    events: list[dict[str, Any]] = []
    number = len(known)
    for cause, finding in glance.causes.items():
        mine = _standing(known, cause, glance.camera)
        if mine is not None:
            if what := _change(mine, glance.camera, finding, settings):
                body = {"finding": _with_growth(finding, mine, seen), "camera": glance.camera, "window": glance.window}
                events.append({"incident": mine.name, "what": what, **body})
            continue
        run = _run(seen, cause, ended(known, glance.camera).get(cause))
        if not run or (len(run) < settings.confirm_windows and not finding.get("sure")):
            continue
        onset = _onset(seen, run, cause)
        body = {"camera": glance.camera, "finding": dict(finding), "onset": onset, "window": run[0].window}
        near = _together(known, cause, glance, onset, settings)
        if near is not None:
            events.append({"incident": near.name, "what": "joined", **body})
        else:
            number += 1
            name = f"I-{number:04d}"
            events.append({"incident": name, "what": "opened", "line": glance.line, "cause": cause, **body})
    return events


def _with_growth(finding: Mapping[str, Any], incident: Incident, seen: Sequence[Glance]) -> dict[str, Any]:
    """`finding` with how fast its statistic grows in this camera's windows since the incident began, if it does."""
    since = [one for one in seen if one.last >= incident.onset[1] and incident.cause in one.causes]
    same = [one for one in since if one.causes[incident.cause]["statistic"] == finding["statistic"]]
    found = growth([one.last for one in same], [one.causes[incident.cause]["size"] for one in same])
    return {**finding, "growth": found.as_json() if found else None}


def _change(incident: Incident, camera: str, finding: Mapping[str, Any], settings: Watch) -> str:
    """What one more window that shows it does: it grew so much that people are told, its size (that of the first of its
    cameras) is noted, or nothing."""
    if finding["strength"] >= incident.told * settings.remind_growth:
        return "grew"
    before = float(incident.current["size"])
    noise = max(2 * (finding.get("error") or 0.0), REFRESH * abs(before))
    return "updated" if camera == incident.cameras[0] and abs(finding["size"] - before) > noise else ""


def _recovered(
    known: Sequence[Incident], glance: Glance, past: Mapping[str, Sequence[Glance]], settings: Watch
) -> list[dict[str, Any]]:
    """Incidents of this camera that windows which could show them have not shown for long enough, on none of their
    cameras."""
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
        and all(_gone(past.get(camera, ()), incident, settings) for camera in incident.cameras)
    ]


def _last_shown(incident: Incident, past: Mapping[str, Sequence[Glance]]) -> datetime:
    """The last moment before the first window that was without it again: until then images may show it."""
    ends = [incident.onset[1]]
    for camera in incident.cameras:
        told = [one for one in past.get(camera, ()) if one.tells(incident)]
        shown = [number for number, one in enumerate(told) if incident.cause in one.causes]
        if shown and shown[-1] + 1 < len(told):
            ends.append(max(told[shown[-1]].last, told[shown[-1] + 1].first - timedelta(microseconds=1)))
    return max(ends)


def _gone(seen: Sequence[Glance], incident: Incident, settings: Watch) -> bool:
    last = [one for one in seen if one.tells(incident)][-settings.recover_windows :]
    return len(last) == settings.recover_windows and all(incident.cause not in one.causes for one in last)


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
    """The windows in a row, up to the last, that show the cause against one reference (if it has spots, with one at the
    same place in all of them), since it was last closed."""
    run: list[Glance] = []
    places: Sequence[Mapping[str, Any]] = ()
    for one in reversed(seen):
        if cause not in one.causes or one.reference != seen[-1].reference or (closed and one.last <= closed):
            break
        spots = one.causes[cause].get("spots") or ()
        shared = [spot for spot in spots if any(_at_one_place(spot, place) for place in places)] if run else spots
        if run and not shared and (spots or places):
            break
        places = shared
        run.insert(0, one)
    return run


def _at_one_place(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(max(abs(one["row"] - other["row"]), abs(one["column"] - other["column"])) <= NEAR)


def ended(known: Iterable[Incident], camera: str) -> dict[str, datetime]:
    """Cause -> when its last incident on the camera was over."""
    found: dict[str, datetime] = {}
    for one in known:
        if one.closed and camera in one.cameras:
            found[one.cause] = max(one.closed, found.get(one.cause, one.closed))
    return found


def _onset(seen: Sequence[Glance], run: Sequence[Glance], cause: str) -> list[str]:
    """From the last capture of the last window without it to the last capture of the first window with it; what came
    slowly began with the first of the windows that add up to it."""
    slow = max(1, int(run[0].causes[cause].get("slow", 1)))  # windows that add up to the first with it, itself included
    clean = seen[: max(0, len(seen) - len(run) - slow + 1)]
    start = clean[-1].last if clean else seen[0].first - timedelta(microseconds=1)  # the first capture is in it
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
    body, one = event.body, _known(incident)
    camera = body.get("camera", one.cameras[0])
    cameras = (camera, *(other for other in one.cameras if other != camera))
    told = {"finding": body["finding"], "told": body["finding"]["strength"], "window": body.get("window", one.window)}
    return replace(one, **told, cameras=cameras, refreshed={}, grew=one.grew + 1)


def _updated(incident: Incident | None, event: Event) -> Incident:
    return replace(_known(incident), refreshed=event.body["finding"])


def _joined(incident: Incident | None, event: Event) -> Incident:
    one = _known(incident)
    first, last = (clock.parse(text) for text in event.body["onset"])
    onset, told = (min(one.onset[0], first), min(one.onset[1], last)), max(one.told, event.body["finding"]["strength"])
    return replace(one, cameras=(*one.cameras, event.body["camera"]), onset=onset, told=told)


def _routed(incident: Incident | None, event: Event) -> Incident:
    body = event.body
    one = _known(incident)
    said = {"action": body["action"], "reasons": tuple(body["reasons"]), "cost": body.get("cost") or {}}
    estimate = {"estimate": body.get("estimate") or {}, "model": body.get("package", ""), "check": {}}
    return replace(one, **said, **estimate, weighed=one.grew)


def _checked(incident: Incident | None, event: Event) -> Incident:
    return replace(_known(incident), check=event.body["check"])


def _closed(incident: Incident | None, event: Event) -> Incident:
    body = event.body
    over = {"closed": clock.parse(body.get("over", event.at)), "why_closed": body["why"]}
    person = "" if body["why"] == RECOVERED and event.by == "watch" else event.by  # a person may use the word as well
    return _settled(replace(_known(incident), closed_by=person, **over), event)


def _settled(incident: Incident | None, event: Event) -> Incident:
    """A word on the suspect parts, if there is one."""
    parts = event.body.get("parts", "")
    return replace(_known(incident), parts=parts, parts_by=event.by if parts else "")


def _ruled(incident: Incident | None, event: Event) -> Incident:
    return replace(_known(incident), ruling=event.body["images"], ruled_by=event.by)


_STEPS = {
    "opened": _opened,
    "grew": _grew,
    "updated": _updated,
    "joined": _joined,
    "routed": _routed,
    "checked": _checked,
    "closed": _closed,
    "settled": _settled,
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
        measured=frozenset(body["values"]) if "values" in body else None,
    )
