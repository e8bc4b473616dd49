"""The README's own steps on pictures that were not made for Andon, in a plant of its own, up to a release."""

import csv
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from inspection import git
from inspection.cameras import read_cameras
from inspection.layout import Layout
from plant.line import Plant
from tests.conftest import DAY, ROOT, SHARED, set_params

TILES = SHARED / "data" / "magnetic_tile"
pytestmark = pytest.mark.slow


def andon(home: Path, *words: str) -> str:
    command = [sys.executable, "-P", "-m", "andon", *words]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def labels_filled_in(home: Path, truth: dict[str, str]) -> Path:
    """The list of `andon catalog query`, as a person hands it back."""
    sheet = home.parent / "todo.csv"
    andon(home, "catalog", "query", "--format", "csv", "--out", str(sheet))
    rows = pd.read_csv(sheet, dtype=str, keep_default_na=False)
    rows["label"] = rows["key"].map(truth)
    rows.to_csv(sheet, index=False)
    return sheet


def released(home: Path, truth: dict[str, str]) -> dict[str, object]:
    """Steps 1 to 3 of the README; the release."""
    andon(home, "ingest")
    andon(home, "label", "import", str(labels_filled_in(home, truth)), "--by", "Ines")
    andon(home, "retrain", "--by", "Ines")
    shown = json.loads(andon(home, "show", "v1.0.0", "--json"))
    assert shown["promote"], shown["objections"]
    andon(home, "approve", "v1.0.0", "--by", "Lena")
    live: dict[str, object] = json.loads(andon(home, "live", "--json"))["live"]
    assert not [name for name in git.run(home, "ls-files").splitlines() if name.endswith(".py")]
    return live


@pytest.fixture(autouse=True)
def _committer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ines")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ines@plant.invalid")
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Ines\n\temail = ines@plant.invalid\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))


@pytest.mark.skipif(not TILES.is_dir(), reason="the real images of ../shared are not here")
def test_magnetic_tiles(tmp_path: Path) -> None:
    home = tmp_path / "tiles"
    said = andon(tmp_path, "init", str(home), "--like", str(TILES))
    assert "as of a camera that crops" in said
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    truth = {}
    with (TILES / "metadata.csv").open(encoding="utf-8") as lines:
        for number, row in enumerate(csv.DictReader(lines)):
            at = start + timedelta(seconds=60 * number)
            key = f"cam-1/part/{row['tile_id']}/{at:%Y%m%dT%H%M%S}{number % 1000:03d}Z.jpg"
            truth[key] = row["tile_majority_label"]
            (home / "inbox" / key).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(TILES / row["file"], home / "inbox" / key)
    assert released(home, truth)["version"] == "v1.0.0"


def test_drawn_parts_in_a_plant_that_was_read_off_them(tmp_path: Path) -> None:
    """The drawn counterpart, which always runs."""
    examples, home, truth = tmp_path / "examples", tmp_path / "drawn", {}
    camera = read_cameras(ROOT / "cameras.yaml")["cam-1"]
    for shot in Plant(3, (camera,), defect_rate=0.5, hidden_rate=0).shots(DAY, 300):
        path = examples / shot.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(shot.content)
        truth[shot.key] = shot.label
    defects = [f"--defect={name}" for name in sorted(set(truth.values()) - {"good"})]
    andon(tmp_path, "init", str(home), "--like", str(examples), "--sides", "2", "--good", "good", *defects)
    shutil.copytree(examples, home / "inbox", dirs_exist_ok=True)
    set_params(Layout(home, home), ingest__max_past=36_500)  # an archive by the time that this test runs
    assert released(home, truth)["version"] == "v1.0.0"
