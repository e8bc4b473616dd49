"""`incidents`: what went wrong, and what people rule on it."""

from typing import Annotated

import typer

from andon.options import By, Json, Why
from andon.show import emit, table
from andon.surroundings import plant

app = typer.Typer(help="What went wrong on which camera; without a word: list them.")


@app.callback(invoke_without_command=True)
def incidents_list(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    json: Json = False,
) -> None:
    """The open incidents."""
    if context.invoked_subcommand:
        return
    from andon.status import incident_rows

    columns = {
        "incident": "incident",
        "cameras": "cameras",
        "scope": "whose",
        "cause": "cause",
        "size": "size",
        "onset": "began between (UTC)",
        "action": "action",
        "state": "state",
    }
    table(incident_rows(plant(), every), columns, json, "No incidents are open.")


@app.command("show")
def incidents_show(incident: str, json: Json = False) -> None:
    """Everything about one incident, and where its pictures and suspect parts are."""
    from andon.status import incident_lines, incident_state

    told = incident_state(plant(), incident)
    emit(told, json, incident_lines(told))


@app.command("rule")
def incidents_rule(
    incident: str,
    images: Annotated[str, typer.Option(help="use: they may train the model; drop: never.")],
    by: By,
    json: Json = False,
) -> None:
    """Say what becomes of the images that a camera's fault has marked."""
    from inspection.release.rulings import rule
    from monitoring.telling.dossier import refresh

    layout = plant()
    event = rule(layout, incident, by, images)
    refresh(layout)
    emit({"by": by, **event}, json, [f"The images of {incident}: {images}."])


@app.command("close")
def incidents_close(
    incident: str,
    by: By,
    why: Why,
    parts: Annotated[
        str, typer.Option(help="What was done with the suspect parts: reinspected, released, scrapped or none.")
    ] = "",
    json: Json = False,
) -> None:
    """Close an incident by hand, and say what was done with its suspect parts; or say that of one that is over."""
    from inspection.release.rulings import close
    from monitoring.telling.dossier import refresh

    layout = plant()
    event = close(layout, incident, by, why, parts)
    refresh(layout)
    emit({"by": by, **event}, json, [f"{incident} is closed; its suspect parts: {event['parts']}."])
