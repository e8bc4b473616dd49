"""A measured change laid on healthy images is measured as the same change."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.camera.health import measure
from monitoring.camera.window import Window
from monitoring.cost.changes import laid_on
from monitoring.judgement.reference import Reference
from tests.monitoring.camera.test_health import LEAST, learned, pictures

Levels = np.ndarray


@pytest.fixture(scope="module")
def grey() -> Reference:
    return learned()


@pytest.fixture(scope="module")
def colour() -> Reference:
    return learned(channels=3)


def measured(reference: Reference, change: Callable[[Levels], Levels], channels: int = 1) -> dict[str, float]:
    """What is measured of a window whose images all went through `change`."""
    window = Window("cam-1")
    for levels, part, at, name in pictures(7, 24, channels=channels):
        window.add(change(levels), part, at, name)
    found = measure(window, reference, LEAST)
    return {**found.values, **found.details}


def finding(statistic: str, size: float, details: dict[str, float] | None = None, spots: Any = ()) -> dict[str, Any]:
    return {"statistic": statistic, "size": size, "details": details or {}, "spots": spots}


def laid(statistic: str, size: float, details: dict[str, float], spots: Any = ()) -> Callable[[Levels], Levels]:
    def change(levels: Levels) -> Levels:
        altered = laid_on(levels, [finding(statistic, size, details, spots)])
        assert altered is not None
        assert (altered.shape, altered.dtype) == (levels.shape, np.float32)
        assert altered.min() >= 0 and altered.max() <= 255
        return altered

    return change


@pytest.mark.parametrize("gain", [-0.3, -0.12, 0.15])
def test_a_gain_is_measured_as_it_was_laid_on(grey: Reference, gain: float) -> None:
    found = measured(grey, laid("gain", gain, {"gain": gain}))
    assert found["gain"] == pytest.approx(gain, abs=0.02)
    assert abs(found["gradient"]) < 0.03


@pytest.mark.parametrize("degrees", [0.0, 90.0, 45.0, 200.0])
@pytest.mark.parametrize("gradient", [-0.15, -0.35])
def test_a_gradient_is_measured_as_it_was_laid_on(grey: Reference, gradient: float, degrees: float) -> None:
    found = measured(grey, laid("gradient", gradient, {"gradient": gradient, "gradient_degrees": degrees}))
    assert found["gradient"] == pytest.approx(gradient, abs=0.03)
    assert abs((found["gradient_degrees"] - degrees + 180) % 360 - 180) < 12
    assert abs(found["gain"]) < 0.03


@pytest.mark.parametrize(("red", "blue"), [(0.08, -0.08), (0.1, 0.0), (-0.06, 0.06)])
def test_a_colour_is_measured_as_it_was_laid_on(colour: Reference, red: float, blue: float) -> None:
    real = measured(colour, lambda levels: levels * np.array([1 + red, 1, 1 + blue], np.float32), 3)
    found = measured(colour, laid("colour", real["colour"], real), 3)
    for name in ("red", "blue", "gain"):
        assert found[name] == pytest.approx(real[name], abs=0.015), name


@pytest.mark.parametrize("sigma", [0.8, 1.6])
def test_a_blur_is_measured_as_it_was_laid_on(grey: Reference, sigma: float) -> None:
    assert measured(grey, laid("blur", sigma, {}))["blur"] == pytest.approx(sigma, abs=0.3)


@pytest.mark.parametrize(("down", "right"), [(3.0, 0.0), (-1.5, 2.5)])
def test_a_shift_is_measured_as_it_was_laid_on(grey: Reference, down: float, right: float) -> None:
    details = {"shift_down_px": down, "shift_right_px": right}
    found = measured(grey, laid("shift", float(np.hypot(down, right)), details))
    assert found["shift_down_px"] == pytest.approx(down, abs=0.2)
    assert found["shift_right_px"] == pytest.approx(right, abs=0.2)


@pytest.mark.parametrize("degrees", [-2.0, 1.5])
def test_a_rotation_is_measured_as_it_was_laid_on(grey: Reference, degrees: float) -> None:
    assert measured(grey, laid("rotation", degrees, {}))["rotation"] == pytest.approx(degrees, abs=0.3)


@pytest.mark.parametrize("degrees", [0.0, 40.0, 90.0, 150.0])
def test_a_motion_is_measured_as_it_was_laid_on(grey: Reference, degrees: float) -> None:
    found = measured(grey, laid("motion", 6.0, {"motion_degrees": degrees}))
    assert found["motion"] == pytest.approx(6.0, abs=1.2)
    assert abs((found["motion_degrees"] - degrees + 90) % 180 - 90) < 12


def test_dust_is_found_where_it_was_laid_on(grey: Reference) -> None:
    spots = [{"row": 40, "column": 60, "size": 7.0, "depth": 0.4}, {"row": 70, "column": 25, "size": 7.0, "depth": 0.4}]
    window = Window("cam-1")
    for levels, part, at, name in pictures(7, 24):
        window.add(laid("dust", 2, {}, spots)(levels), part, at, name)
    found = measure(window, grey, LEAST).spots["dust"]
    assert sorted((round(s.row / 4), round(s.column / 4)) for s in found) == [(10, 15), (18, 6)]
    assert all(spot.depth == pytest.approx(0.4, abs=0.15) for spot in found)


@pytest.mark.parametrize(("statistic", "depth"), [("dead", -110.0), ("hot", 60.0)])
def test_single_pixels_are_found_where_they_were_laid_on(grey: Reference, statistic: str, depth: float) -> None:
    spots = [{"row": 33, "column": 44, "size": 1.0, "depth": depth}]
    found = measured(grey, laid(statistic, 1, {}, spots))
    assert found[statistic] == 1


def test_several_changes_are_laid_on_at_once(grey: Reference) -> None:
    def both(levels: Levels) -> Levels:
        shift = finding("shift", 2.0, {"shift_down_px": 2.0, "shift_right_px": 0.0, "gain": -0.2})
        altered = laid_on(levels, [finding("gain", -0.2, {"gain": -0.2, "shift_down_px": 2.0}), shift])
        assert altered is not None
        return altered

    found = measured(grey, both)
    assert found["gain"] == pytest.approx(-0.2, abs=0.02)
    assert found["shift_down_px"] == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize(
    "statistic", ["dust", "dead", "hot", "stuck", "shift", "frozen", "unknown", "novelty", "surface"]
)
def test_what_cannot_be_laid_on_is_none(statistic: str) -> None:
    """Of specks, pixels and shifts nobody said where."""
    image = np.full((8, 8, 1), 100, np.float32)
    assert laid_on(image, [finding(statistic, 2.0)]) is None
    assert laid_on(image, [finding("gain", 0.1), finding(statistic, 2.0)]) is None
    assert laid_on(image, [finding("blur", -0.5)]) is None


@settings(max_examples=30)
@given(st.floats(-1, 3), st.floats(-1, 0), st.floats(0, 360), st.sampled_from([1, 3]))
def test_whatever_is_laid_on_is_still_an_image(gain: float, gradient: float, degrees: float, channels: int) -> None:
    image = np.random.default_rng(1).integers(0, 256, (6, 9, channels)).astype(np.float32)
    details = {"gain": gain, "gradient": gradient, "gradient_degrees": degrees, "red": 0.1, "blue": -0.1}
    spot = [{"row": 5, "column": 8, "size": 3.0, "depth": 0.5}]
    turned = finding("rotation", degrees, {"shift_down_px": gain, "shift_right_px": gradient})
    findings = [finding("gain", gain, details), turned, finding("motion", 2.5), finding("dust", 1, {}, spot)]
    altered = laid_on(image, [*findings, finding("stuck", 1, {}, spot)])
    assert altered is not None and (altered.shape, altered.dtype) == (image.shape, np.float32)
    assert np.isfinite(altered).all() and (altered >= 0).all() and (altered <= 255).all()


def test_no_change_laid_on_changes_nothing() -> None:
    image = np.random.default_rng(1).integers(0, 256, (6, 9, 3)).astype(np.float32)
    for nothing in ([], [finding("gain", 0.0)], [finding("defects", 0.2), finding("mix", 0.3)]):
        altered = laid_on(image, nothing)
        assert altered is not None and np.array_equal(altered, image)


@pytest.mark.parametrize("statistic", ["blur", "motion"])
def test_the_noise_of_the_sensor_is_not_blurred(statistic: str) -> None:
    """What the lens does comes before it. Calm places of the picture tell how much there is."""
    image = np.random.default_rng(1).normal(120, 4, (128, 128, 1)).astype(np.float32)
    altered, again = (laid_on(image, [finding(statistic, 3.0)]) for _ in range(2))
    assert altered is not None and again is not None
    assert altered.std() == pytest.approx(4, abs=0.6)
    assert np.array_equal(altered, again)


def test_the_laid_on_blur_is_an_even_one() -> None:
    image = np.zeros((31, 31, 1), np.float32)
    image[15, 15] = 250
    altered = laid_on(image, [finding("blur", 1.5)])
    assert altered is not None
    assert np.allclose(altered[:, :, 0], cv2.flip(altered[:, :, 0], -1), atol=1e-3)
