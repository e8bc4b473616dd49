"""Cameras and classes as a folder of example pictures shows them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from andon.plants.like import like
from inspection.errors import FixInput
from tests.conftest import SHARED


def picture(path: Path, width: int = 40, height: int = 30, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "16":
        Image.fromarray(np.zeros((height, width), np.uint16)).save(path)
    else:
        Image.new(mode, (width, height)).save(path)


def test_names_say_camera_and_part(tmp_path: Path) -> None:
    picture(tmp_path / "cam-a" / "lid" / "S1" / "20261102T061512345Z.png")
    picture(tmp_path / "cam-a" / "cap" / "S2" / "20261102T061513345Z.png")
    picture(tmp_path / "cam-b" / "lid" / "S1" / "20261102T061512345Z.jpg", mode="RGB", width=80)
    told = like(tmp_path)
    assert told.cameras == {
        "cam-a": {"line": "A", "width": 40, "height": 30, "mode": "L", "parts": ["cap", "lid"]},
        "cam-b": {"line": "A", "width": 80, "height": 30, "mode": "RGB", "parts": ["lid"]},
    }
    assert told.classes == {}
    assert told.notes == ()


def test_a_table_says_classes_and_whose_pictures_they_are(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "1.png")
    picture(tmp_path / "images" / "2.png", mode="RGB")
    rows = "file,label,camera,line,part\nimages/1.png,no_defect,left,C,lid\nimages/2.png,dent,right,C,lid\n"
    (tmp_path / "metadata.csv").write_text(rows)
    told = like(tmp_path)
    assert {name: (one["line"], one["mode"]) for name, one in told.cameras.items()} == {
        "left": ("C", "L"),
        "right": ("C", "RGB"),
    }
    assert told.classes == {"dent": False, "no_defect": True}
    assert like(tmp_path, good=["dent"]).classes == {"dent": True, "no_defect": False}
    with pytest.raises(FixInput, match="--good fine: no such label"):
        like(tmp_path, good=["fine"])


def test_other_folders_are_one_camera_of_one_part(tmp_path: Path) -> None:
    picture(tmp_path / "a.tif", mode="16")
    told = like(tmp_path)
    assert told.cameras["cam-1"]["bit_depth"] == 16
    assert told.cameras["cam-1"]["parts"] == ["part"]
    assert "called 'part'" in told.notes[0]


def test_sizes_that_differ_are_a_camera_that_crops(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", width=50, height=20)
    told = like(tmp_path)
    assert {key: told.cameras["cam-1"][key] for key in ("min_width", "width", "min_height", "height")} == {
        "min_width": 40,
        "width": 50,
        "min_height": 20,
        "height": 30,
    }
    assert "40×20 to 50×30 px" in told.notes[0]


def test_grey_and_colour_of_one_camera_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", mode="RGB")
    with pytest.raises(FixInput, match="L with 8 bits and RGB with 8 bits, but a camera delivers one kind"):
        like(tmp_path)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FixInput, match="holds no pictures"):
        like(tmp_path)
    with pytest.raises(FixInput, match="is no folder"):
        like(tmp_path / "nowhere")


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(FixInput, match=r"a\.png: not an image"):
        like(tmp_path)


def test_a_table_that_names_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("file,label\nimages/1.png,good\n")
    with pytest.raises(FixInput, match=r"1\.png: no such file"):
        like(tmp_path)
    (tmp_path / "metadata.csv").write_text("picture,label\nimages/1.png,good\n")
    with pytest.raises(FixInput, match="no column `file`"):
        like(tmp_path)


@pytest.mark.skipif(
    not (SHARED / "data" / "magnetic_tile").is_dir(), reason="the real images of ../shared are not here"
)
def test_real_tiles() -> None:
    told = like(SHARED / "data" / "magnetic_tile")
    assert told.cameras["cam-1"]["mode"] == "L"
    assert told.classes["MT_Free"] is True
    assert sum(told.classes.values()) == 1
