"""Letters about an incident: it stands open, it is over, or it costs more than was estimated. Pure.

Headline and summary say what happened, since when and what to do first; the incident's page says the same.
"""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from inspection.post import costs
from inspection.post.causes import CONTENT, NAMES, TODO
from inspection.post.letter import FOOTER, Attachment, Letter, Picture, Tone
from inspection.post.wording import between, counted, known, pace, place, places, size, titles, when
from inspection.records.incidents import ABSENT, Incident
from inspection.release import aside, suspicion
from inspection.release.requests import Standing

_MEANS = {
    "": "",
    "repair": "This is a fault of the camera; it is repaired, not learned.",
    "watch": "",
    "label": "Whether the model still judges well is not known yet.",
    "retrain": "The model judges worse on such pictures.",
}
_STATES = {
    "": "open; what to do is worked out",
    "repair": "open until it is repaired",
    "watch": "open; only watched",
    "label": "open; parts have to be labelled",
    "retrain": "open until the model has learned it",
}
_ABSENT = {
    "silent": "Until pictures come, nobody watches what passes there.",
    "unjudged": "Until one can be, Andon cannot tell a fault of this camera.",
}
_ASKED_AFTER = (*CONTENT, "lighting", "unknown")  # also where they are only watched: nobody has measured what they cost
_NOTHING = "Nothing has to be done"
_PARTS_CHANGED = "The camera is well; it is the parts that have changed."
_GROWS = "the list grows until a model that has learned the change is on the line"


def of_incident(
    incident: Incident,
    zone: ZoneInfo,
    suspects: int,
    request: Standing | None,
    pictures: Sequence[Picture] = (),
    attachments: Sequence[Attachment] = (),
    again: bool = False,
) -> Letter:
    """An incident that stands open.

    Args:
        again: whether an earlier mail told of it.
        suspects: parts that passed since it may have begun.
        request: the labels that it waits for, if it does.
    """
    what = NAMES[incident.cause]
    grown = again and incident.grew > len(incident.told_as)
    said = f"{what} – and it has grown" if grown else what
    if again and incident.told_as and not grown:
        said = f"{what} – first told as {NAMES[incident.told_as[-1]]}"
    since = "It has grown since we first wrote." if grown else ""
    subject, headline = titles(incident.line, incident.cameras, said)
    todo, began = _todo(incident, zone, request), between(incident.onset, zone)
    return Letter(
        subject=subject,
        headline=headline,
        tone=_tone(incident),
        summary=" ".join(filter(None, (since, _what_happened(incident, began), _first(todo), _consequence(incident)))),
        facts=known(
            ("State", _STATES[incident.action]),
            ("Where", place(incident.line, incident.cameras)),
            ("How long" if incident.cause in ABSENT else "How big", size(incident.finding)),
            ("Where in the picture", places(incident.finding.get("spots", ()))),
            ("Also seen", _beside(incident)),
            ("Since", began),
            ("How fast", pace(incident.finding)),
            *(costs.facts(incident.estimate, incident.cost)[: 3 if request else None]),
            ("Parts since then", f"{suspects} (attached list)" if incident.marks else ""),
            ("Incident", incident.name),
        ),
        todo=todo,
        reasons=incident.reasons,
        pictures=tuple(pictures),
        attachments=tuple(attachments),
        footer=f"{FOOTER} One mail for each change; none while nothing changes, but for one a day.",
    )


def of_recovery(
    incident: Incident,
    zone: ZoneInfo,
    suspects: int,
    attachments: Sequence[Attachment] = (),
    complete: bool = True,
    waiting: int | None = None,
    left: Sequence[Incident] = (),
) -> Letter:
    """An incident that is over. It is good news only once nothing of it is open.

    Args:
        suspects: parts that were judged while it lasted.
        complete: whether none is added any more; where its change counts as healthy now, they are until a model has
            learned it.
        waiting: of them, those that nobody has spoken of; None: all, until somebody has.
        left: what was seen with it and is still there, each an incident of its own now.
    """
    assert incident.closed is not None
    said = incident.parts or not suspicion.doubted(incident)
    waits = waiting if waiting is not None else 0 if said else suspects
    todo = (
        *(f"Go on with {one.name}: {NAMES[one.cause]}." for one in left if one.open),
        *_todo_after(incident, waits, complete),
    )
    over = f"over, but {counted(waits, 'part')} wait{'s' if waits == 1 else ''}" if waits else "over"
    subject, headline = titles(incident.line, incident.cameras, f"{over} – {NAMES[incident.cause]}")
    nothing = f"{_NOTHING} on the camera."
    first = _first((*todo, nothing))
    return Letter(
        subject=subject,
        headline=headline,
        tone="warn" if todo else "good",
        word="" if todo else "Over",  # others may be open
        summary=f"{_how_over(incident, left)} {_time(incident, zone, complete)} {first}",
        facts=known(
            ("State", _over(incident, waits)),
            ("Where", place(incident.line, incident.cameras)),
            ("What it was", _what(incident)),
            ("Also seen", _beside(incident)),
            ("From", between(incident.onset, zone)),
            ("Until", when(incident.closed, zone)),
            ("Closed by", incident.closed_by),
            *costs.facts(incident.estimate, {})[:3],
            ("Parts in that time" if complete else "Parts so far", _parts(incident, suspects, complete)),
            ("Done with them", incident.parts and f"{incident.parts}, said {incident.parts_by}"),
            ("Their images", incident.ruling and f"{_RULED[incident.ruling]}, said {incident.ruled_by}"),
            ("Incident", incident.name),
        ),
        todo=(*todo, nothing),
        attachments=tuple(attachments),
        footer=FOOTER,
    )


_RULED = {"use": "may be used for training", "drop": "are not used for training"}


def _time(incident: Incident, zone: ZoneInfo, complete: bool) -> str:
    """Since when and until when; a change that counts as healthy is not gone."""
    assert incident.closed is not None
    if complete:
        return f"It lasted from {when(incident.onset[1], zone)} until {when(incident.closed, zone)}."
    return (
        f"It began {between(incident.onset, zone)}; since {when(incident.closed, zone)} such pictures count as "
        "healthy, but the model on the line has not learned them."
    )


def _over(incident: Incident, waits: int) -> str:
    camera = "the camera is well again" if incident.recovered else "closed"
    if waits:
        return f"{camera}; {counted(waits, 'part')} still to be looked through"
    if _unruled(incident):
        return f"{camera}; nobody has said whether its pictures may train the model"
    return "over; nothing is open"


def _unruled(incident: Incident) -> bool:
    return incident.action == "repair" and incident.marks and not incident.ruling


def _todo_after(incident: Incident, waits: int, complete: bool) -> tuple[str, ...]:
    """What is open of an incident that is over."""
    todo = []
    if waits:
        todo.append(
            f"Look through the {counted(waits, 'part')} in the attached list{'' if complete else f'; {_GROWS}'}."
        )
        todo.append(f"Then say what was done with them: {settling(incident)}.")
    if _unruled(incident):
        todo.append(
            "The parts in the attached list were judged on bad pictures. Say whether their images may be used for "
            f"training: {ruling(incident)}."
        )
    return tuple(todo)


def of_check(incident: Incident, attachments: Sequence[Attachment] = ()) -> Letter:
    """Labels say that more defective parts passed than was estimated; the suspect parts are attached."""
    what = "more defective parts passed than was estimated"
    subject, headline = titles(incident.line, incident.cameras, what)
    said, seen = (float(incident.check[name]["value"]) for name in ("estimated", "seen"))
    return Letter(
        subject=subject,
        headline=headline,
        tone="bad",
        summary=f"Of 100 defective parts about {100 * said:.0f} were expected to pass. Of those that were labelled "
        f"since, {100 * seen:.0f} of 100 had passed.",
        facts=(
            ("Where", place(incident.line, incident.cameras)),
            ("Because of", f"{NAMES[incident.cause]} ({size(incident.finding)})"),
            ("Labelled", f"{incident.check['seen']['parts']} defective parts"),
            ("Incident", incident.name),
        ),
        todo=(
            f"Inspect the parts of {incident.name} again (attached list): more defective ones passed than estimated.",
            "Have more pictures labelled, so that the model can learn them.",
        ),
        attachments=tuple(attachments),
        footer=FOOTER,
    )


def ruling(incident: Incident) -> str:
    """What to type, so that its images are used for training or dropped."""
    return f"andon incidents rule {incident.name} --images use|drop --by NAME"


def settling(incident: Incident) -> str:
    """What to type once its suspect parts were looked through."""
    return f"andon incidents close {incident.name} --by NAME --why TEXT --parts reinspected|released|scrapped|none"


def _parts(incident: Incident, suspects: int, complete: bool) -> str:
    if not incident.marks:
        return ""
    return f"{suspects} (attached list)" if complete else f"{suspects} (attached list); {_GROWS}"


def _how_over(incident: Incident, left: Sequence[Incident]) -> str:
    if not incident.recovered:
        return f"Closed: {incident.why_closed}."
    if incident.cause == "silent":
        return "Pictures come again."
    if left:
        still = " and ".join(f"{NAMES[one.cause]} ({one.name})" for one in left)
        return f"It is over, but something that was seen with it was not over with it: {still}."
    if incident.cause == "unjudged":
        return "The camera can be judged again; what is wrong with its pictures, if something is, is told by itself."
    return "The pictures look healthy again."


def _what(incident: Incident) -> str:
    """With its size; how long an absence was stands beside it."""
    return NAMES[incident.cause] + ("" if incident.cause in ABSENT else f" ({size(incident.finding)})")


def _beside(incident: Incident) -> str:
    """What else was seen, and why it is no mail of its own."""
    seen = [f"{NAMES[cause]} ({size(finding)})" for cause, finding in incident.also.items()]
    return f"probably because of it: {', '.join(seen)}" if seen else ""


def _what_happened(incident: Incident, began: str) -> str:
    """With since when, which the words on missing pictures say themselves."""
    return str(incident.finding["words"]) + ("" if incident.cause == "silent" else f" It began {began}.")


def _first(todo: Sequence[str]) -> str:
    return todo[0] if todo[0].startswith(_NOTHING) else f"To do first: {todo[0]}"


def _tone(incident: Incident) -> Tone:
    if incident.action == "watch":
        return "info" if _nothing_to_do(incident) else "warn"
    return "bad" if incident.action == "retrain" else "warn"


def _nothing_to_do(incident: Incident) -> bool:
    """Of one that is only watched: whether nobody has to look, for its cost is known or it is no fault."""
    return bool(incident.cost) or incident.cause not in _ASKED_AFTER


def _as_far(incident: Incident) -> str:
    """How far that is known, where nobody can say whether more defective parts pass."""
    if not incident.cost or not incident.estimate or incident.estimate["escapes"] is not None:
        return ""
    why = incident.estimate.get("why", "")
    said = f", as far as {incident.cost['parts']} labelled parts tell: the model judges them as before. "
    return f"{said}Whether more defective parts pass is not known" + (f": {why}" if why else "")


def _consequence(incident: Incident) -> str:
    if incident.cause in ABSENT:
        return f"{incident.line_words} {_ABSENT[incident.cause]}".strip()
    parts_changed = incident.cause in CONTENT and incident.action in ("repair", "watch")
    said = _PARTS_CHANGED if parts_changed else _MEANS[incident.action]
    return f"{incident.line_words} {said}".strip()


def _todo(incident: Incident, zone: ZoneInfo, request: Standing | None) -> tuple[str, ...]:
    cameras = " and ".join(incident.cameras)
    todo = [line.format(cameras=cameras) for line in TODO[incident.cause]]
    if incident.action == "watch":
        keeps = "Andon keeps watching and writes again if it grows."
        if _nothing_to_do(incident):
            return (f"{_NOTHING} now{_as_far(incident)}. {keeps}",)
        return (*todo, f"Nothing else has to be done now. {keeps}")
    if incident.action == "repair" and incident.marks:
        shows = "could not be judged" if incident.cause in ABSENT else "show the fault"
        todo.append(
            f"Look through the parts in the attached list: their pictures {shows}. Until somebody says whether "
            f"these may train the model, they do not: {ruling(incident)}."
        )
    if request is not None:
        wanted = request.request
        more = aside.behind(request.aside) if request.lacks else ""
        todo.append(
            f"Have {wanted.labels} pictures of {wanted.parts} or more parts of {cameras} labelled, taken after "
            f"{when(incident.onset[1], zone)}. So far {request.labels} pictures of {request.parts} parts are.{more}"
        )
    if incident.action == "retrain":
        todo.append("Look through the parts in the attached list: the model has judged them worse than it did before.")
        todo.append("Andon then retrains by itself and asks you before anything goes to the line.")
    return tuple(todo)
