"""metadata.csv as people save it, and folders that have none."""

import re
from pathlib import Path

import pytest

from inspection.errors import AndonError, FixInput, FixSettings
from plant.metadata import read_table
from tests.inspection.world import encoded, noise


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures in images/."""
    (tmp_path / "images").mkdir()
    for n in range(3):
        (tmp_path / f"images/{n}.png").write_bytes(encoded(noise(n)))
    return tmp_path


ROWS = ["images/0.png,good", "images/1.png,pit", "images/2.png,good"]
FINE: dict[str, bytes] = {
    "as it should be": "\n".join(["file,label", *ROWS]).encode(),
    "with a byte order mark and Windows line ends": b"\xef\xbb\xbf" + "\r\n".join(["file,label", *ROWS]).encode(),
    "semicolons": "\n".join(["file,label", *ROWS]).replace(",", ";").encode(),
    "tabs and capitals": "\n".join(["File,LABEL", *ROWS]).replace(",", "\t").encode(),
    "backslashes": "\n".join(["file,label", *(row.replace("/", "\\") for row in ROWS)]).encode(),
    "pandas' index": "\n".join([",file,label", *(f"{n},{row}" for n, row in enumerate(ROWS))]).encode(),
    "a column without a name at the end": "\n".join(["file,label,", *(f"{row},x" for row in ROWS)]).encode(),
    "others, one of them twice": "\n".join(["note,file,label,note", *(f"a,{row},b" for row in ROWS)]).encode(),
    "only the names": "\n".join(["file,label", *(row.removeprefix("images/") for row in ROWS)]).encode(),
    "Windows-1252 in a note": "\n".join(["file,label,note", *(f"{row},gut für" for row in ROWS)]).encode("cp1252"),
}


@pytest.mark.parametrize("case", FINE)
def test_a_table_as_people_save_it(folder: Path, case: str) -> None:
    (folder / "metadata.csv").write_bytes(FINE[case])
    rows = read_table(folder).rows
    assert [(row["file"], row["label"]) for row in rows] == [tuple(row.split(",")) for row in ROWS]


WRONG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no column 'file'"),
    "no rows": (b"file,label\n", "no rows"),
    "UTF-16": ("file,label\nimages/0.png,good\n".encode("utf-16"), "UTF-16"),
    "no label column": (b"file,etikett\nimages/0.png,good\n", "no column 'label'.*file, etikett"),
    "two label columns": (b"file,label,label\nimages/0.png,good,pit\n", "two columns label"),
    "no label at all": (b"file,label\nimages/0.png,\n", "not one picture has a label"),
    "a missing file": (b"file,label\nimages/9.png,good\n", "line 2: the file 'images/9.png' is missing"),
    "a folder": (b"file,label\nimages,good\n", "line 2: the file 'images' is missing"),
    "a cell too many": (b"file,label\nimages/0.png,good,or,not\n", "1 of its lines is refused"),
    "a stray quote": (b'file,label\nimages/0.png,"good\n', "refused .line 2"),
    "a NUL": (b"file,label\nimages/0.png,go\0od\n", "NUL"),
    "no time": (b"file,label,captured_at\nimages/0.png,good,\n", "line 2: 'captured_at' is empty"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_the_file(folder: Path, case: str) -> None:
    content, words = WRONG[case]
    (folder / "metadata.csv").write_bytes(content)
    with pytest.raises(FixInput, match=words) as refusal:
        read_table(folder)
    assert "metadata.csv" in str(refusal.value)


def test_pictures_without_a_label_stay_without(folder: Path) -> None:
    (folder / "metadata.csv").write_text("file,label\nimages/0.png,good\nimages/1.png,\nimages/2.png,\n")
    table = read_table(folder)
    assert [row["label"] for row in table.rows] == ["good", "", ""]
    assert table.notes == ["2 of 3 pictures have no label: nobody labels them here either."]


def test_folders_are_the_classes_where_there_is_no_table(tmp_path: Path) -> None:
    for n, name in enumerate(("train/good", "train/pit", "test/good")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / f"{n}.png").write_bytes(encoded(noise(n)))
    table = read_table(tmp_path)
    assert sorted(row["label"] for row in table.rows) == ["good", "good", "pit"]
    assert "the folder of each picture is its label (good, pit)" in table.notes[0]
    with pytest.raises(FixSettings, match="no column 'tile'"):
        read_table(tmp_path, ["tile"])


@pytest.mark.parametrize(
    "names", [(), ("a.png",), ("one/a.png",), ("cam-1/bracket/s-1/a.png", "cam-1/bracket/s-2/b.png")]
)
def test_a_folder_that_tells_no_classes_needs_a_table(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(noise(1)))
    with pytest.raises(FixInput, match=r"metadata\.csv is missing"):
        read_table(tmp_path)


@pytest.mark.parametrize("name", ["nothing", "a.zip"])
def test_no_folder_at_all(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(AndonError, match=re.escape(f"{name} is no folder")):
        read_table(tmp_path / name)
