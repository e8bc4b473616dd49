"""Progress on long work: a bar for people at a terminal; elsewhere a line now and then, for a log or a pipe."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

PAUSE = 4.0  # seconds between two lines
_HEIGHTS = "▁▂▃▄▅▆▇█"


class Advance(Protocol):
    """Moves the bar by so many steps, and says how it goes."""

    def __call__(self, steps: int, words: str = "") -> None: ...


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """Yields a function that moves the bar by so many steps, and may say beside it how it goes."""
    if not sys.stderr.isatty():
        yield _lines(what, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[words]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, words="")
        yield lambda steps, words="": bar.update(task, advance=steps, words=words)


def _lines(what: str, total: int) -> Advance:
    """A line whenever PAUSE has passed; work that is done before that is silent."""
    began = told = time.monotonic()
    done = 0

    def advance(steps: int, words: str = "") -> None:
        nonlocal done, told
        done, now = done + steps, time.monotonic()
        if now - told < PAUSE or not 0 < done < total:
            return
        told = now
        left = (now - began) * (total - done) / done
        said = f"{what} {done}/{total}, about {left:.0f} s left" + (f": {words}" if words else "")
        print(said, file=sys.stderr, flush=True)

    return advance


def curve(values: Sequence[float]) -> str:
    """A course of values as one line of blocks, the lowest and highest at the ends of the scale."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    span = (high - low) or 1.0
    return "".join(_HEIGHTS[min(int((value - low) / span * len(_HEIGHTS)), len(_HEIGHTS) - 1)] for value in values)
