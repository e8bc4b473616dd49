"""Which windows make an incident, what the next ones do to it, and which end it.

A change is an incident when one window is sure of it or so many in a row show it, and is over when so many in a row do
not show it at all. Suspicion begins below certainty, so an incident does not open and close at its limit.

One physical change may show as several causes. Those that begin together on a camera (`confirm_windows` apart at most)
are one incident: of the cause that is sure and comes first in `incidents.ORDER`; the others are kept with it as its
consequences. What outlives it is an incident of its own, with the onset that it had.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from inspection import clock
from inspection.chain import Event
from inspection.params import Watch
from inspection.records.growth import growth
from inspection.records.incidents import ABSENT, ALIKE, RECOVERED, Incident, closing, ended, explains, fold_one, rank

JUDGED = ("healthy", "suspect", "changed")  # states of windows that say something
OTHER_PARTS = ("new_product", "changed_surface")
NEAR = 4  # pixels within which two windows show a spot at the same place
REFRESH = 0.1  # share of the size by which it has to change before the ledger notes it, or 2 standard errors


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
    notes: tuple[str, ...] = ()

    def shows(self, incident: Incident) -> bool:
        return incident.cause_on(self.camera) in self.causes

    def tells(self, incident: Incident) -> bool:
        """Whether it says that the incident's cause is there, or that it is not: a fault may hide another change."""
        if self.shows(incident) or self.measured is None:
            return True
        return incident.statistic_on(self.camera) in self.measured


def glances(events: Iterable[Event]) -> list[Glance]:
    """Every window that was looked at, in the order in which it was."""
    return [_glance(one) for one in windows(events)]


def windows(events: Iterable[Event], camera: str | None = None) -> list[Mapping[str, Any]]:
    """Every window as the ledger has it, in the order in which it was looked at; of one camera, or of all."""
    seen = (one for event in events if event.kind == "watch" for one in event.body["windows"])
    return [one for one in seen if camera in (None, one["camera"])]


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
        for step in (_recovered, _noted, _opened):
            for event in step(known, glance, past, settings):
                events.append(event)
                known = fold_one(known, event, glance.last)
    return events


def _noted(
    known: Sequence[Incident], glance: Glance, past: Mapping[str, Sequence[Glance]], settings: Watch
) -> list[dict[str, Any]]:
    """What this window tells of its camera's open incidents: they grew or changed their size, or a consequence did."""
    events: list[dict[str, Any]] = []
    seen = past[glance.camera]
    for cause, finding in glance.causes.items():
        if (mine := _standing(known, cause, glance.camera)) is not None:
            if what := _change(mine, glance.camera, finding, settings):
                body = {"finding": _with_growth(finding, mine, seen), "camera": glance.camera, "window": glance.window}
                events.append({"incident": mine.name, "what": what, **body})
        elif (mine := _explaining(known, cause, seen, settings)) is not None:
            events += _consequence(mine, cause, finding, seen, settings)
    return events


def _consequence(
    incident: Incident, cause: str, finding: Mapping[str, Any], seen: Sequence[Glance], settings: Watch
) -> list[dict[str, Any]]:
    """What one more window does to what an incident explains: while both are young it may turn out to be what explains;
    after that people are told again when it grows as an incident does."""
    camera = seen[-1].camera
    before = incident.also_on[camera][cause]
    young = _young(incident, len(seen) - 1, seen, settings)
    body = {**before, "incident": incident.name, "camera": camera, "cause": cause, "finding": dict(finding)}
    if young and finding.get("sure") and _recasts(cause, incident):
        return [{**body, "what": "recast"}]
    if finding["strength"] >= before["finding"]["strength"] * settings.remind_growth:
        return [{**body, "what": "explained", "grew": not young}]
    return []


def _opened(
    known: Sequence[Incident], glance: Glance, past: Mapping[str, Sequence[Glance]], settings: Watch
) -> list[dict[str, Any]]:
    """What this window makes of causes that belong to no open incident of its camera: incidents, or a part of one."""
    events: list[dict[str, Any]] = []
    after, seen = list(known), past[glance.camera]
    for one in sorted(_openings(known, seen, settings), key=lambda one: one.order):
        event = _placed(after, one, seen, settings)
        events.append(event)
        after = fold_one(after, event, glance.last)
    return events


@dataclass(frozen=True)
class Opening:
    """A cause that is to be told of, with the camera's window that first showed it, by number, and its onset.

    Attributes:
        sure: whether its finding is, or another camera of the line has confirmed it.
        after: the incident that it outlived.
    """

    cause: str
    finding: Mapping[str, Any]
    began: int
    window: Glance
    onset: Sequence[str]
    sure: bool
    after: str = ""

    @property
    def order(self) -> tuple[bool, int, float]:
        """Of several the first is what is sure, explains the others, is strongest."""
        return not self.sure, rank(self.cause), -float(self.finding["strength"])


def _openings(known: Sequence[Incident], seen: Sequence[Glance], settings: Watch) -> list[Opening]:
    """The causes that the last window confirms and that belong to no open incident of its camera; with them those that
    it only suspects, but other cameras of the line have confirmed."""
    camera, over = seen[-1].camera, ended(known, seen[-1].camera)
    found, suspected = [], []
    for cause, finding in seen[-1].causes.items():
        if _standing(known, cause, camera) or _explaining(known, cause, seen, settings):
            continue
        run = _run(seen, cause, over.get(cause))
        if not run:
            continue
        began, sure = _began(seen, cause, settings), bool(finding.get("sure"))
        opening = Opening(cause, finding, began, run[0], _onset(seen, run, cause), sure)
        outlived = _outlived(known, cause, seen, over)
        if outlived is not None:
            sums = any(one.causes[cause].get("slow") for one in run)  # begun anew with the end of the incident
            if len(run) >= settings.recover_windows * (2 if sums else 1):
                onset = outlived.also_on[camera][cause]["onset"]
                found.append(replace(opening, onset=onset, after=outlived.name))
        elif (sure and not _beside_other_parts(cause, seen, settings)) or len(run) >= settings.confirm_windows:
            found.append(opening)
        elif _together(known, opening, settings) is not None:
            suspected.append(replace(opening, sure=True))
    return found + [one for one in suspected if any(explains(one.cause, other.cause) for other in found)]


def _beside_other_parts(cause: str, seen: Sequence[Glance], settings: Watch) -> bool:
    """Whether windows just before the last one showed other parts: what one window alone then shows of the camera may
    be theirs."""
    before = [one for one in seen[-1 - settings.confirm_windows : -1] if one.reference == seen[-1].reference]
    return cause not in OTHER_PARTS and any(other in one.causes for one in before for other in OTHER_PARTS)


def _placed(known: Sequence[Incident], one: Opening, seen: Sequence[Glance], settings: Watch) -> dict[str, Any]:
    """The event that tells of it: as a consequence, on one more camera, as what explains an incident, or by itself."""
    camera = one.window.camera
    told = {"cause": one.cause, "camera": camera, "finding": dict(one.finding)}
    body = {**told, "onset": list(one.onset), "window": one.window.window}
    mine = [] if one.after else [other for other in known if _stands(other, seen, settings)]
    young = [other for other in mine if _young(other, one.began, seen, settings)]
    hosts = [other for other in young if explains(other.cause_on(camera), one.cause)]
    above = [other for other in hosts if not one.sure or rank(other.cause_on(camera)) <= rank(one.cause)]
    if above:
        return {"incident": above[0].name, "what": "explained", **body}
    if (near := _together(known, one, settings)) is not None:
        return {"incident": near.name, "what": "joined", **body}
    below = [other for other in young if one.sure and _recasts(one.cause, other)]
    if below:
        return {"incident": below[0].name, "what": "recast", **body}
    if hosts:
        return {"incident": hosts[0].name, "what": "explained", **body}
    after = {"after": one.after} if one.after else {}
    return {"incident": f"I-{len(known) + 1:04d}", "what": "opened", "line": one.window.line, **body, **after}


def _recasts(cause: str, incident: Incident) -> bool:
    """Whether it explains the incident, and not the other way round; what several cameras agree on stays as it is."""
    alone = len(incident.cameras) == 1
    return alone and rank(cause) < rank(incident.cause) and explains(cause, incident.cause)


def _young(incident: Incident, began: int, seen: Sequence[Glance], settings: Watch) -> bool:
    """Whether the camera's window of that number belongs to the incident's beginning there."""
    first = bisect_left(seen, incident.onset[1], key=lambda one: one.last)
    start = next((number for number in range(first, len(seen)) if seen[number].shows(incident)), None)
    return start is not None and abs(began - start) < settings.confirm_windows


def _began(seen: Sequence[Glance], cause: str, settings: Watch) -> int:
    """The number of the first window with the cause from which on it was never over."""
    statistic = seen[-1].causes[cause]["statistic"]
    began, without = len(seen) - 1, 0
    for number in range(len(seen) - 1, -1, -1):
        one = seen[number]
        if one.reference != seen[-1].reference or without == settings.recover_windows:
            break
        if cause in one.causes:
            began, without = number, 0
        elif one.measured is None or statistic in one.measured:
            without += 1
    return began


def _outlived(
    known: Sequence[Incident], cause: str, seen: Sequence[Glance], over: Mapping[str, datetime]
) -> Incident | None:
    """The incident that explained the cause until it was over, if the cause has been there ever since."""
    camera = seen[-1].camera
    for one in reversed(known):
        if one.closed and one.closed == over.get(cause) and cause in one.also_on.get(camera, ()):
            end = bisect_right(seen, one.closed, key=lambda it: it.last)
            same = {glance.reference for glance in seen[max(end - 1, 0) :]} == {seen[-1].reference}
            return one if same and all(cause in glance.causes for glance in seen[end:]) else None
    return None


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
        closing(incident, RECOVERED, _last_shown(incident, past))
        for incident in known
        if incident.open
        and incident.cause not in ABSENT
        and glance.camera in incident.cameras
        and all(_gone(past.get(camera, ()), incident, settings) for camera in incident.cameras)
    ]


def _last_shown(incident: Incident, past: Mapping[str, Sequence[Glance]]) -> datetime:
    """The last moment before the first window that was without it again: until then images may show it."""
    ends = [incident.onset[1]]
    for camera in incident.cameras:
        told = [one for one in past.get(camera, ()) if one.tells(incident)]
        shown = [number for number, one in enumerate(told) if one.shows(incident)]
        if shown and shown[-1] + 1 < len(told):
            ends.append(max(told[shown[-1]].last, told[shown[-1] + 1].first - timedelta(microseconds=1)))
    return max(ends)


def _gone(seen: Sequence[Glance], incident: Incident, settings: Watch) -> bool:
    told = [one for one in seen if one.tells(incident)]
    last = told[-settings.recover_windows :]
    gone = len(last) == settings.recover_windows and not any(one.shows(incident) for one in last)
    return gone and not _adding_up(told, incident)


def _adding_up(told: Sequence[Glance], incident: Incident) -> bool:
    """Whether what last showed it added up against an earlier reference, and not as many windows have come since."""
    shown = next((one for one in reversed(told) if one.shows(incident)), told[-1])
    windows = int(shown.causes.get(incident.cause_on(shown.camera), {}).get("slow", 0))
    since = [one.reference for one in told if one.last > shown.last and one.reference != shown.reference]
    return bool(since) and len(since) < windows


def _late(glance: Glance, seen: Sequence[Glance]) -> bool:
    """Whether it ends before a window of its camera that was judged already."""
    return bool(seen) and glance.last <= seen[-1].last


def _standing(known: Sequence[Incident], cause: str, camera: str) -> Incident | None:
    mine = (one for one in known if one.open and one.cause == cause and camera in one.cameras)
    return next((one for one in mine if camera not in one.seen_as), None)


def _explaining(known: Sequence[Incident], cause: str, seen: Sequence[Glance], settings: Watch) -> Incident | None:
    """The open incident that has the cause as a consequence on this camera."""
    mine = (one for one in known if cause in one.also_on.get(seen[-1].camera, ()))
    return next((one for one in mine if _stands(one, seen, settings)), None)


def _stands(incident: Incident, seen: Sequence[Glance], settings: Watch) -> bool:
    """Whether it is open and not over on this camera, which may be so while others still show it."""
    here = incident.open and incident.cause not in ABSENT and seen[-1].camera in incident.cameras
    return here and not _gone(seen, incident, settings)


def _together(known: Sequence[Incident], opening: Opening, settings: Watch) -> Incident | None:
    """An open incident of the same cause, or of one that the same physical thing may bring, which began on another
    camera of the line at about the same time."""
    camera, line = opening.window.camera, opening.window.line
    near, began = timedelta(hours=settings.together_hours), clock.parse(opening.onset[1])
    about = [one for one in known if one.open and one.line == line and abs(began - one.onset[1]) <= near]
    alike = [{opening.cause}, *(set(causes) for causes in ALIKE if opening.cause in causes)]
    for causes in alike:
        for one in about:
            if one.cause in causes and camera not in one.cameras:
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


def _onset(seen: Sequence[Glance], run: Sequence[Glance], cause: str) -> list[str]:
    """From the last capture of the last window without it to the last capture of the first window with it; what came
    slowly began with the first of the windows that add up to it."""
    slow = max(1, int(run[0].causes[cause].get("slow", 1)))  # windows that add up to the first with it, itself included
    clean = seen[: max(0, len(seen) - len(run) - slow + 1)]
    start = clean[-1].last if clean else seen[0].first - timedelta(microseconds=1)  # the first capture is in it
    return [clock.stamp(start), clock.stamp(run[0].last)]


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
        notes=tuple(body.get("notes", ())),
    )
