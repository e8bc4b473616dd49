"""New captures -> verdicts of the live model, camera health -> incidents, what to do about them, reports and mails.

Each step leaves its result in the ledger and begins with what the ledger lacks, so a run that was killed anywhere is
finished by the next.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.commission import renew_due
from flows.decisions import decide
from flows.followup import check, follow, listen
from flows.looks import clear, finish, look, new_batches, record, score
from flows.mails import tell
from flows.recalibrate import recalibrate
from flows.recalibrate import told as made_again
from flows.tasks import begin
from inspection import lock
from inspection.anchor import writing
from inspection.layout import Layout
from inspection.outside.quoted import quoted
from inspection.params import Params, read_params
from inspection.post import outbox
from inspection.progress import doing
from inspection.records.catalog import Catalog, open_catalog, refresh
from monitoring.judgement.looking import Look
from monitoring.telling import pages


@flow(name="watch")
def watch(batch: str | None = None, root: Path | None = None) -> dict[str, Any]:
    """Judge the captures that were not judged yet, look at each camera's windows, and say what has changed.

    Args:
        batch: only this one; default: every batch that came since the last run.

    Returns:
        scored: captures; windows: as JSON; incidents: what opened, joined, grew, closed or turned out to belong to
        another; requests: names of those opened; recalibrations: references of an earlier method made again, or why
        not; renewals: references made for a planned change, or why not; mails: subjects; notes: in words.
    """
    layout = begin(root)
    settings = read_params(layout.params)
    writing.require(layout)
    with lock.hold(layout, "watch", "a watch"):
        catalog = open_catalog(layout)
        clear(layout)
        finish(layout)
        with doing("looking at the references"):
            again = recalibrate(layout, settings, catalog)
        new = new_batches(layout, catalog, batch)
        with doing("judging what is new"):
            rows, done, notes = score(layout, settings, catalog, new)
        with doing("looking at the cameras"):
            looks = look(layout, settings, catalog, rows)
        if done or looks:
            record(layout, rows, looks, done)
            refresh(catalog, layout)
        with doing("writing the cameras' days"):
            report_days(layout, settings, catalog, looks)
        with doing("looking for incidents"):
            changes = [*follow(layout, settings), *listen(layout, settings, catalog)]
        with doing("deciding what is to be done"):
            asked = decide(layout, settings, catalog)
            check(layout, settings, catalog)
            renewals = renew_due(layout, settings, catalog)
        with doing("writing to people"):
            mails = tell(layout, settings, catalog)
        notes += [words] if (words := outbox.waiting(layout.home, settings.mail).words) else []
        catalog.close()
    return {
        "scored": len(rows),
        "windows": [one.as_json() for one in looks],
        "incidents": changes,
        "requests": asked,
        "recalibrations": again,
        "renewals": renewals,
        "mails": mails,
        "notes": notes,
    }


@task(name="report-days", cache_policy=NO_CACHE)
def report_days(layout: Layout, settings: Params, catalog: Catalog, looks: list[Look]) -> None:
    """Each window as JSON and each camera's day as a page, for people."""
    for one in looks:
        pages.write_window(layout, one.as_json())
    for day, camera in sorted({(str(day), str(one.rows["camera"].iloc[0])) for one in looks for day in one.days}):
        pages.write_day(layout, settings, catalog, camera, day)


def summary(result: dict[str, Any]) -> list[str]:
    """The result in sentences."""
    counts = f"Captures judged: {result['scored']}. Windows looked at: {len(result['windows'])}."
    lines = [counts, *result["notes"], *map(made_again, result["recalibrations"])]
    for one in result["windows"]:
        said = "; ".join(finding["words"] for finding in one["findings"]) or "; ".join(one["notes"])
        lines.append(f"  {one['camera']} {one['last'][:16].replace('T', ' ')} UTC: {one['state']} {said}".rstrip())
    lines += [_happened(one) for one in result["incidents"]]
    lines += [renewed(one) for one in result["renewals"]]
    return [*lines, *(f"Mail: {subject}" for subject in result["mails"])]


def _happened(event: Mapping[str, Any]) -> str:
    """What became of an incident, in a few words."""
    name, cause = event["incident"], str(event.get("cause", "")).replace("_", " ")
    words = {"explained": f"{cause} too, probably because of it", "recast": f"is told as {cause} now"}
    return f"{name} {words.get(event['what'], event['what'])}"


def renewed(told: Mapping[str, Any]) -> str:
    """What became of a planned change, in a sentence."""
    made = told.get("made")
    if made is None:
        return f"{told['camera']} goes on learning: {told['refused']}"
    why = quoted(made["reason"], 80)
    return f"{told['camera']}: reference {made['version']} of {made['images']} images, because of: {why}"
