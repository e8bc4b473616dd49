"""What came of the demo, in figures: verdicts given when the images arrived against what the parts really were."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import select

from inspection.layout import Layout
from inspection.model import metrics
from inspection.params import read_params
from inspection.pictures import piece
from inspection.records import incidents, ledger
from inspection.records.assignments import read_assignments
from inspection.records.catalog import open_catalog
from inspection.records.incidents import Incident
from inspection.records.schema import capture_table, score_table
from inspection.release import approval, registry
from inspection.taxonomy import read_taxonomy
from plant.shot import Shot

LATE = timedelta(hours=6)  # an evening may last until after midnight
NOTHING: Mapping[str, Any] = {
    "images": 0,
    "quarantined": 0,
    **{name: [] for name in ("releases", "incidents", "days", "recovery", "mails", "reports")},
    "champion": None,
}


def judged(layout: Layout, shots: Sequence[Shot]) -> pd.DataFrame:
    """One row per capture whose label is known: what it was (`label`, `acceptable`) and what was said of it when it
    came, if anything."""
    truth = pd.DataFrame(
        [
            (one.key, one.camera, one.line, one.part, one.serial, one.captured_at.date(), one.label)
            for one in shots
            if one.label
        ],
        columns=["key", "camera", "line", "part", "serial", "day", "label"],
    )
    catalog = open_catalog(layout)
    query = select(
        capture_table.c.key, score_table.c.label.label("predicted"), score_table.c.reject, score_table.c.version
    )
    said = catalog.frame(query.join(score_table, score_table.c.capture_id == capture_table.c.capture_id))
    catalog.close()
    accepted = {name: one.acceptable for name, one in read_taxonomy(layout.taxonomy).classes.items()}
    return truth.merge(said, on="key", how="left").assign(acceptable=truth["label"].map(accepted))


def days(rows: pd.DataFrame, start: date, rule: str) -> list[dict[str, Any]]:
    """One entry per day and camera; parts are counted, and figures are None while no model was on the line."""
    found = []
    for (day, camera), some in rows.groupby(["day", "camera"], sort=True):
        known = some[some["predicted"].notna()]
        bad = ~some.groupby(piece.of(some))["acceptable"].all()
        entry: dict[str, Any] = {
            "day": (day - start).days + 1,
            "camera": camera,
            "good": int((~bad).sum()),
            "defects": int(bad.sum()),
            **dict.fromkeys(("escapes", "false_rejects", "balanced_accuracy", "model")),
        }
        if len(known):
            parts = metrics.parts(known.assign(reject=known["reject"].astype(bool)), rule)
            entry |= {
                "escapes": int((parts["defective"] & ~parts["rejected"]).sum()),
                "false_rejects": int((~parts["defective"] & parts["rejected"]).sum()),
                "balanced_accuracy": accuracy(known),
                "model": str(known["version"].iloc[-1]),
            }
        found.append(entry)
    return found


def number(moment: datetime, start: date) -> int:
    """The day, from 1 on, in whose evening it was."""
    return ((moment - LATE).date() - start).days + 1


def accuracy(rows: pd.DataFrame) -> float | None:
    """Mean over the classes of the share of images that were called right."""
    if rows.empty:
        return None
    return round(metrics.balanced(rows.assign(right=rows["label"] == rows["predicted"]), "right"), 4)


def recovery(layout: Layout, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """For each change that was learned: balanced accuracy before it, under it, and after the release that answered it,
    the last on test parts only."""
    from inspection.release import requests

    events, own = ledger.read(layout), piece.of(rows)
    places = read_assignments(layout.assignments).of(own.unique())
    rows = rows.assign(piece=own)
    released = {one.version: (one.at - LATE).date() for one in registry.history(layout)}
    found = []
    for incident in incidents.fold(events):
        answers = [one.candidate for one in requests.fold(events) if one.incident == incident.name and one.candidate]
        learned = [released[one] for one in answers if one in released]
        if not learned:
            continue
        mine = rows[rows["camera"].isin(incident.cameras) & rows["predicted"].notna()]
        began, first = incident.onset[1].date(), learned[0]
        mine = mine[
            mine["label"].isin(mine.loc[mine["day"] < began, "label"])
        ]  # a class that came later is another tale
        before = accuracy(mine[mine["day"] < began])
        under = accuracy(mine[(mine["day"] >= began) & (mine["day"] <= first)])
        later = mine[mine["day"] > first]
        tested = later[later["piece"].map(places) == "test"]
        after = accuracy(tested)
        lost = None if before is None or under is None else before - under
        found.append(
            {
                "incident": incident.name,
                "cameras": list(incident.cameras),
                "before": before,
                "under_it": under,
                "after_release": after,
                "test_parts_after": int(tested["piece"].nunique()),
                "after_release_all_parts": accuracy(later),
                "won_back": round((after - under) / lost, 3)
                if lost and after is not None and under is not None
                else None,
            }
        )
    return found


def incident_entries(known: Sequence[Incident], start: date) -> list[dict[str, Any]]:
    """Incidents as summary.json has them; `onset` is the interval in which each began, in UTC."""
    return [
        {
            "incident": one.name,
            "day": number(one.opened, start),
            "camera": "+".join(one.cameras),
            "cause": one.cause,
            "size": round(one.size, 4),
            "unit": one.finding["unit"],
            "action": one.action,
            "onset": [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in one.onset],
            "closed": one.why_closed or None,
            "cost": {key: one.cost[key] for key in ("before", "after", "how")} if one.cost else None,
        }
        for one in known
    ]


def summarise(
    layout: Layout, shots: Sequence[Shot], ingested: Sequence[Mapping[str, Any]], start: date
) -> dict[str, Any]:
    """What .demo/summary.json says, but for the time it took."""
    demo = layout.root.parent
    rows = judged(layout, shots)
    events = ledger.read(layout)
    requests = {request.version: request for request in approval.requests(layout)}
    now = registry.live(layout)
    figures = requests[now.version].figures if now else {}
    kept = ("macro_f1", "balanced_accuracy", "escapes", "false_rejects", "parts", "good_parts")
    return {
        "images": sum(day["accepted"] for day in ingested),
        "quarantined": sum(day["refused"] for day in ingested),
        "releases": [
            {
                "version": one.version,
                "candidate": one.package,
                "approved_by": one.by,
                "reason": one.reason,
                "day": number(one.at, start),
            }
            for one in registry.history(layout)
        ],
        "champion": {
            "version": now.version,
            "classes": list(requests[now.version].classes),
            **{name: figures[name] for name in kept},
        }
        if now
        else None,
        "incidents": incident_entries(incidents.fold(events), start),
        "days": days(rows, start, read_params(layout.params).verdict.part),
        "recovery": recovery(layout, rows),
        "mails": [
            {"subject": event.body["subject"], "path": str((layout.home / event.body["path"]).relative_to(demo))}
            for event in events
            if event.kind == "mail"
        ],
        "reports": [str(path.relative_to(demo)) for path in sorted(layout.watched.rglob("*.html"))],
    }


def write(summary: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
