"""`catalog`: ask it, make it anew."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from andon.options import Json
from andon.show import emit, table
from andon.surroundings import plant
from inspection.errors import FixInput

app = typer.Typer(no_args_is_help=True, help="Ask the catalog.")


@app.command("query")
def catalog_query(
    camera: Annotated[str | None, typer.Option()] = None,
    line: Annotated[str | None, typer.Option()] = None,
    part: Annotated[str | None, typer.Option()] = None,
    serial: Annotated[str | None, typer.Option()] = None,
    label: Annotated[str | None, typer.Option(help="The label that was given last.")] = None,
    unlabelled: Annotated[bool, typer.Option("--unlabelled", help="Only those that nobody has labelled.")] = False,
    batch: Annotated[str | None, typer.Option()] = None,
    verdict: Annotated[Literal["accept", "reject"] | None, typer.Option(help="Of the model live at the time.")] = None,
    model: Annotated[str | None, typer.Option(help="Its version.")] = None,
    state: Annotated[
        Literal["accepted", "held", "released", "discarded"] | None, typer.Option(help="Of the batch.")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="ISO 8601; UTC without a zone.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="ISO 8601; UTC without a zone.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The newest only; default: 50 in a table.")] = None,
    form: Annotated[Literal["table", "csv", "parquet", "json"], typer.Option("--format")] = "table",
    out: Annotated[Path | None, typer.Option(help="A file for csv, parquet or json.")] = None,
    json: Json = False,
) -> None:
    """Captures by time, line, camera, part, serial, label, batch, and what the live model said."""
    from andon.query import TABLE, Wanted, captures, write

    form = "json" if json else form
    if form == "table" and out is not None:
        raise FixInput("--out needs --format csv, parquet or json.")
    if unlabelled and label:
        raise FixInput("--unlabelled and --label exclude each other; leave one out.")
    limit = limit or (50 if form == "table" else None)
    wanted = Wanted(since, until, line, camera, part, serial, label, batch, verdict, model, state, limit, unlabelled)
    rows = captures(plant(), wanted)
    if form != "table":
        count = write(rows, form, out)
        if out:
            emit({"captures": count, "file": str(out)}, json, [f"{count} captures are in {out}."])
        return
    short = [{**row, "captured_at": str(row["captured_at"])[:19], "image_id": row["image_id"][:12]} for row in rows]
    table(short, TABLE, False, "No captures match.")


@app.command("rebuild")
def catalog_rebuild(json: Json = False) -> None:
    """Fold the catalog anew from manifests, quarantine and ledger, and compare table for table."""
    from inspection.records.catalog import rebuild

    equal = rebuild(plant())
    emit(equal, json, [f"{name}: {'equal' if same else 'was different'}" for name, same in equal.items()])
