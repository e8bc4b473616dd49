"""Days of healthy cameras on which an incident stands open at any time."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from benchmarks.outside.measured import watched_days
from benchmarks.outside.run import Run
from benchmarks.outside.shares import counted, upper
from benchmarks.report import Figure

NEEDED = 600  # camera-days


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
