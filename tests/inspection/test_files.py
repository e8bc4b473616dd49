"""Files that are whole or not there."""

import os
from pathlib import Path

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
