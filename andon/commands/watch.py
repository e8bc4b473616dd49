"""`watch`: new captures judged, and the cameras' health; `drill`: an alarm, rehearsed."""

from typing import Annotated

import typer

from andon.options import Json
from andon.show import emit
from andon.surroundings import plant, prefect_at_home, settle_prefect


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


def drill(
    fault: Annotated[str, typer.Argument(help="What to rehearse: lamp, dust, dead ..., or all.")],
    camera: Annotated[str | None, typer.Option(help="Default: the first one that can be rehearsed on.")] = None,
    size: Annotated[float | None, typer.Option(help="In the fault's own unit; default: a usual one.")] = None,
    json: Json = False,
) -> None:
    """Rehearse an alarm on a copy of the last pictures: nothing real is touched, and the mail says DRILL."""
    layout = plant()
    settle_prefect(layout.state / "prefect")
    from flows.drill import drill as rehearse
    from flows.drill import lines

    results = rehearse(layout, fault, camera, size)
    emit(results if fault == "all" else results[0], json, [words for one in results for words in lines(one)])
    if not all(one["passed"] for one in results):
        raise typer.Exit(1)
