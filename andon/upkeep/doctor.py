"""`doctor`: what keeps the plant from working or leaves it open, and what mends it."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from andon.options import Json
from andon.show import emit
from andon.surroundings import plant

if TYPE_CHECKING:
    from andon.doctor.everything import Asked

MARKS = {"well": "✓", "wrong": "✗", "unknown": "?"}


def doctor(json: Json = False) -> None:
    """Ask server, versions, disk, clock, mail, remote and schedules; changes nothing. Exit code 1 if one is wrong."""
    layout = plant()
    from andon.doctor.everything import ask
    from inspection.params import read_params

    done: list[Asked] = []
    for one in ask(layout, read_params(layout.params), _tell):
        done.append(one)
        if not json:
            emit(None, json, _lines(one))
    wrong, open_ = (sum(each.state == state for one in done for each in one.answers) for state in ("wrong", "unknown"))
    told = {"wrong": wrong, "unknown": open_, "asked": [asdict(one) for one in done]}
    emit(told, json, [_summary(wrong, open_)])
    if wrong:
        raise typer.Exit(1)


def _tell(question: str) -> None:
    print(f"Asking about {question} ...", file=sys.stderr, flush=True)


def _lines(one: "Asked") -> Iterator[str]:
    for answer in one.answers:
        since = f" (since {answer.since})" if answer.since else ""
        yield f"{MARKS[answer.state]} {one.about:<9} {answer.words}{since}"
        if answer.remedy:
            yield f"  {'':<9} → {answer.remedy}"


def _summary(wrong: int, unknown: int) -> str:
    found = "Nothing that was asked is wrong." if not wrong else f"{wrong} {'is' if wrong == 1 else 'are'} wrong (✗)."
    return found + (f" {unknown} could not be asked (?)." if unknown else "")
