"""Days of healthy cameras on which an incident stands open at any time."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from benchmarks.outside.references import references
from benchmarks.outside.run import Run
from benchmarks.outside.shares import counted, upper
from benchmarks.outside.streams import Seat
from benchmarks.outside.watching import Watched, one_more
from benchmarks.report import Figure, once

NEEDED = 600  # camera-days
FAILED = "exception"  # instead of a cause, on a day that could not be judged


def clean(run: Run) -> tuple[list[Figure], dict[str, Any]]:
    """The figures for each length of reference, and what lies behind them."""
    told = run.each(watched_days, run.scale.seats, "healthy cameras")
    days = [{**day, "camera": str(seat)} for seat, some in zip(run.scale.seats, told, strict=True) for day in some]
    figures = [one for length in run.scale.lengths for one in _figures(days, length)]
    failed = [words for day in days for words in day["failed"]]
    return figures, {"alarmed": [day for day in days if day["causes"]], "failed": failed}


def _figures(days: list[dict[str, Any]], length: int) -> Iterator[Figure]:
    """For one length of reference."""
    mine = [day for day in days if day["reference"] == length]
    bad = [day for day in mine if day["causes"]]
    causes, cameras = counted(chain(*(day["causes"] for day in bad))), counted(d["camera"].split()[0] for d in bad)
    words, share, bound = f"reference of {length} d", len(bad) / len(mine), upper(len(bad), len(mine))
    yield Figure(f"{words}: healthy camera-days", len(mine), "days", f"≥ {NEEDED}", len(mine) >= NEEDED)
    yield Figure(f"... of these with an incident open: {len(bad)} ({causes})", 100 * share, "%", "≤ 1", share <= 0.01)
    yield Figure(f"... exact upper bound (one-sided, 95 %; {cameras})", 100 * bound, "%", "≤ 2.5", bound <= 0.025)
    silent = sum(day["silent"] for day in mine)
    yield Figure("... windows that could not be compared", silent, "windows")


def watched_days(run: Run, seat: Seat) -> list[dict[str, Any]]:
    """A camera's days under each reference: the causes of which an incident was open, and what judging raised."""
    path = run.kept / "clean" / f"{seat}, {run.scale.days} days, references {run.scale.lengths}.json"
    return list(once(path, lambda: {"days": _watched_days(run, seat)})["days"])


def _watched_days(run: Run, seat: Seat) -> list[dict[str, Any]]:
    held = references(run, seat, run.scale.lengths)
    states = {days: Watched.of(run, seat, one) for days, one in held.items()}
    start, found = run.start(seat.seed), []
    for day in range(run.scale.days):
        before, open_ = states, {days: state.open for days, state in states.items()}  # what yesterday left open counts
        for window in range(run.streams.a_day):
            states = one_more(run, states, start + day * run.streams.a_day + window)
            open_ = {days: causes | states[days].open for days, causes in open_.items()}
        for days, state in states.items():
            failed = state.failed[len(before[days].failed) :]
            causes = sorted(open_[days]) + [FAILED] * bool(failed)
            opened = [one.finding["words"] for one in state.known[len(before[days].known) :]]
            found.append(
                {
                    "reference": days,
                    "day": day,
                    "causes": causes,
                    "words": opened,
                    "failed": failed,
                    "silent": state.silent - before[days].silent,
                }
            )
    return found
