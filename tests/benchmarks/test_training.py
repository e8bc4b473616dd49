"""What the figures of `benchmarks.training` stand on: folds, draws of an added class, losses of the old ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.folder import folds, macro_f1
from benchmarks.training import ADDED, ADDED_PARTS, Bench, _old_classes, _subsets, difference, earlier, some_images


def table(images_of_a_part: int, parts: int = 30, classes: int = 3) -> pd.DataFrame:
    rows = [(f"s{part}", f"c{part % classes}", part) for part in range(parts) for _ in range(images_of_a_part)]
    frame = pd.DataFrame(rows, columns=["serial", "label", "order"])
    return frame.assign(captured_at=pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(frame["order"], unit="min"))


@pytest.mark.parametrize("images", [1, 2, 6, 15])
def test_the_images_of_an_added_class_come_from_enough_parts_however_many_a_part_has(images: int) -> None:
    rng = np.random.default_rng(0)
    mine = table(images)
    draws = [some_images(mine, rng) for _ in range(20)]
    assert {len(drawn) for drawn in draws} == {ADDED}
    assert all(drawn["serial"].nunique() >= ADDED_PARTS and drawn.index.is_unique for drawn in draws)
    assert len({tuple(sorted(drawn["serial"].unique())) for drawn in draws}) > 5
    assert max(drawn["serial"].nunique() for drawn in draws) <= max(5, -(-ADDED // images))


def test_folds_share_no_part_and_test_every_image_once() -> None:
    frame = table(4)
    every = list(folds(frame))
    for fold in every:
        sides = [set(side["serial"]) for side in (fold.train, fold.val, fold.test)]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert sorted(row for fold in every for row in fold.test.index) == list(frame.index)


def test_what_came_earlier_is_whole_parts_by_time() -> None:
    frame = table(4, parts=20)
    old = earlier(frame, 0.9)
    assert set(old["serial"]) == {f"s{part}" for part in range(18)} and len(old) == 72


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(0, 10))
def test_macro_f1_is_that_of_scikit_learn(labels: list[int], seed: int) -> None:
    from sklearn.metrics import f1_score

    called = np.random.default_rng(seed).integers(0, 4, len(labels))
    wanted = f1_score(labels, called, labels=sorted(set(labels)), average="macro", zero_division=0)
    assert macro_f1(np.array(labels), called, 4) == pytest.approx(wanted)


def test_a_difference_that_is_none_lies_in_its_interval_and_a_sure_one_does_not() -> None:
    rng = np.random.default_rng(0)
    serials = pd.Series([f"s{n // 2}" for n in range(200)])
    labels = rng.integers(0, 3, 200)
    point, low, high = difference(labels, labels, labels, serials)
    assert point == low == high == 0
    point, low, high = difference(labels, labels, np.where(rng.random(200) < 0.5, labels, 0), serials)
    assert 0 < low < point < high


def test_what_old_classes_lose_is_their_mean_and_the_added_class_does_not_count() -> None:
    test = pd.DataFrame({"label": ["a"] * 10 + ["b"] * 10 + ["new"] * 10, "serial": [f"s{n}" for n in range(30)]})
    old = [0] * 10 + [1] * 10 + [0] * 10
    now = [0] * 10 + [1] * 6 + [2] * 14  # four of b are taken for the added class
    lost, upper = _old_classes(test, [{"name": "new", "old": old, "now": now}])
    assert lost == pytest.approx(0.4 / 2)
    assert lost < upper < 0.4


def test_a_class_that_has_a_file_format_for_itself_is_reported_apart_and_so_is_one_of_few_parts() -> None:
    frame = table(2, parts=33).assign(path="a.jpg")
    frame.loc[frame.index[frame["label"] == "c1"][:5], "path"] = "b.PNG"
    few = frame[(frame["label"] != "c2") | (frame["order"] < 12)]
    nowhere = Path()
    bench = Bench(nowhere, few, ("c0", "c1", "c2"), None, None, nowhere, nowhere)  # type: ignore[arg-type]
    found = {words: set(few["label"][rows]) for words, rows in _subsets(bench, few)}
    assert found == {
        "all classes": {"c0", "c1", "c2"},
        "classes of ≥ 10 parts": {"c0", "c1"},
        "classes not told by format": {"c0", "c2"},
    }
