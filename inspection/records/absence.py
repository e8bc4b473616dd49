"""Cameras that deliver nothing, or nothing that can be judged: which of that is an incident, and when it is over. Pure.

No window shows such an incident, so it is followed apart from those of `alarms`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from inspection import clock
from inspection.cameras import Camera
from inspection.intake.pace import HOUR, Silence
from inspection.params import Watch
from inspection.records.alarms import JUDGED, Glance
from inspection.records.incidents import RECOVERED, Incident, closing, ended, fold_one

MUTE = ("not comparable", "too few")  # states of windows that ought to be judged and cannot
LEAST_WINDOWS = 2  # that cannot be judged
SPARSE = 3  # times as long it takes where windows only have too few pictures: a weekend with some is none


def unjudged(
    incidents: Sequence[Incident], before: Sequence[Glance], new: Sequence[Glance], settings: Watch
) -> list[dict[str, Any]]:
    """The events that `new` windows make of cameras that nobody can judge, given the windows `before` them.

    A camera is one when `unjudged_hours` of its pictures, in two windows or more, could not be compared, or had too few
    pictures for thrice that time. It is over with the first window that is judged. A camera that is learning is none.
    """
    known, events = list(incidents), list[dict[str, Any]]()
    rows: dict[str, list[Glance]] = {}
    for glance in before:
        _take(glance, rows)
    for glance in sorted(new, key=lambda one: (one.last, one.camera)):
        if not _take(glance, rows):
            continue
        judged = glance.state in JUDGED
        for event in (
            _judged_again(known, glance, rows) if judged else _nobody_can(known, rows[glance.camera], settings)
        ):
            events.append(event)
            known = fold_one(known, event, glance.last)
    return events


def _take(glance: Glance, rows: dict[str, list[Glance]]) -> bool:
    """Put a window behind those of its camera since the last that was judged; whether it did not come late. What came
    before a camera is learned counts no more."""
    row = rows.setdefault(glance.camera, [])
    if row and glance.last <= row[-1].last:
        return False
    if glance.state in (*JUDGED, "learning"):
        row.clear()
    row.append(glance)
    return True


def _judged_again(
    known: Sequence[Incident], glance: Glance, rows: Mapping[str, Sequence[Glance]]
) -> list[dict[str, Any]]:
    """Incidents all of whose cameras are judged again, the last of them by this window."""

    def heals(one: Incident) -> bool:
        last = [rows[camera][-1] for camera in one.cameras if rows.get(camera)]
        return all(window.state in JUDGED and window.last > one.onset[1] for window in last)

    mine = [one for one in known if one.open and one.cause == "unjudged" and glance.camera in one.cameras]
    before = glance.first - timedelta(microseconds=1)
    return [closing(one, RECOVERED, max(one.onset[1], before)) for one in mine if heals(one)]


def _nobody_can(known: Sequence[Incident], row: Sequence[Glance], settings: Watch) -> list[dict[str, Any]]:
    """What the camera's windows since the last that was judged (the first of `row`, if it was) make of it."""
    camera, line = row[-1].camera, row[-1].line
    closed = ended(known, camera).get("unjudged")
    said = [one for one in row if one.state in JUDGED]
    mute = [one for one in row if one.state in MUTE and (closed is None or one.last > closed)]
    wrong = [one for one in mute if one.state == "not comparable"]
    hours = (mute[-1].last - mute[0].first) / HOUR if mute else 0.0
    least = settings.unjudged_hours * (1 if len(wrong) >= LEAST_WINDOWS else SPARSE)
    standing = any(one.open and one.cause == "unjudged" and camera in one.cameras for one in known)
    if standing or len(mute) < LEAST_WINDOWS or hours < least:
        return []
    start = said[-1].last if said else mute[0].first - timedelta(microseconds=1)
    body = {
        "camera": camera,
        "finding": _finding("unjudged", hours, hours / least, _why(camera, hours, mute, wrong)),
        "onset": [clock.stamp(start), clock.stamp(mute[0].last)],
        "window": mute[-1].window,
    }
    near = timedelta(hours=settings.together_hours)
    for one in known:
        if one.open and one.cause == "unjudged" and one.line == line and abs(mute[0].last - one.onset[1]) <= near:
            return [{"incident": one.name, "what": "joined", "cause": "unjudged", **body}]
    return [{**_opened(known, "unjudged", line), **body}]


def _why(camera: str, hours: float, mute: Sequence[Glance], wrong: Sequence[Glance]) -> str:
    """Since when and for which reasons, as the windows gave them, the most frequent first."""
    reasons = [note for one in (wrong or mute) for note in one.notes]
    often = sorted(dict.fromkeys(reasons), key=reasons.count, reverse=True)[:2]
    said = f" The reason given: {' '.join(often)}" if often else " No reason was given."
    return f"None of the last {len(mute)} windows of {camera} could be judged, for {hours:.0f} hours.{said}"


def silent(
    incidents: Sequence[Incident],
    cameras: Mapping[str, Camera],
    quiet: Mapping[str, Silence],
    last: Mapping[str, datetime],
    now: datetime,
    settings: Watch,
) -> list[dict[str, Any]]:
    """The events that open, widen and close incidents of cameras that deliver no pictures. All that fall silent at
    about the same time are one, of whatever line.

    Args:
        quiet: the cameras that should have delivered since their last picture; those whose silence `lasts` are told of,
            and with them those that fell silent at about the same time.
        last: camera -> when its last picture was taken in.
    """
    known, events = list(incidents), list[dict[str, Any]]()

    def add(event: dict[str, Any]) -> None:
        nonlocal known
        events.append(event)
        known = fold_one(known, event, now)

    for incident in known:
        if incident.open and incident.cause == "silent" and (over := _heard(incident, cameras, quiet, last, now)):
            add(over)
    near = timedelta(hours=settings.together_hours)
    fresh = {name: one for name, one in quiet.items() if name in cameras and not _told(known, one)}
    certain = [one for one in fresh.values() if one.lasts(settings.silent_hours)]
    mates = [one for one in fresh.values() if any(abs(one.missed - other.missed) <= near for other in certain)]
    for one in sorted(mates, key=lambda one: (not one.lasts(settings.silent_hours), -one.pictures, one.camera)):
        camera = cameras[one.camera]
        words = _words([one, *(other for other in mates if other is not one)], cameras)
        body = {
            "camera": one.camera,
            "finding": _finding("silent", one.hours, one.hours / settings.silent_hours, words),
            "onset": [clock.stamp(one.since), clock.stamp(one.missed + HOUR)],
            "window": "",
        }
        host = next((host for host in known if host.open and host.cause == "silent" and _near(host, one, near)), None)
        if host is None:
            add({**_opened(known, "silent", camera.line), **body})
        else:
            add({"incident": host.name, "what": "joined", "cause": "silent", "line": camera.line, **body})
    return events


def _near(incident: Incident, quiet: Silence, near: timedelta) -> bool:
    return abs(quiet.missed + HOUR - incident.onset[1]) <= near


def _told(known: Sequence[Incident], quiet: Silence) -> bool:
    """Whether people know of this silence: an incident stands open, or a person has closed it since."""
    mine = [one for one in known if one.cause == "silent" and quiet.camera in one.cameras]
    return any(one.open or (one.closed_by and one.closed and one.closed > quiet.missed) for one in mine)


def _heard(
    incident: Incident,
    cameras: Mapping[str, Camera],
    quiet: Mapping[str, Silence],
    last: Mapping[str, datetime],
    now: datetime,
) -> dict[str, Any] | None:
    """The event that ends the incident: every one of its cameras delivers again, is stopped on purpose, or is gone."""
    back, stops = [], []
    for name in incident.cameras:
        came = last.get(name)
        if name not in cameras:
            stops.append(f"{name} is not declared in cameras.yaml any more")
        elif name not in quiet and came is not None and came >= incident.onset[1]:
            back.append(came)
        elif (stop := cameras[name].stop_at(now)) is not None:
            stops.append(f"announced stop of {name}: {stop.reason}")
        else:
            return None
    why = RECOVERED if back or not stops else "; ".join(stops)
    return closing(incident, why, max(back, default=now))


def _words(quiet: Sequence[Silence], cameras: Mapping[str, Camera]) -> str:
    """Which cameras, since when by the clock of the first, and what had been expected."""
    first = quiet[0]
    since = first.since.astimezone(cameras[first.camera].zone)
    names = sorted(one.camera for one in quiet)
    who = " and ".join(names) if len(names) < 4 else f"{len(names)} cameras ({', '.join(names)})"
    if len(names) > 1 and set(names) == set(cameras):
        who = f"any camera of the plant ({', '.join(names)})"
    pictures = sum(one.pictures for one in quiet)
    return (
        f"No picture has come from {who} since {since:%a %d %b %Y, %H:%M} ({cameras[first.camera].time_zone}). "
        f"About {pictures:.0f} were expected in the {first.hours} working hours since then."
    )


def _finding(cause: str, hours: float, strength: float, words: str) -> dict[str, Any]:
    said = {"cause": cause, "statistic": cause, "size": round(float(hours), 1), "unit": "hours", "words": words}
    return {**said, "strength": max(float(strength), 1.0), "sure": True, "spots": [], "error": None, "details": {}}


def _opened(known: Sequence[Incident], cause: str, line: str) -> dict[str, Any]:
    return {"incident": f"I-{len(known) + 1:04d}", "what": "opened", "line": line, "cause": cause}
