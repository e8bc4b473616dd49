"""What other cameras, systems and people hand in, by the `andon` command alone: this file knows nothing of the code."""

import io
import json
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from inspection.layout import Layout
from tests.conftest import make_plant

pytestmark = pytest.mark.slow
EVENING, NEXT_YEAR = "2026-11-02T23:00:00", "2027-02-10T23:00:00"
CAMERA = {
    "line": "A",
    "width": 64,
    "height": 48,
    "mode": "L",
    "bit_depth": 8,
    "sides": 1,
    "parts": ["bracket", "housing"],
}
CAMERAS = {
    "cam-1": CAMERA,
    "cam-deep": {**CAMERA, "bit_depth": 16, "white": 4095},
    "cam-small": {**CAMERA, "width": 32},
}


def andon(plant: Layout, *words: str, code: int | None = 0, now: str = EVENING) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "andon", *words],
        cwd=plant.home,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "ANDON_NOW": now,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert code is None or done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def a_plant(folder: Path) -> Layout:
    plant = make_plant(folder)
    plant.cameras.write_text(yaml.safe_dump(CAMERAS))
    subprocess.run(["git", "commit", "--quiet", "--all", "--message", "Cameras"], cwd=plant.home, check=True)
    (plant.home / "inbox").mkdir(exist_ok=True)
    return plant


def grey(seed: int, depth: int = 8) -> np.ndarray:
    """(48, 64): something like a part."""
    x = np.mgrid[:48, :64][1]
    levels = 120 + 60 * np.sin(x / (5 + seed % 7)) + np.random.default_rng(seed).normal(0, 3, (48, 64))
    return (levels.clip(0, 255) * (1 if depth == 8 else 257)).astype(np.uint8 if depth == 8 else np.uint16)


def saved(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def drop(plant: Layout, files: dict[str, bytes]) -> None:
    for key, content in files.items():
        path = plant.home / "inbox" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def key(
    serial: str, camera: str = "cam-1", part: str = "bracket", at: str = "20261102T060000Z", end: str = "png"
) -> str:
    return f"{camera}/{part}/{serial}/{at}.{end}"


def cut(progressive: bool) -> bytes:
    whole = saved(grey(1), "JPEG", progressive=progressive, quality=95)
    return whole[: len(whole) * 2 // 3] + b"\xff\xd9"


def many_scans() -> bytes:
    whole = saved(grey(2), "JPEG", progressive=True)
    at = whole.rindex(b"\xff\xda")
    return whole[:at] + whole[at:-2] * 2000 + whole[-2:]


def turned() -> bytes:
    block = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 0x112, 3, 1, 6, 0) + bytes(4)
    whole = saved(grey(3), "JPEG")
    return whole[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + whole[2:]


ODD: dict[str, tuple[str, bytes, str]] = {  # name -> key, content, what the refusal says
    "a JPEG cut and closed": (key("cut", end="jpg"), cut(False), "damaged"),
    "a progressive one": (key("cut-progressive", end="jpg"), cut(True), "damaged|scans are missing"),
    "12 bits left-justified": (key("left", "cam-deep"), saved(grey(4, 16)), "left-justified"),
    "turned by its EXIF": (key("turned", end="jpg"), turned(), "turned"),
    "2,000 scans": (key("scans", end="jpg"), many_scans(), "scans"),
    "a clock of 1970": (key("old", at="19700101T000010Z"), saved(grey(5)), "max_past"),
}
SYSTEMS = ("Thumbs.db", ".DS_Store", "desktop.ini", "half.filepart", "half.partial", "half.crdownload", "a.png~")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return a_plant(tmp_path_factory.mktemp("stranger") / "plant")


@pytest.fixture(scope="module")
def taken(plant: Layout) -> dict[str, Any]:
    """What ingest says of a good day, of everything odd, and of too wide pictures by three."""
    good = {key(f"g-{n}", at=f"20261102T0600{n:02d}Z"): saved(grey(20 + n)) for n in range(40)}
    wide = {key(f"w-{n}", "cam-small"): saved(grey(70 + n)) for n in range(3)}
    sides = {key(f"s-{n}", at=f"20261102T0700{n:02d}Z"): saved(grey(80 + n)) for n in (0, 1)}
    both = {one.replace("/s-0/", "/two/").replace("/s-1/", "/two/"): content for one, content in sides.items()}
    drop(plant, good | wide | both | {where: content for where, content, _ in ODD.values()})
    drop(plant, {f"cam-1/bracket/{name}": b"a system's or an uploader's" for name in SYSTEMS})
    told: dict[str, Any] = json.loads(andon(plant, "ingest", "--json").stdout)
    return told


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_refused_with_the_words(taken: dict[str, Any], name: str) -> None:
    where, _, words = ODD[name]
    assert where in taken["reasons"], "it was taken in"
    assert any(one in taken["reasons"][where] for one in words.split("|"))


def test_what_systems_and_uploaders_leave_is_neither_taken_nor_refused_nor_touched(
    plant: Layout, taken: dict[str, Any]
) -> None:
    assert not [one for one in taken["reasons"] if one.rpartition("/")[2] in SYSTEMS]
    assert all((plant.home / "inbox" / "cam-1/bracket" / name).exists() for name in SYSTEMS)


def test_somebody_s_documents_are_refused_before_the_first_is_touched(plant: Layout, tmp_path: Path) -> None:
    for name in ("id_rsa", "letter.odt", "taxes.pdf"):
        (tmp_path / name).write_bytes(b"mine")
    said = andon(plant, "ingest", "--inbox", str(tmp_path), code=None)
    assert len(list(tmp_path.iterdir())) == 3
    assert said.returncode == 1 and "does not look like an inbox" in said.stderr


def test_folders_in_folders_without_end_stop_nobody(tmp_path: Path) -> None:
    plant = a_plant(tmp_path / "plant")
    drop(plant, {key("g-1"): saved(grey(1))})
    at = plant.home / "inbox"
    before = Path.cwd()
    os.chdir(at)
    try:
        for _ in range(1100):
            Path("d").mkdir()
            os.chdir("d")
    finally:
        os.chdir(before)
    try:
        told = json.loads(andon(plant, "ingest", "--json", code=None).stdout or "{}")
        assert told.get("accepted") == 1
        andon(plant, "status")
    finally:
        subprocess.run(["rm", "-rf", str(at / "d")], check=True)  # Python's own way to remove a folder goes too deep


def test_refused_pictures_come_back_once_their_camera_is_declared_right(plant: Layout, taken: dict[str, Any]) -> None:
    wide = [one for one in taken["reasons"] if one.startswith("cam-small/")]
    assert len(wide) == 3
    plant.cameras.write_text(yaml.safe_dump({**CAMERAS, "cam-small": CAMERA}))
    subprocess.run(["git", "commit", "--quiet", "--all", "--message", "Wider"], cwd=plant.home, check=True)
    listed = json.loads(andon(plant, "quarantine", "list", "--json").stdout)
    assert [one["files"] for one in listed if "64 px, but cameras.yaml declares 32 px" in one["reason"]] == [3]
    assert json.loads(andon(plant, "quarantine", "retry", *wide, "--json").stdout)["accepted"] == 3


def labelled(
    plant: Layout, folder: Path, rows: Sequence[str], code: int | None = 0
) -> subprocess.CompletedProcess[str]:
    path = folder / "labels.csv"
    path.write_text("\n".join(["key,label,by", *rows]) + "\n")
    return andon(plant, "label", "import", str(path), "--by", "Ines", code=code)


def test_a_sheet_whose_cells_shift_loses_no_label_in_silence(
    plant: Layout, taken: dict[str, Any], tmp_path: Path
) -> None:
    assert taken["accepted"]
    one, two, three = (key(f"g-{n}", at=f"20261102T0600{n:02d}Z") for n in (0, 1, 2))
    said = labelled(plant, tmp_path, [f"{one},good,Lena,extra", f'{two},"good,Lena', f"{three},good,Lena"], code=1)
    told = said.stdout + said.stderr
    assert "line 2" in told and "line 3" in told and "line 4" not in told


def test_a_class_that_disappears_from_the_taxonomy_is_told_with_its_labels(
    plant: Layout, taken: dict[str, Any], tmp_path: Path
) -> None:
    rows = [
        f"{key(f'g-{n}', at=f'20261102T0600{n:02d}Z')},{'scratch' if n % 2 else 'good'},Lena" for n in range(10, 20)
    ]
    labelled(plant, tmp_path, rows)
    before = plant.taxonomy.read_text()
    plant.taxonomy.write_text(before.replace("scratch:", "scratched:"))
    assert plant.taxonomy.read_text() != before
    try:
        assert "5 labels bear class 'scratch', which is not declared any more" in andon(plant, "status").stdout
    finally:
        plant.taxonomy.write_text(before)
    andon(plant, "label", "undo", key("g-10", at="20261102T060010Z"), "--by", "Lena", "--why", "not mine")
    found = andon(plant, "catalog", "query", "--unlabelled", "--format", "csv").stdout
    assert "/g-10/" in found and "/g-11/" not in found


def test_a_part_with_a_defect_on_one_side_names_the_setting_and_is_counted_as_set_aside(
    plant: Layout, taken: dict[str, Any], tmp_path: Path
) -> None:
    one, two = (key("two", at=f"20261102T07000{n}Z") for n in (0, 1))
    labelled(plant, tmp_path, [f"{one},good,Lena", f"{two},scratch,Lena"])
    assert "sides" in andon(plant, "label", "conflicts").stdout
    said = andon(plant, "status").stdout
    assert "set aside" in said and "andon label conflicts" in said


def test_a_serial_that_comes_again_after_months_waits_and_status_names_both_dates(
    plant: Layout, taken: dict[str, Any]
) -> None:
    drop(plant, {key("g-30", at="20270210T060000Z"): saved(grey(50))})
    andon(plant, "ingest", now=NEXT_YEAR)
    said = andon(plant, "status", now=NEXT_YEAR).stdout
    assert "2026-11-02" in said and "2027-02-10" in said and "g-30" in said
