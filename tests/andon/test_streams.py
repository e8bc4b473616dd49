"""Any folder is opened as cameras and classes that the plant believes, or refused in words."""

from collections.abc import Callable
from pathlib import Path

import pytest

from andon.streams import Source, open_stream
from inspection.cameras import read_cameras
from inspection.errors import AndonError
from inspection.layout import Layout
from inspection.params import read_params
from inspection.taxonomy import read_taxonomy
from tests.andon import folders


def opened(layout: Layout, data: Path, good: tuple[str, ...] = ()) -> list[str]:
    """What is said of it."""
    said: list[str] = []
    stream = open_stream(layout, Source(data, None, None, good, 11, 1), said.append)
    shots = [shot for day in stream.days for shot in stream.shots(day)]
    cameras, classes = read_cameras(layout.cameras), read_taxonomy(layout.taxonomy).classes
    assert {shot.camera for shot in shots} <= set(cameras)
    assert {shot.label for shot in shots} - {""} == set(classes)
    for shot in shots:
        assert shot.part in cameras[shot.camera].parts
    return said


def serials(n: int) -> folders.Row:
    return {"serial": f"S/{n}"}


FOLDERS: dict[str, Callable[[Path], Path]] = {
    "one picture": lambda path: folders.folder(path, 1),
    "one class": lambda path: folders.folder(path, 20, bad=lambda _: False),
    "two pictures of a class": lambda path: folders.folder(path, 30, bad=lambda n: n in (3, 9)),
    "a piece a picture": lambda path: folders.folder(path, 40, serials),
    "one piece": lambda path: folders.folder(path, 20, lambda _: {"serial": "S1"}),
    "words that YAML reads otherwise": lambda path: folders.folder(
        path,
        8,
        lambda n: {"line": "no", "camera": ("on", "stops")[n % 2], "part": ("null", "12")[n % 2], "label": "no"},
    ),
    "everything odd": folders.odd,
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_becomes_a_plant(tiny: Layout, tmp_path: Path, case: str) -> None:
    opened(tiny, FOLDERS[case](tmp_path / "data"))


def test_what_the_odd_folder_makes_up_is_said(tiny: Layout, tmp_path: Path) -> None:
    said = " ".join(opened(tiny, folders.odd(tmp_path / "data")))
    assert "files cannot be read as a picture: they are delivered as they are" in said
    assert "as of a camera that crops around the part" in said
    assert "of several kinds" in said and "have no label" in said and "'=Kratzer/ä b' is 'Kratzer-a-b'" in said
    assert "Acceptable: good." in said


def none_readable(path: Path) -> Path:
    data = folders.folder(path, 5)
    for one in (data / "images").iterdir():
        one.write_bytes(b"no picture")
    return data


def empty(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (empty, "There is no picture"),
        (none_readable, "Not one of the 5 files"),
        (lambda path: folders.write(empty(path), []), "no rows"),
        (lambda path: path, "is no folder"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_words(
    tiny: Layout, tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    with pytest.raises(AndonError, match=words):
        opened(tiny, make(tmp_path / "data"))


def test_not_ok_is_not_acceptable(tiny: Layout, tmp_path: Path) -> None:
    data = folders.folder(tmp_path / "data", 8, lambda n: {"label": ("ok", "not ok", "not_good", "no good")[n % 4]})
    assert "Acceptable: ok." in opened(tiny, data)


def test_an_archive_of_years_is_taken_in(tiny: Layout, tmp_path: Path) -> None:
    rows = folders.folder(tmp_path / "data", 4, lambda n: {"captured_at": f"{2016 + 3 * n}-05-01T10:00:00Z"})
    before = read_params(tiny.params).ingest.max_past
    said = " ".join(opened(tiny, rows))
    after = read_params(tiny.params).ingest.max_past
    assert f"ingest.max_past is {after:g} days in this plant" in said and after == 9 * 365 + 2 > before
