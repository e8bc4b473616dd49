"""A progress bar on long work, for people at a terminal; silent elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

_HEIGHTS = "▁▂▃▄▅▆▇█"


class Advance(Protocol):
    """Moves the bar by so many steps, and says how it goes."""

    def __call__(self, steps: int, words: str = "") -> None: ...


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """Yields a function that moves the bar by so many steps, and may say beside it how it goes."""
    if not sys.stderr.isatty():
        yield lambda steps, words="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[words]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, words="")
        yield lambda steps, words="": bar.update(task, advance=steps, words=words)


def curve(values: Sequence[float]) -> str:
    """A course of values as one line of blocks, the lowest and highest at the ends of the scale."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    span = (high - low) or 1.0
    return "".join(_HEIGHTS[min(int((value - low) / span * len(_HEIGHTS)), len(_HEIGHTS) - 1)] for value in values)
