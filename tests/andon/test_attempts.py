"""A step that cannot be done is told and kept; the next one is tried."""

import pytest

from andon.attempts import Attempts, Stopped
from inspection.errors import FixInput


def refused() -> None:
    raise FixInput("No label is there: add one.")


def broken() -> None:
    raise ZeroDivisionError("division by zero")


def gone() -> None:
    raise FileNotFoundError(2, "No such file or directory", "a.png")


@pytest.mark.parametrize(
    ("work", "words"),
    [(refused, "No label is there: add one."), (broken, "the program failed: ZeroDivisionError in"), (gone, "a.png")],
)
def test_what_cannot_be_done_is_told_and_kept(work: object, words: str) -> None:
    said: list[str] = []
    tried = Attempts(said.append, day=3)
    assert tried("ingest", work) is None  # type: ignore[arg-type]
    (one,) = tried.failed
    assert (one.day, one.step, one.stops) == (3, "ingest", True)
    assert words in one.words and said == [f"  ingest    could not be done: {one.words}"]
    assert tried("watch", lambda: 7) == 7


def test_the_loop_goes_round_without_a_reference_or_a_drill() -> None:
    tried = Attempts(lambda _: None)
    tried("drill", refused)
    tried("reference", refused)
    assert not any(one.stops for one in tried.failed)


def test_who_stops_the_demo_stops_it() -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    def stopped_and_cut_off() -> None:
        try:
            stopped()
        finally:
            raise ConnectionError("the server is gone")

    with pytest.raises(KeyboardInterrupt):
        Attempts(lambda _: None)("watch", stopped)
    with pytest.raises(Stopped):
        Attempts(lambda _: None)("watch", stopped_and_cut_off)
