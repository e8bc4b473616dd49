from pathlib import Path

import pytest

from inspection.errors import FixSettings
from inspection.records.ledger import Cut, Head, read_cut, write_cut
from tests.conftest import ROOT


def test_a_cut_is_read_as_it_was_written(tmp_path: Path) -> None:
    cut = Cut(events=7, digest="a" * 64, exclusions=("b" * 64, "c" * 64))
    write_cut(tmp_path / "cut.json", cut)
    assert read_cut(tmp_path / "cut.json") == cut and cut.head == Head(7, "a" * 64)


def test_the_same_cut_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_cut(tmp_path / name, Cut(events=1, digest="d"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"event": 1}', b'{"events": "many"}', b"\xff\xfe"])
def test_what_is_no_cut_is_refused_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cut.json").write_bytes(content)
    with pytest.raises(FixSettings, match=r"cut\.json is not a cut: restore it with git, or run `andon retrain`"):
        read_cut(tmp_path / "cut.json")


def test_a_missing_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match="is not a cut"):
        read_cut(tmp_path / "cut.json")


def test_this_checkout_s_cut_is_empty() -> None:
    assert read_cut(ROOT / "data" / "cut.json") == Cut()
