"""A measured change laid on healthy images is measured as the same change; its cost is counted by parts."""

import shutil
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

from inspection.intake.images import levels_of
from inspection.layout import Layout
from inspection.records import ledger, verdicts
from inspection.records.catalog import open_catalog
from monitoring.camera.health import measure
from monitoring.camera.window import Window
from monitoring.cost import rehearsal
from monitoring.cost.escapes import Estimate, Rate, fold
from monitoring.cost.rehearsal import (
    Rehearsal,
    balanced,
    checked,
    cost_of_changes,
    estimated,
    laid_on,
    rehearse,
    seen,
    weigh,
)
from monitoring.judgement.reference import Reference
from tests.inspection.world import add_batch, key, picture
from tests.monitoring.camera.test_health import LEAST, PARAMS, learned, pictures

ROOT = Path(__file__).parents[3]
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


class Bright:
    """A package that calls an image good while its mean level is above 100."""

    def __init__(self) -> None:
        self.most, self.images = 0, 0

    def predict(self, images: Sequence[Levels], places: Sequence[tuple[str, str]]) -> list[Any]:
        assert len(places) == len(images)
        self.most, self.images = max(self.most, len(images)), self.images + len(images)
        return [self._said(float(image.mean())) for image in images]

    def _said(self, level: float) -> Any:
        return SimpleNamespace(
            label="good" if level > 100 else "pit",
            reject=level <= 100,
            reject_probability=1 / (1 + np.exp((level - 100) / 5)),
        )


def table(parts: int = 30) -> tuple[pd.DataFrame, Callable[[Any], Levels]]:
    """Two images each of `parts` parts, half of them dark pits, and how to load one."""
    rows = [
        {
            "path": f"{n}-{view}",
            "camera": "cam-1",
            "part": "bracket",
            "label": "good" if n % 2 else "pit",
            "acceptable": n % 2 == 1,
            "serial": f"s-{n}",
        }
        for n in range(parts)
        for view in range(2)
    ]
    frame = pd.DataFrame(rows)
    labels = dict(zip(frame["path"], frame["label"], strict=True))
    return frame, lambda row: np.full((8, 8, 1), 130 if labels[row.path] == "good" else 60, np.float32)


def tried(rows: pd.DataFrame, load: Callable[[Any], Levels], *findings: dict[str, Any]) -> Rehearsal:
    return rehearse(Bright(), rows, load, findings)  # type: ignore[arg-type]


def test_a_harmless_change_costs_nothing_and_its_interval_holds_nothing() -> None:
    cost = cost_of_changes(tried(*table(), finding("gain", -0.1)))
    assert cost is not None
    assert (cost.before, cost.drop, cost.parts, cost.how) == (1.0, 0.0, 30, "rehearsed")
    assert cost.low <= 0 <= cost.high


def test_a_change_that_turns_good_parts_dark_costs_half() -> None:
    rows, load = table()
    package = Bright()
    changed = rehearse(package, rows, load, [finding("gain", -0.3)])  # type: ignore[arg-type]
    cost = cost_of_changes(changed)
    assert cost is not None
    assert (cost.before, cost.after) == (1.0, 0.5)
    assert 0.4 < cost.low <= 0.5 <= cost.high < 0.6
    assert package.most <= 32  # images in memory at once


def test_cost_and_escapes_come_from_one_pass() -> None:
    rows, load = table(400)
    package = Bright()
    both = rehearse(package, rows, load, [finding("gain", 0.8)])  # type: ignore[arg-type]
    cost, estimate = cost_of_changes(both), estimated(both, fold(both.changed, "any"), "any", True)
    assert package.images == 2 * len(rows)
    assert cost is not None and cost.after == 0.5
    assert estimate.escapes is not None and estimate.escapes.value == 1.0
    assert estimate.false_rejects is not None and estimate.false_rejects.value == 0.0


def test_a_change_of_what_comes_needs_no_second_pass() -> None:
    rows, load = table()
    package = Bright()
    both = rehearse(package, rows, load, [finding("defects", 0.2)])  # type: ignore[arg-type]
    assert both.changed is both.healthy
    assert package.images == len(rows)


def test_a_small_change_of_a_doubtful_model_has_an_interval_around_nothing() -> None:
    """Some images lie at the edge: a few fall on each side by chance."""
    rows, _ = table(40)
    rng = np.random.default_rng(3)
    level = {path: float(rng.normal(104 if one == "good" else 98, 4)) for path, one in rows[["path", "label"]].values}

    def load(row: Any) -> Levels:
        return np.full((8, 8, 1), level[row.path], np.float32)

    cost = cost_of_changes(tried(rows, load, finding("gain", 0.005)))
    assert cost is not None
    assert abs(cost.drop) < 0.1
    assert cost.low <= 0 <= cost.high


def test_nothing_to_rehearse_on_or_nothing_to_lay_on_costs_none() -> None:
    rows, load = table()
    for one in (tried(rows.iloc[:0], load, finding("gain", 0.1)), tried(rows, load, finding("unknown", 0.1))):
        assert cost_of_changes(one) is None
        estimate = estimated(one, fold(one.healthy, "any"), "any", True)
        assert estimate.escapes is None and estimate.labels_needed > 0


def spoken(right: int, wrong: int, label: str = "good", prefix: str = "s") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"serial": f"{prefix}-{label}-{n}", "label": label, "called": label if n < right else "other"}
            for n in range(right + wrong)
        ]
    )


def test_the_cost_that_was_seen_is_the_difference_of_balanced_accuracies() -> None:
    calm = pd.concat([spoken(18, 2), spoken(9, 1, "pit")])
    since = pd.concat([spoken(10, 10, prefix="t"), spoken(9, 1, "pit", "t")])
    cost = seen(calm, since)
    assert cost is not None
    assert (cost.before, cost.after) == (pytest.approx(0.9), pytest.approx(0.7))
    assert (cost.parts, cost.how) == (30, "seen")
    assert 0 < cost.low < 0.2 < cost.high


def test_only_classes_that_both_sides_show_are_compared() -> None:
    calm = pd.concat([spoken(10, 0), spoken(0, 10, "pit")])
    cost = seen(calm, spoken(10, 0, prefix="t"))
    assert cost is not None
    assert (cost.before, cost.drop) == (1.0, 0.0)
    assert cost.low <= 0 <= cost.high
    assert seen(calm, spoken(5, 5, "crack")) is None
    assert seen(calm.iloc[:0], spoken(5, 5)) is None


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=30))
def test_balanced_accuracy_weighs_classes_alike(rows: list[tuple[str, bool]]) -> None:
    frame = pd.DataFrame(rows, columns=["label", "right"])
    by_class = [np.mean([right for one, right in rows if one == name]) for name in {one for one, _ in rows}]
    assert balanced(frame, "right") == pytest.approx(np.mean(by_class))
    assert balanced(pd.concat([frame, frame]), "right") == pytest.approx(balanced(frame, "right"))


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


def plant(tmp_path: Path, since: str, parts: int = 3, labels: Sequence[str] = ("good", "good")) -> tuple[Layout, Any]:
    """Parts (most are test parts), the `labels` of the first, a model that rejected all, an incident from `since`."""
    layout = Layout(tmp_path, tmp_path)
    shutil.copy(ROOT / "taxonomy.yaml", layout.taxonomy)
    rows = add_batch(layout, "b", {key(n): picture(n) for n in range(parts)})
    given = {"labelled_at": "2026-11-02T12:00:00+00:00", "spec": "1"}
    named = zip(rows["image_id"], labels, strict=False)
    ledger.append(
        layout, "label", "Ines", [{"image_id": image_id, "label": label, **given} for image_id, label in named]
    )
    layout.assignments.mkdir(parents=True)
    sides = zip(rows["serial"], ("test", "train", *["test"] * (parts - 2)), strict=True)
    (layout.assignments / "0000.csv").write_text("serial,split\n" + "".join(f"{a},{b}\n" for a, b in sides))
    said = {"version": "v1", "package": "p", "label": "pit", "threshold": 0.5, "reject": True, "probabilities": "{}"}
    scores = rows[["capture_id", "image_id"]].assign(reject_probability=0.9, **said)
    tables = {verdicts.SCORES: scores, verdicts.LOOKS: verdicts.empty(verdicts.LOOKS)}
    digests = verdicts.write(tables, verdicts.folder(layout, "2026-11") / "r-0")
    run = {"run": "r-0", "batches": ["b"], "files": digests, "scored": parts, "windows": []}
    ledger.append(layout, "watch", "watch", [run])
    onset = (datetime.fromisoformat(since),) * 2
    incident = SimpleNamespace(cameras=("cam-1",), onset=onset, finding=finding("gain", -0.3))
    return layout, incident


def test_the_test_images_of_the_plant_can_be_loaded_as_their_camera_was_declared(tmp_path: Path) -> None:
    layout, incident = plant(tmp_path, "2026-11-03T00:00:00+00:00")
    catalog = open_catalog(layout)
    table = rehearsal._test_images(incident, layout, catalog)
    catalog.close()
    loaded = [levels_of(layout.home, 40, row) for row in table.itertuples(index=False)]
    assert [levels.shape for levels in loaded] == [(12, 16, 1)]
    assert list(table["acceptable"]) == [True]


def test_an_incident_is_weighed_and_its_estimate_checked_on_what_is_labelled_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, incident = plant(tmp_path, "2026-11-01T00:00:00+00:00")
    monkeypatch.setattr(rehearsal.registry, "live", lambda _: SimpleNamespace(package="p"))
    package: Any = Bright()
    package.card = SimpleNamespace(part_verdict="any")
    catalog = open_catalog(layout)
    cost, estimate = weigh(incident, layout, PARAMS, catalog, package)
    assert (cost, estimate.escapes) == (None, None)
    assert "0 labelled defective test parts" in estimate.words
    catalog.close()


@pytest.mark.parametrize(
    ("defective", "changes", "seen"),
    [
        (24, {}, 24),
        (19, {}, None),  # too few
        (24, {"model": "another"}, None),
        (24, {"closed": datetime(2026, 10, 31, tzinfo=UTC)}, None),  # they came after it
        (24, {"estimate": {}}, None),
    ],
)
def test_an_estimate_is_checked_on_what_the_same_model_said_of_parts_labelled_since(
    tmp_path: Path, defective: int, changes: dict[str, Any], seen: int | None
) -> None:
    layout, incident = plant(tmp_path, "2026-10-30T00:00:00+00:00", 30, ["scratch"] * defective)
    said = Estimate(Rate(0.6, 0.5, 0.7, 100), None, "rehearsed", 0, "")
    fields = {"estimate": said.as_json(), "model": "p", "closed": None, **changes}
    catalog = open_catalog(layout)
    found = checked(SimpleNamespace(**{**vars(incident), **fields}), layout, catalog, "any")
    catalog.close()
    assert (found and found.seen.parts) == seen
    if found:
        assert (found.verdict, found.seen.value) == ("too high", 0.0)  # the model rejected all of them
