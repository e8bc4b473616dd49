"""Incidents: what went wrong on which cameras, since when, and what was done. A fold of the ledger's events."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pandas as pd

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
    "processing": "who changed the cameras' settings or their firmware",
    "transfer": "the network or the computer of the cameras",
    "wrong_view": "whether cables or mountings were exchanged",
    "frozen": "the network or the computer of the cameras",
    "new_product": "a new product on the line",
    "changed_mix": "what is produced",
    "changed_surface": "the material or its supplier",
    "defect_rate": "a machine upstream",
    "silent": "the power, the network, the computer that takes the pictures in",
    "unjudged": "what was changed on the line",
}

ABSENT = ("silent", "unjudged")  # no window shows them: there is none, or none that can be judged
ORDER: Sequence[tuple[tuple[str, ...], str]] = (  # what began together: the first explains those after it, because ...
    (ABSENT, "without a picture that can be judged nothing else can be told"),
    (("frozen",), "one picture again and again repeats whatever was in it"),
    (("transfer",), "torn frames lack rows, which reads as darkness, movement, specks and other parts"),
    (("wrong_view",), "another view differs in everything: light, place, sharpness, parts"),
    (("processing",), "sharpening, compression and gamma change brightness, edges and grain of every picture"),
    (("framing",), "what has moved leaves edges behind, which read as specks, blur and odd brightness"),
    (("lighting",), "other light shows relief and gloss, which read as specks, blur and other surfaces"),
    (("fixture",), "another surround throws other light, and its edges read as specks"),
    (("film",), "a film scatters light: it takes contrast, sharpness and brightness where it lies"),
    (("blur",), "blur softens grain and edges, which read as less noise and as specks"),
    (("dust", "dead_pixels", "hot_pixels", "stuck_pixels", "noise"), "one blemish may be counted as several of these"),
    (("unknown",), "it says only that something is there"),
    (("new_product", "changed_mix"), "other parts have other surfaces and are rejected more or less often"),
    (("changed_surface",), "parts that look otherwise are rejected more or less often"),
    (("defect_rate",), "it comes last: of all others the model's verdicts may be a consequence"),
)
_RANKS = {cause: rank for rank, (causes, _) in enumerate(ORDER) for cause in causes}
_SMALL, _PARTS = _RANKS["dust"], _RANKS["new_product"]  # from here on: blemishes, which hide no part; the parts
ALIKE = (("frozen", "transfer"), ("framing", "fixture"), ("new_product", "changed_mix", "changed_surface"))
"""Causes that one physical thing may bring, each on another camera of a line: a network or computer; a conveyor or
fixture; what is produced."""


def rank(cause: str) -> int:
    """The cause's place in ORDER; that of "unknown" where it has none."""
    return _RANKS.get(cause, _RANKS["unknown"])


def explains(cause: str, other: str) -> bool:
    """Whether one change is probably behind both, where they began together on one camera, and `cause` is told first.

    Faults of a camera go together; they change how parts look and are rejected, and all but blemishes also what the
    parts seem to be; dust changes their surface. Other parts are behind no fault of a camera.
    """
    mine, its = rank(cause), rank(other)
    if mine >= _PARTS:
        return its >= mine
    return its != _PARTS or mine < _SMALL or (cause, other) == ("dust", "changed_surface")


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
        also_on: camera -> cause -> what began there together with it, and is no incident of its own as long as this one
            is open: its finding, onset and window.
        seen_as: camera -> the cause by which it shows the change, where that is another one (ALIKE).
        told_as: causes by which people were told of it before one was found that explains them.
        decided: the causes that its action answers.
        after: the incident whose consequence it was, and which it outlived.
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
    also_on: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    seen_as: Mapping[str, str] = field(default_factory=dict)
    told_as: tuple[str, ...] = ()
    decided: tuple[str, ...] = ()
    after: str = ""

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
    def marks(self) -> bool:
        """Whether pictures are in doubt because of it: where none came there is none."""
        return self.cause != "silent"

    @property
    def also(self) -> dict[str, Mapping[str, Any]]:
        """Cause -> the strongest finding of it, of what was seen beside its own cause and probably comes of it."""
        found: dict[str, Mapping[str, Any]] = {}
        for seen in self.also_on.values():
            for cause, one in seen.items():
                if cause not in found or one["finding"]["strength"] > found[cause]["strength"]:
                    found[cause] = one["finding"]
        return dict(sorted(found.items(), key=lambda one: rank(one[0])))

    @property
    def causes(self) -> tuple[str, ...]:
        """Its own cause, then those that it explains."""
        return (self.cause, *(cause for cause in self.also if cause != self.cause))

    def cause_on(self, camera: str) -> str:
        """The cause by which this camera shows it."""
        return self.seen_as.get(camera, self.cause)

    def statistic_on(self, camera: str) -> str:
        """What this camera's windows have to tell, so that they can say whether it is still there."""
        if camera in self.seen_as:
            return str(self.also_on[camera][self.seen_as[camera]]["finding"]["statistic"])
        return str(self.finding["statistic"])

    def covers(self, camera: str, at: datetime) -> bool:
        """Whether a capture is suspect because of it."""
        began = self.marks and camera in self.cameras and at > self.onset[0]
        return began and (self.closed is None or at <= self.closed)

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
        if self.cause == "silent":
            return f"They fell silent at about the same time, so look first at what they share: {shared}."
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


def held_back(incidents: Iterable[Incident], rows: pd.DataFrame) -> pd.Series:
    """For each capture (`camera`, `captured_at` in UTC) the incident that `kept_out` names, or ""; by `rows`' index."""
    known = [one for one in incidents if one.action == "repair"]
    mine = rows[rows["camera"].isin({camera for one in known for camera in one.cameras})]
    found = pd.Series("", rows.index, object)
    pairs = zip(mine["camera"], mine["captured_at"], strict=True)
    found[mine.index] = [kept_out(known, camera, clock.parse(str(at))) or "" for camera, at in pairs]
    return found


def ended(known: Iterable[Incident], camera: str) -> dict[str, datetime]:
    """Cause -> when the last incident on the camera that it was the cause or a consequence of was over."""
    found: dict[str, datetime] = {}
    for one in known:
        if one.closed and camera in one.cameras:
            for cause in (one.cause_on(camera), *one.also_on.get(camera, ())):
                found[cause] = max(one.closed, found.get(cause, one.closed))
    return found


def closing(incident: Incident, why: str, over: datetime) -> dict[str, Any]:
    """The event that closes an incident; until `over` images may show it."""
    return {"incident": incident.name, "what": "closed", "why": why, "over": clock.stamp(over)}


def _go_on(found: dict[str, Incident], event: Event) -> None:
    """Take one more event into what was found so far; one of an incident that was never opened has no effect
    (ledger.strays)."""
    name, what = event.body["incident"], event.body["what"]
    if what == "opened":
        found[name] = _opened(event)
    elif name in found:
        found[name] = replace(found[name], **_CHANGES[what](found[name], event))


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
        after=body.get("after", ""),
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
    body = event.body
    first, last = (clock.parse(text) for text in body["onset"])
    onset, told = (min(one.onset[0], first), min(one.onset[1], last)), max(one.told, body["finding"]["strength"])
    lines = one.line.split(" and ")
    line = one.line if body.get("line", one.line) in lines else " and ".join([*lines, body["line"]])
    joined = {"cameras": (*one.cameras, body["camera"]), "onset": onset, "line": line}
    if body.get("cause", one.cause) == one.cause:
        return {**joined, "told": told}
    return {**joined, **_beside(one, body), "seen_as": {**one.seen_as, body["camera"]: body["cause"]}}


def _beside(one: Incident, body: Mapping[str, Any]) -> dict[str, Any]:
    """`also_on` with one cause more on a camera; of one that it has already the onset stays."""
    mine = one.also_on.get(body["camera"], {})
    began = mine.get(body["cause"], body)
    kept = {"finding": body["finding"], "onset": began["onset"], "window": began["window"]}
    return {"also_on": {**one.also_on, body["camera"]: {**mine, body["cause"]: kept}}}


def _explained(one: Incident, event: Event) -> dict[str, Any]:
    return {**_beside(one, event.body), "grew": one.grew + bool(event.body.get("grew"))}


def _recast(one: Incident, event: Event) -> dict[str, Any]:
    """Another cause, which explains the one that people were told of."""
    body = event.body
    onset = [clock.stamp(moment) for moment in one.onset]
    before = {"camera": body["camera"], "cause": one.cause, "finding": one.current, "onset": onset}
    first, last = (clock.parse(text) for text in body["onset"])
    beside = _beside(one, {**before, "window": one.window})["also_on"]
    mine = {cause: seen for cause, seen in beside[body["camera"]].items() if cause != body["cause"]}
    return {
        "also_on": {**beside, body["camera"]: mine},
        "cause": body["cause"],
        "finding": body["finding"],
        "refreshed": {},
        "told": body["finding"]["strength"],
        "window": body["window"],
        "onset": (min(one.onset[0], first), min(one.onset[1], last)),
        "told_as": (*one.told_as, one.cause),
        "grew": one.grew + 1,
    }


def _routed(one: Incident, event: Event) -> dict[str, Any]:
    body = event.body
    said = {"action": body["action"], "reasons": tuple(body["reasons"]), "cost": body.get("cost") or {}}
    estimate = {"estimate": body.get("estimate") or {}, "model": body.get("package", ""), "check": {}}
    return {**said, **estimate, "weighed": one.grew, "decided": one.causes}


def _checked(_: Incident, event: Event) -> dict[str, Any]:
    return {"check": event.body["check"]}


def _closed(one: Incident, event: Event) -> dict[str, Any]:
    body = event.body
    over = {"closed": clock.parse(body.get("over", event.at)), "why_closed": body["why"]}
    person = "" if event.by == "watch" else event.by  # who may use the word "recovered" as well
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
    "explained": _explained,
    "recast": _recast,
    "routed": _routed,
    "checked": _checked,
    "closed": _closed,
    "settled": _settled,
    "ruled": _ruled,
}
