"""`batch`: batches that wait for a person."""

from typing import Annotated

import typer

from andon.options import By, Json, Why
from andon.show import emit, table
from andon.surroundings import plant

app = typer.Typer(no_args_is_help=True, help="Batches, and what a person says of those that were held.")


@app.command("list")
def batch_list(
    every: Annotated[bool, typer.Option("--all", help="All batches; default: those that are held.")] = False,
    json: Json = False,
) -> None:
    """The batches that wait for a person."""
    from dataclasses import asdict

    from inspection.records import holds
    from inspection.records.batches import HELD

    rows = [
        {**asdict(one), "why": "; ".join(one.why), "at": one.at[:16].replace("T", " ")}
        for one in holds.every(plant())
        if every or one.state == HELD
    ]
    columns = {"batch": "batch", "at": "came (UTC)", "captures": "images", "state": "state", "by": "by", "why": "why"}
    table(rows, columns, json, "No batch is held.")


@app.command("hold")
def batch_hold(batch: str, by: By, why: Why, json: Json = False) -> None:
    """Set a batch aside: it is neither judged nor trained on until it is released."""
    _rule(batch, "held", by, why, json)


@app.command("release")
def batch_release(batch: str, by: By, why: Why, json: Json = False) -> None:
    """Let a held batch be used."""
    _rule(batch, "released", by, why, json)


@app.command("discard")
def batch_discard(batch: str, by: By, why: Why, json: Json = False) -> None:
    """Never use a held batch. Its images stay on the disk."""
    _rule(batch, "discarded", by, why, json)


def _rule(batch: str, what: str, by: str, why: str, json: bool) -> None:
    from inspection.records import holds

    holds.rule(plant(), batch, what, by, why)
    emit({"batch": batch, "state": what, "by": by, "why": why}, json, [f"Batch {batch} is {what}."])
