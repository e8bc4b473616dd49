"""The words of Andon's mails to quality leads: plain, with units, and with what to do first. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from inspection.post.mail import Attachment, Letter, Picture, Table, Tone
from inspection.records.commissions import Commission, Renewal
from inspection.records.incidents import Incident
from inspection.release.approval import Request as Candidate
from inspection.release.registry import Release
from inspection.release.requests import Standing

TODO: Mapping[str, tuple[str, ...]] = {
    "dust": ("Ask maintenance to clean the lens and the light cover of {cameras}.",),
    "dead_pixels": ("Ask maintenance to replace the sensor of {cameras}, or to map the pixels out.",),
    "hot_pixels": ("Ask maintenance to check the cooling of {cameras} and to map the pixels out.",),
    "stuck_pixels": ("Ask maintenance to replace the sensor of {cameras}, or to map the pixels out.",),
    "noise": ("Ask maintenance to check the amplification, the cooling and the cable of {cameras}.",),
    "blur": ("Ask maintenance to refocus {cameras} and to look for loose screws.",),
    "framing": ("Ask maintenance to put {cameras} and its fixture back where they were.",),
    "frozen": ("Ask maintenance to restart {cameras}: it delivers the same picture again and again.",),
    "lighting": ("Ask maintenance whether the light of {cameras} was changed on purpose; if not, have it mended.",),
    "unknown": ("Look at the pictures below: something has changed that Andon cannot name.",),
    "new_product": ("Ask production whether a new product runs past {cameras}.",),
    "changed_mix": ("Ask production whether other products than usual run past {cameras}.",),
    "changed_surface": ("Ask production whether the material, its supplier or a step before {cameras} was changed.",),
    "defect_rate": ("Ask production what has changed before {cameras}: the camera is well, the parts are not.",),
}
NAMES = {
    "lighting": "light has changed",
    "dust": "dust on the lens",
    "dead_pixels": "dead pixels",
    "hot_pixels": "hot pixels",
    "stuck_pixels": "stuck pixels",
    "noise": "grainy pictures",
    "blur": "blurred pictures",
    "framing": "camera or part has moved",
    "frozen": "camera stands still",
    "unknown": "pictures have changed",
    "new_product": "parts of an unknown kind",
    "changed_mix": "other parts than usual",
    "changed_surface": "surfaces look different",
    "defect_rate": "another share of defective parts",
}
CONTENT = ("new_product", "changed_mix", "changed_surface", "defect_rate")  # of the parts, not of the camera

_HOW = {
    "rehearsed": "Tried out: the change was laid on labelled pictures of {parts} parts from healthy days.",
    "seen": "Counted on {parts} parts that were labelled since.",
    "probabilities": "Worked out from how sure the model is of each part; no labels yet.",
}
_MEANS = {
    "": "",
    "repair": "This is a fault of the camera; it is repaired, not learned.",
    "watch": "It does not hurt today, so nothing has to be done.",
    "label": "Whether the model still judges well is not known yet.",
    "retrain": "The model judges worse on such pictures.",
}
_UNITS = {  # in plain words, where the first of a unit's words are none
    "captures with the same bytes": "times the same picture",
    "healthy standard deviations": "times the usual spread",
}
_PARTS_CHANGED = "The camera is well; it is the parts that have changed."
_FOOTER = "Written by Andon, which watches the cameras of this plant."


@dataclass(frozen=True)
class CameraDay:
    """One camera's day.

    Attributes:
        rejected: captures that the live model rejected; None: it judged none.
        state, words: how the camera did by its last window; unknown: it was not judged.
        incidents: those that stand open, in words.
    """

    camera: str
    images: int
    windows: int
    rejected: int | None
    state: Literal["well", "unknown", "troubled"]
    words: str
    incidents: tuple[str, ...] = ()


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
    return Letter(
        subject=f"[Andon] Line {incident.line}, {_where(incident)}: {said}",
        headline=f"{_headline(incident)}: {said}",
        tone=_tone(incident),
        summary=f"{since}{incident.finding['words']} {_consequence(incident)}".rstrip(),
        facts=(
            ("Where", f"line {incident.line}, {' and '.join(incident.cameras)}"),
            ("How big", _size(incident)),
            ("Since", _between(incident.onset, zone)),
            *_growth(incident),
            *_cost(incident),
            ("Parts since then", f"{suspects} (attached list)"),
            ("Incident", incident.name),
        ),
        todo=_todo(incident, zone, request),
        reasons=incident.reasons,
        pictures=tuple(pictures),
        attachments=tuple(attachments),
        footer=f"{_FOOTER} One mail for each change; none while nothing changes, but for one a day.",
    )


def of_recovery(incident: Incident, zone: ZoneInfo, suspects: int, attachments: Sequence[Attachment] = ()) -> Letter:
    """An incident that is over."""
    over = f"over – {NAMES[incident.cause]}"
    recovered = incident.recovered
    todo = ["Nothing has to be done on the camera."]
    if incident.action == "repair" and not incident.ruling:
        todo.append(
            "The parts in the attached list were judged on bad pictures. Say whether their images may be used for "
            f"training: andon incidents rule {incident.name} --images use|drop --by NAME."
        )
    assert incident.closed is not None
    return Letter(
        subject=f"[Andon] Line {incident.line}, {_where(incident)}: {over}",
        headline=f"{_headline(incident)}: {over}",
        tone="good",
        summary="The pictures look healthy again." if recovered else f"Closed: {incident.why_closed}.",
        facts=(
            ("Where", f"line {incident.line}, {' and '.join(incident.cameras)}"),
            ("What it was", f"{NAMES[incident.cause]} ({_size(incident)})"),
            ("From", _between(incident.onset, zone)),
            ("Until", _when(incident.closed, zone)),
            *((("Closed by", incident.closed_by),) if incident.closed_by else ()),
            ("Parts in that time", f"{suspects} (attached list)"),
            *((("Done with them", f"{incident.parts}, said {incident.parts_by}"),) if incident.parts else ()),
            ("Incident", incident.name),
        ),
        todo=tuple(todo),
        attachments=tuple(attachments),
        footer=_FOOTER,
    )


def of_check(incident: Incident, attachments: Sequence[Attachment] = ()) -> Letter:
    """Labels say that more defective parts passed than was estimated; the suspect parts are attached."""
    what = "more defective parts passed than was estimated"
    said, seen = (float(incident.check[name]["value"]) for name in ("estimated", "seen"))
    return Letter(
        subject=f"[Andon] Line {incident.line}, {_where(incident)}: {what}",
        headline=f"{_headline(incident)}: {what}",
        tone="bad",
        summary=f"Of 100 defective parts about {100 * said:.0f} were expected to pass. Of those that were labelled "
        f"since, {100 * seen:.0f} of 100 had passed.",
        facts=(
            ("Where", f"line {incident.line}, {' and '.join(incident.cameras)}"),
            ("Because of", f"{NAMES[incident.cause]} ({_size(incident)})"),
            ("Labelled", f"{incident.check['seen']['parts']} defective parts"),
            ("Incident", incident.name),
        ),
        todo=(
            f"Inspect the parts of {incident.name} again (attached list): more defective ones passed than estimated.",
            "Have more pictures labelled, so that the model can learn them.",
        ),
        attachments=tuple(attachments),
        footer=_FOOTER,
    )


def of_renewal(renewal: Renewal, line: str, zone: ZoneInfo) -> Letter:
    """A planned change that a person has announced, while the camera learns how it looks from then on."""
    camera, refused = renewal.camera, renewal.refused
    what = "the pictures since the planned change do not fit together" if refused else "a planned change is announced"
    return Letter(
        subject=f"[Andon] Line {line}, {camera}: {what}",
        headline=f"{camera}: {what}",
        tone="warn" if refused else "info",
        summary=f"{camera} learns how healthy pictures look after the change. Until {renewal.images} of them fit "
        "together, Andon cannot tell a fault of this camera.",
        facts=(
            ("Where", f"line {line}, {camera}"),
            ("Announced", f"{_when(renewal.at, zone)}, by {renewal.by}"),
            ("Why", renewal.reason),
            ("Learns since", _when(renewal.since, zone)),
        ),
        todo=(f"Finish the work on {camera}; pictures from now on are tried next.",)
        if refused
        else (f"Nothing, if you know of this change. If not, ask {renewal.by}.",),
        reasons=refused[-1:],
        footer=_FOOTER,
    )


def of_reference(made: Commission, line: str, zone: ZoneInfo) -> Letter:
    """A new version of what a camera looks like when it is healthy, after a planned change."""
    return Letter(
        subject=f"[Andon] Line {line}, {made.camera}: watched again after the planned change",
        headline=f"{made.camera}: watched again after the planned change",
        tone="good",
        summary=f"From now on {made.camera} is compared with how it looks since the change (reference {made.version}). "
        "Whatever was wrong in these pictures counts as healthy.",
        facts=(
            ("Where", f"line {line}, {made.camera}"),
            ("Made of", f"{made.images} pictures, taken {_between((made.first, made.last), zone)}"),
            ("Announced by", made.by),
            *((("Why", made.reason),) if made.reason else ()),
        ),
        todo=(f"Nothing, if you know of this change. If not, ask {made.by}.",),
        footer=_FOOTER,
    )


def of_digest(day: date, cameras: Sequence[CameraDay], waits: Sequence[str], model: str) -> Letter:
    """A day of the plant, written also when all is well.

    Args:
        waits: what waits for a person, each a sentence with what to type.
        model: what the live model said of the day's captures, in words.
    """
    troubled = [one for one in cameras if one.incidents or one.state == "troubled"]
    blind = [one for one in cameras if one.state == "unknown" and not one.incidents]
    tone: Tone = "warn" if troubled or waits else "info" if blind else "good"
    said = "all is well" if tone == "good" else _outcome(troubled, blind, waits)
    images = sum(one.images for one in cameras)
    return Letter(
        subject=f"[Andon] {day:%a %d %b %Y}: {said}",
        headline=f"{day:%A %d %B %Y}: {said}",
        tone=tone,
        summary=f"{_counted(len(cameras), 'camera')} delivered {images} pictures. {model}",
        facts=(),
        todo=tuple(waits),
        footer=f"{_FOOTER} A window is a number of pictures that are looked at together. This mail comes once a day: "
        "if it does not come, Andon does not run.",
        table=Table(("Camera", "Pictures", "Windows", "Rejected", "State"), tuple(_row(one) for one in cameras)),
    )


def _outcome(troubled: Sequence[CameraDay], blind: Sequence[CameraDay], waits: Sequence[str]) -> str:
    said = []
    if troubled:
        said.append(f"{_cameras(troubled)} to look at")
    if waits:
        said.append(f"{_counted(len(waits), 'thing')} for you to do")
    return ", ".join(said) or f"{_cameras(blind)} not judged"


def _cameras(some: Sequence[CameraDay]) -> str:
    """How many, and which if they are few."""
    names = f" ({', '.join(one.camera for one in some)})" if len(some) <= 3 else ""
    return f"{_counted(len(some), 'camera')}{names}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _row(one: CameraDay) -> tuple[str, ...]:
    rejected = "–" if one.rejected is None else str(one.rejected)
    stands = "; ".join((one.words, *(f"open: {incident}" for incident in one.incidents)))
    return one.camera, str(one.images), str(one.windows), rejected, stands


def as_drill(letter: Letter) -> Letter:
    """The letter as a rehearsal of it: whoever reads any part of it knows that nothing happened."""
    return replace(
        letter,
        subject=f"DRILL {letter.subject}",
        headline=f"DRILL – {letter.headline}",
        tone="info",
        summary="This is a drill: nothing real has happened, no part is suspect, and nothing was recorded. "
        f"If it were real, this mail would say: {letter.summary}",
        todo=("Nothing: this is a drill. If it were real:", *letter.todo),
        pictures=tuple(replace(p, name=f"drill-{p.name}", caption=f"DRILL – {p.caption}") for p in letter.pictures),
        attachments=tuple(replace(one, name=f"DRILL-{one.name}") for one in letter.attachments),
        footer=f"{letter.footer} This was a drill.",
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
        footer=_FOOTER,
    )


def _tone(incident: Incident) -> Tone:
    return "info" if incident.action == "watch" else "bad" if incident.action == "retrain" else "warn"


def _where(incident: Incident) -> str:
    return incident.cameras[0] if len(incident.cameras) == 1 else f"{len(incident.cameras)} cameras"


def _headline(incident: Incident) -> str:
    """The camera, or the line where several cameras show the same at about the same time."""
    one = len(incident.cameras) == 1
    return incident.cameras[0] if one else f"Line {incident.line}, {' and '.join(incident.cameras)}"


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
            f"them they are not used for training: andon incidents rule {incident.name} --images use|drop --by NAME."
        )
    if request is not None:
        wanted = request.request
        todo.append(
            f"Have {wanted.labels} pictures of {wanted.parts} or more parts of {cameras} labelled, taken after "
            f"{_when(incident.onset[1], zone)}. So far {request.labels} pictures of {request.parts} parts are."
        )
    if incident.action == "retrain":
        todo.append("Andon then retrains by itself and asks you before anything goes to the line.")
    return tuple(todo)


def _cost(incident: Incident) -> tuple[tuple[str, str], ...]:
    """What it costs in escapes and false rejects, and what was measured of it otherwise where those are not known."""
    known = incident.estimate.get("escapes") or incident.estimate.get("false_rejects")
    said = [_estimated(incident.estimate), "" if known else _measured(incident.cost)]
    return (("What it costs", " ".join(words for words in said if words)),) if any(said) else ()


def _estimated(estimate: Mapping[str, Any]) -> str:
    """The estimate as `monitoring.cost.escapes.Estimate.as_json` gives it, in a sentence for each rate."""
    if not estimate:
        return ""
    escapes, rejects, needed = (estimate.get(name) for name in ("escapes", "false_rejects", "labels_needed"))
    label = f": have {needed} pictures labelled" if needed else ""
    said = [
        _rate(escapes, "defective parts", "now pass")
        if escapes
        else f"How many defective parts pass cannot be estimated{label}."
    ]
    if rejects:
        said.append(_rate(rejects, "good parts", "are now rejected"))
    if known := escapes or rejects:
        said.append(_HOW.get(str(estimate["how"]), "").format(parts=known["parts"]))
    return " ".join(said).rstrip()


def _rate(rate: Mapping[str, Any], of: str, fate: str) -> str:
    """Of 100 defective parts about 7 now pass (between 3 and 12)."""
    base = 100 if rate["high"] >= 0.02 else 1000
    value, low, high = (round(base * float(rate[name])) for name in ("value", "low", "high"))
    if value == 0:
        return f"Of {base:,} {of} hardly any {fate} (at most {max(high, 1)})."
    return f"Of {base:,} {of} about {value} {fate} (between {low} and {high})."


def _measured(cost: Mapping[str, Any]) -> str:
    if not cost:
        return ""
    how = "tried on labelled pictures" if cost["how"] == "rehearsed" else "seen on labelled parts"
    return (
        f"Of 100 pictures of each class, {100 * cost['before']:.0f} were judged right before and "
        f"{100 * cost['after']:.0f} are now ({how}, {cost['parts']} parts)."
    )


def _growth(incident: Incident) -> tuple[tuple[str, str], ...]:
    """How much a day, with its interval, where it is known: "+1.5 pixels a day (between +1 and +2)"."""
    known = incident.finding.get("growth")
    if not known:
        return (("How fast", "slowly, over many hours or days"),) if incident.finding.get("slow") else ()
    numbers = [float(known[name]) for name in ("per_day", "low", "high")]
    unit = _unit(incident)
    if _is_share(unit):
        size, low, high = (f"{number:+.1%}" for number in numbers)
        return (("How fast", f"{size} a day (between {low} and {high})"),)
    size, low, high = (f"{number:+.2g}" for number in numbers)
    return (("How fast", f"{size} {unit} a day (between {low} and {high})"),)


def _unit(incident: Incident) -> str:
    said = str(incident.finding["unit"])
    return _UNITS.get(said, said.partition(",")[0])


def _is_share(unit: str) -> bool:
    return unit.startswith(("relative", "share"))


def _size(incident: Incident) -> str:
    """The size with its uncertainty: "-12 % ± 1 %", "2.3 ± 0.2 px (0.58 mm)"."""
    size, unit = incident.size, _unit(incident)
    error, mm = incident.finding.get("error"), incident.finding.get("mm")
    if _is_share(unit):
        digits = 1 if abs(size) < 0.02 else 0
        return f"{size:+.{digits}%}" + (f" ± {max(error, 0.01 * 0.1**digits):.{digits}%}" if error else "")
    if size == int(size) and not mm:
        return f"{size:.0f} {unit.removesuffix('s') if size == 1 else unit}"
    digits = 1 if abs(size) < 10 else 0
    doubt = f" ± {max(error, 0.1**digits):.{digits}f}" if error else ""
    return f"{size:.{digits}f}{doubt} {unit}{f' ({mm:.2g} mm)' if mm else ''}"


def _between(span: tuple[datetime, datetime], zone: ZoneInfo) -> str:
    """The day is said once where both ends share it."""
    first, last = (moment.astimezone(zone) for moment in span)
    if first.date() == last.date():
        return f"between {first:%H:%M} and {last:%H:%M} on {last:%a %d %b %Y} ({zone.key})"
    return f"between {first:%a %d %b %Y, %H:%M} and {last:%a %d %b %Y, %H:%M} ({zone.key})"


def _pair(hits: str, of: str, new: Mapping[str, float], now: Mapping[str, float] | None) -> str:
    words = f"{new[hits]} of {new[of]}"
    return f"{words} (today's model: {now[hits]} of {now[of]})" if now else words


def _accuracy(new: Mapping[str, float], now: Mapping[str, float] | None) -> str:
    words = f"{new['balanced_accuracy']:.1%} of the pictures of each class"
    return f"{words} (today's model: {now['balanced_accuracy']:.1%})" if now else words


def _when(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %d %b %Y, %H:%M} ({zone.key})"
