"""The demo on a folder of images: a drawn folder always, the shared real ones where they are."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inspection.cameras import read_cameras
from plant.line import Plant
from tests.andon import folders
from tests.conftest import DAY, ROOT, SHARED

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone of this checkout, with what is not committed yet left out."""
    target = tmp_path / "checkout"
    done = subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=False)
    if done.returncode:
        pytest.skip("this checkout is no git repository")
    return target


def demo(checkout: Path, *arguments: str, code: int | None = 0) -> tuple[dict[str, Any], str]:
    """The summary, and what was said. `code` None: it may come to its end or not, as the pictures are."""
    done = subprocess.run(
        [sys.executable, "-m", "andon", "demo", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    code = done.returncode if code is None else code
    assert done.returncode == code and code in (0, 1), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    status = subprocess.run(["git", "status", "--porcelain"], cwd=checkout, capture_output=True, text=True, check=True)
    assert status.stdout == ""
    summary = json.loads((checkout / ".demo" / "summary.json").read_text())
    assert summary["complete"] == (code == 0) and summary["reached"]
    assert all(words in done.stdout for words in (*summary["reached"], *summary["missing"]))
    assert code == 0 or "The demo could not go on to its end: " + summary["missing"][0] in done.stderr
    return summary, done.stdout


def test_a_drawn_folder_without_any_column_but_file_and_label(checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    camera = read_cameras(ROOT / "cameras.yaml")["cam-1"]
    rows = ["file,label"]
    for number, shot in enumerate(Plant(3, (camera,), views=1, hidden_rate=0).shots(DAY, 170)):
        (folder / "images" / f"{number}.png").write_bytes(shot.content)
        rows.append(f"images/{number}.png,{shot.label}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    summary, said = demo(checkout, "--data", str(folder), "--days", "2")
    assert summary["images"] == 170
    assert summary["quarantined"] == 2
    (release,) = summary["releases"]
    assert release["version"] == summary["champion"]["version"] == "v1.0.0"
    assert "Lena" in release["approved_by"]
    assert "Capture times are simulated" in said
    assert "Acceptable: good." in said


SMALL: dict[str, tuple[Callable[[Path], Path], int, tuple[str, ...]]] = {  # pictures taken in, and what has to be said
    "one picture": (lambda path: folders.folder(path, 1), 1, ("No model was trained. 1 labelled images may be",)),
    "one class": (
        lambda path: folders.folder(path, 60, bad=lambda _: False),
        60,
        ("No model was trained. A model tells two classes or more apart", "60 of good (60 parts)", "No reference of"),
    ),
    "sixty": (
        lambda path: folders.folder(path, 60),
        60,
        ("first model, asked for by Erik", "did not pass the gate: tried on", "without a reference none is looked for"),
    ),
    "everything odd": (
        folders.odd,
        66,
        ("cannot be read as a picture", "of several kinds", "labelled images are set aside", "andon label conflicts"),
    ),
}


@pytest.mark.parametrize("case", SMALL)
def test_a_folder_that_makes_no_model_ends_with_what_is_missing(checkout: Path, tmp_path: Path, case: str) -> None:
    make, taken, words = SMALL[case]
    summary, said = demo(checkout, "--data", str(make(tmp_path / "data")), "--days", "1", code=1)
    assert summary["images"] == taken and summary["champion"] is None and summary["failed"] == []
    assert "No fault of a camera was laid on these pictures" in said
    for part in words:
        assert part in said


def daily(n: int) -> folders.Row:
    return {"captured_at": f"2025-{n % 12 + 1:02d}-{n % 28 + 1:02d}T{n % 24:02d}:30:00Z", "serial": f"S{n}"}


ANY: dict[str, tuple[Callable[[Path], Path], int]] = {  # how many pictures it holds
    "one picture a part": (lambda path: folders.folder(path, 40, lambda n: {"serial": f"S{n}"}), 40),
    "sizes that differ": (lambda path: folders.mixed(path, 40, sizes=3), 40),
    "colour and grey": (lambda path: folders.mixed(path, 40, channels=(1, 3)), 40),
    "no times": (lambda path: folders.folder(path, 40, lambda n: {"serial": f"S{n // 2}"}), 40),
    "a year of times": (lambda path: folders.folder(path, 12, daily), 12),
    "thousands of serials": (
        lambda path: folders.folder(path, 2000, lambda n: {"serial": f"S{n}"}, lambda n: n == 7),
        2000,
    ),
}


@pytest.mark.parametrize("case", ANY)
def test_a_folder_of_any_kind_ends_with_a_story_that_counts_every_picture(
    checkout: Path, tmp_path: Path, case: str
) -> None:
    make, count = ANY[case]
    summary, said = demo(checkout, "--data", str(make(tmp_path / "data")), "--days", "1", code=None)
    dropped = 2 if "the demo drops two files that are no pictures" in said else 0
    assert summary["images"] + summary["quarantined"] == count + dropped and summary["failed"] == []
    assert summary["images"] >= count - 2, "a drawn folder of sound pictures is taken in"
    assert summary["champion"] is not None or summary["missing"]
    assert ("Capture times are simulated" in said) == (case != "a year of times")


def a_third(whole: Path, folder: Path) -> Path:
    """Every third image of a folder, by links."""
    folder.mkdir()
    (folder / "images").symlink_to(whole / "images")
    head, *rows = (whole / "metadata.csv").read_text().splitlines(keepends=True)
    (folder / "metadata.csv").write_text(head + "".join(rows[::3]))
    return folder


@pytest.mark.skipif(not (SHARED / "data" / "xsdd").is_dir(), reason="the real images of ../shared are not here")
def test_real_images_without_good_parts(checkout: Path, tmp_path: Path) -> None:
    summary, said = demo(checkout, "--data", str(a_third(SHARED / "data" / "xsdd", tmp_path / "xsdd")), "--days", "4")
    assert "false rejects do not apply" in said
    assert summary["champion"]["macro_f1"] > 0.9
