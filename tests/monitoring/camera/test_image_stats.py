import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from monitoring.camera.image_stats import NAMES, image_stats

sizes = st.tuples(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3]))


def surface(seed: int, height: int = 64, width: int = 64, channels: int = 1) -> NDArray[np.float32]:
    """A smooth random texture around 128: (H, W, C) float32."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), 3)
    return np.repeat((128 + 20 * field / field.std())[:, :, None], channels, axis=2).astype(np.float32)


def noisy(seed: int, sd: float, height: int = 128, width: int = 128) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(128, sd, (height, width, 1)).astype(np.float32)


@given(sizes, st.integers(0, 99))
def test_every_image_has_every_statistic_as_a_finite_number(size: tuple[int, int, int], seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 256, size).astype(np.float32)
    stats = image_stats(levels)
    assert tuple(stats) == NAMES
    assert all(isinstance(value, float) and np.isfinite(value) and value >= 0 for value in stats.values())
    assert stats["brightness"] <= 255 + 1e-3 and stats["contrast"] <= 127.5 + 1e-3 and stats["clipped"] <= 1


@given(st.integers(0, 99), st.sampled_from([1, 3]))
def test_a_view_of_an_image_has_the_image_s_statistics(seed: int, channels: int) -> None:
    levels = surface(seed, 20, 30, channels)
    for turned in (levels[::-1], levels[:, ::-1]):
        assert image_stats(np.ascontiguousarray(turned)) == pytest.approx(image_stats(levels), rel=1e-4)


def test_an_even_surface_has_its_level_and_nothing_else() -> None:
    expected = {"brightness": 100, "contrast": 0, "sharpness": 0, "noise": 0, "clipped": 0, "red": 1, "blue": 1}
    for channels in (1, 3):
        assert image_stats(np.full((50, 70, channels), 100, np.float32)) == pytest.approx(expected, abs=1e-9)


def test_a_lamp_that_dims_by_a_tenth_lowers_brightness_and_contrast_by_a_tenth_and_keeps_sharpness() -> None:
    before, after = image_stats(surface(1)), image_stats(surface(1) * np.float32(0.9))
    assert after["brightness"] == pytest.approx(0.9 * before["brightness"], rel=1e-4)
    assert after["contrast"] == pytest.approx(0.9 * before["contrast"], rel=1e-4)
    assert after["sharpness"] == pytest.approx(before["sharpness"], rel=1e-3)


def test_blur_lowers_sharpness_more_the_wider_it_is() -> None:
    levels = surface(1) + noisy(2, 5, 64, 64) - 128
    sharpness = [
        image_stats(gaussian_filter(levels, (sigma, sigma, 0)).astype(np.float32))["sharpness"]
        for sigma in (0.4, 0.8, 1.6)
    ]
    assert image_stats(levels)["sharpness"] > sharpness[0] > sharpness[1] > sharpness[2]


@pytest.mark.parametrize("sd", [1.0, 4.0, 12.0])
def test_noise_is_the_standard_deviation_of_what_was_added(sd: float) -> None:
    assert image_stats(noisy(1, sd))["noise"] == pytest.approx(sd, rel=0.03)


def test_noise_is_blind_to_slopes() -> None:
    rows, columns = np.mgrid[0:128, 0:128]
    slope = ((rows * 0.6 + columns * 0.3)[:, :, None] - 57).astype(np.float32)
    assert image_stats(slope + 100)["noise"] == pytest.approx(0, abs=1e-3)
    assert image_stats(noisy(1, 4) + slope)["noise"] == pytest.approx(image_stats(noisy(1, 4))["noise"], rel=1e-3)


def test_clipped_is_the_share_of_pixels_at_either_end() -> None:
    levels = np.full((10, 10, 1), 100, np.float32)
    levels[0, :, 0], levels[1, :5, 0] = 255, 0
    assert image_stats(levels)["clipped"] == pytest.approx(0.15)


def test_red_and_blue_are_measured_against_green() -> None:
    levels = np.ones((8, 8, 3), np.float32) * np.array([150, 100, 80], np.float32)
    stats = image_stats(levels)
    assert (stats["red"], stats["blue"], stats["brightness"]) == pytest.approx((1.5, 0.8, 110))


def test_a_colour_cast_is_seen_in_its_channel_alone() -> None:
    before = surface(1, channels=3)
    after = before * np.array([1.1, 1, 1], np.float32)
    assert image_stats(after)["red"] == pytest.approx(1.1, rel=1e-3)
    assert image_stats(after)["blue"] == pytest.approx(image_stats(before)["blue"], rel=1e-5)


def test_an_image_without_green_gives_numbers_all_the_same() -> None:
    levels = np.zeros((4, 4, 3), np.float32)
    levels[:, :, 0] = 10
    assert np.isfinite(list(image_stats(levels).values())).all()


def test_an_image_too_small_for_a_neighbourhood_has_neither_sharpness_nor_noise() -> None:
    for shape in ((1, 1, 1), (2, 9, 3), (9, 2, 1)):
        stats = image_stats(np.random.default_rng(1).random(shape).astype(np.float32) * 255)
        assert (stats["sharpness"], stats["noise"]) == (0, 0)
