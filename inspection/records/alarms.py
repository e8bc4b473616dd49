"""Which windows make an incident, what the next ones do to it, and which end it.

A change is an incident when one window is sure of it or so many in a row show it, and is over when so many in a row do
not show it at all. Suspicion begins below certainty, so an incident does not open and close at its limit.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from inspection import clock
from inspection.chain import Event
from inspection.params import Watch
from inspection.records.growth import growth
from inspection.records.incidents import RECOVERED, Incident, closing, ended, fold_one

JUDGED = ("healthy", "suspect", "changed")  # states of windows that say something
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

    def tells(self, incident: Incident) -> bool:
        """Whether it says that the incident's cause is there, or that it is not: a fault may hide another change."""
        if incident.cause in self.causes or self.measured is None:
            return True
        return incident.finding["statistic"] in self.measured


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
        for event in (*_spread(known, glance, seen, settings), *_recovered(known, glance, past, settings)):
            events.append(event)
            known = fold_one(known, event, glance.last)
    return events


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
        closing(incident, RECOVERED, _last_shown(incident, past))
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
    )
