"""`ingest` and `push`: in from the cameras, out to the remote."""

from typing import Annotated

import typer

from andon.options import Json
from andon.show import emit
from andon.surroundings import plant, prefect_at_home


def ingest(
    inbox: Annotated[
        str | None, typer.Option(help="A folder or s3://bucket/prefix; default: ingest.inbox in params.yaml.")
    ] = None,
    json: Json = False,
) -> None:
    """Take in what the cameras dropped."""
    layout = plant()
    prefect_at_home(layout)
    from flows.ingest import ingest as flow
    from flows.ingest import summary
    from flows.tasks import run_here
    from inspection.intake import suite

    suite.load()  # while Prefect's server starts
    result = run_here(flow, inbox)
    emit(result, json, summary(result))


def push(json: Json = False) -> None:
    """Send to the remote what still waits."""
    from inspection import backlog

    layout = plant()
    prefect_at_home(layout)
    from flows.remote import push as send

    why = send.fn(layout)
    waiting = len(backlog.read(layout).waiting)
    emit({"waiting": waiting, "why": why}, json, [f"{waiting} pushes wait." if waiting else "Everything is there."])
    if why:
        raise typer.Exit(1)
