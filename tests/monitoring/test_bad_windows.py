"""Windows that something is wrong with: each gets a verdict in words, none a crash, none a false "fine"."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import cv2
import numpy as np
import pytest

from monitoring.camera.measurement import Measurement
from monitoring.camera.window import Window
from monitoring.judgement import diagnosis
from monitoring.judgement.diagnosis import Verdict, judge
from monitoring.judgement.learning import Learning
from monitoring.judgement.reference import Reference
from tests.monitoring.camera.test_health import PARAMS, START, filled, learned, pictures

Shown = Iterator[tuple[np.ndarray, str, datetime, str]]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return learned()


def verdict(shown: Shown, reference: Reference | None) -> Verdict:
    return judge(filled(shown), reference, PARAMS.health, PARAMS.watch)


def told(found: Verdict) -> str:
    return " ".join([*(one.words for one in found.findings), *found.notes])


def levels(change: Callable[[np.ndarray], np.ndarray], count: int = 40) -> Shown:
    for image, part, at, key in pictures(5, count):
        yield change(image).astype(np.float32), part, at, key


BAD: dict[str, tuple[Callable[[], Shown], str, str]] = {
    "one image": (lambda: pictures(5, 1), "too few", "1 images are too few"),
    "fewer than a window needs": (lambda: pictures(5, 9), "too few", "9 images are too few"),
    "all black": (lambda: levels(np.zeros_like), "changed", "no light"),
    "all white": (lambda: levels(lambda x: np.full_like(x, 255)), "changed", "overexposed"),
    "constant grey": (lambda: levels(lambda x: np.full_like(x, 120)), "changed", ""),
    "another resolution": (lambda: levels(lambda x: x[:-8]), "not comparable", "Set the camera back"),
    "colour instead of grey": (
        lambda: levels(lambda x: np.repeat(x, 3, axis=2)),
        "not comparable",
        "Set the camera back",
    ),
    "a part never seen here": (
        lambda: ((image, "gear", at, key) for image, _, at, key in pictures(5, 40)),
        "not comparable",
        "part 'gear' that the reference does not know",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_each_gets_a_verdict_in_words(name: str, reference: Reference) -> None:
    shown, state, words = BAD[name]
    found = verdict(shown(), reference)
    assert (found.state, words in told(found)) == (state, True), told(found)
    assert told(found)


def test_windows_of_unlike_smooth_surfaces_get_a_verdict_in_words() -> None:
    """No part keeps its place and nothing is sharp: every window is judged, none stops the others."""

    def surfaces(seed: int, count: int) -> Shown:
        rng = np.random.default_rng(seed)
        for number in range(count):
            drawn = cv2.GaussianBlur(rng.normal(0, 1, (128, 128)), (0, 0), 25)
            noisy = 120 + 40 * drawn / drawn.std() + rng.normal(0, 1, drawn.shape)
            yield np.clip(np.rint(noisy), 0, 255)[:, :, None].astype(np.float32), "a", START, f"{seed}-{number}"

    learning = Learning("cam-1", PARAMS.health, PARAMS.watch)
    for picture in surfaces(0, 40):
        learning.add(*picture)
    held = learning.finish("v1")
    for seed in range(1, 9):
        found = verdict(surfaces(seed, 12), held)
        assert found.state in ("healthy", "suspect", "changed")
        assert all(np.isfinite(size) for size in found.measurement.values.values())


def test_what_came_out_as_no_number_is_named_and_the_window_is_not_called_healthy(
    reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = diagnosis.measure

    def broken(*arguments: Any) -> Measurement:
        plain = real(*arguments)
        return replace(plain, values={}, details={}).with_({**plain.values, "blur": np.nan}, {"gain": np.inf}, ())

    monkeypatch.setattr(diagnosis, "measure", broken)
    found = verdict(pictures(5, 40), reference)
    assert found.state == "not comparable"
    assert found.measurement.failed == ("blur",)
    assert "blur" not in found.measurement.values and "gain" not in found.measurement.details
    assert "blur is no number" in told(found)
    dark = verdict(levels(lambda x: 0.8 * x), reference)
    assert (dark.state, [one.cause for one in dark.findings]) == ("changed", ["lighting"])
    assert Measurement.from_json(json.loads(json.dumps(found.measurement.as_json()))) == found.measurement


def test_a_camera_that_was_renamed_has_no_reference(reference: Reference) -> None:
    assert verdict(pictures(5, 40), None).state == "learning"


def test_the_same_picture_all_day_is_a_camera_that_hangs(reference: Reference) -> None:
    image, part, at, key = next(pictures(5, 1))
    found = verdict(((image, part, at + timedelta(minutes=n), key) for n in range(40)), reference)
    assert {one.cause for one in found.findings} == {"frozen"}


def test_a_clock_that_jumps_back_does_not_change_what_is_seen(reference: Reference) -> None:
    jumped = (
        (image, part, START - timedelta(days=900 * (n % 2)), key)
        for n, (image, part, _, key) in enumerate(pictures(5, 40))
    )
    found = verdict(jumped, reference)
    assert found.state == "healthy"
    assert found.measurement.first == START - timedelta(days=900)


def test_a_window_of_nothing(reference: Reference) -> None:
    found = judge(Window("cam-1"), reference, PARAMS.health, PARAMS.watch)
    assert (found.state, found.measurement.first) == ("too few", None)


def test_pictures_with_values_that_are_no_numbers_are_not_called_fine(reference: Reference) -> None:
    found = verdict(levels(lambda x: np.where(np.arange(x.shape[1])[:, None] % 7 == 0, np.nan, x)), reference)
    assert found.state != "healthy"
