"""`scale`: a worker for the plant's cluster."""

from typing import Annotated

import typer

from andon.options import Json
from andon.show import emit

app = typer.Typer(no_args_is_help=True, help="More than one computer: a worker for the plant's Dask cluster.")


@app.callback()
def scale() -> None:
    """More than one computer: a worker for the plant's Dask cluster."""


@app.command()
def worker(
    scheduler: Annotated[str, typer.Argument(help="tls://HOST:PORT of the cluster's scheduler.")],
    processes: Annotated[int, typer.Option(min=1, help="Workers here, of one thread each; one a core.")] = 1,
    memory: Annotated[str, typer.Option(help="That one of them may take.")] = "4GB",
    host: Annotated[str, typer.Option(help="By which the scheduler reaches this computer.")] = "",
    json: Json = False,
) -> None:
    """Look at pictures for a plant; certificates are named by ANDON_DASK_CA, ANDON_DASK_CERT and ANDON_DASK_KEY."""
    from inspection.anchor import account
    from inspection.scale.worker import serve

    account.tell()
    serve(scheduler, processes, memory, host)
    emit({"ended": True}, json, ["The workers were ended."])
