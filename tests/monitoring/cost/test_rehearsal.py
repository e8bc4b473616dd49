"""What a change costs is counted by parts."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.model.metrics import balanced
from monitoring.cost.parts import fold
from monitoring.cost.rehearsal import (
    Rehearsal,
    cost_of_changes,
    estimated,
    rehearse,
    seen,
)
from tests.monitoring.cost.test_changes import Levels, finding


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
        assert estimate.escapes is None and estimate.defective_needed > 0


def spoken(right: int, wrong: int, label: str = "good", prefix: str = "s") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"part": "p", "serial": f"{prefix}-{label}-{n}", "label": label, "called": label if n < right else "other"}
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
