"""`watch`: new captures judged, and the cameras' health."""

from typing import Annotated

import typer

from andon.options import Json
from andon.show import emit
from andon.surroundings import plant, prefect_at_home


def watch(
    batch: Annotated[str | None, typer.Option(help="Judge this batch only; default: all that are new.")] = None,
    json: Json = False,
) -> None:
    """Judge new captures, look at each camera's health, and tell people what has changed."""
    layout = plant()
    prefect_at_home(layout)
    from flows.tasks import run_here
    from flows.watch import summary
    from flows.watch import watch as flow

    result = run_here(flow, batch)
    emit(result, json, summary(result))
