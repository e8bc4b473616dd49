"""The state of the plant on one screen."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select

from inspection import clock
from inspection.cameras import read_cameras
from inspection.chain import Event
from inspection.layout import Layout
from inspection.outside.quoted import quoted
from inspection.params import read_params
from inspection.pictures import piece
from inspection.pictures.returned import WAITS
from inspection.post import checks, costs, outbox, wording
from inspection.records import alarms, commissions, holds, incidents, ledger
from inspection.records.batches import HELD
from inspection.records.catalog import Catalog, open_catalog, usable_batches
from inspection.records.classes import undeclared, undeclared_words
from inspection.records.commissions import Renewal
from inspection.records.incidents import Incident
from inspection.records.schema import capture_table, image_table, label_table, refusal_table, stored
from inspection.release import approval, aside, pieces, registry, requests, rulings, suspicion
from inspection.release.readiness import readiness

RETURNED = 5  # serials that came again, on the screen
STRAYS = 5  # events without effect, on the screen


def state(layout: Layout) -> dict[str, Any]:
    """What was taken in and labelled, what is live, what waits for whom."""
    catalog = open_catalog(layout)
    with catalog.engine.connect() as connection:
        counts = {
            "images": connection.scalar(select(func.count()).select_from(image_table)),
            "captures": connection.scalar(select(func.count()).select_from(capture_table)),
            "parts": connection.scalar(select(func.count(piece.column(capture_table.c).distinct()))),
            "refused": connection.scalar(select(func.count()).select_from(refusal_table)),
            "labelled": connection.scalar(select(func.count()).select_from(label_table).where(label_table.c.latest)),
        }
        newest = connection.scalar(select(func.max(capture_table.c.captured_at)))
    settings = read_params(layout.params)
    labelled = aside.sorted_out(layout, catalog)
    waits = requests.standings(layout, catalog, settings, labelled)
    events = ledger.read(layout)
    seen = cameras(layout, events, catalog)
    stranded, dropped = undeclared(layout, catalog), checks.inbox(layout, settings)
    known = {"inbox": checks.inbox_words(dropped), "classes": undeclared_words(stranded)}
    found = checks.ask(layout, settings, catalog, known)
    said = {name: [one.words for one in found if one.name == name] for name in ("line", "git", "code", "dim")}
    unsettled = [one.name for one in incidents.fold(events) if suspicion.unsettled(one, layout, catalog)]
    catalog.close()
    live, mails = registry.live(layout), outbox.waiting(layout.home, settings.mail)
    return {
        **counts,
        "undeclared": stranded,
        "aside": aside.sentences(labelled[labelled["reason"] != "class"]),
        "first_model": "" if live else readiness(labelled, settings).in_words,
        "newest_capture": str(newest) if newest else None,
        "missing_batches": ledger.missing_batches(layout),
        **dropped,
        "live": asdict(live) if live else None,
        "git": said["git"],
        "difference": next(iter(said["line"]), None),
        "code": next(iter(said["code"]), None),
        "cameras": seen,
        "dim": said["dim"],
        "incidents": incident_rows(layout, every=False),
        "unsettled": unsettled,
        "requests": [
            {"request": one.request.name, "kind": one.request.kind, "why": one.request.why, "state": one.words}
            for one in waits
        ],
        "returned": returned_rows(layout),
        "strays": ledger.strays_in_words(events),
        "held_batches": [one.batch for one in holds.every(layout) if one.state == HELD],
        "remote": checks.remote(layout),
        "mails_waiting": mails.count,
        "mails": mails.words,
        "checks": [asdict(one) for one in found],
        "candidates": {r.version: approval.state(layout, r) for r in approval.requests(layout)},
    }


def lines(now: dict[str, Any]) -> list[str]:
    """The state in sentences."""
    live = now["live"]
    said = [
        f"Images    {now['images']} of {now['parts']} parts ({now['captures']} captures), {now['labelled']} labelled, "
        f"{now['refused']} refused; newest {str(now['newest_capture'] or '–')[:19]} (UTC)",
        f"Inbox     {now['inbox']}",
        f"Live      {live['version']} since {live['at']:%Y-%m-%d %H:%M} UTC, by {live['by']}"
        if live
        else "Live      nothing yet",
    ]
    said += [f"Labels    set aside: {words}" for words in now["aside"]]
    if now["first_model"] and now["labelled"]:
        said.append(f"Labels    for a first model: {now['first_model']}")
    for camera, state in now["cameras"].items():
        said.append(f"Camera    {camera}: {state}")
    for one in now["incidents"]:
        said.append(
            f"Incident  {one['incident']} {one['cause']} on {one['cameras']} ({one['scope']}), {one['size']}: "
            f"{one['action']} (andon incidents show {one['incident']})"
        )
    if now["unsettled"]:
        said.append(
            f"Parts     {', '.join(now['unsettled'])}: nobody has said what was done with the suspect parts: "
            "andon incidents close ID --by NAME --why TEXT --parts "
            f"{'|'.join(rulings.PARTS)}"
        )
    for one in now["requests"]:
        said.append(f"Request   {one['request']} ({one['kind']}, {one['why']}) {one['state']}")
    for version, stands in now["candidates"].items():
        if stands in ("waiting for approval", "approval expired"):
            said.append(f"Waiting   {version}: {stands}: andon show {version}, then andon approve {version} --by NAME")
    said += returned_lines(now["returned"])
    for batch in now["held_batches"]:
        said.append(
            f"Held      {batch}: andon batch list, then andon batch release (or discard) {batch} --by NAME --why TEXT"
        )
    listed = ("pieces",)  # by serial, above
    said += stray_lines(now["strays"])
    said += [f"{one['about']:<9} {one['words']}" for one in now["checks"] if one["name"] not in listed]
    if now["mails"]:
        said.append(f"Mails     {now['mails']}")
    return said


def returned_rows(layout: Layout) -> list[dict[str, str]]:
    """The serials that came again long after and of whom nobody has said which piece they mean, the newest first."""
    return [
        {"serial": one.serial, "part": one.part, "last": clock.stamp(one.last), "since": clock.stamp(one.since)}
        for one in pieces.every(layout)
        if one.state == WAITS
    ]


def returned_lines(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The same in sentences; of many only the first."""
    said = [
        f"Piece     {one['serial']} of {one['part']} came again on {one['since'][:10]}, last seen on "
        f"{one['last'][:10]}: its new pictures wait"
        for one in rows[:RETURNED]
    ]
    if len(rows) > RETURNED:
        said.append(f"Piece     ... and {len(rows) - RETURNED} more serials: andon piece list")
    if rows:
        said.append("Piece     say which it is: andon piece same (or new) SERIAL --by NAME")
    return said


def stray_lines(sentences: Sequence[str]) -> list[str]:
    """Events that have no effect; of many only the first."""
    said = [f"Beware    {words}" for words in sentences[:STRAYS]]
    if len(sentences) > STRAYS:
        said.append(f"Beware    ... and {len(sentences) - STRAYS} more such events: andon status --json")
    return said


def cameras(layout: Layout, events: Sequence[Event], catalog: Catalog) -> dict[str, str]:
    """Each declared camera: learning (and for which planned change), or what its last window said, against which
    reference."""
    current, renewals = commissions.current(events), commissions.under_way(events)
    last = {one.camera: one for one in alarms.glances(events) if one.state in alarms.JUDGED}
    outdated, found = commissions.outdated(events), {}
    for name in read_cameras(layout.cameras):
        if name in renewals:
            found[name] = _renewal(renewals[name], catalog)
        elif name not in current:
            found[name] = f"learning; declare clean days: andon reference accept {name} --from T --to T --by NAME"
        elif name in last and last[name].reference == current[name].version:
            found[name] = (
                f"{_health(last[name])} at {last[name].last:%Y-%m-%d %H:%M} UTC (reference {current[name].version})"
            )
        else:
            found[name] = f"reference {current[name].version}, not looked at since"
        if name in outdated:
            found[name] += f"; {outdated[name].why}"
    return found


def _health(last: alarms.Glance) -> str:
    causes = ", ".join(cause.replace("_", " ") for cause in last.causes)
    return f"perhaps {causes} (the next window decides)" if last.state == "suspect" else causes or "healthy"


def _renewal(one: Renewal, catalog: Catalog) -> str:
    c = capture_table.c
    usable = select(func.count(c.capture_id)).where(c.batch.in_(usable_batches()))
    with catalog.engine.connect() as connection:
        have = connection.scalar(usable.where(c.camera == one.camera, c.captured_at >= stored(one.since))) or 0
    words = (
        f"learning: renewal announced by {one.by} because of {quoted(one.reason, 80)}, {min(have, one.images)} of "
        f"{one.images} images so far"
    )
    return f"{words}; {one.refused[-1]}" if one.refused else words


def incident_rows(layout: Layout, every: bool) -> list[dict[str, Any]]:
    """The open incidents, or every one, as a table."""
    return [
        {
            "incident": one.name,
            "cameras": " and ".join(one.cameras),
            "scope": f"line {one.line}" if one.line_level else "camera",
            "cause": one.cause.replace("_", " "),
            "size": _size(one.current),
            "onset": f"{one.onset[0]:%Y-%m-%d %H:%M} and {one.onset[1]:%Y-%m-%d %H:%M}",
            "action": one.action or "undecided",
            "state": "open" if one.open else f"closed: {_ended(one)}",
        }
        for one in incidents.fold(ledger.read(layout))
        if every or one.open
    ]


def _size(finding: Mapping[str, Any]) -> str:
    unit = finding["unit"].split(",")[0]
    error, growth = finding.get("error"), finding.get("growth")
    if unit.startswith(("relative", "share")):
        grows = f", {growth['per_day']:+.1%} a day" if growth else ""
        return f"{wording.size(finding)}{grows}"
    grows = f", {growth['per_day']:+.2g} a day" if growth else ""
    return f"{finding['size']:.3g}{f' ± {error:.1g}' if error else ''} {unit}{grows}"


def _ended(one: Incident) -> str:
    by = f" ({one.closed_by})" if one.closed_by else ""
    parts = f"; suspect parts: {one.parts}, said {one.parts_by}" if one.parts else ""
    return f"{one.why_closed}{by}{parts}"


def incident_state(layout: Layout, name: str) -> dict[str, Any]:
    """One incident as plain values, with where its evidence lies."""
    one = incidents.find(layout, name)
    return {
        **asdict(one),
        "current": dict(one.current),
        "also": {cause: dict(finding) for cause, finding in one.also.items()},
        "line_level": one.line_level,
        "line_words": one.line_words,
        "onset": [str(moment) for moment in one.onset],
        "opened": str(one.opened),
        "closed": str(one.closed) if one.closed else None,
        "ended": _ended(one) if one.closed else "",
        "evidence": str(layout.watched / "incidents" / name),
    }


def incident_lines(told: dict[str, Any]) -> list[str]:
    """The incident in sentences."""
    return [
        f"{told['name']}  {told['cause'].replace('_', ' ')} on {' and '.join(told['cameras'])}, line {told['line']}: "
        + (f"closed ({told['ended']})" if told["closed"] else "open"),
        f"  {told['finding']['words']}",
        f"  size: {_size(told['current'])}" + (f", when told {_size(told['finding'])}" if told["refreshed"] else ""),
        *(
            f"  also seen, probably because of it: {cause.replace('_', ' ')}, {_size(finding)}"
            for cause, finding in told["also"].items()
        ),
        *([f"  {told['line_words']}"] if told["line_words"] else []),
        f"  began between {told['onset'][0][:16]} and {told['onset'][1][:16]} UTC",
        f"  to do: {told['action'] or 'undecided'}",
        *(f"    because {reason}" for reason in told["reasons"]),
        *(f"  costs: {line}" for line in costs.lines(told["estimate"])),
        *([f"    {told['check']['words']}"] if told["check"] else []),
        *([f"  images: {told['ruling']}, said {told['ruled_by']}"] if told["ruling"] else []),
        f"  pictures, suspect parts and report: {told['evidence']}",
    ]
