"""`python -m benchmarks.outside` runs to its end on cameras of any hand."""

import json
from pathlib import Path

import pytest

from benchmarks.outside import names
from benchmarks.outside.__main__ import main
from benchmarks.outside.measured import with_fault
from benchmarks.outside.run import Run, Scale
from benchmarks.outside.sizes import told_size, true_sizes
from benchmarks.outside.slots import Slot
from benchmarks.outside.streams import Seat, Streams
from inspection.params import Routing
from tests.conftest import SHARED

STREAMS = SHARED / "streams"
FAKE = """
import hashlib
from datetime import UTC, datetime, timedelta
import numpy as np

IMAGES, A_DAY = 10, 4
CLEAN = {"plain": {}, "bent": {"fixture": False}}
FAULTS = {
    "dimmed": (lambda rng, camera: {"lamp": -0.3}, {"lighting"}),
    "reddish": (lambda rng, camera: {"red": 0.1}, {"lighting"}),
}
CONTENT = {"another": ({"part": "new", "name": "new"}, {"new_product"}), "worse": ({"defects": 0.5}, {"defect_rate"})}

class Camera:
    height, channels, ambient, drift, real = 48, 1, 0.0, 0.0, None
    def __init__(self, name, seed=0, fixture=True):
        self.name, self.seed, self.fixture = name, seed, fixture
    def window(self, day, window, faults=None, phase=1, images=IMAGES, part=None, name=None, defects=None):
        if day == 99:
            yield None, "a", datetime(2026, 1, 5, tzinfo=UTC), "broken"
        rng = np.random.default_rng([day, window, phase, self.seed])
        still = np.random.default_rng(1).random((48, 48, 1))
        for n in range(images):
            light = (60 + 90 * (still if part != "new" else still[::-1] ** 3)) * (1 + (faults or {}).get("lamp", 0.0))
            levels = np.clip(light + 2 * rng.standard_normal(light.shape), 0, 255).round().astype(np.float32)
            at = datetime(2026, 1, 5, 6, tzinfo=UTC) + timedelta(days=day, hours=4 * window, minutes=n)
            yield levels, name or "a", at, hashlib.sha256(levels.tobytes()).hexdigest()
"""


def fake(folder: Path, text: str = FAKE) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "cameras.py").write_text(text)
    return folder


def command(folder: Path, out: Path, *more: str) -> dict[str, float]:
    """Its figures by name without what stands in brackets or behind a colon."""
    shared = ["--streams", str(folder), "--seeds", "1", "1", "--processes", "1", "--kept", str(out.parent / "kept")]
    main([*shared, "--out", str(out), *more])
    return {one["name"].split(" (")[0]: one["value"] for one in json.loads(out.read_text())["figures"]}


def test_the_command_runs_to_its_end_and_goes_on_from_there(tmp_path: Path) -> None:
    streams, out = fake(tmp_path / "streams"), tmp_path / "out.json"
    found = command(streams, out, "--scale", "0.02")
    assert {"reference of 1 d: healthy camera-days", "reference of 5 d: healthy camera-days", "dimmed"} <= set(found)
    assert found["dimmed"] == 100 and "reddish" not in found  # no camera sees colour
    assert found["another: called new_product 1; rightly"] == 100
    assert found["windows whose judging raised an exception"] == 0
    assert [path.name for path in streams.iterdir()] == ["cameras.py"]  # nothing is left beside the judge
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("*") if path.is_file()}
    assert command(streams, out, "--scale", "0.02") == found
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("*") if path.is_file()}


def test_what_judging_raises_is_counted_and_the_run_goes_on(tmp_path: Path) -> None:
    streams, out = fake(tmp_path / "streams", FAKE.replace("day == 99", "day == 6")), tmp_path / "out.json"
    found = command(streams, out, "--only", "clean", "--scale", "0.4", "--cameras", "plain")
    told_of = json.loads(out.read_text())["behind"]["clean"]
    assert found["windows whose judging raised an exception"] == 4 * 3  # of one day under three references
    assert [day["causes"] for day in told_of["alarmed"]] == [["exception"]] * 3


def test_a_camera_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--streams", str(fake(tmp_path / "streams")), "--cameras", "round"])
    assert "no cameras round" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--streams", str(tmp_path)])
    assert "no cameras.py" in capsys.readouterr().err


def test_every_cause_of_the_product_counts_as_a_name() -> None:
    causes = [cause for some in names.CAUSES.values() for cause in some]
    assert len(causes) == len(set(causes))
    assert set(Routing.model_fields) - {"costly_drop", "min_parts"} == set(causes)


def test_a_size_is_told_in_the_unit_of_its_statistic() -> None:
    assert true_sizes({"lamp": -0.05, "angle": 1.0}, 64) == {"gain": 0.05}
    assert true_sizes({"pixels": [[1, 1, "dead"], [1, 2, "dead"], [1, 3, "odd"]]}, 64) == {"dead": 2}
    assert true_sizes({"glass": 0.75, "column": 7}, 64) == {"dust": 0.25, "dead": 64}
    assert told_size({"statistic": "gain", "size": -0.04, "deepest": 0.0}) == 0.04
    assert told_size({"statistic": "dust", "size": 2, "deepest": 0.2}) == 0.2


@pytest.mark.skipif(not (STREAMS / "cameras.py").is_file(), reason="needs ../shared/streams, which is not here")
def test_a_stream_of_the_judge_is_watched(tmp_path: Path) -> None:
    """One camera, one seed, a reference of one day, three healthy windows and two with the fault."""
    streams = Streams(STREAMS)
    run = Run.of(streams, Scale((streams.cameras[0],), range(1), lengths=(1,)), tmp_path)
    fault = next(name for name, (_, right) in streams.module.FAULTS.items() if right == {"frozen"})
    found = with_fault(run, (Slot(Seat(streams.cameras[0], 0), 0), [fault]))[fault]["told"]["1"]
    assert [one["cause"] for one in found["called"]] == ["frozen"] and not found["failed"]
