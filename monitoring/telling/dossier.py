"""An incident's page as things stand: the words of its mail, its pictures, and where to read on. Its folder can be
opened from a file share. On this disk only: all of it can be made again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from inspection import clock, files
from inspection.cameras import read_cameras
from inspection.layout import Layout
from inspection.outside import documents
from inspection.params import read_params
from inspection.post import mail
from inspection.post.incident_letters import of_incident, of_recovery
from inspection.post.letter import Letter, Picture, cleaned
from inspection.post.wording import when
from inspection.records import incidents, ledger
from inspection.records.catalog import Catalog, open_catalog
from inspection.records.incidents import Incident
from inspection.release import requests, suspicion
from inspection.release.requests import Standing
from monitoring.telling import index
from monitoring.telling.suspects import suspects

PAGE, FACTS = "index.html", "incident.json"


def letter(
    incident: Incident,
    zone: ZoneInfo,
    request: Standing | None,
    layout: Layout,
    catalog: Catalog,
    pictures: Sequence[Picture] = (),
    again: bool = False,
) -> Letter:
    """What people are told of an incident now, with the list of its suspect parts."""
    found = suspects(incident, layout, catalog)
    attached = [found.attached] if incident.marks else []
    if incident.open:
        return of_incident(incident, zone, found.parts, request, pictures, attached, again)
    left = [one for one in incidents.fold(ledger.read(layout)) if one.after == incident.name]
    over = of_recovery(incident, zone, found.parts, attached, found.complete, found.waiting, left)
    return replace(over, pictures=tuple(pictures))


def renew(layout: Layout, catalog: Catalog) -> list[Path]:
    """Write the pages anew of incidents that have changed since theirs were written, and of those whose list of parts
    may still grow; then the page over all. The pages that were written."""
    events = ledger.read(layout)
    written: list[Path] = []
    unsettled = set()
    standings: dict[str, Standing] | None = None
    for incident in incidents.fold(events):
        known = _known(layout, incident)
        same = known.get("state") == _state(incident) and not incident.open
        if same and known.get("final"):
            continue  # most are, and to look at them again takes time
        open_parts = suspicion.unsettled(incident, layout, catalog)
        unsettled |= {incident.name} if open_parts else set()
        if same and not open_parts:
            continue
        if standings is None:
            every = requests.standings(layout, catalog, read_params(layout.params))
            standings = {one.request.incident: one for one in every}
        written.append(_write(incident, standings.get(incident.name), layout, catalog, known))
    index.write(layout, events, unsettled)
    return written


def refresh(layout: Layout) -> None:
    """As `renew`, for a command that has no catalog open."""
    catalog = open_catalog(layout)
    renew(layout, catalog)
    catalog.close()


def keep(incident: Incident, layout: Layout, pictures: Sequence[Picture]) -> None:
    """Put an incident's pictures and its facts into its folder."""
    folder = layout.watched / "incidents" / incident.name
    for picture in pictures:
        files.write(folder / picture.name, picture.content)
    shown = [{"name": one.name, "caption": one.caption, "seen": one.seen} for one in pictures]
    files.write(folder / FACTS, _json({**_plain(incident), "pictures": shown}))


def _write(
    incident: Incident, request: Standing | None, layout: Layout, catalog: Catalog, known: Mapping[str, Any]
) -> Path:
    folder = layout.watched / "incidents" / incident.name
    pictures = [
        Picture(one["name"], one["caption"], (folder / one["name"]).read_bytes(), one["seen"])
        for one in known.get("pictures", ())
        if (folder / one["name"]).is_file()
    ]
    zone = _zone(layout, incident)
    told = cleaned(letter(incident, zone, request, layout, catalog, pictures))
    told = replace(told, footer=f"Written by Andon on {when(clock.now(), zone)}; anew whenever something changes.")
    links = [
        *([("How it was measured, in every detail", "report.html")] if (folder / "report.html").is_file() else []),
        *([("The attached list: suspect parts as a table (CSV)", "suspects.csv")] if incident.marks else []),
        ("All cameras, days and incidents", f"../../{index.PAGE}"),
    ]
    path = files.write(folder / PAGE, mail.page(told, [one.name for one in told.pictures], links))
    final = suspicion.over(incident, ledger.read(layout)) is not None
    final = final and not suspicion.unsettled(incident, layout, catalog)
    facts = {**_plain(incident), "pictures": list(known.get("pictures", ()))}
    files.write(folder / FACTS, _json({**facts, "state": _state(incident), "final": final}))
    return path


def _known(layout: Layout, incident: Incident) -> Mapping[str, Any]:
    """What was written of it last; nothing where that is gone or torn."""
    try:
        told = documents.json_file(layout.watched / "incidents" / incident.name / FACTS)
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _state(incident: Incident) -> str:
    """Another one whenever anything of it has changed."""
    return _json(_plain(incident), indent=None)


def _zone(layout: Layout, incident: Incident) -> ZoneInfo:
    declared = read_cameras(layout.cameras)
    own = declared.get(incident.cameras[0])
    return own.zone if own else next((one.zone for one in declared.values()), ZoneInfo("UTC"))


def _plain(incident: Incident) -> dict[str, Any]:
    told = {**incident.__dict__, "onset": [clock.stamp(one) for one in incident.onset]}
    for name in ("opened", "closed"):
        told[name] = clock.stamp(told[name]) if told[name] else None
    return told


def _json(told: Mapping[str, Any], indent: int | None = 2) -> str:
    return json.dumps(told, indent=indent, ensure_ascii=False)
