"""The threshold is the cheapest one, where no image is near."""

import numpy as np
import pandas as pd
import pytest

from inspection.model.calibration import judged, part_costs, threshold
from inspection.params import Verdict

VERDICT = Verdict(part="any", cost_escape=10, cost_false_reject=1)


def rows(scores: list[float], defective: list[bool]) -> pd.DataFrame:
    n = len(scores)
    return pd.DataFrame(
        {
            "reject_probability": scores,
            "acceptable": [not d for d in defective],
            "serial": [f"s{i}" for i in range(n)],
        }
    ).assign(line="A", camera="c", part="p")


def test_the_threshold_stands_in_the_widest_gap_that_separates() -> None:
    assert threshold(rows([0.05, 0.1, 0.7, 0.9], [False, False, True, True]), VERDICT) == pytest.approx(0.4)


def test_an_escape_that_costs_ten_moves_the_threshold_below_the_defect() -> None:
    scores, defective = [0.1, 0.3, 0.4, 0.5, 0.9], [False, True, False, False, True]
    assert threshold(rows(scores, defective), VERDICT) == pytest.approx(0.2)
    cheap = VERDICT.model_copy(update={"cost_escape": 0.5})
    assert threshold(rows(scores, defective), cheap) == pytest.approx(0.7)


def test_the_threshold_never_looks_at_more_than_it_is_given() -> None:
    alone = threshold(rows([0.2, 0.8], [False, True]), VERDICT)
    assert 0 < alone < 1


def test_the_reject_probability_is_that_of_the_classes_that_may_not_pass() -> None:
    table = pd.DataFrame({"label": ["good", "pit"]})
    said = judged(
        table, np.array([[0.7, 0.1, 0.2], [0.2, 0.5, 0.3]]), ("good", "pit", "stain"), np.array([True, False, True])
    )
    assert list(said["reject_probability"]) == [0.1, 0.5]
    assert list(said["predicted"]) == ["good", "pit"]
    assert list(said["predicted_acceptable"]) == [True, False]
    assert list(said["p_label"]) == [0.7, 0.5]


def test_two_kinds_that_share_serials_are_parts_of_their_own() -> None:
    """A bracket that must be rejected, and a good panel of its serial that scores more: one of them costs."""
    bracket, panel = rows([0.4], [True]), rows([0.6], [False]).assign(part="panel")
    both = pd.concat([bracket, panel], ignore_index=True)
    assert part_costs(both, np.array([0.3, 0.5, 0.7]), VERDICT).tolist() == [1, 11, 10]
