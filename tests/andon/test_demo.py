"""The demo on a folder of images: a drawn folder always, the shared real ones where they are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inspection.cameras import read_cameras
from plant.line import Plant
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


def demo(checkout: Path, *arguments: str) -> tuple[dict[str, object], str]:
    done = subprocess.run(
        [sys.executable, "-m", "andon", "demo", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    status = subprocess.run(["git", "status", "--porcelain"], cwd=checkout, capture_output=True, text=True, check=True)
    assert status.stdout == ""
    return json.loads((checkout / ".demo" / "summary.json").read_text()), done.stdout


def test_a_drawn_folder_without_any_column_but_file_and_label(checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    camera = read_cameras(ROOT / "cameras.yaml")["cam-1"]
    rows = ["file,label"]
    for number, shot in enumerate(Plant(3, (camera,), views=1, hidden_rate=0).shots(DAY, 170)):
        (folder / "images" / f"{number}.png").write_bytes(shot.content)
        rows.append(f"images/{number}.png,{shot.label}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    summary, said = demo(checkout, "--data", str(folder))
    assert summary["images"] == 170
    assert summary["quarantined"] == 2
    (release,) = summary["releases"]  # type: ignore[misc]
    assert release["version"] == summary["champion"]["version"] == "v1.0.0"  # type: ignore[index]
    assert "Lena" in release["approved_by"]
    assert "Capture times are simulated" in said
    assert "Acceptable: good." in said


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
    assert summary["champion"]["macro_f1"] > 0.9  # type: ignore[index]
