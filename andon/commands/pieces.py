"""`piece`: serials that came again long after, and which piece each of them means."""

from typing import Annotated

import typer

from andon.options import By, Json
from andon.show import emit, table
from andon.surroundings import plant

app = typer.Typer(no_args_is_help=True, help="Serials that came again long after: the same piece, or a new one.")

Serials = Annotated[list[str], typer.Argument(help="Serials as the cameras name them.")]
Part = Annotated[str, typer.Option(help="The kind of part, where two kinds bear the serial.")]


@app.command("list")
def piece_list(
    every: Annotated[bool, typer.Option("--all", help="All; default: those that wait for a word.")] = False,
    json: Json = False,
) -> None:
    """The serials that came again after more than `pieces.max_gap` days, with both dates."""
    from dataclasses import asdict

    from inspection.pictures.returned import WAITS
    from inspection.release import pieces

    rows = [
        {**asdict(one), "last": f"{one.last:%Y-%m-%d %H:%M}", "since": f"{one.since:%Y-%m-%d %H:%M}"}
        for one in pieces.every(plant())
        if every or one.state == WAITS
    ]
    columns = {"serial": "serial", "part": "part", "last": "last seen (UTC)", "since": "again since (UTC)"}
    table(rows, columns | {"state": "state", "by": "by"}, json, "No serial that came again waits for a word.")


@app.command("same")
def piece_same(serials: Serials, by: By, part: Part = "", json: Json = False) -> None:
    """It is the same piece as before: its new pictures count with its old ones."""
    _rule(serials, part, "same", by, json)


@app.command("new")
def piece_new(serials: Serials, by: By, part: Part = "", json: Json = False) -> None:
    """It is another piece that bears the number of an old one: told apart everywhere from then on."""
    _rule(serials, part, "new", by, json)


@app.command("undo")
def piece_undo(serials: Serials, by: By, part: Part = "", json: Json = False) -> None:
    """Take back what was said: the new pictures wait again."""
    _rule(serials, part, "waits", by, json)


def _rule(serials: list[str], part: str, what: str, by: str, json: bool) -> None:
    from dataclasses import asdict

    from inspection.release import pieces

    changed = pieces.rule(plant(), serials, part, what, by)
    said = {"same": "is the same piece as before", "new": "is a new piece", "waits": "waits for a word again"}[what]
    words = [f"{one.serial} of {one.part} {said}, since {one.since:%Y-%m-%d %H:%M} UTC." for one in changed]
    rows = [{**asdict(one), "last": str(one.last), "since": str(one.since)} for one in changed]
    emit({"what": what, "by": by, "pieces": rows}, json, words or ["Nothing changed: that was said already."])
