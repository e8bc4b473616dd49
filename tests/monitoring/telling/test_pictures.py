"""Pictures show what they should, at any size, in grey too."""

from datetime import date
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inspection.cameras import read_cameras
from monitoring.telling import pictures
from monitoring.telling.canvas import WIDTH
from plant.line import Plant
from tests.conftest import ROOT


def opened(content: bytes) -> NDArray[np.uint8]:
    """A PNG as (H, W, 3) uint8; it is what a mail can show."""
    image = Image.open(BytesIO(content))
    assert (image.format, image.mode, image.size[0]) == ("PNG", "RGB", WIDTH)
    assert len(content) < 250_000
    return np.asarray(image)


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As a printer without colour shows it."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


@pytest.fixture(scope="module")
def means() -> dict[str, NDArray[np.float32]]:
    """Camera -> the mean of eight drawn pictures: (H, W, C) float32."""
    shots = list(Plant(1, tuple(read_cameras(ROOT / "cameras.yaml").values())).shots(date(2026, 11, 2), 8))
    by_camera: dict[str, list[NDArray[np.float32]]] = {}
    for shot in shots:
        levels = np.atleast_3d(shot.pixels).astype(np.float32)
        by_camera.setdefault(shot.key.split("/")[0], []).append(levels)
    return {camera: np.mean(levels, axis=0, dtype=np.float32) for camera, levels in by_camera.items()}


def near(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> int:
    """How many pixels have about this colour."""
    return int((np.abs(pixels.astype(int) - colour).max(axis=2) < 12).sum())


RING, DARKER, BRIGHTER = (255, 225, 77), (0, 34, 78), (254, 232, 56)


def test_a_darker_camera_is_shown_darker_in_grey_too(means: dict[str, NDArray[np.float32]]) -> None:
    assert {mean.shape[2] for mean in means.values()} == {1, 3}
    for mean in means.values():
        change = pictures._change(mean, mean * np.float32(0.88), "%")
        assert np.median(change) == pytest.approx(-12, abs=0.1)
        darker, brighter = (opened(pictures.compared(mean, mean * np.float32(gain))) for gain in (0.88, 1.14))
        assert near(darker, DARKER) > 5_000 > near(brighter, DARKER)
        right = slice(None), slice(420, 580)
        assert grey(darker)[right].mean() + 60 < grey(brighter)[right].mean()


def test_the_difference_is_in_levels_or_in_per_cent(means: dict[str, NDArray[np.float32]]) -> None:
    mean = means["cam-1"]
    hot = mean.copy()
    hot[40, 60] += 40
    assert pictures._change(mean, hot, "grey levels")[40, 60] == pytest.approx(40)
    assert pictures._change(mean, hot, "%")[40, 60] == pytest.approx(100 * 40 / mean[40, 60, 0], rel=1e-4)
    both = [opened(pictures.compared(mean, hot, unit=unit)) for unit in ("%", "grey levels")]
    assert both[0].shape == both[1].shape and (both[0] != both[1]).any()


def test_every_spot_has_a_ring_in_every_image_and_its_place_in_words(means: dict[str, NDArray[np.float32]]) -> None:
    mean = means["cam-1"]
    none, one, two = (opened(pictures.compared(mean, mean, spots)) for spots in ((), [(9, 20)], [(9, 20), (90, 80)]))
    assert near(none, RING) < 20 < near(one, RING) < near(two, RING)
    assert none.shape[0] < one.shape[0] == two.shape[0]  # the places stand in a line of their own
    pixels = opened(pictures.compared(mean, mean, [(0, 64)]))  # a row of its own, so row and column are not mixed up
    rows, columns = np.nonzero(np.abs(pixels.astype(int) - RING).max(axis=2) < 12)
    assert rows.max() < 60 and len({round(column / 197) for column in columns}) >= 3


def test_at_most_a_handful_of_spots_is_ever_drawn(means: dict[str, NDArray[np.float32]]) -> None:
    mean = means["cam-1"]
    many = [(5 + 9 * n, 10 + 8 * n) for n in range(12)]
    few, all_of_them = (opened(pictures.compared(mean, mean, spots)) for spots in (many[:5], many))
    height = few.shape[0] - 60  # below it stand the places in words
    assert near(few[:height], RING) > 0
    assert (few[:height] == all_of_them[:height]).all()
    assert "7\xa0more" in " ".join(pictures._places(many))


def test_places_are_written_in_lines_that_fit() -> None:
    said = pictures._places([(row, 1007) for row in range(1000, 1009)])
    assert all(len(line) <= 72 for line in said)
    assert " ".join(" ".join(said).split()).startswith("1: row 1000, column 1007 2: row 1001, column 1007 ")
    assert said[-1].endswith("and\xa04\xa0more")
    assert pictures._places([]) == []


@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 200, 1), (200, 8, 3)])
def test_any_shape_and_an_even_picture_can_be_drawn(shape: tuple[int, int, int]) -> None:
    for level in (0, 128, 255):
        even = np.full(shape, level, np.float32)
        assert opened(pictures.compared(even, even)).shape[0] < 500


def test_twelve_megapixels_are_made_small_first_and_spots_stay_where_they_are() -> None:
    large = np.tile(np.linspace(0, 255, 4000, dtype=np.float32), (3000, 1))[:, :, None]
    small = pictures._shrunk(large)
    assert small.shape == (600, 800, 1)
    assert small.mean() == pytest.approx(large.mean(), abs=0.1)
    pixels = opened(pictures.compared(large, large, [(1500, 200)]))
    _, columns = np.nonzero(np.abs(pixels.astype(int) - RING).max(axis=2) < 12)
    assert columns.min() < 60  # a twentieth of the way into the first image


def test_a_single_pixel_of_many_stays_in_the_difference() -> None:
    even = np.full((1201, 1603, 1), 90, np.float32)
    hot = even.copy()
    hot[1200, 1602], hot[3, 4] = 130, 20
    small = pictures._furthest(pictures._change(even, hot, "grey levels"), 200)
    assert max(small.shape) <= 200
    assert (small[-1, -1], small[0, 0], small[50, 50]) == (40, -70, 0)
    assert np.array_equal(pictures._furthest(small, 200), small)


def test_sixteen_bits_look_like_eight(means: dict[str, NDArray[np.float32]]) -> None:
    eight = means["cam-1"].astype(np.uint8)
    deep = eight.astype(np.uint16) * 16  # a 12-bit camera
    assert np.abs(opened(pictures.examples([eight], ["a"])) - opened(pictures.examples([deep], ["a"]))).max() <= 1


@pytest.mark.parametrize("count", [0, 1, 4, 6])
def test_up_to_four_examples_stand_side_by_side(means: dict[str, NDArray[np.float32]], count: int) -> None:
    images = ([means["cam-1"], means["cam-2"].astype(np.uint8), means["cam-1"][:, :, 0]] * 2)[:count]
    titles = [f"$serial_{{{number}}} {'0' * 40}" for number in range(count)]
    assert opened(pictures.examples(images, titles)).shape[0] < 380


def test_examples_are_shown_at_one_brightness(means: dict[str, NDArray[np.float32]]) -> None:
    mean = means["cam-1"]
    pixels = grey(opened(pictures.examples([mean, mean * np.float32(0.6)], ["before", "now"])))
    assert pixels[60:250, 20:280].mean() * 0.7 > pixels[60:250, 320:580].mean()


@pytest.mark.parametrize(("spot", "corner"), [((0, 0), (0, 0)), ((50, 60), (34, 44)), ((99, 119), (68, 88))])
def test_a_close_up_lies_within_the_image(spot: tuple[int, int], corner: tuple[int, int]) -> None:
    image = np.arange(100 * 120, dtype=np.float32).reshape(100, 120, 1)
    seen = pictures.close_up(image, spot, 32)
    assert seen.shape == (32, 32, 1) and seen[0, 0, 0] == image[(*corner, 0)]
    assert pictures.close_up(image, spot, 500).shape == image.shape


def test_a_spot_stands_out_of_what_parts_differ_by() -> None:
    rng = np.random.default_rng(1)
    before = np.full((128, 128, 1), 120, np.float32)
    now = before + 12 * rng.standard_normal((128, 128, 1)).astype(np.float32)
    now[40, 60] = 0
    plain, told = (opened(pictures.compared(before, now, spots, unit="grey levels")) for spots in ((), ((40, 60),)))
    ground = slice(100, 180), slice(440, 580)  # of the difference, off the ring
    strong = [(np.abs(grey(shown)[ground].astype(int) - 125) > 50).sum() for shown in (plain, told)]
    assert strong[1] < strong[0] / 4


def test_the_busiest_and_the_calmest_place_are_found() -> None:
    image = np.full((100, 140, 1), 90, np.float32)
    image[60:, 100:] = 200
    row, column = pictures.busiest(image, 40)
    assert abs(row - 60) <= 20 and abs(column - 100) <= 20
    row, column = pictures.busiest(image, 40, calm=True)
    assert row + 20 <= 60 or column + 20 <= 100


def test_grain_can_be_seen() -> None:
    rng = np.random.default_rng(1)
    quiet, grainy = (100 + scale * rng.standard_normal((48, 48, 1)).astype(np.float32) for scale in (1, 2))
    before, now = pictures.stretched([quiet, grainy + 60])
    assert now.std() > 1.8 * before.std() > 36
    assert abs(before.mean() - now.mean()) < 4
