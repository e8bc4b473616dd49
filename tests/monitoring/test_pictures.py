from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from math import inf

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inspection.params import read_cameras
from monitoring import pictures
from plant.line import Plant
from tests.conftest import ROOT

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def opened(content: bytes) -> NDArray[np.uint8]:
    """A PNG as (H, W, 3) uint8; it is what a mail can show."""
    image = Image.open(BytesIO(content))
    assert (image.format, image.mode, image.size[0]) == ("PNG", "RGB", pictures.WIDTH)
    assert len(content) < 250_000
    return np.asarray(image)


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


RING, PURPLE = (255, 225, 77), (45, 0, 75)


def test_a_darker_camera_is_shown_darker(means: dict[str, NDArray[np.float32]]) -> None:
    assert {mean.shape[2] for mean in means.values()} == {1, 3}
    for mean in means.values():
        change = pictures._change(mean, mean * np.float32(0.88))
        assert np.median(change) == pytest.approx(-12, abs=0.1)
        darker, brighter = (opened(pictures.compared(mean, mean * np.float32(gain))) for gain in (0.88, 1.14))
        assert near(darker, PURPLE) > 5_000 > near(brighter, PURPLE)


def test_every_spot_has_a_ring_in_every_image(means: dict[str, NDArray[np.float32]]) -> None:
    mean = means["cam-1"]
    none, one, two = (
        near(opened(pictures.compared(mean, mean, spots)), RING) for spots in ((), [(9, 20)], [(9, 20), (90, 80)])
    )
    assert none < 20 < one < two
    pixels = opened(pictures.compared(mean, mean, [(0, 64)]))  # a row of its own, so row and column are not mixed up
    rows, columns = np.nonzero(np.abs(pixels.astype(int) - RING).max(axis=2) < 12)
    assert rows.max() < 60 and len({round(column / 197) for column in columns}) >= 3


@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 200, 1), (200, 8, 3)])
def test_any_shape_and_an_even_picture_can_be_drawn(shape: tuple[int, int, int]) -> None:
    for level in (0, 128, 255):
        even = np.full(shape, level, np.float32)
        assert opened(pictures.compared(even, even)).shape[0] < 500


@pytest.mark.parametrize("limits", [(0.95, 1.05), (-inf, 1.05), (-inf, inf)])
def test_windows_beyond_the_limits_are_marked(limits: tuple[float, float]) -> None:
    times = [NOON + timedelta(hours=hour) for hour in range(24)]
    steady, changed = [1.0] * 24, [1.0] * 12 + [1.2] * 12

    def warm(values: Sequence[float], onset: tuple[datetime, datetime] | None = None) -> int:
        """Orange pixels, strong or pale; all else is blue or grey."""
        pixels = opened(pictures.over_time(times, values, *limits, "Light of cam-1", "times the usual", onset)).astype(
            int
        )
        return int((pixels[:, :, 0] - pixels[:, :, 2] > 25).sum())

    assert warm(steady) == 0
    assert (warm(changed) > 100) == (limits[1] < 1.2)
    assert warm(steady, (times[11], times[12])) > 500


def test_one_window_or_a_constant_can_be_drawn() -> None:
    opened(pictures.over_time([NOON], [3.0], -inf, inf, "Dust", "specks", None))
    opened(pictures.over_time([NOON, NOON + timedelta(days=40)], [0.0, 0.0], 0, 0, "Dust", "specks", None))


@pytest.mark.parametrize("count", [1, 4, 6])
def test_up_to_four_examples_stand_side_by_side(means: dict[str, NDArray[np.float32]], count: int) -> None:
    images = ([means["cam-1"], means["cam-2"].astype(np.uint8), means["cam-1"][:, :, 0]] * 2)[:count]
    titles = [f"$serial_{{{number}}} {'0' * 40}" for number in range(count)]
    assert opened(pictures.examples(images, titles)).shape[0] < 300
