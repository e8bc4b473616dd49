import csv
import io
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inspection.errors import FixInput, FixSettings
from plant.faults import Fault
from plant.replay import Replay
from plant.shot import Shot

START = date(2026, 11, 2)
SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """12 tiles under 3 exposures, grey, of varying size; the last two images are the same file twice."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    rows = []
    for tile in range(12):
        for exposure in (2, 9, 10):  # text would sort 10 before 2
            name = f"images/{tile}_{exposure}.{'jpg' if tile % 2 else 'png'}"
            pixels = rng.integers(60, 200, (30 + tile, 40), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name)
            label = "dent" if tile < 4 else "good"
            rows.append({"file": name, "label": label, "tile": f"T {tile}", "exposure": str(exposure)})
    (tmp_path / rows[-1]["file"]).write_bytes((tmp_path / rows[-2]["file"]).read_bytes())
    write(tmp_path, rows)
    return tmp_path


def write(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "metadata.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def everything(replay: Replay) -> list[Shot]:
    return [shot for day in replay.days for shot in replay.shots(day)]


def test_original_bytes_pass_untouched_and_none_is_lost(folder: Path) -> None:
    shots = everything(Replay(folder, 1, START))
    assert sorted(shot.content for shot in shots) == sorted(p.read_bytes() for p in (folder / "images").iterdir())
    assert len({shot.key for shot in shots}) == 36
    for shot in shots:
        assert shot.key.endswith(".jpg") == shot.content.startswith(b"\xff\xd8")


def test_order_column_makes_the_days_and_serial_column_the_parts(folder: Path) -> None:
    replay = Replay(folder, 1, START, serial_column="tile", order_column="exposure")
    assert replay.days == [START + timedelta(days=i) for i in range(3)]
    exposures = {row["file"]: row["exposure"] for row in csv.DictReader((folder / "metadata.csv").open())}
    by_content = {(folder / name).read_bytes(): value for name, value in exposures.items() if "/11_" not in name}
    for day, exposure in zip(replay.days, ("2", "9", "10"), strict=True):
        shots = list(replay.shots(day))
        assert {by_content[s.content] for s in shots if s.content in by_content} == {exposure}
        assert {shot.serial for shot in shots} == {f"T-{tile}" for tile in range(12)}
    cameras = defaultdict(set)
    for shot in everything(replay):
        cameras[shot.serial].add(shot.camera)
    assert all(len(names) == 1 for names in cameras.values())  # a part stays at its camera
    assert not any("serial" in note for note in replay.notes) and any("'exposure'" in note for note in replay.notes)


@pytest.mark.parametrize(("days", "expected"), [(1, 1), (2, 2), (6, 6)])
def test_ordered_values_fill_the_days_asked_for(folder: Path, days: int, expected: int) -> None:
    replay = Replay(folder, 1, START, days=days, serial_column="tile", order_column="exposure")
    assert len(replay.days) == expected and len(everything(replay)) == 36


def test_absent_columns_are_simulated_and_said(folder: Path) -> None:
    replay = Replay(folder, 1, START, days=3, cameras=2)
    shots = everything(replay)
    assert len({shot.serial for shot in shots}) == 35  # the twins are one part
    assert {shot.camera for shot in shots} == {"cam-1", "cam-2"} and len(replay.days) == 3
    for word in ("serial", "part", "line", "camera", "Capture times"):
        assert any(word in note for note in replay.notes)
    assert [shot.key for shot in shots] == [
        shot.key for shot in everything(Replay(folder, 1, START, days=3, cameras=2))
    ]
    assert [shot.key for shot in shots] != [
        shot.key for shot in everything(Replay(folder, 2, START, days=3, cameras=2))
    ]


def test_given_columns_are_believed(folder: Path) -> None:
    rows = list(csv.DictReader((folder / "metadata.csv").open()))
    for i, row in enumerate(rows):
        row |= {"line": "L7", "camera": f"eye {i % 3}", "part": "tile", "serial": f"N{i}"}
        row["captured_at"] = f"2026-05-0{1 + i % 2}T08:00:00+02:00"
    write(folder, rows)
    replay = Replay(folder, 1, START)
    shots = everything(replay)
    assert replay.days == [date(2026, 5, 1), date(2026, 5, 2)]
    assert {shot.camera for shot in shots} == {"eye-0", "eye-1", "eye-2"} and {shot.line for shot in shots} == {"L7"}
    assert min(shot.captured_at for shot in shots) == datetime(2026, 5, 1, 6, tzinfo=UTC)
    assert len({(shot.camera, shot.captured_at) for shot in shots}) == 36  # six at once became milliseconds apart
    assert len(replay.notes) == 1 and "milliseconds" in replay.notes[0]


def test_cameras_are_described_as_their_pictures_are(folder: Path) -> None:
    (one,) = Replay(folder, 1, START, cameras=1, serial_column="tile").cameras()
    assert (one.name, one.line, one.modes, one.parts) == ("cam-1", "A", ("L",), (folder.name,))
    assert (one.min_width, one.width, one.min_height, one.height) == (40, 40, 30, 41)


def test_a_fault_changes_pictures_from_its_time_on(folder: Path) -> None:
    clean = Replay(folder, 1, START, cameras=1, serial_column="tile", order_column="exposure")
    since = datetime(2026, 11, 3, tzinfo=UTC)
    faults = [Fault("lamp", -0.4, "cam-1", since), Fault("dead", 2, "cam-1", since)]
    faulty = Replay(folder, 1, START, cameras=1, serial_column="tile", order_column="exposure", faults=faults)
    for before, after in zip(everything(clean), everything(faulty), strict=True):
        if before.captured_at < since:
            assert before.content == after.content
            continue
        assert after.key.endswith(".png") and Image.open(io.BytesIO(after.content)).format == "PNG"
        assert (after.pixels == 0).sum() == 2
        assert after.pixels.mean() == pytest.approx(0.6 * before.pixels.mean(), rel=0.02)


def test_refusals_name_file_and_remedy(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match=r"no column 'tyle'.*tile"):
        Replay(folder, 1, START, serial_column="tyle")
    with pytest.raises(FixSettings, match="cam-1, cam-2"):
        Replay(folder, 1, START, faults=[Fault("dust", 1, "cam-7", datetime(2026, 1, 1, tzinfo=UTC))])
    (folder / "images/3_9.jpg").unlink()
    with pytest.raises(FixInput, match=r"metadata\.csv, line 12: the file 'images/3_9\.jpg' is missing"):
        Replay(folder, 1, START)
    (folder / "metadata.csv").write_text("file,etikett\nimages/3_2.jpg,good\n")
    with pytest.raises(FixInput, match="no column 'label'"):
        Replay(folder, 1, START)
    with pytest.raises(FixInput, match=r"metadata\.csv is missing"):
        Replay(folder / "images", 1, START)


def with_columns(folder: Path, **columns: Callable[[int], str]) -> Path:
    rows = list(csv.DictReader((folder / "metadata.csv").open()))
    for number, row in enumerate(rows):
        row |= {name: value(number) for name, value in columns.items()}
    write(folder, rows)
    return folder


def test_grey_and_colour_of_one_camera_become_two_cameras(folder: Path) -> None:
    colour = np.zeros((30, 40, 3), np.uint8)
    deep = np.full((30, 40), 40_000, np.uint16)
    for number, pixels in ((0, colour), (2, colour), (4, deep)):
        Image.fromarray(pixels).save(folder / f"images/{number}_2.png")
    replay = Replay(folder, 1, START, cameras=1, one_kind=True)
    found = {one.name: (one.modes, one.bit_depth) for one in replay.cameras()}
    assert found == {"cam-1": (("L",), 8), "cam-1-colour": (("RGB",), 8), "cam-1-grey16": (("L",), 16)}
    assert any("several kinds" in note and "cam-1-colour" in note for note in replay.notes)
    assert {shot.camera for shot in everything(replay)} == set(found)
    assert [one.name for one in Replay(folder, 1, START, cameras=1).cameras()] == ["cam-1"]


def test_files_that_are_no_pictures_are_delivered_as_they_are(folder: Path) -> None:
    (folder / "images/0_2.png").write_bytes(b"no picture")
    replay = Replay(folder, 1, START, cameras=1)
    assert replay.broken == 1 and len(everything(replay)) == 36
    assert [one.name for one in replay.cameras()] == ["cam-1"]
    for path in (folder / "images").iterdir():
        path.write_bytes(b"no picture")
    assert Replay(folder, 1, START).cameras() == []


def test_a_column_of_many_values_fills_a_month(folder: Path) -> None:
    replay = Replay(with_columns(folder, frame=str), 1, START, order_column="Frame")
    assert len(replay.days) == 31 and len(everything(replay)) == 36


def test_times_of_any_zone_are_told_in_utc(folder: Path) -> None:
    zones = ("Z", "+14:00", "-12:00")
    times = with_columns(folder, captured_at=lambda n: f"2025-03-01T23:59:59{zones[n % 3]}")
    days = Replay(times, 1, START).days
    assert days == [date(2025, 3, 1), date(2025, 3, 2)]


@pytest.mark.parametrize(
    "time", ["", "yesterday", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1969-12-31"]
)
def test_times_that_no_camera_has_are_refused_in_words(folder: Path, time: str) -> None:
    with pytest.raises(FixInput, match="captured_at"):
        Replay(with_columns(folder, captured_at=lambda n: time if n == 7 else "2025-03-01"), 1, START)


def test_thousands_of_serials_and_strange_classes_stay_apart(folder: Path) -> None:
    replay = Replay(with_columns(folder, serial=lambda n: f"{n % 2}/{n}", label=lambda n: f"={n % 3}"), 1, START)
    shots = everything(replay)
    assert len({shot.serial for shot in shots}) == 36
    assert {shot.label for shot in shots} == {"class-0", "class-1", "class-2"}
    assert any("'=0' is 'class-0'" in note for note in replay.notes)


@pytest.mark.skipif(not (SHARED / "magnetic_tile").is_dir(), reason=f"needs {SHARED}/magnetic_tile")
def test_real_tiles_follow_their_exposures() -> None:
    replay = Replay(SHARED / "magnetic_tile", 1, START, serial_column="tile_id", order_column="exposure")
    assert len(replay) == 1344 and len(replay.days) == 7
    assert {camera.modes for camera in replay.cameras()} == {("L",)}
    brightness = [
        np.mean([s.pixels.mean() for s, _ in zip(replay.shots(d), range(60), strict=False)]) for d in replay.days[1:]
    ]
    assert max(brightness) > 1.5 * min(brightness)


@pytest.mark.skipif(not (SHARED / "xsdd").is_dir(), reason=f"needs {SHARED}/xsdd")
def test_real_steel_keeps_its_twins_together() -> None:
    replay = Replay(SHARED / "xsdd", 1, START)
    shots = everything(replay)
    assert len(shots) == 1360 and len({shot.serial for shot in shots}) == len({shot.content for shot in shots}) < 1360


def test_pieces_of_two_kinds_that_share_a_serial_each_come_at_once(folder: Path) -> None:
    """Picture after picture of one, then of the other."""
    with (folder / "metadata.csv").open(newline="") as file:
        rows = [row | {"part": ("nut", "bolt")[n % 2]} for n, row in enumerate(csv.DictReader(file))]
    write(folder, rows)
    shown = [(shot.part, shot.serial) for shot in everything(Replay(folder, 0, START, serial_column="tile", cameras=1))]
    starts = [one for n, one in enumerate(shown) if n == 0 or shown[n - 1] != one]
    assert len(starts) == len(set(shown)) == 24
