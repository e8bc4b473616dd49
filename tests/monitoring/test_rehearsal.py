"""A measured change laid on healthy images is measured as the same change; its cost is counted by parts."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection import ledger
from inspection.catalog import open_catalog
from inspection.images import levels_of
from inspection.layout import Layout
from monitoring import rehearsal
from monitoring.camera_health import Window, measure
from monitoring.reference import Reference
from monitoring.rehearsal import balanced, laid_on, rehearse, seen
from tests.inspection.world import add_batch, key, picture
from tests.monitoring.test_camera_health import LEAST, learned, pictures

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


def laid(statistic: str, size: float, details: dict[str, float]) -> Callable[[Levels], Levels]:
    def change(levels: Levels) -> Levels:
        altered = laid_on(levels, statistic, size, details)
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


@pytest.mark.parametrize(
    "statistic", ["dust", "dead", "hot", "stuck", "shift", "rotation", "motion", "frozen", "unknown"]
)
def test_what_cannot_be_laid_on_is_none(statistic: str) -> None:
    assert laid_on(np.full((8, 8, 1), 100, np.float32), statistic, 2.0, {}) is None
    assert laid_on(np.full((8, 8, 1), 100, np.float32), "blur", -0.5, {}) is None


@settings(max_examples=30)
@given(st.floats(-1, 3), st.floats(-1, 0), st.floats(0, 360), st.sampled_from([1, 3]))
def test_whatever_is_laid_on_is_still_an_image(gain: float, gradient: float, degrees: float, channels: int) -> None:
    image = np.random.default_rng(1).integers(0, 256, (6, 9, channels)).astype(np.float32)
    details = {"gain": gain, "gradient": gradient, "gradient_degrees": degrees, "red": 0.1, "blue": -0.1}
    altered = laid_on(image, "gain", gain, details)
    assert altered is not None and altered.shape == image.shape
    assert np.isfinite(altered).all() and (altered >= 0).all() and (altered <= 255).all()
    assert (altered == np.rint(altered)).all()


def test_no_change_laid_on_changes_nothing() -> None:
    image = np.random.default_rng(1).integers(0, 256, (6, 9, 3)).astype(np.float32)
    assert np.array_equal(laid_on(image, "gain", 0.0, {}), image)


class Bright:
    """A package that calls an image good while its mean level is above 100, and is wrong on some."""

    def __init__(self, wrong: Sequence[int] = ()) -> None:
        self.wrong, self.count, self.most = set(wrong), 0, 0

    def predict(self, images: Sequence[Levels]) -> list[Any]:
        self.most = max(self.most, len(images))
        return [SimpleNamespace(label="good" if image.mean() > 100 else "pit") for image in images]


def table(parts: int = 30) -> tuple[pd.DataFrame, Callable[[Any], Levels]]:
    """Two images each of `parts` parts, half of them dark pits, and how to load one."""
    rows = [
        {"path": f"{n}-{view}", "label": "good" if n % 2 else "pit", "serial": f"s-{n}"}
        for n in range(parts)
        for view in range(2)
    ]
    frame = pd.DataFrame(rows)
    labels = dict(zip(frame["path"], frame["label"], strict=True))
    return frame, lambda row: np.full((8, 8, 1), 130 if labels[row.path] == "good" else 60, np.float32)


def test_a_harmless_change_costs_nothing_and_its_interval_holds_nothing() -> None:
    rows, load = table()
    cost = rehearse(Bright(), rows, load, {"statistic": "gain", "size": -0.1}, {"gain": -0.1})  # type: ignore[arg-type]
    assert cost is not None
    assert (cost.before, cost.drop, cost.parts, cost.how) == (1.0, 0.0, 30, "rehearsed")
    assert cost.low <= 0 <= cost.high


def test_a_change_that_turns_good_parts_dark_costs_half() -> None:
    rows, load = table()
    package = Bright()
    cost = rehearse(package, rows, load, {"statistic": "gain", "size": -0.3}, {"gain": -0.3})  # type: ignore[arg-type]
    assert cost is not None
    assert (cost.before, cost.after) == (1.0, 0.5)
    assert 0.4 < cost.low <= 0.5 <= cost.high < 0.6
    assert package.most <= 32  # images in memory at once


def test_a_small_change_of_a_doubtful_model_has_an_interval_around_nothing() -> None:
    """Some images lie at the edge: a few fall on each side by chance."""
    rows, _ = table(40)
    rng = np.random.default_rng(3)
    level = {path: float(rng.normal(104 if one == "good" else 98, 4)) for path, one in rows[["path", "label"]].values}

    def load(row: Any) -> Levels:
        return np.full((8, 8, 1), level[row.path], np.float32)

    cost = rehearse(Bright(), rows, load, {"statistic": "gain", "size": 0.005}, {"gain": 0.005})  # type: ignore[arg-type]
    assert cost is not None
    assert abs(cost.drop) < 0.1
    assert cost.low <= 0 <= cost.high


def test_nothing_to_rehearse_on_or_nothing_to_lay_on_is_none() -> None:
    rows, load = table()
    assert rehearse(Bright(), rows.iloc[:0], load, {"statistic": "gain", "size": 0.1}, {}) is None  # type: ignore[arg-type]
    assert rehearse(Bright(), rows, load, {"statistic": "unknown", "size": 0.1}, {}) is None  # type: ignore[arg-type]


def verdicts(right: int, wrong: int, label: str = "good", prefix: str = "s") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"serial": f"{prefix}-{label}-{n}", "label": label, "called": label if n < right else "other"}
            for n in range(right + wrong)
        ]
    )


def test_the_cost_that_was_seen_is_the_difference_of_balanced_accuracies() -> None:
    calm = pd.concat([verdicts(18, 2), verdicts(9, 1, "pit")])
    since = pd.concat([verdicts(10, 10, prefix="t"), verdicts(9, 1, "pit", "t")])
    cost = seen(calm, since)
    assert cost is not None
    assert (cost.before, cost.after) == (pytest.approx(0.9), pytest.approx(0.7))
    assert (cost.parts, cost.how) == (30, "seen")
    assert 0 < cost.low < 0.2 < cost.high


def test_only_classes_that_both_sides_show_are_compared() -> None:
    calm = pd.concat([verdicts(10, 0), verdicts(0, 10, "pit")])
    cost = seen(calm, verdicts(10, 0, prefix="t"))
    assert cost is not None
    assert (cost.before, cost.drop) == (1.0, 0.0)
    assert cost.low <= 0 <= cost.high
    assert seen(calm, verdicts(5, 5, "crack")) is None
    assert seen(calm.iloc[:0], verdicts(5, 5)) is None


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=30))
def test_balanced_accuracy_weighs_classes_alike(rows: list[tuple[str, bool]]) -> None:
    frame = pd.DataFrame(rows, columns=["label", "right"])
    by_class = [np.mean([right for one, right in rows if one == name]) for name in {one for one, _ in rows}]
    assert balanced(frame, "right") == pytest.approx(np.mean(by_class))
    assert balanced(pd.concat([frame, frame]), "right") == pytest.approx(balanced(frame, "right"))


def test_the_laid_on_blur_is_an_even_one() -> None:
    image = np.zeros((31, 31, 1), np.float32)
    image[15, 15] = 250
    altered = laid_on(image, "blur", 1.5, {})
    assert altered is not None
    assert np.allclose(altered[:, :, 0], cv2.flip(altered[:, :, 0], -1), atol=1e-3)


def test_the_test_images_of_the_plant_can_be_loaded_as_their_camera_was_declared(tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path)
    rows = add_batch(layout, "b", {key(n): picture(n) for n in range(3)})
    labels = [
        {"image_id": image_id, "label": "good", "labelled_at": "2026-11-02T12:00:00+00:00", "spec": "1"}
        for image_id in rows["image_id"]
    ]
    ledger.append(layout, "label", "Ines", labels)
    layout.assignments.mkdir(parents=True)
    sides = zip(rows["serial"], ("test", "train", "test"), strict=True)
    (layout.assignments / "0000.csv").write_text("serial,split\n" + "".join(f"{a},{b}\n" for a, b in sides))
    incident = SimpleNamespace(cameras=("cam-1",), onset=(datetime(2026, 11, 3, tzinfo=UTC),) * 2)
    catalog = open_catalog(layout)
    table = rehearsal._test_images(incident, layout, catalog)  # type: ignore[arg-type]
    catalog.close()
    loaded = [levels_of(layout.home, 40, row) for row in table.itertuples(index=False)]
    assert [levels.shape for levels in loaded] == [(12, 16, 1)] * 2
