"""Progress on long work: a bar for people at a terminal; elsewhere a line now and then, for a log or a pipe. Where
nothing else is said for a while, what goes on is."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from inspection.process import stopping

PAUSE = 4.0  # seconds between two lines
QUIET = 8.0  # seconds without a word, after which it is said what goes on; with the time that a look takes below ten
LOOK = 0.5  # seconds between two looks at how long it is quiet
_HEIGHTS = "▁▂▃▄▅▆▇█"


Words = str | Callable[[], str]


class Advance(Protocol):
    """Moves the bar by so many steps, and says how it goes."""

    def __call__(self, steps: int, words: str = "") -> None: ...


class Pulse:
    """What goes on, the innermost last, and since when nobody has said anything."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._told = now, now()
        self._work: list[tuple[Words, float]] = []
        self._bars = 0
        self._thread: threading.Thread | None = None

    def heard(self) -> None:
        """Something was said."""
        self._told = self._now()

    @contextmanager
    def doing(self, what: Words) -> Iterator[None]:
        one = (what, self._now())
        if not self._work:
            self.heard()
        self._work.append(one)
        self._listen()
        try:
            yield
        finally:
            self._work.remove(one)

    @contextmanager
    def bar(self) -> Iterator[None]:
        """While a bar moves by itself nothing else needs to."""
        self._bars += 1
        try:
            yield
        finally:
            self._bars -= 1
            self.heard()

    def due(self) -> str | None:
        """What has to be said by now; None: nothing."""
        now = self._now()
        if self._bars or not self._work or now - self._told < QUIET:
            return None
        what, began = self._work[-1]
        self._told = now
        return f"{what() if callable(what) else what}: {now - began:.0f} s so far"

    def _listen(self) -> None:
        if self._thread is None or not self._thread.is_alive():  # not in a process that was forked
            self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
            self._thread.start()

    def _beat(self) -> None:
        while True:
            time.sleep(LOOK)
            if words := self.due():
                say(words)


_pulse = Pulse()
heard = _pulse.heard


def doing(what: Words) -> AbstractContextManager[None]:
    """While this goes on: as soon as nobody has said anything for QUIET seconds, it is said that it does.

    Args:
        what: such as "reading the ledger", or what says it when it is asked.
    """
    return _pulse.doing(what)


def say(words: str) -> None:
    """A line on the error stream."""
    print(words, file=sys.stderr, flush=True)
    heard()


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """Yields a function that moves the bar by so many steps, and may say beside it how it goes."""
    done = 0

    def counted(steps: int, words: str = "") -> None:
        nonlocal done
        done += steps
        advance(steps, words)

    def at() -> str:
        return f"{what} {done}/{total}"

    with doing(at), stopping.under_way(at):
        if not sys.stderr.isatty():
            advance = _lines(what, total)
            yield counted
            return
        with _bar(what, total) as advance:
            yield counted


@contextmanager
def _bar(what: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[words]}"))
    with _pulse.bar(), Progress(*columns, *times, console=Console(stderr=True), transient=True) as bar:
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
        say(f"{what} {done}/{total}, about {left:.0f} s left" + (f": {words}" if words else ""))

    return advance


def curve(values: Sequence[float]) -> str:
    """A course of values as one line of blocks, the lowest and highest at the ends of the scale."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    span = (high - low) or 1.0
    return "".join(_HEIGHTS[min(int((value - low) / span * len(_HEIGHTS)), len(_HEIGHTS) - 1)] for value in values)
