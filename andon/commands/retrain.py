"""`retrain`: from labels to a candidate."""

from typing import Annotated, Any

import typer

from andon.options import Json
from andon.show import emit
from andon.surroundings import plant, prefect_at_home


def retrain(
    by: Annotated[str | None, typer.Option(help="Who asks; default: git's user.name.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "asked by hand",
    due: Annotated[bool, typer.Option("--due", help="Only if an open request has what it waits for.")] = False,
    json: Json = False,
) -> None:
    """Reproduce on everything labelled by now, compare, register a candidate."""
    layout = plant()
    prefect_at_home(layout)
    from flows.retrain import retrain as flow
    from flows.tasks import run_here
    from inspection.anchor import writing
    from inspection.records.classes import undeclared_words

    result = run_here(flow) if due else run_here(flow, reason, by or writing.require(layout))
    aside = [result["aside"]] if result["aside"] else []
    beware = [f"  Beware: {words}" for words in (*undeclared_words(result["undeclared"]), *aside)]
    if due and not result["requests"]:
        waits = [f"  {words}" for words in result["waits"]]
        emit(result, json, ["No request has what it waits for.", *waits, *beware])
        return
    marks = [*(f"  ✗ {words}" for words in result["objections"]), *(f"  ✓ {words}" for words in result["reasons"])]
    emit(result, json, [_retrained(result), *marks, *beware])


def _retrained(result: dict[str, Any]) -> str:
    if result["version"] is None:
        return "The result is the same model as before; there is nothing to decide."
    if not result["promote"]:
        return f"Candidate {result['version']} did not pass the gate."
    return f"Candidate {result['version']} waits for approval: andon approve {result['version']} --by NAME"
