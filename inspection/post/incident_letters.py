"""Letters about an incident: it stands open, it is over, or it costs more than was estimated. Pure."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from inspection.post.causes import CONTENT, NAMES, TODO
from inspection.post.costs import cost
from inspection.post.letter import FOOTER, Attachment, Letter, Picture, Tone
from inspection.post.wording import between, known, pace, place, size, titles, when
from inspection.records.incidents import Incident
from inspection.release.requests import Standing

_MEANS = {
    "": "",
    "repair": "This is a fault of the camera; it is repaired, not learned.",
    "watch": "It does not hurt today, so nothing has to be done.",
    "label": "Whether the model still judges well is not known yet.",
    "retrain": "The model judges worse on such pictures.",
}
_PARTS_CHANGED = "The camera is well; it is the parts that have changed."


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
    grown = again and incident.grew > 0
    said = f"{what} – and it has grown" if grown else what
    since = "It has grown since we first wrote. " if grown else ""
    subject, headline = titles(incident.line, incident.cameras, said)
    return Letter(
        subject=subject,
        headline=headline,
        tone=_tone(incident),
        summary=f"{since}{incident.finding['words']} {_consequence(incident)}".rstrip(),
        facts=known(
            ("Where", place(incident.line, incident.cameras)),
            ("How big", size(incident.finding)),
            ("Since", between(incident.onset, zone)),
            ("How fast", pace(incident.finding)),
            ("What it costs", cost(incident.estimate, incident.cost)),
            ("Parts since then", f"{suspects} (attached list)"),
            ("Incident", incident.name),
        ),
        todo=_todo(incident, zone, request),
        reasons=incident.reasons,
        pictures=tuple(pictures),
        attachments=tuple(attachments),
        footer=f"{FOOTER} One mail for each change; none while nothing changes, but for one a day.",
    )


def of_recovery(incident: Incident, zone: ZoneInfo, suspects: int, attachments: Sequence[Attachment] = ()) -> Letter:
    """An incident that is over."""
    over = f"over – {NAMES[incident.cause]}"
    recovered = incident.recovered
    todo = ["Nothing has to be done on the camera."]
    if incident.action == "repair" and not incident.ruling:
        todo.append(
            "The parts in the attached list were judged on bad pictures. Say whether their images may be used for "
            f"training: {ruling(incident)}."
        )
    assert incident.closed is not None
    subject, headline = titles(incident.line, incident.cameras, over)
    return Letter(
        subject=subject,
        headline=headline,
        tone="good",
        summary="The pictures look healthy again." if recovered else f"Closed: {incident.why_closed}.",
        facts=known(
            ("Where", place(incident.line, incident.cameras)),
            ("What it was", f"{NAMES[incident.cause]} ({size(incident.finding)})"),
            ("From", between(incident.onset, zone)),
            ("Until", when(incident.closed, zone)),
            ("Closed by", incident.closed_by),
            ("Parts in that time", f"{suspects} (attached list)"),
            ("Done with them", incident.parts and f"{incident.parts}, said {incident.parts_by}"),
            ("Incident", incident.name),
        ),
        todo=tuple(todo),
        attachments=tuple(attachments),
        footer=FOOTER,
    )


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


def _tone(incident: Incident) -> Tone:
    return "info" if incident.action == "watch" else "bad" if incident.action == "retrain" else "warn"


def _consequence(incident: Incident) -> str:
    said = _PARTS_CHANGED if incident.action == "repair" and incident.cause in CONTENT else _MEANS[incident.action]
    return f"{incident.line_words} {said}".strip()


def _todo(incident: Incident, zone: ZoneInfo, request: Standing | None) -> tuple[str, ...]:
    cameras = " and ".join(incident.cameras)
    if incident.action == "watch":
        return ("Nothing has to be done now. Andon keeps watching and writes again if it grows.",)
    todo = [line.format(cameras=cameras) for line in TODO[incident.cause]]
    if incident.action == "repair":
        todo.append(
            "Look through the parts in the attached list: they were judged on such pictures. Until somebody rules on "
            f"them they are not used for training: {ruling(incident)}."
        )
    if request is not None:
        wanted = request.request
        todo.append(
            f"Have {wanted.labels} pictures of {wanted.parts} or more parts of {cameras} labelled, taken after "
            f"{when(incident.onset[1], zone)}. So far {request.labels} pictures of {request.parts} parts are."
        )
    if incident.action == "retrain":
        todo.append("Andon then retrains by itself and asks you before anything goes to the line.")
    return tuple(todo)
