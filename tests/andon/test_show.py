"""What reaches a terminal."""

import json

import pytest

from andon.show import as_text, emit, table

ODD = "a\x1b[2J\x7f\x9b\u202e\u200b\U000e0001ä"


def test_lines_cells_and_json_hold_nothing_that_moves_a_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    emit({}, False, [ODD])
    table([{"name": ODD}], {"name": "name"}, False, "")
    emit({"name": [ODD]}, True, [])
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable() and "ä" in out


def test_json_says_the_same() -> None:
    assert json.loads(as_text({"name": ODD, "two": "a\nb"})) == {"name": ODD, "two": "a\nb"}
