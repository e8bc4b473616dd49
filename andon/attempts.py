"""What the demo tries, step by step: one that cannot be done is told and kept, and the next one is tried."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from inspection.errors import Unforeseen, attempt

T = TypeVar("T")
OPTIONAL = ("reference", "drill")  # without these there is less to tell, but the loop goes round


@dataclass(frozen=True)
class Failure:
    """A step that could not be done on that day (0: before the first, or after the last), and why."""

    day: int
    step: str
    words: str

    @property
    def stops(self) -> bool:
        """Whether the demo cannot be called complete because of it."""
        return self.step not in OPTIONAL


@dataclass
class Attempts:
    """Tries steps and keeps what failed."""

    say: Callable[[str], None]
    day: int = 0
    failed: list[Failure] = field(default_factory=list)

    def __call__(self, step: str, work: Callable[[], T]) -> T | None:
        """What `work` gives; None, once that is told, where it cannot be done."""
        try:
            done = attempt(lambda: _unless_stopped(work))
        except Exception as error:  # noqa: BLE001  the story is told to its end, whatever happened
            self._fail(step, str(error))
            return None
        if isinstance(done, Unforeseen):
            self._fail(step, f"the program failed: {done.words}")
            return None
        return done

    def _fail(self, step: str, words: str) -> None:
        self.say(f"  {step:<9} could not be done: {words}")
        self.failed.append(Failure(self.day, step, words))


class Stopped(BaseException):
    """Somebody ended the demo while a step was under way."""


def _unless_stopped(work: Callable[[], T]) -> T:
    """What `work` gives. A signal that ends it stays one, though clearing up after it failed as well: Prefect's server,
    which is told of it, may be gone by then.

    Raises:
        Stopped: it was ended.
    """
    try:
        return work()
    except Exception as error:
        behind: BaseException | None = error
        while behind is not None:
            if not isinstance(behind, Exception):
                raise Stopped from error
            behind = behind.__cause__ or behind.__context__
        raise
