"""`reference`: what a camera looks like when it is healthy."""

from typing import Annotated

import typer

from andon.options import By, Json
from andon.show import emit, table
from andon.surroundings import plant, prefect_at_home
from inspection.errors import FixInput
from inspection.outside.quoted import quoted

app = typer.Typer(no_args_is_help=True, help="What a camera looks like when it is healthy.")


@app.command("accept")
def reference_accept(
    cameras: Annotated[list[str], typer.Argument(help="One camera or more.")],
    since: Annotated[str, typer.Option("--from", help="ISO 8601; UTC without a zone.")],
    until: Annotated[str, typer.Option("--to", help="ISO 8601; UTC without a zone.")],
    by: By,
    json: Json = False,
) -> None:
    """Declare that the cameras were healthy in that time; each is measured against it from now on."""
    from andon.query import moment

    layout = plant()
    prefect_at_home(layout)
    from flows.commission import commission
    from flows.tasks import run_here

    made = run_here(commission, cameras, moment(since, "--from"), moment(until, "--to"), by)
    words = [
        f"{one['camera']}: reference {one['version']} of {one['images']} images in {one['windows']} windows, parts "
        f"{', '.join(one['parts'])}" + (" (few windows: limits are provisional)" if one["provisional"] else "")
        for one in made
    ]
    words += [f"  {one['camera']}: {note}" for one in made for note in one["notes"]]
    emit(made, json, words)


@app.command("renew")
def reference_renew(
    camera: str,
    reason: Annotated[str, typer.Option(help="What changes: a new lens, a new lamp, a new fixture.")],
    by: By,
    since: Annotated[
        str | None, typer.Option("--from", help="When it changed; default: now. UTC without a zone.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Make the reference at once of the images up to then.")
    ] = None,
    json: Json = False,
) -> None:
    """Announce a planned change: the camera is learned anew, and the watch makes its reference when enough has come."""
    from andon.query import moment

    if until is not None and since is None:
        raise FixInput("--to needs --from: say when the change was made.")
    begin, end = (None if at is None else moment(at, name) for at, name in ((since, "--from"), (until, "--to")))
    layout = plant()
    prefect_at_home(layout)
    from flows.commission import renew
    from flows.tasks import run_here
    from flows.watch import renewed

    told = run_here(renew, camera, reason, by, begin, end)
    begins, why = told["since"][:16].replace("T", " "), quoted(reason, 80)
    words = [f"{camera} is learning since {begins} UTC: {why}, announced by {by}."]
    words += [f"{', '.join(told['closed'])} closed."] if told["closed"] else []
    if told["made"] or told["refused"]:
        words.append(renewed(told))
    else:
        words.append(f"The watch makes the new reference when {told['images']} images have come.")
    emit(told, json, words)
    if told["refused"]:
        raise typer.Exit(1)


@app.command("list")
def reference_list(json: Json = False) -> None:
    """Every version of every camera's reference."""
    from andon.references import rows

    columns = {
        "camera": "camera",
        "version": "version",
        "state": "state",
        "first": "images from (UTC)",
        "last": "to (UTC)",
        "images": "images",
        "windows": "windows",
        "by": "by",
        "reason": "because of",
    }
    table(rows(plant()), columns, json, "No camera has a reference yet: andon reference accept CAMERA.")


@app.command("show")
def reference_show(
    camera: str,
    version: Annotated[str | None, typer.Argument(help="Default: the newest.")] = None,
    json: Json = False,
) -> None:
    """One reference: what it was made of, and the limits that it sets."""
    from andon.references import lines, story

    told = story(plant(), camera, version)
    emit(told, json, lines(told))
