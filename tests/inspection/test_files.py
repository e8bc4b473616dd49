"""Files that are whole or not there."""

import os
from pathlib import Path

import pandas as pd
import pytest

from inspection import files


@pytest.mark.parametrize("content", ["ä ≤ 5 %\n", b"\x00\xff"])
def test_a_file_is_made_with_its_folder_and_replaced(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "a" / "b.txt"
    assert files.write(path, "old") == path
    files.write(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_cut_off_at_any_step_the_old_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = files.write(tmp_path / "b.txt", "old")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, killed)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, "new")
    assert path.read_text() == "old"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-cam/1.png", "@SUM(A1)", " =1", "'=1", "''+1", "＝1", "\xa0=1"])
def test_text_that_a_spreadsheet_would_compute_is_marked_and_comes_back(text: str) -> None:
    cell = files.as_cell(text)
    assert cell == f"'{text}" and files.from_cell(cell) == text


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("\t=1", "' =1"),
        ("\r=1", "?=1"),
        ("a\x1b[2Jb", "a?[2Jb"),
        ("a\x9bb\u202ec\n=d", "a?b?c =d"),
        ("'tis 5-3", "'tis 5-3"),
    ],
)
def test_text_that_nobody_sees_is_shown(text: str, cell: str) -> None:
    assert files.as_cell(text) == cell
    assert files.from_cell("'tis") == "'tis"


def test_numbers_stay_numbers_in_a_sheet() -> None:
    table = pd.DataFrame({"serial": ["-7", "s"], "probability": [-0.5, 1.0], "label": [None, "ä"]})
    assert files.as_sheet(table) == "serial,probability,label\n'-7,-0.5,\ns,1.0,ä\n"
