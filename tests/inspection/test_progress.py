import io
import sys

import pytest

from inspection.progress import PAUSE, curve, progress


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
