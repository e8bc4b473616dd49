import io
import sys
import time
from itertools import pairwise

import pytest

from inspection import progress as telling
from inspection.progress import LOOK, PAUSE, QUIET, Pulse, curve, progress


def test_a_curve_goes_down_with_its_values() -> None:
    assert curve([8, 7, 6, 5, 4, 3, 2, 1]) == "█▇▆▅▄▃▂▁"
    assert curve([]) == "" and curve([0.5, 0.5]) == "▁▁"


def piped(monkeypatch: pytest.MonkeyPatch, seconds: float) -> str:
    """What work of four steps, each of so many seconds, says where there is no terminal."""
    screen, now = io.StringIO(), [0.0]
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with progress("training", 4) as advance:
        for step in range(4):
            now[0] += seconds
            advance(1, f"loss 0.{step}")
    return screen.getvalue()


def test_without_a_terminal_short_work_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert piped(monkeypatch, PAUSE / 5) == ""


def test_without_a_terminal_long_work_says_now_and_then_how_far_it_is_and_how_long_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert piped(monkeypatch, PAUSE / 2) == "training 2/4, about 4 s left: loss 0.1\n"
    assert piped(monkeypatch, PAUSE).splitlines() == [
        f"training {done}/4, about {(4 - done) * PAUSE:.0f} s left: loss 0.{done - 1}" for done in (1, 2, 3)
    ]


def test_at_a_terminal_it_says_what_and_how(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    with progress("training", 2) as advance:
        advance(2, "loss 0.3")
    assert "training" in screen.getvalue() and "loss 0.3" in screen.getvalue() and "2/2" in screen.getvalue()


# Nothing is mute for more than ten seconds


def ticking(pulse: Pulse, now: list[float], seconds: float) -> list[tuple[float, str]]:
    """What is said while so many seconds pass, and when."""
    said = []
    for _ in range(round(seconds / LOOK)):
        now[0] += LOOK
        if words := pulse.due():
            said.append((now[0], words))
    return said


def test_a_slow_step_is_told_before_ten_seconds_have_passed_and_again_and_again() -> None:
    now = [0.0]
    pulse = Pulse(lambda: now[0])
    with pulse.doing("training"):
        said = ticking(pulse, now, 60)
    moments = [0.0, *(moment for moment, _ in said), 60.0]
    assert max(later - earlier for earlier, later in pairwise(moments)) <= 10
    assert said[0] == (QUIET, "training: 8 s so far") and said[-1][1] == "training: 56 s so far"


def test_what_is_told_is_the_innermost_work_and_how_far_it_is_by_then() -> None:
    now, done = [0.0], [20]
    pulse = Pulse(lambda: now[0])
    with pulse.doing("andon watch"), pulse.doing(lambda: f"looking {done[0]}/21"):
        assert ticking(pulse, now, QUIET) == [(8.0, "looking 20/21: 8 s so far")]
        done[0] = 21
        assert ticking(pulse, now, QUIET) == [(16.0, "looking 21/21: 16 s so far")]


def test_who_speaks_is_not_spoken_over() -> None:
    now = [0.0]
    pulse = Pulse(lambda: now[0])
    with pulse.doing("training"):
        for _ in range(20):
            assert not ticking(pulse, now, QUIET - LOOK)
            pulse.heard()
        with pulse.bar():
            assert not ticking(pulse, now, 60)
        assert not ticking(pulse, now, QUIET - LOOK)
    assert not ticking(pulse, now, 60)  # nothing goes on


def test_a_step_that_says_nothing_of_itself_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(telling, "QUIET", 0.2)
    monkeypatch.setattr(telling, "LOOK", 0.05)
    with telling.doing("reading the ledger"):
        time.sleep(2)
    assert "reading the ledger: 0 s so far\n" in screen.getvalue()
    assert "reading the ledger: 1 s so far\n" in screen.getvalue()
