"""`quarantine`: files that were refused, and the way back for them."""

from typing import Annotated

import typer

from andon.options import By, Json, Why
from andon.show import emit, table
from andon.surroundings import plant, prefect_at_home

app = typer.Typer(no_args_is_help=True, help="Files that were refused: see them, bring them back, give them up.")
SHOWN = 3  # names in a row of the table

Names = Annotated[list[str] | None, typer.Argument(help="Names as in the inbox, or masks such as 'cam-1/*'.")]
Reason = Annotated[str, typer.Option(help="Those whose reason holds this text.")]
Every = Annotated[bool, typer.Option("--all", help="All that are not discarded.")]


@app.command("list")
def quarantine_list(
    every: Annotated[bool, typer.Option("--all", help="Also those that a person has discarded.")] = False,
    json: Json = False,
) -> None:
    """The refused files by reason, the most frequent first, under the names that they came with."""
    from contextlib import closing

    from inspection.records import quarantine
    from inspection.records.catalog import open_catalog

    layout = plant()
    with closing(open_catalog(layout)) as catalog:
        found = quarantine.every(layout, catalog)
    groups = quarantine.groups(one for one in found if every or one.state != quarantine.DISCARDED)
    told = [
        {
            "reason": f"{one['files']} × {one['reason']}",
            "when": " to ".join(dict.fromkeys(one[at][:16].replace("T", " ") for at in ("first", "last"))),
            "names": ", ".join(map(repr, one["keys"][:SHOWN])) + (", ..." if one["files"] > SHOWN else ""),
            "state": one["state"] + (f" by {one['by']}: {one['why']}" if one["by"] else ""),
        }
        for one in groups
    ]
    columns = {"reason": "reason", "when": "refused (UTC)", "names": "names", **({"state": "state"} if every else {})}
    table(groups if json else told, columns, json, "No refused file is kept.")


@app.command("retry")
def quarantine_retry(
    names: Names = None, reason: Reason = "", every: Every = False, by: By = "", json: Json = False
) -> None:
    """Check refused files anew, as if they lay in the inbox once more: after cameras.yaml was corrected, say."""
    from contextlib import closing

    from inspection.anchor import writing
    from inspection.records import quarantine
    from inspection.records.catalog import open_catalog

    layout = plant()
    with closing(open_catalog(layout)) as catalog:
        found = quarantine.chosen(quarantine.every(layout, catalog), names or [], reason, every)
    prefect_at_home(layout)
    from flows.ingest import ingest as flow
    from flows.ingest import summary
    from flows.tasks import run_here

    quarantine.rule(layout, found, quarantine.RETRIED, by or writing.require(layout), "")
    result = run_here(flow)
    emit(result, json, [f"{len(found)} files were checked anew, with what lay in the inbox:", *summary(result)])
    if result["unread"]:
        raise typer.Exit(1)


@app.command("discard")
def quarantine_discard(
    by: By, why: Why, names: Names = None, reason: Reason = "", every: Every = False, json: Json = False
) -> None:
    """Give refused files up: they are listed no more. Their bytes stay on the disk, and retry finds them by name."""
    from contextlib import closing

    from inspection.records import quarantine
    from inspection.records.catalog import open_catalog

    layout = plant()
    with closing(open_catalog(layout)) as catalog:
        found = quarantine.chosen(quarantine.every(layout, catalog), names or [], reason, every)
    quarantine.rule(layout, found, quarantine.DISCARDED, by, why)
    keys = [one.key for one in found]
    emit({"discarded": keys, "by": by, "why": why}, json, [f"{len(keys)} refused files are discarded."])
