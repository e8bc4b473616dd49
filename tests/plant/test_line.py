import csv
import io
import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inspection.cameras import Camera
from inspection.errors import FixSettings
from plant.faults import Fault
from plant.line import CLASSES, GOOD, Plant, Shot, drop, write_labels
from plant.optics import Pixels
from plant.shot import labelled_at, png

DAY, NEXT = date(2026, 11, 2), date(2026, 11, 3)


@pytest.fixture
def plant(grey: Camera, colour: Camera) -> Plant:
    return Plant(1, [grey, colour])


def contents(shots: list[Shot]) -> dict[str, bytes]:
    return {shot.key: shot.content for shot in shots}


def likeness(one: Pixels, other: Pixels) -> float:
    return float(np.corrcoef(one.astype(float), other.astype(float))[0, 1])


def test_same_seed_same_bytes_and_another_seed_others(plant: Plant, grey: Camera, colour: Camera) -> None:
    once, again = list(plant.shots(DAY, 10)), list(Plant(1, [grey, colour]).shots(DAY, 10))
    assert contents(once) == contents(again) and [s.label for s in once] == [s.label for s in again]
    other = {shot.content for shot in Plant(2, [grey, colour]).shots(DAY, 10)}
    assert other.isdisjoint(contents(once).values())


def test_a_day_drawn_alone_is_the_day_drawn_after_others(plant: Plant, grey: Camera) -> None:
    after = [list(plant.shots(day, 6)) for day in (DAY, NEXT)][1]
    assert contents(list(plant.shots(NEXT, 6))) == contents(after)
    alone = contents(list(Plant(1, [grey]).shots(NEXT, 6)))  # without the other camera, too
    assert alone == {key: content for key, content in contents(after).items() if key.startswith("cam-1/")}


def test_shots_are_what_the_camera_declares(plant: Plant, grey: Camera, colour: Camera) -> None:
    shots = list(plant.shots(DAY, 7))
    shapes = {(s.camera, s.pixels.shape, s.pixels.dtype.name) for s in shots}
    assert shapes == {("cam-1", (64, 64), "uint8"), ("cam-2", (60, 80, 3), "uint8")}
    for camera in (grey, colour):
        mine = [shot for shot in shots if shot.camera == camera.name]
        assert len(mine) == 7 and {shot.part for shot in mine} <= set(camera.parts)
        assert len({shot.captured_at for shot in mine}) == 7


def test_keys_say_camera_part_serial_and_time(plant: Plant) -> None:
    for shot in plant.shots(DAY, 4):
        camera, part, serial, stamp = re.fullmatch(r"(.+)/(.+)/(.+)/(\d{8}T\d{9}Z)\.png", shot.key).groups()  # type: ignore[union-attr]
        assert (camera, part, serial) == (shot.camera, shot.part, shot.serial)
        assert datetime.strptime(stamp, "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC) == shot.captured_at


def test_views_of_a_part_resemble_each_other_and_no_other_part(grey: Camera) -> None:
    pictures = defaultdict(list)
    for shot in Plant(1, [grey.model_copy(update={"parts": ("housing",)})], defect_rate=0).shots(DAY, 20):
        pictures[shot.serial].append(shot.pixels[8:-8, 8:-8].ravel())
    assert {len(views) for views in pictures.values()} == {2}
    within = [likeness(*views) for views in pictures.values()]
    firsts = [views[0] for views in pictures.values()]
    between = [likeness(*pair) for pair in combinations(firsts, 2)]
    assert min(within) > 0.6 > max(between)


def test_a_minority_of_defective_parts_hides_it_in_one_view(grey: Camera) -> None:
    labels = defaultdict(set)
    for shot in Plant(3, [grey], defect_rate=0.6).shots(DAY, 800):
        labels[shot.serial].add(shot.label)
    defective = [found for found in labels.values() if found != {GOOD}]
    assert 0.5 < len(defective) / len(labels) < 0.7
    assert 0.08 < sum(GOOD in found for found in defective) / len(defective) < 0.22
    assert all(len(found - {GOOD}) == 1 for found in defective)


def test_a_new_class_appears_on_its_day_and_not_before(grey: Camera) -> None:
    plant = Plant(1, [grey], new_classes={"burr": NEXT}, defect_rate=1.0)
    seen = {day: {shot.label for shot in plant.shots(day, 120)} - {GOOD} for day in (DAY, NEXT)}
    assert seen == {DAY: set(CLASSES), NEXT: {*CLASSES, "burr"}}


def test_product_mix_varies_by_shift(grey: Camera) -> None:
    def housings(day: date) -> list[float]:
        visits = list(Plant(1, [grey]).visits(grey, day, 1000))
        halves = [[v.part == "housing" for v in visits if (v.share >= 0.5) == late] for late in (False, True)]
        return [float(np.mean(half)) for half in halves]

    shares = np.array([housings(DAY + timedelta(days=i)) for i in range(20)])  # chance alone: 0.03 apart
    assert np.abs(shares[:, 0] - shares[:, 1]).mean() > 0.08
    assert 0.4 < shares.mean() < 0.6


def test_a_fault_of_the_plant_reaches_its_camera_only(plant: Plant, grey: Camera, colour: Camera) -> None:
    lamp = Fault("lamp", -0.5, "cam-2", datetime(2026, 11, 2, tzinfo=UTC))
    dimmed = {shot.key: shot.pixels.mean() for shot in Plant(1, [grey, colour], faults=[lamp]).shots(DAY, 4)}
    for shot in plant.shots(DAY, 4):
        expected = shot.pixels.mean() * (0.5 if shot.camera == "cam-2" else 1)
        assert dimmed[shot.key] == pytest.approx(expected, rel=0.05)


def test_dropped_files_are_whole_and_hold_the_pixels(plant: Plant, tmp_path: Path) -> None:
    shots = list(plant.shots(DAY, 4))
    paths = drop(shots, tmp_path)
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == sorted(paths)  # nothing unfinished is left
    for shot, path in zip(shots, paths, strict=True):
        assert path == tmp_path / shot.key
        assert np.array_equal(np.asarray(Image.open(path)), shot.pixels)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_holds_every_depth_and_mode(shape: tuple[int, ...], dtype: Any) -> None:
    pixels: Any = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    decoded = np.asarray(Image.open(io.BytesIO(png(pixels))))
    if dtype is np.uint16 and len(shape) == 3:
        pixels = (pixels >> 8).astype(np.uint8)  # Pillow reads the high byte of 16-bit colour
    assert np.array_equal(decoded, pixels)


def test_labels_come_late_and_only_when_due(plant: Plant, tmp_path: Path) -> None:
    shots = list(plant.shots(DAY, 30))
    delays = [labelled_at(shot) - shot.captured_at for shot in shots]
    assert timedelta(hours=1.9) < min(delays) < timedelta(hours=8) and timedelta(days=1) < max(delays) <= timedelta(
        days=4
    )
    assert write_labels(shots, tmp_path / "all.csv", "ann") == 60
    rows = list(csv.DictReader((tmp_path / "all.csv").open()))
    assert list(rows[0]) == ["key", "label", "by", "labelled_at"] and {row["by"] for row in rows} == {"ann"}
    assert {row["key"]: row["label"] for row in rows} == {shot.key: shot.label for shot in shots}
    noon = datetime(2026, 11, 3, 12, tzinfo=UTC)
    some = write_labels(shots, tmp_path / "some.csv", "ann", until=noon)
    assert some == sum(labelled_at(shot) <= noon for shot in shots) and 0 < some < 60


def test_refusals_name_the_remedy(grey: Camera) -> None:
    with pytest.raises(FixSettings, match="cam-1"):
        Plant(1, [grey], faults=[Fault("dust", 1, "cam-7", datetime(2026, 1, 1, tzinfo=UTC))])
    with pytest.raises(FixSettings, match="burr"):
        Plant(1, [grey], classes=["bur"])
