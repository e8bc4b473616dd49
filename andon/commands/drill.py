"""`drill`: an alarm, rehearsed."""

from typing import Annotated

import typer

from andon.options import Json
from andon.show import emit
from andon.surroundings import plant, settle_prefect


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
