"""Drawn windows of 64x64: what is measured, what cannot be, and that nothing crashes."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.cameras import read_cameras
from inspection.params import Least, read_params
from monitoring.camera.health import measure
from monitoring.camera.measurement import CAUSES, UNITS, Measurement
from monitoring.camera.window import Window, median_map
from monitoring.content import drift
from monitoring.judgement.learning import Learning
from monitoring.judgement.reference import Reference
from plant.line import Plant

ROOT = Path(__file__).parents[3]
PARAMS = read_params(ROOT / "params.yaml")
LEAST = PARAMS.health.least
START = datetime(2026, 11, 2, 6, tzinfo=UTC)
SIDE = 96
Change = Callable[[np.ndarray], np.ndarray]


def scene(rng: np.random.Generator, part: str, channels: int = 1) -> np.ndarray:
    """A textured part in a dark frame, before the sensor: (SIDE, SIDE, C), levels."""
    texture = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)), (0, 0), 1.5)
    image = np.full((SIDE, SIDE), 30.0)
    image[6:-7, 7:-6] = ((110 if part == "a" else 130) + 8 * texture / texture.std())[6:-7, 7:-6]
    if rng.random() < 0.5:  # a defect
        y, x = rng.integers(20, SIDE - 20, 2)
        image[y : y + 8, x : x + 8] *= 0.5
    return cv2.GaussianBlur(image, (0, 0), 0.7)[:, :, None] * np.ones(channels)


def pictures(
    seed: int, count: int, before: Change = lambda x: x, after: Change = lambda x: x, channels: int = 1
) -> Iterator[tuple[np.ndarray, str, datetime, str]]:
    """(levels, part, at, image_id); `before` acts on the scene, `after` on the sensor's noisy levels."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        part = "ab"[number % 3 == 0]
        image = before(scene(rng, part, channels)).reshape(SIDE, SIDE, channels)
        noisy = after(image + rng.normal(0, 1.2, image.shape))
        levels = np.rint(np.clip(noisy, 0, 255)).astype(np.float32)
        yield levels, part, START + timedelta(minutes=number), f"{seed}-{number}"


def filled(shown: Iterator[tuple[np.ndarray, str, datetime, str]]) -> Window:
    window = Window("cam-1")
    for picture in shown:
        window.add(*picture)
    return window


def learned(channels: int = 1, after: Change = lambda x: x, count: int = 160) -> Reference:
    learning = Learning("cam-1", PARAMS.health, PARAMS.watch)
    for picture in pictures(1, count, channels=channels, after=after):
        learning.add(*picture)
    return learning.finish("v1")


@pytest.fixture(scope="module")
def reference() -> Reference:
    return learned()


def moved(down: float, right: float) -> Change:
    matrix = np.array([[1, 0, right], [0, 1, down]], float)
    return lambda image: cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=1)


def speck(image: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE]
    return image * (1 - 0.25 * (np.hypot(y - 40, x - 60) < 3.2))[:, :, None]


def at_pixels(level: float, *places: tuple[int, int]) -> Change:
    def change(image: np.ndarray) -> np.ndarray:
        image = image.copy()
        for place in places:
            image[place] = level
        return image

    return change


def excess(image: np.ndarray) -> np.ndarray:
    image = image.copy()
    image[30, 31] += 40
    return image


ONE = {  # name -> before, after, statistic, size, tolerance
    "darker": (lambda x: 0.88 * x, None, "gain", -0.12, 0.01),
    "brighter": (lambda x: 1.1 * x, None, "gain", 0.10, 0.01),
    "uneven": (lambda x: x * np.linspace(1, 0.7, SIDE)[None, :, None], None, "gradient", -0.30, 0.03),
    "moved": (moved(1.2, -1.6), None, "shift", 2.0, 0.1),
    "blurred": (lambda x: cv2.GaussianBlur(x, (0, 0), 1.0), None, "blur", 1.0, 0.15),
    "smeared": (lambda x: cv2.filter2D(x, -1, np.full((1, 5), 0.2)), None, "motion", 4.9, 0.8),
    "dead": (None, at_pixels(0, (31, 40), (50, 51)), "dead", 2, 0),
    "stuck": (None, at_pixels(191, (31, 40)), "stuck", 1, 0),
    "stuck at the mean": (None, at_pixels(120, (31, 40)), "stuck", 1, 0),
    "hot": (None, excess, "hot", 1, 0),
    "dust": (speck, None, "dust", 1, 0),
}


def beyond(measured: Measurement, least: Least = LEAST) -> set[str]:
    return {CAUSES[name] for name, size in measured.values.items() if abs(size) >= getattr(least, name)}


@pytest.mark.parametrize("name", ONE)
def test_one_fault_is_measured_and_not_taken_for_another(reference: Reference, name: str) -> None:
    before, after, statistic, size, tolerance = ONE[name]
    same: Change = lambda x: x  # noqa: E731
    measured = measure(filled(pictures(2, 40, before or same, after or same)), reference, LEAST)
    assert measured.values[statistic] == pytest.approx(size, abs=tolerance)
    assert beyond(measured) == {CAUSES[statistic]}


def test_healthy_windows_stay_inside(reference: Reference) -> None:
    for seed in range(3, 8):
        assert not beyond(measure(filled(pictures(seed, 40)), reference, LEAST))


def test_spots_tell_place_and_size(reference: Reference) -> None:
    measured = measure(filled(pictures(2, 40, speck, at_pixels(0, (50, 20)))), reference, LEAST)
    (dust,), (dead,) = measured.spots["dust"], measured.spots["dead"]
    assert (abs(dust.row - 40) <= 1, abs(dust.column - 60) <= 1) == (True, True)
    assert dust.size == pytest.approx(6.4, abs=1.6)
    assert dust.depth == pytest.approx(0.25, abs=0.06)
    assert (dead.row, dead.column, dead.size) == (50, 20, 1.0)
    assert dead.depth < -90


def test_directions_are_told(reference: Reference) -> None:
    shifted = measure(filled(pictures(2, 40, moved(1.2, -1.6))), reference, LEAST).details
    assert (shifted["shift_down_px"], shifted["shift_right_px"]) == pytest.approx((1.2, -1.6), abs=0.1)
    smear = np.full((5, 1), 0.2)
    smeared = measure(filled(pictures(2, 40, lambda x: cv2.filter2D(x, -1, smear))), reference, LEAST).details
    assert smeared["motion_degrees"] == pytest.approx(90, abs=10)
    dark_below = np.linspace(1, 0.7, SIDE)[:, None, None]
    uneven = measure(filled(pictures(2, 40, lambda x: x * dark_below)), reference, LEAST).details
    assert uneven["gradient_degrees"] == pytest.approx(90, abs=8)


def test_a_colour_cast_is_told() -> None:
    cast = np.array([1.06, 1, 0.97])
    measured = measure(filled(pictures(2, 40, lambda x: x * cast, channels=3)), learned(channels=3), LEAST)
    assert measured.values["colour"] == pytest.approx(0.06, abs=0.01)
    assert measured.details["blue"] == pytest.approx(-0.03, abs=0.01)
    assert beyond(measured) == {"lighting"}


def test_what_was_dead_at_commissioning_is_not_new() -> None:
    old = at_pixels(0, (31, 40), (50, 51))
    measured = measure(filled(pictures(2, 40, after=old)), learned(after=old), LEAST)
    assert not beyond(measured)


def test_the_same_picture_again_is_only_counted(reference: Reference) -> None:
    shown = list(pictures(2, 30))
    window = filled(iter([*shown, *[shown[-1]] * 9]))
    measured = measure(window, reference, LEAST)
    assert window.images == measured.images == 39
    assert measured.values["frozen"] == 10
    assert beyond(measured) == {"frozen"}


def test_no_light_is_said_and_nothing_else(reference: Reference) -> None:
    measured = measure(filled(pictures(2, 40, lambda x: 0 * x)), reference, LEAST)
    assert measured.values == {"gain": -1.0, "frozen": 0.0, "torn": 0.0, "coarse": 0.0}
    assert "lamp is off" in " ".join(measured.notes)


def test_an_unknown_part_is_left_out(reference: Reference) -> None:
    strange = [(levels * 0.3, "x", at, key + "x") for levels, _, at, key in pictures(9, 12)]
    measured = measure(filled(iter([*pictures(2, 40), *strange])), reference, LEAST)
    assert any("12 images of part 'x'" in note for note in measured.notes)
    assert not beyond(measured)
    alone = measure(filled(iter(strange)), reference, LEAST)
    assert alone.values == {}
    assert alone.notes


def test_another_resolution_is_said_in_words(reference: Reference) -> None:
    halved = ((cv2.resize(levels, (48, 48))[:, :, None], *rest) for levels, *rest in pictures(2, 20))
    measured = measure(filled(halved), reference, LEAST)
    assert measured.values == {}
    assert "48x48 px grey" in measured.notes[0]
    assert "96x96 px grey" in measured.notes[0]


def test_a_camera_that_crops_tells_light_and_blur_only() -> None:
    def cropped(seed: int, count: int, before: Change = lambda x: x) -> Iterator[tuple[np.ndarray, str, datetime, str]]:
        for number, (levels, *rest) in enumerate(pictures(seed, count, before)):
            yield levels[8 : 80 + number % 3, 8 : 82 + number % 5], *rest

    learning = Learning("cam-1", PARAMS.health, PARAMS.watch)
    for picture in cropped(1, 160):
        learning.add(*picture)
    crops = learning.finish("v1")
    window = filled(cropped(2, 40, lambda x: 0.85 * cv2.GaussianBlur(x, (0, 0), 1.0)))
    measured = measure(window, crops, LEAST)
    assert not window.fixed
    of_places = {name for name in UNITS if CAUSES[name] in ("framing", "wrong_view", "dust", "unknown")}
    assert not set(measured.values) & {"gradient", "tone", "reflection", "dead", "hot", "stuck", *of_places}
    assert {"gain", "clipped", "flicker", "blur", "motion", "noise", "frozen", "torn"} <= set(measured.values)
    assert measured.values["gain"] == pytest.approx(-0.15, abs=0.01)
    assert measured.values["blur"] == pytest.approx(1.0, abs=0.2)
    assert "change in size" in measured.notes[0]


@pytest.mark.parametrize("level", [0, 1, 128, 255])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_constant_pictures_do_not_crash(reference: Reference, level: int, count: int) -> None:
    flat = np.full((SIDE, SIDE, 1), level, np.float32)
    window = filled((flat, "a", START, str(number)) for number in range(count))
    measured = measure(window, reference, LEAST)
    assert all(np.isfinite(value) for value in measured.values.values())
    if level == 255 and count == 40:
        assert measured.values["clipped"] > 0.9


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 30), st.sampled_from([1, 3]), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_tiny_pictures_do_not_crash(height: int, width: int, count: int, channels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    learning, window = Learning("c", PARAMS.health, PARAMS.watch), Window("c")
    for number in range(max(count, 10)):
        picture = rng.integers(0, 256, (height, width, channels)).astype(np.float32)
        learning.add(picture, "a", START, f"r{number}")
        window.add(255 - picture, "a", START, f"w{number}")
    measured = measure(window, learning.finish("v"), LEAST)
    assert all(np.isfinite(value) for value in measured.values.values())


def test_a_window_holds_at_most_twelve_maps_and_loses_no_image() -> None:
    rng = np.random.default_rng(0)
    window = Window("c")
    for number in range(90):
        window.add(scene(rng, "a").astype(np.float32), f"part {number // 7 % 9}", START, str(number))
    seen = window.seen()
    assert len(seen.blocks) <= 10
    assert {part: sum(b.images for b in seen.blocks if b.part == part) for part in seen.parts} == seen.parts


@given(st.integers(1, 11), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_network_gives_the_median(count: int, seed: int) -> None:
    stack = np.random.default_rng(seed).normal(size=(count, 5, 7)).astype(np.float32)
    assert np.allclose(median_map(stack), np.median(stack, axis=0), atol=1e-6)


def test_json_brings_the_measurement_back(reference: Reference) -> None:
    measured = measure(filled(pictures(2, 40, speck)), reference, LEAST)
    assert Measurement.from_json(measured.as_json()) == measured


def test_every_limit_has_a_unit_and_a_cause() -> None:
    assert set(UNITS) == set(CAUSES)
    assert set(UNITS) | set(drift.UNITS) == set(Least.model_fields)


def test_a_noisier_sensor_is_told(reference: Reference) -> None:
    rng = np.random.default_rng(4)
    measured = measure(filled(pictures(2, 40, after=lambda x: x + rng.normal(0, 4, x.shape))), reference, LEAST)
    assert beyond(measured) == {"noise"}
    assert measured.values["noise"] > 0.5


@pytest.mark.parametrize(("gain", "judged"), [(1.2, True), (1.5, False), (0.6, False)])
def test_noise_is_not_told_from_grain_in_quite_another_light(reference: Reference, gain: float, judged: bool) -> None:
    measured = measure(filled(pictures(4, 40, lambda x: gain * x)), reference, LEAST)
    assert ("noise" in measured.values) == judged


def test_a_flickering_lamp_is_told_though_its_mean_is_right(reference: Reference) -> None:
    rng = np.random.default_rng(4)

    def bands(x: np.ndarray) -> np.ndarray:
        phase = 2 * np.pi * (rng.random() + 1.7 * np.arange(x.shape[0]) / x.shape[0])
        return x * (1 + 0.08 * np.sin(phase))[:, None, None]

    measured = measure(filled(pictures(2, 40, bands)), reference, LEAST)
    assert beyond(measured) == {"lighting"}
    assert measured.values["flicker"] == pytest.approx(0.08 / np.sqrt(2), abs=0.02)
    assert abs(measured.values["gain"]) < LEAST.gain


def test_in_near_darkness_framing_is_not_judged(reference: Reference) -> None:
    measured = measure(filled(pictures(2, 40, lambda x: 0.15 * x)), reference, LEAST)
    assert beyond(measured) == {"lighting"}
    assert not {"shift", "rotation", "blur", "dust"} & set(measured.values)
    assert any("framing" in note for note in measured.notes)


def test_one_bad_piece_of_a_rare_part_is_not_motion() -> None:
    one = read_cameras(ROOT / "cameras.yaml")["cam-1"].model_copy(
        update={"name": "cam-112", "mode": "L", "width": 128, "height": 128, "parts": ("bracket", "housing")}
    )
    healthy = Learning(one.name, PARAMS.health, PARAMS.watch)
    for shot in Plant(112, (one,), defect_rate=0.1).shots(date(2026, 1, 5), 300):
        healthy.add(shot.levels, shot.part, shot.captured_at, shot.key)
    window, plant = Window(one.name), Plant(112, (one,), defect_rate=0.3)
    visits = list(plant.visits(one, date(2026, 7, 25), 1200))[400:425]
    assert sorted(Counter(visit.part for visit in visits).values()) == [1, 24]
    for visit in visits:
        for shot in plant.views_of(one, visit):
            window.add(shot.levels, shot.part, shot.captured_at, shot.key)
    assert "blur" not in beyond(measure(window, healthy.finish("v1"), LEAST))
