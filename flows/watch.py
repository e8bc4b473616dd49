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
from flows.followup import check, follow
from flows.looks import clear, look, new_batches, record, score
from flows.mails import tell
from inspection import git, lock
from inspection.layout import Layout
from inspection.params import Params, read_params
from inspection.post import outbox
from inspection.records.catalog import Catalog, open_catalog, refresh
from monitoring.judgement.looking import Look
from monitoring.telling import pages


@flow(name="watch")
def watch(batch: str | None = None, root: Path | None = None) -> dict[str, Any]:
    """Judge the captures that were not judged yet, look at each camera's windows, and say what has changed.

    Args:
        batch: only this one; default: every batch that came since the last run.

    Returns:
        scored: captures; windows: as JSON; incidents: what opened, joined, grew or closed; requests: names of those
        opened; renewals: references made for a planned change, or why not; mails: subjects; notes: in words.
    """
    layout = Layout.find(root)
    settings = read_params(layout.params)
    git.require_identity(layout.home)
    with lock.hold(layout, "watch", "a watch"):
        catalog = open_catalog(layout)
        clear(layout)
        new = new_batches(layout, catalog, batch)
        rows, notes = score(layout, settings, catalog, new)
        looks = look(layout, settings, catalog, rows)
        if len(new) or looks:
            record(layout, rows, looks, new)
            refresh(catalog, layout)
        report_days(layout, settings, catalog, looks)
        changes = follow(layout, settings)
        asked = decide(layout, settings, catalog)
        check(layout, settings, catalog)
        renewals = renew_due(layout, settings, catalog)
        mails = tell(layout, settings, catalog)
        notes += [words] if (words := outbox.waiting(layout.home, settings.mail).words) else []
        catalog.close()
    return {
        "scored": len(rows),
        "windows": [one.as_json() for one in looks],
        "incidents": changes,
        "requests": asked,
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
    lines = [counts, *result["notes"]]
    for one in result["windows"]:
        said = "; ".join(finding["words"] for finding in one["findings"]) or "; ".join(one["notes"])
        lines.append(f"  {one['camera']} {one['last'][:16].replace('T', ' ')} UTC: {one['state']} {said}".rstrip())
    lines += [f"{one['incident']} {one['what']}" for one in result["incidents"]]
    lines += [renewed(one) for one in result["renewals"]]
    return [*lines, *(f"Mail: {subject}" for subject in result["mails"])]


def renewed(told: Mapping[str, Any]) -> str:
    """What became of a planned change, in a sentence."""
    made = told.get("made")
    if made is None:
        return f"{told['camera']} goes on learning: {told['refused']}"
    return f"{told['camera']}: reference {made['version']} of {made['images']} images, because of: {made['reason']}"
