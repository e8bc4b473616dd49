"""The words of Andon's mails to quality leads: plain, with units, and with what to do first. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from inspection.approval import Request as Candidate
from inspection.incidents import RECOVERED, Incident
from inspection.mail import Attachment, Letter, Picture, Tone
from inspection.registry import Release
from inspection.requests import Standing

TODO: Mapping[str, tuple[str, ...]] = {
    "dust": ("Ask maintenance to clean the lens and the light cover of {cameras}.",),
    "dead_pixels": ("Ask maintenance to replace the sensor of {cameras}, or to map the pixels out.",),
    "hot_pixels": ("Ask maintenance to check the cooling of {cameras} and to map the pixels out.",),
    "stuck_pixels": ("Ask maintenance to replace the sensor of {cameras}, or to map the pixels out.",),
    "blur": ("Ask maintenance to refocus {cameras} and to look for loose screws.",),
    "framing": ("Ask maintenance to put {cameras} and its fixture back where they were.",),
    "frozen": ("Ask maintenance to restart {cameras}: it delivers the same picture again and again.",),
    "lighting": ("Ask maintenance whether the light of {cameras} was changed on purpose; if not, have it mended.",),
    "unknown": ("Look at the pictures below: something has changed that Andon cannot name.",),
}
NAMES = {
    "lighting": "light has changed",
    "dust": "dust on the lens",
    "dead_pixels": "dead pixels",
    "hot_pixels": "hot pixels",
    "stuck_pixels": "stuck pixels",
    "blur": "blurred pictures",
    "framing": "camera or part has moved",
    "frozen": "camera stands still",
    "unknown": "pictures have changed",
}


def of_incident(
    incident: Incident,
    zone: ZoneInfo,
    suspects: int,
    request: Standing | None,
    pictures: Sequence[Picture] = (),
    attachments: Sequence[Attachment] = (),
) -> Letter:
    """An incident that stands open.

    Args:
        suspects: parts that passed since it may have begun.
        request: the labels that it waits for, if it does.
    """
    cameras = " and ".join(incident.cameras)
    what = NAMES[incident.cause]
    repair = incident.action == "repair"
    todo = [] if incident.action == "watch" else [line.format(cameras=cameras) for line in TODO[incident.cause]]
    if repair:
        todo.append(
            "Look through the parts in the attached list: they were judged on such pictures. Until somebody rules on "
            f"them they are not used for training: andon incidents rule {incident.name} --images use|drop --by NAME."
        )
    if request is not None:
        wanted, since = request.request, f"taken after {_when(incident.onset[1], zone)}"
        todo.append(
            f"Have {wanted.labels} pictures of {wanted.parts} or more parts of {cameras} labelled, {since}. "
            f"So far {request.labels} pictures of {request.parts} parts are."
        )
        if incident.action == "retrain":
            todo.append("Andon then retrains by itself and asks you before anything goes to the line.")
    if incident.action == "watch":
        todo.append("Nothing has to be done now. Andon keeps watching and writes again if it grows.")
    return Letter(
        subject=f"[Andon] Line {incident.line}, {cameras}: {what}",
        headline=f"{cameras}: {what}",
        tone=_tone(incident),
        summary=f"{incident.finding['words']} {_consequence(incident)}",
        facts=(
            ("Where", f"line {incident.line}, {cameras}"),
            ("What", f"{what} ({_size(incident)})"),
            ("Since", f"between {_when(incident.onset[0], zone)} and {_when(incident.onset[1], zone)}"),
            ("Parts since then", f"{suspects} (attached list)"),
            *_cost(incident),
            ("Incident", incident.name),
        ),
        todo=tuple(todo),
        reasons=incident.reasons,
        pictures=tuple(pictures),
        attachments=tuple(attachments),
        footer=_FOOTER,
    )


def of_recovery(incident: Incident, zone: ZoneInfo, suspects: int, attachments: Sequence[Attachment] = ()) -> Letter:
    """An incident that is over."""
    cameras = " and ".join(incident.cameras)
    todo = ["Nothing has to be done on the camera."]
    if incident.action == "repair" and not incident.ruling:
        todo.append(
            "The parts in the attached list were judged on bad pictures. Say whether their images may be used for "
            f"training: andon incidents rule {incident.name} --images use|drop --by NAME."
        )
    assert incident.closed is not None
    return Letter(
        subject=f"[Andon] Line {incident.line}, {cameras}: over – {NAMES[incident.cause]}",
        headline=f"{cameras}: over – {NAMES[incident.cause]}",
        tone="good",
        summary="The pictures look healthy again."
        if incident.why_closed == RECOVERED
        else f"Closed: {incident.why_closed}.",
        facts=(
            ("Where", f"line {incident.line}, {cameras}"),
            ("What it was", f"{NAMES[incident.cause]} ({_size(incident)})"),
            ("From", f"between {_when(incident.onset[0], zone)} and {_when(incident.onset[1], zone)}"),
            ("Until", _when(incident.closed, zone)),
            ("Parts in that time", f"{suspects} (attached list)"),
            ("Incident", incident.name),
        ),
        todo=tuple(todo),
        reasons=(),
        pictures=(),
        attachments=tuple(attachments),
        footer=_FOOTER,
    )


def of_candidate(candidate: Candidate, live: str | None, now: Mapping[str, float] | None, zone: ZoneInfo) -> Letter:
    """A model that waits for a decision, or that the gate refused.

    Args:
        live: version of the model that is on the line; now: its figures on the same test parts.
    """
    new = candidate.figures
    passed = candidate.promote
    headline = (
        f"Model {candidate.version} waits for your decision" if passed else f"Model {candidate.version} was refused"
    )
    table = [
        ("Defective parts passed", _pair("escapes", "defective_parts", new, now)),
        ("Good parts rejected", _pair("false_rejects", "good_parts", new, now)),
        ("Classes told apart", _accuracy(new, now)),
    ]
    todo: tuple[str, ...]
    if passed:
        todo = (
            f"To let it go to the line: andon approve {candidate.version} --by YOUR-NAME",
            f"To turn it down: andon reject {candidate.version} --by YOUR-NAME --note WHY",
            "Until you decide, the line keeps the model it has. Whoever asked for the model cannot approve it.",
        )
    else:
        todo = ("Nothing: the line keeps the model it has. The reasons below say what is missing.",)
    return Letter(
        subject=f"[Andon] {headline}: {new['escapes']} of {new['defective_parts']} defective parts passed in its test",
        headline=headline,
        tone="warn" if passed else "info",
        summary=f"It was made because: {candidate.reason}.",
        facts=(
            *table,
            (
                "Compared with",
                f"{live}, which is on the line, on the same parts" if live else "nothing: it is the first",
            ),
            ("Knows", ", ".join(candidate.classes)),
            ("Asked for by", candidate.requested_by),
            ("Package", candidate.package[:12]),
        ),
        todo=todo,
        reasons=(*candidate.objections, *candidate.reasons),
        pictures=(),
        attachments=(),
        footer=_FOOTER,
    )


def of_release(release: Release, zone: ZoneInfo) -> Letter:
    """A model that went to the line, or came back."""
    back = release.action == "rollback"
    headline = f"Model {release.version} is on the line{' again' if back else ''}"
    return Letter(
        subject=f"[Andon] {headline}",
        headline=headline,
        tone="warn" if back else "good",
        summary=f"{'Put back' if back else 'Approved'} by {release.by}.",
        facts=(
            ("Since", _when(release.at, zone)),
            ("Why", release.reason),
            ("Package", release.package[:12]),
        ),
        todo=("Nothing. To go back to the model before: andon rollback --by YOUR-NAME",),
        reasons=(),
        pictures=(),
        attachments=(),
        footer=_FOOTER,
    )


_FOOTER = (
    "Written by Andon, which watches the cameras of this line. One mail for each change; none while nothing changes."
)


def _tone(incident: Incident) -> Tone:
    return "info" if incident.action == "watch" else "bad" if incident.action == "retrain" else "warn"


def _consequence(incident: Incident) -> str:
    return {
        "repair": "This is a fault of the camera; it is repaired, not learned.",
        "watch": "The model judges as well as before, so nothing has to be done.",
        "label": "Whether the model still judges well is not known yet.",
        "retrain": "The model judges worse on such pictures.",
    }.get(incident.action, "")


def _cost(incident: Incident) -> tuple[tuple[str, str], ...]:
    if not incident.cost:
        return ()
    before, after = incident.cost["before"], incident.cost["after"]
    how = "tried on labelled pictures" if incident.cost["how"] == "rehearsed" else "seen on labelled parts"
    return (
        ("What it costs", f"classes told apart: {before:.0%} → {after:.0%} ({how}, {incident.cost['parts']} parts)"),
    )


def _size(incident: Incident) -> str:
    size, unit = incident.size, str(incident.finding["unit"])
    if unit.startswith(("relative", "share")):
        return f"{size:+.0%}"
    return f"{size:.1f} {unit}" if abs(size) < 10 and size != int(size) else f"{size:.0f} {unit}"


def _pair(hits: str, of: str, new: Mapping[str, float], now: Mapping[str, float] | None) -> str:
    words = f"{new[hits]} of {new[of]}"
    return f"{words} (today's model: {now[hits]} of {now[of]})" if now else words


def _accuracy(new: Mapping[str, float], now: Mapping[str, float] | None) -> str:
    words = f"{new['balanced_accuracy']:.1%} of the pictures of each class"
    return f"{words} (today's model: {now['balanced_accuracy']:.1%})" if now else words


def _when(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %d %b %Y, %H:%M} ({zone.key})"
