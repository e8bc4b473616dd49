import io
import sys

import pytest

from inspection.progress import curve, progress


def test_a_curve_goes_down_with_its_values() -> None:
    assert curve([8, 7, 6, 5, 4, 3, 2, 1]) == "█▇▆▅▄▃▂▁"
    assert curve([]) == "" and curve([0.5, 0.5]) == "▁▁"


def test_it_is_silent_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    with progress("training", 3) as advance:
        advance(1)
        advance(2, "loss 0.3")
    assert screen.getvalue() == ""


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
