"""Near-duplicates: the same part again is found, parts that only look alike are not, and nothing depends on order."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from inspection.cameras import Camera, Turn, read_cameras
from inspection.intake import likeness
from inspection.intake.likeness import NONE, SIDE, Alike, alike, components, grid, symmetries, thumbnail
from inspection.network.views import viewed
from inspection.params import Validate
from plant.line import Plant
from tests.conftest import DAY, ROOT

SETTINGS = Validate(
    min_images=60,
    min_parts_per_class=3,
    alike_rate=1e-5,
    alike_floor=0.8,
    max_group_share=0.02,
)
STRIPES = 120 + 40 * np.sin(np.arange(128) / 5)[None, :, None]


def scene(seed: int, lamp: float = 1.0, size: int = 128) -> NDArray[np.float32]:
    """A part's surface before the camera: what all parts share, what is its own, and a lamp."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0, 8, (16, 16)).repeat(8, 0).repeat(8, 1)[:, :, None]
    shade = rng.normal(0, 30) * np.linspace(-1, 1, 128)[:, None, None]  # a mode that stands in every picture
    return np.clip((STRIPES + own + shade) * lamp, 0, 255).astype(np.float32)[:size, :size]


def world(
    pictures: list[NDArray[np.float32]], serials: list[str] | None = None
) -> tuple[pd.DataFrame, dict[str, bytes]]:
    ids = [f"i{n:05d}" for n in range(len(pictures))]
    table = pd.DataFrame(
        {"image_id": ids, "serial": serials or [f"s{n:05d}" for n in range(len(ids))], "camera": "cam-1", "part": "p"}
    )
    return table, dict(zip(ids, map(thumbnail, pictures), strict=True))


def named(found: Alike) -> set[tuple[str, str]]:
    return set(zip(found.pairs["a"], found.pairs["b"], strict=True))


@pytest.fixture(scope="module")
def others() -> list[NDArray[np.float32]]:
    return [scene(seed) for seed in range(200)]


@pytest.mark.parametrize("shape", [(128, 128, 1), (120, 160, 3), (7, 5, 1), (33, 1, 3), (301, 517, 1)])
def test_a_thumbnail_has_one_size_and_the_mean_of_its_picture(shape: tuple[int, ...]) -> None:
    levels = np.full(shape, 77.25, np.float32)
    content = thumbnail(levels)
    assert len(content) == 2 * SIDE * SIDE
    assert grid(content).dtype == np.float32
    assert grid(content) == pytest.approx(np.full((SIDE, SIDE), 77.25), abs=1 / 257)


def test_a_thumbnail_averages_areas() -> None:
    levels = np.random.default_rng(1).uniform(0, 255, (128, 64, 1)).astype(np.float32)
    means = levels.reshape(32, 4, 32, 2).mean((1, 3))
    assert grid(thumbnail(levels)) == pytest.approx(means, abs=0.01)


def test_a_large_picture_shrinks_to_nearly_the_same_thumbnail() -> None:
    small = np.random.default_rng(2).uniform(0, 255, (SIDE, SIDE)).astype(np.float32)
    for size in (20, 31):  # 31 * 32 = 992 is halved to odd sizes on the way
        large = small.repeat(size, 0).repeat(size, 1)[:, :, None]
        assert np.corrcoef(grid(thumbnail(large)).ravel(), small.ravel())[0, 1] > 0.98


def test_a_grid_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError):
        grid(b"12")


def test_the_same_part_under_another_lamp_and_noise_is_found(others: list[NDArray[np.float32]]) -> None:
    again = [scene(3, 0.85), scene(50, 1.1) + np.random.default_rng(1).normal(0, 5, (128, 128, 1)).astype(np.float32)]
    found = alike(*world([*others, *again]), SETTINGS)
    assert named(found) == {("i00003", "i00200"), ("i00050", "i00201")}
    assert (found.pairs["correlation"] > 0.9).all()
    assert not found.warnings
    assert found.bars.iloc[0][["images", "own", "pairs"]].tolist() == [202, True, 2]


def test_what_all_pictures_share_makes_none_alike(others: list[NDArray[np.float32]]) -> None:
    thumbs = np.stack([grid(thumbnail(one)).ravel() for one in others])
    plain = np.corrcoef(thumbs - thumbs.mean(0))
    assert (plain[np.triu_indices(200, 1)] > 0.8).mean() > 0.1  # the shade alone, with the mean taken off
    assert alike(*world(others), SETTINGS).pairs.empty


def test_drawn_parts_are_told_apart() -> None:
    plant = Plant(1, (read_cameras(ROOT / "cameras.yaml")["cam-1"],))
    shots = list(plant.shots(DAY, 150))
    table = pd.DataFrame(
        [(s.key, s.serial, s.camera, s.part) for s in shots], columns=["image_id", "serial", "camera", "part"]
    )
    thumbs = {s.key: thumbnail(s.pixels[:, :, None].astype(np.float32)) for s in shots}
    assert alike(table, thumbs, SETTINGS).pairs.empty
    apart = alike(table.assign(serial=table["image_id"]), thumbs, SETTINGS)  # two views of each part, as if of two
    serial = table.set_index("image_id")["serial"]
    right = serial.loc[apart.pairs["a"]].to_numpy() == serial.loc[apart.pairs["b"]].to_numpy()
    assert right.mean() > 0.95
    assert right.sum() > 0.6 * len(table) / 2


def test_pictures_of_one_serial_are_never_a_pair(others: list[NDArray[np.float32]]) -> None:
    serials = [f"s{n:05d}" for n in range(200)]
    assert alike(*world([*others, scene(3)], [*serials, "s00003"]), SETTINGS).pairs.empty


def test_cameras_and_parts_are_compared_among_themselves(others: list[NDArray[np.float32]]) -> None:
    table, thumbs = world([*others, *others])
    table["camera"] = ["cam-1"] * 200 + ["cam-2"] * 200
    assert alike(table, thumbs, SETTINGS).pairs.empty
    assert len(alike(table.assign(camera="cam-1"), thumbs, SETTINGS).pairs) == 200


def test_neither_the_order_of_rows_nor_a_missing_thumbnail_matters(others: list[NDArray[np.float32]]) -> None:
    table, thumbs = world([*others, scene(3, 0.9), scene(4, 0.9)])
    turned = table.sample(frac=1, random_state=1)
    one, two = alike(table, thumbs, SETTINGS), alike(turned, dict(reversed(thumbs.items())), SETTINGS)
    pd.testing.assert_frame_equal(one.pairs, two.pairs)
    pd.testing.assert_frame_equal(one.bars, two.bars)
    thumbs.pop("i00003")
    assert named(alike(table, thumbs, SETTINGS)) == {("i00004", "i00201")}


def test_blocks_make_no_difference(others: list[NDArray[np.float32]], monkeypatch: pytest.MonkeyPatch) -> None:
    made = world([*others, *(scene(n, 0.9) for n in range(0, 200, 17))])
    whole = alike(*made, SETTINGS)
    monkeypatch.setattr(likeness, "BLOCK", 7)
    assert named(alike(*made, SETTINGS)) == named(whole) and len(whole.pairs) == 12


def test_a_few_duplicates_are_no_common_mode() -> None:
    pictures = [scene(n) for n in range(40)]
    found = alike(*world([*pictures, *(scene(0, lamp) for lamp in (0.8, 0.9, 1.1, 1.2))]), SETTINGS)
    assert named(found) == {
        (a, b) for ids in [("i00000", *(f"i{n:05d}" for n in range(40, 44)))] for a in ids for b in ids if a < b
    }
    assert found.bars["bar"].tolist() == [0.9]  # few pairs: half-way from the floor to 1
    assert found.bars["own"].tolist() == [False]


def test_too_few_pictures_are_not_compared_and_it_is_said() -> None:
    found = alike(*world([scene(0)] * 9), SETTINGS)
    assert found.pairs.empty and len(found.warnings) == 1
    assert "cam-1, part p: 9 image(s) are too few" in found.warnings[0]


def test_a_camera_that_repeats_its_pictures_links_nothing_and_is_named(others: list[NDArray[np.float32]]) -> None:
    found = alike(*world([*others, *(scene(3, 0.8 + n / 100) for n in range(30))]), SETTINGS)
    assert found.pairs.empty
    assert "31 of its 230 images would be one group" in found.warnings[0]
    assert found.bars["pairs"].tolist() == [0]


def test_more_pairs_than_memory_should_hold_link_nothing(
    others: list[NDArray[np.float32]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likeness, "MOST_PAIRS", 5)
    found = alike(*world([*others, *others[:30]]), SETTINGS)
    assert found.pairs.empty and found.warnings


def test_pictures_without_anything_of_their_own_are_not_compared(others: list[NDArray[np.float32]]) -> None:
    black = [np.zeros((128, 128, 1), np.float32)] * 12
    assert alike(*world(black), SETTINGS).pairs.empty
    assert "12 image(s) show nothing of their own" in alike(*world(black), SETTINGS).warnings[0]


def test_no_pictures_are_no_pairs() -> None:
    table, _ = world([])
    found = alike(table, {}, SETTINGS)
    pd.testing.assert_frame_equal(found.pairs, NONE, check_dtype=False)


def test_components_join_what_links_join() -> None:
    group = components(np.array([0, 1, 4]), np.array([1, 2, 5]), 7)
    assert group[0] == group[1] == group[2] and group[4] == group[5]
    assert len(set(group)) == 4


TURNING = {
    "cam-1": Camera(
        name="cam-1", line="A", width=128, height=128, mode="L", parts=("p", "q"), turns={"p": ("flip_x", "turn_180")}
    )
}


@pytest.mark.parametrize("turn", get_args(Turn))
def test_a_turned_thumbnail_is_the_thumbnail_of_the_turned_picture(turn: Turn) -> None:
    picture = scene(1)
    copy, turned = grid(thumbnail(picture)), grid(thumbnail(np.ascontiguousarray(viewed(picture, turn))))
    assert copy.ravel()[symmetries([turn])[turn]].reshape(SIDE, SIDE) == pytest.approx(turned, abs=0.1)


def test_turns_come_to_all_that_follows_from_them() -> None:
    assert symmetries(()) == {}
    assert set(symmetries(["flip_x"])) == {"flip_x"}
    assert set(symmetries(["flip_x", "flip_y"])) == {"flip_x", "flip_y", "turn_180"}
    assert set(symmetries(["turn_90"])) == {"turn_90", "turn_180", "turn_270"}
    assert len(symmetries(["turn_90", "flip_x"])) == 7


@pytest.mark.parametrize("turn", ["flip_x", "flip_y", "turn_180"])
def test_a_turned_or_mirrored_copy_is_found_under_the_turns_that_the_camera_declares(
    others: list[NDArray[np.float32]], turn: str
) -> None:
    """flip_y is what the two that are declared come to."""
    noise = np.random.default_rng(1).normal(0, 3, (128, 128, 1)).astype(np.float32)
    made = world([*others, viewed(others[3], turn) * np.float32(0.9) + noise, viewed(others[77], turn)])
    assert not named(alike(*made, SETTINGS)) & {("i00003", "i00200"), ("i00077", "i00201")}
    found = alike(*made, SETTINGS, TURNING)
    assert named(found) == {("i00003", "i00200"), ("i00077", "i00201")}
    assert set(found.pairs["turn"]) == {turn} and (found.pairs["correlation"] > 0.9).all()
    assert not found.warnings and found.bars["pairs"].tolist() == [2]
    table, thumbs = made
    undeclared = alike(table.assign(part="q"), thumbs, SETTINGS, TURNING)
    assert set(undeclared.pairs["turn"]) <= {"identity"}


def test_a_quarter_of_a_turn_is_found_in_both_directions(others: list[NDArray[np.float32]]) -> None:
    camera = TURNING["cam-1"].model_copy(update={"turns": ("turn_90",)})
    pictures = [*others, viewed(others[3], "turn_90"), viewed(others[4], "turn_270")]
    found = alike(*world(pictures), SETTINGS, {"cam-1": camera})
    assert dict(zip(found.pairs["a"], found.pairs["turn"], strict=True)) == {"i00003": "turn_270", "i00004": "turn_90"}


def test_turns_make_no_different_parts_alike(others: list[NDArray[np.float32]]) -> None:
    """Neither in surfaces without a direction, nor beside something that stands still in all pictures."""
    fixture = np.zeros((128, 128, 1), np.float32)
    fixture[:40, :30] = 90
    pictures = [one + fixture for one in others]
    pictures += [viewed(scene(seed) + fixture, "flip_x") for seed in range(300, 303)]  # parts of their own, mirrored
    assert alike(*world(pictures), SETTINGS, TURNING).pairs.empty
    again = [*pictures, viewed(pictures[5], "flip_x")]
    assert named(alike(*world(again), SETTINGS, TURNING)) == {("i00005", "i00203")}
    plant = Plant(1, (read_cameras(ROOT / "cameras.yaml")["cam-1"],))
    shots = list(plant.shots(DAY, 150))
    table = pd.DataFrame(
        [(s.key, s.serial, s.camera, s.part) for s in shots], columns=["image_id", "serial", "camera", "part"]
    )
    thumbs = {s.key: thumbnail(s.pixels[:, :, None].astype(np.float32)) for s in shots}
    assert alike(table, thumbs, SETTINGS, read_cameras(ROOT / "cameras.yaml")).pairs.empty


def test_turned_copies_that_would_make_one_large_group_are_not_linked_and_it_is_said(
    others: list[NDArray[np.float32]],
) -> None:
    """Twelve of one part and eleven that are mirrored: small groups as they are, a large one together."""
    lamps = [scene(3, 0.8 + n / 50) for n in range(22)]
    pictures = [*others, *lamps[:11], *(viewed(one, "flip_x") for one in lamps[11:])]
    found = alike(*world(pictures), SETTINGS, TURNING)
    assert set(found.pairs["turn"]) == {"identity"} and len(found.pairs) == 12 * 11 / 2 + 11 * 10 / 2
    assert "23 of its 222 images would be one group of near-duplicates if they were turned" in found.warnings[0]
