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
    """Take in what the cameras dropped. Refused lines of a sidecar end it with 1, as those of a label sheet do."""
    layout = plant()
    prefect_at_home(layout)
    from flows.ingest import ingest as flow
    from flows.ingest import summary
    from flows.tasks import run_here
    from inspection.intake import suite

    suite.load()  # while Prefect's server starts
    result = run_here(flow, inbox)
    emit(result, json, summary(result))
    if result["unread"]:
        raise typer.Exit(1)


def push(
    everything: Annotated[
        bool, typer.Option("--all", help="Whatever any commit names and the remote lacks, not only what waits.")
    ] = False,
    new_remote: Annotated[
        bool, typer.Option("--new-remote", help="The remote is a new, empty one: mark it, and send everything.")
    ] = False,
    json: Json = False,
) -> None:
    """Send to the remote what still waits, then ask it for all that the last commit names."""
    from inspection import backlog

    layout = plant()
    prefect_at_home(layout)
    from flows import remote

    why = remote.push_everything(layout, new_remote) if everything or new_remote else remote.push.fn(layout)
    waiting = len(backlog.read(layout).waiting)
    asked = None if why or waiting else remote.ask(layout)
    if why:
        words = [f"{waiting} pushes wait: {why}" if waiting else why]
    elif asked and asked.lacking:
        why = f"the remote lacks {asked.lacking} of {asked.files} files that the last commit names; andon push --all"
        words = [f"Nothing waits, but {why}"]
    elif asked and asked.files:
        words = [f"Everything is there: the remote holds all {asked.files} files that the last commit names."]
    else:
        words = ["Nothing waits to be sent, and the last commit names no data." if asked else f"{waiting} pushes wait."]
    emit({"waiting": waiting, "why": why, "files": asked.files if asked else None}, json, words)
    if why:
        raise typer.Exit(1)
