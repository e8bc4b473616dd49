"""`verify`: whether what the plant keeps is what was recorded."""

from dataclasses import asdict
from typing import Annotated

import typer

from andon.options import Json
from andon.show import emit
from andon.surroundings import plant, prefect_at_home


def verify(
    every: Annotated[bool, typer.Option("--all", help="All pictures, not only those of the last 30 days.")] = False,
    by_mail: Annotated[
        bool, typer.Option("--mail", help="As the nightly one: mail what is found, and note that it was compared.")
    ] = False,
    json: Json = False,
) -> None:
    """Compare what the plant keeps with what was recorded; changes nothing. Exit code 1 if something is found."""
    if by_mail:
        _nightly(every, json)
        return
    from inspection.verify.everything import verify as compare

    done = compare(plant(), every)
    told = [f"Found     {one.file}: {one.words}" for one in done.findings] or ["Found     nothing that was changed."]
    told += [f"Compared  {words}" for words in done.compared]
    told += [f"Left out  {words}" for words in done.left_out]
    emit(asdict(done), json, told)
    if done.findings:
        raise typer.Exit(1)


def _nightly(every: bool, json: bool) -> None:
    layout = plant()
    prefect_at_home(layout)
    from flows.audit import audit, summary
    from flows.tasks import run_here

    result = run_here(audit, every=every, root=layout.root)
    emit(result, json, summary(result))
    if result["found"]:
        raise typer.Exit(1)
