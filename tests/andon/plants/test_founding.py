"""A plant of its own: whole or not at all, without product code, and with settings that have one source."""

import errno
import shutil
import subprocess
from pathlib import Path

import pytest

from andon.plants import founding
from andon.plants.founding import SETTINGS, TEMPLATE, Wishes, found, refuse_name, refuse_place
from inspection import git
from inspection.cameras import read_cameras
from inspection.errors import AndonError, FixInput, FixSettings
from inspection.layout import Layout
from inspection.taxonomy import read_taxonomy
from tests.conftest import ROOT

WHO = ("Tess", "tess@andon.invalid")
CAMERA = {"line": "B", "width": 300, "height": 200, "mode": "L", "parts": ["tile", "rim"], "time_zone": "Asia/Tokyo"}


def test_it_is_a_repository_with_one_commit_and_no_product_code(tmp_path: Path) -> None:
    layout = found(tmp_path / "press", Wishes("Press shop 2"), WHO)
    tracked = git.run(layout.home, "ls-files").splitlines()
    assert not [name for name in tracked if name.endswith(".py")]
    assert git.run(layout.home, "status", "--porcelain") == ""
    assert git.run(layout.home, "log", "--format=%an %s").splitlines() == ["Tess A new plant: Press shop 2"]
    assert Layout.find(layout.home) == layout
    assert (layout.home / "inbox").is_dir()
    assert (layout.home / "README.md").read_text().startswith("# Press shop 2\n")
    assert len((layout.home / "README.md").read_text().splitlines()) < 45


def test_settings_are_those_of_the_checkout(tmp_path: Path) -> None:
    layout = found(tmp_path / "plant", Wishes("P"), WHO)
    for name in SETTINGS.values():
        assert (layout.home / name).read_bytes() == (ROOT / name).read_bytes(), name


def test_every_file_of_the_template_goes_into_a_plant() -> None:
    names = {path.relative_to(TEMPLATE).as_posix() for path in TEMPLATE.rglob("*") if path.is_file()}
    assert names == {*SETTINGS, "README.md.j2", "stages.json"}


def test_cameras_and_classes_as_wished_with_the_comments(tmp_path: Path) -> None:
    wishes = Wishes("P", {"left": CAMERA, "right": {**CAMERA, "mode": "RGB"}}, {"ok": True, "dent": False})
    layout = found(tmp_path / "plant", wishes, WHO)
    cameras, taxonomy = read_cameras(layout.cameras), read_taxonomy(layout.taxonomy)
    assert list(cameras) == ["left", "right"]
    assert cameras["left"].parts == ("tile", "rim")
    assert cameras["right"].mode == "RGB"
    assert {name: one.acceptable for name, one in taxonomy.classes.items()} == {"ok": True, "dent": False}
    assert "# L: grey; RGB: colour" in layout.cameras.read_text()
    assert "`acceptable: false` means" in layout.taxonomy.read_text()


def test_what_cannot_be_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match="time_zone"):
        found(tmp_path / "plant", Wishes("P", {"left": {**CAMERA, "time_zone": "Mars"}}), WHO)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(founding.files, "write", full)
    with pytest.raises(OSError, match="No space left"):
        found(tmp_path / "plant", Wishes("P"), WHO)
    assert list(tmp_path.iterdir()) == []


def test_without_an_identity_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL", "")
    with pytest.raises(AndonError, match=r"git config --global user\.name"):
        found(tmp_path / "plant", Wishes("P"))
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_used_and_any_other_refused(tmp_path: Path) -> None:
    empty, full, file = (tmp_path / name for name in ("empty", "full", "file"))
    empty.mkdir()
    full.mkdir()
    (full / "x").touch()
    file.touch()
    refuse_place(empty)
    refuse_place(tmp_path / "new" / "deep")
    found(empty, Wishes("P"), WHO)
    for place, words in ((full, "is not empty"), (file, "is no folder"), (empty / "inner", "inside another plant")):
        with pytest.raises(FixSettings, match=words):
            refuse_place(place)


@pytest.mark.parametrize("name", ["", "  ", " a", "a\nb", "x" * 61, "\x1b[31m"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(FixInput, match="--name"):
        refuse_name(name)


def test_folders_of_the_plant_never_hide_the_package(tiny: Layout) -> None:
    """A plant may have folders called as Andon's own packages."""
    for name in ("stages", "inspection", "plant", "flows", "andon"):
        (tiny.home / name).mkdir()
        (tiny.home / name / "__init__.py").write_text("raise RuntimeError('the wrong code')\n")
    andon = shutil.which("andon", path=str(Path(__import__("sys").executable).parent))
    assert andon
    done = subprocess.run([andon, "status"], cwd=tiny.home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        ["python", "-P", "-m", "stages.snapshot"],
        cwd=tiny.home,
        env={"PATH": str(Path(andon).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the wrong code" not in done.stderr
