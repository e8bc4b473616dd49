"""Differences have their interval, and classes that say little are reported apart."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.training.bench import Bench
from benchmarks.training.comparison import _subsets, difference
from tests.benchmarks.training.test_folder import table


def test_a_difference_that_is_none_lies_in_its_interval_and_a_sure_one_does_not() -> None:
    rng = np.random.default_rng(0)
    serials = pd.Series([f"s{n // 2}" for n in range(200)])
    labels = rng.integers(0, 3, 200)
    point, low, high = difference(labels, labels, labels, serials)
    assert point == low == high == 0
    point, low, high = difference(labels, labels, np.where(rng.random(200) < 0.5, labels, 0), serials)
    assert 0 < low < point < high


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
