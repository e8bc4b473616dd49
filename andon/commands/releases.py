"""`rollback`, `live`, `history`: what is on the line, and what was."""

from typing import Annotated

import typer

from andon.options import By, Json
from andon.show import emit, table
from andon.surroundings import plant, prefect_at_home
from inspection.errors import FixInput
from inspection.outside.quoted import quoted


def rollback(
    by: By,
    version: Annotated[str | None, typer.Argument(help="Default: the release before the live one.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "rollback",
    json: Json = False,
) -> None:
    """Put an earlier release back on the line."""
    layout = plant()
    prefect_at_home(layout)
    from flows.rollback import rollback as flow
    from flows.tasks import run_here

    done = run_here(flow, by, version, reason)
    emit(done, json, [f"{done['version']} is live again since {done['at'][:19].replace('T', ' ')} UTC."])


def live(
    at: Annotated[str | None, typer.Option(help="A moment, ISO 8601; without a zone it is UTC.")] = None,
    json: Json = False,
) -> None:
    """Which release is on the line, or was at a moment."""
    from dataclasses import asdict

    from inspection import clock
    from inspection.release import registry

    layout = plant()
    try:
        moment = None if at is None else clock.parse(at)
    except ValueError:
        raise FixInput(f"--at {at!r} is not a time; write it like 2026-11-02T06:15:12.") from None
    found = registry.live(layout, moment)
    wrong = None if at else registry.difference(layout)
    words = (
        f"{found.version} (package {found.package[:12]}), {found.action} on {found.at:%Y-%m-%d %H:%M:%S} UTC "
        f"by {found.by}: {quoted(found.reason, 200)}"
        if found
        else "Nothing was on the line."
        if at
        else "Nothing is on the line yet: `andon retrain`, then `andon approve`."
    )
    emit(
        {"live": asdict(found) if found else None, "difference": wrong},
        json,
        [words, *([f"Beware: {wrong}."] if wrong else [])],
    )


def history(json: Json = False) -> None:
    """Every release and rollback."""
    from dataclasses import asdict

    from inspection.release import registry

    rows = [
        {**asdict(one), "at": f"{one.at:%Y-%m-%d %H:%M:%S}", "package": one.package[:12]}
        for one in registry.history(plant())
    ]
    columns = {
        "at": "since (UTC)",
        "action": "what",
        "version": "version",
        "by": "by",
        "reason": "reason",
        "package": "package",
    }
    table(rows, columns, json, "No releases yet.")
