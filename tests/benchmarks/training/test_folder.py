"""Folds share no part; macro-F1 is the usual one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.training.folder import folds, macro_f1


def table(images_of_a_part: int, parts: int = 30, classes: int = 3) -> pd.DataFrame:
    rows = [(f"s{part}", f"c{part % classes}", part) for part in range(parts) for _ in range(images_of_a_part)]
    frame = pd.DataFrame(rows, columns=["serial", "label", "order"])
    return frame.assign(
        part="p", captured_at=pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(frame["order"], unit="min")
    )


def test_folds_share_no_part_and_test_every_image_once() -> None:
    frame = table(4)
    every = list(folds(frame))
    for fold in every:
        sides = [set(side["serial"]) for side in (fold.train, fold.val, fold.test)]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert sorted(row for fold in every for row in fold.test.index) == list(frame.index)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(0, 10))
def test_macro_f1_is_that_of_scikit_learn(labels: list[int], seed: int) -> None:
    from sklearn.metrics import f1_score

    called = np.random.default_rng(seed).integers(0, 4, len(labels))
    wanted = f1_score(labels, called, labels=sorted(set(labels)), average="macro", zero_division=0)
    assert macro_f1(np.array(labels), called, 4) == pytest.approx(wanted)
