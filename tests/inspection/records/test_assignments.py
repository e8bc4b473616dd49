import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.errors import CheckHistory
from inspection.records.assignments import SPLITS, append_assignments, read_assignments

serials = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=6)
runs = st.lists(st.dictionaries(serials, st.sampled_from(SPLITS), max_size=6), max_size=4)


def table(assigned: dict[str, str]) -> pd.DataFrame:
    """One image per part, in the test set or left out of it."""
    return pd.DataFrame({"serial": list(assigned), "assigned": list(assigned.values())}, dtype=str).assign(
        part="p", split="left out"
    )


def written(folder: Path) -> dict[str, str]:
    """Serial -> split of every piece of part p that was written down."""
    assigned = read_assignments(folder)
    assert not assigned.serials
    return {name.removesuffix(" of p"): split for name, split in assigned.pieces.items()}


@settings(max_examples=25)
@given(runs)
def test_what_was_assigned_never_moves_and_everything_new_is_assigned(runs: list[dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        known: dict[str, str] = {}
        files: dict[Path, bytes] = {}
        for run in runs:
            append_assignments(Path(folder), table(run))
            after = written(Path(folder))
            assert {serial: after[serial] for serial in known} == known
            assert after == {**run, **known}
            assert all(path.read_bytes() == content for path, content in files.items())
            known, files = after, {path: path.read_bytes() for path in Path(folder).iterdir()}


def test_only_what_is_new_is_written_into_a_file_of_its_own(tmp_path: Path) -> None:
    first = append_assignments(tmp_path, table({"s2": "test", "s1": "train"}))
    second = append_assignments(tmp_path, table({"s1": "test", "s3": "val"}))
    assert [first, second] == [tmp_path / "0000.csv", tmp_path / "0001.csv"]
    assert second.read_text() == "part,serial,split\np,s3,val\n"
    assert append_assignments(tmp_path, table({"s1": "val"})) is None
    assert len(list(tmp_path.iterdir())) == 2


def test_the_images_of_a_part_make_one_line(tmp_path: Path) -> None:
    rows = pd.concat([table({"s1": "train"})] * 3)
    path = append_assignments(tmp_path, rows.assign(image_id=["a", "b", "c"]))
    assert path is not None and path.read_text() == "part,serial,split\np,s1,train\n"


@pytest.mark.parametrize("serial", ["007", "1e5", "NA", "nan", "True", "1.0", 'a"b,c', " s "])
def test_a_serial_is_text_whatever_it_looks_like(tmp_path: Path, serial: str) -> None:
    append_assignments(tmp_path, table({serial: "val"}))
    assert written(tmp_path) == {serial: "val"}


@pytest.mark.parametrize("line", ["s1,test", "s2,trian", "s2,", "s2,TRAIN", "<<<<<<< HEAD", ",test"])
def test_a_serial_that_was_moved_or_a_split_that_is_none_is_noticed(tmp_path: Path, line: str) -> None:
    append_assignments(tmp_path, table({"s1": "train"}))
    (tmp_path / "0001.csv").write_text(f"part,serial,split\np,{line}\n")
    with pytest.raises(CheckHistory, match=r"0001\.csv"):
        read_assignments(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"part,side\ns1,train\n"])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0000.csv").write_bytes(content)
    with pytest.raises(CheckHistory, match=r"0000\.csv is damaged: restore it .`git restore .*0000\.csv`"):
        read_assignments(tmp_path)


def test_a_table_with_a_part_in_two_splits_is_refused_before_it_is_written(tmp_path: Path) -> None:
    rows = pd.DataFrame({"part": "p", "serial": ["s1", "s1"], "assigned": ["train", "test"]})
    with pytest.raises(CheckHistory, match="s1"):
        append_assignments(tmp_path, rows)
    assert written(tmp_path) == {}


@pytest.mark.parametrize("side", ["left out", "", None])
def test_a_side_that_is_none_is_refused_before_it_is_written(tmp_path: Path, side: str | None) -> None:
    rows = pd.DataFrame({"part": "p", "serial": ["s1", "s2"], "assigned": ["train", side]})
    with pytest.raises(CheckHistory, match="s2"):
        append_assignments(tmp_path, rows)
    assert list(tmp_path.iterdir()) == []


def test_a_part_whose_images_are_all_left_out_is_assigned_to_its_side(tmp_path: Path) -> None:
    rows = pd.DataFrame({"part": "p", "serial": ["s1", "s1"], "assigned": ["train"] * 2, "split": ["left out"] * 2})
    append_assignments(tmp_path, rows)
    assert written(tmp_path) == {"s1": "train"}


def test_a_writer_that_was_killed_leaves_nothing_that_counts(tmp_path: Path) -> None:
    (tmp_path / "0000.part").write_text("serial,split\ns1,tra")
    append_assignments(tmp_path, table({"s1": "val"}))
    assert written(tmp_path) == {"s1": "val"}
    assert [path.name for path in tmp_path.iterdir()] == ["0000.csv"]


def test_a_new_file_never_takes_the_place_of_one_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "0000.csv").write_text("serial,split\n")
    (tmp_path / "0002.csv").write_text("serial,split\ns1,train\n")  # 0001 came to nothing in a merge
    append_assignments(tmp_path, table({"s2": "test"}))
    names = ["s1 of p", "s1 of q", "s2 of p"]
    assert read_assignments(tmp_path).of(names) == {"s1 of p": "train", "s1 of q": "train", "s2 of p": "test"}


def test_an_empty_folder_assigns_nobody(tmp_path: Path) -> None:
    assert written(tmp_path) == {} and read_assignments(tmp_path).of(["s1 of p"]) == {}


def both(**assigned: str) -> pd.DataFrame:
    """Pieces that bear the serial s1: kind -> split."""
    return pd.DataFrame({"part": list(assigned), "serial": "s1", "assigned": list(assigned.values())})


def test_two_kinds_that_share_a_serial_have_a_split_each(tmp_path: Path) -> None:
    append_assignments(tmp_path, both(bracket="train"))
    append_assignments(tmp_path, both(bracket="train", panel="test"))
    assert (tmp_path / "0001.csv").read_text() == "part,serial,split\npanel,s1,test\n"
    found = read_assignments(tmp_path).of(["s1 of bracket", "s1 of panel", "s1 of mesh"])
    assert found == {"s1 of bracket": "train", "s1 of panel": "test"}


def test_a_file_from_before_kinds_were_told_apart_holds_for_every_kind(tmp_path: Path) -> None:
    (tmp_path / "0000.csv").write_text("serial,split\ns1,test\n")
    assert read_assignments(tmp_path).of(["s1 of bracket", "s1 of panel"]) == dict.fromkeys(
        ("s1 of bracket", "s1 of panel"), "test"
    )
    assert append_assignments(tmp_path, both(bracket="test", panel="test")) is None
    (tmp_path / "0001.csv").write_text("part,serial,split\nbracket,s1,train\n")
    with pytest.raises(CheckHistory, match="s1 of bracket is assigned to train, against what was written before"):
        read_assignments(tmp_path)


def test_a_line_without_its_part_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "0000.csv").write_text("part,serial,split\n,s1,train\n")
    with pytest.raises(CheckHistory, match=r"0000\.csv"):
        read_assignments(tmp_path)
