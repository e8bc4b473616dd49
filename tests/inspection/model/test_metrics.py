from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.model.metrics import MEANING, figures, interval, parts, rate, recall_by_class, slices

CLASSES = ("good", "scratch", "pit")
labels = st.sampled_from(CLASSES)
images = st.lists(st.tuples(st.integers(1, 6), labels, labels, st.booleans()), min_size=1, max_size=30)


def table(*rows: tuple[int, str, str, bool]) -> pd.DataFrame:
    """Rows of (serial, label, predicted, reject)."""
    return pd.DataFrame(
        [
            {
                "serial": f"s{serial}",
                "label": label,
                "predicted": predicted,
                "acceptable": label == "good",
                "predicted_acceptable": predicted == "good",
                "reject": reject,
                "p_label": 0.9 if label == predicted else 0.1,
                "line": "A",
                "camera": f"cam-{serial % 2}",
                "part": "bracket",
            }
            for serial, label, predicted, reject in rows
        ]
    )


def headline(rows: pd.DataFrame, rule: str = "any") -> dict[str, Any]:
    return figures(rows, CLASSES, rule, 10, 1)


def test_one_rejected_image_rejects_the_part_under_any_and_half_of_them_does_not_under_majority() -> None:
    rows = table((1, "good", "pit", True), (1, "good", "good", False), (2, "pit", "pit", True), (2, "pit", "pit", True))
    assert list(parts(rows, "any")["rejected"]) == [True, True]
    assert list(parts(rows, "majority")["rejected"]) == [False, True]


def test_a_part_is_defective_when_one_image_shows_a_defect() -> None:
    by_part = parts(table((1, "good", "good", False), (1, "pit", "pit", True), (2, "good", "good", False)), "any")
    assert list(by_part["serial"]) == ["s1", "s2"] and list(by_part["defective"]) == [True, False]
    assert list(by_part["images"]) == [2, 1]


@settings(max_examples=30)
@given(images, st.randoms(use_true_random=False))
def test_parts_fold_whatever_the_order_of_their_images(rows: list[Any], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    for rule in ("any", "majority"):
        pd.testing.assert_frame_equal(parts(table(*rows), rule), parts(table(*shuffled), rule))


@settings(max_examples=30)
@given(images)
def test_every_part_is_counted_once_and_every_image_belongs_to_one(rows: list[Any]) -> None:
    result = headline(table(*rows))
    assert result["parts"] == len({serial for serial, *_ in rows}) == result["defective_parts"] + result["good_parts"]
    assert parts(table(*rows), "any")["images"].sum() == len(rows) == result["images"]


@settings(max_examples=30)
@given(images)
def test_any_rejects_whatever_majority_rejects(rows: list[Any]) -> None:
    strict, lenient = parts(table(*rows), "any"), parts(table(*rows), "majority")
    assert (strict["rejected"] >= lenient["rejected"]).all()


@settings(max_examples=30)
@given(images)
def test_whatever_is_rejected_nothing_escapes_and_whatever_is_passed_no_good_part_is_rejected(rows: list[Any]) -> None:
    frame = table(*rows)
    assert headline(frame.assign(reject=True))["escapes"] == 0
    assert headline(frame.assign(reject=False))["false_rejects"] == 0
    assert headline(frame.assign(reject=False))["escapes"] == headline(frame)["defective_parts"]


def test_escapes_and_false_rejects_are_counted_per_part_and_priced() -> None:
    rows = table(
        (1, "pit", "good", False),  # escapes, on two images
        (1, "pit", "good", False),
        (2, "pit", "scratch", True),  # caught under another name
        (3, "good", "pit", True),  # a false reject
        (4, "good", "good", False),
    )
    result = headline(rows)
    assert (result["escapes"], result["defective_parts"], result["escape_rate"]) == (1, 2, 0.5)
    assert (result["false_rejects"], result["good_parts"], result["false_reject_rate"]) == (1, 2, 0.5)
    assert result["cost"] == 10 * 1 + 1 * 1
    assert result["confusions"] == 1


def test_balanced_accuracy_is_the_mean_of_the_recalls_and_leaves_absent_classes_out() -> None:
    rows = table(*[(n, "good", "good", False) for n in range(9)], (10, "pit", "good", False))
    assert headline(rows)["balanced_accuracy"] == pytest.approx((1 + 0) / 2)
    assert headline(rows)["macro_f1"] == pytest.approx((18 / 19 + 0) / 2)


def test_what_does_not_apply_is_none() -> None:
    result = headline(table((1, "pit", "pit", True)))
    assert result["false_reject_rate"] is None and result["escape_rate"] == 0
    assert figures(table((1, "pit", "pit", True)), ("good",), "any", 10, 1)["balanced_accuracy"] is None


def test_log_loss_is_bounded_and_in_nats() -> None:
    rows = table((1, "pit", "pit", True), (2, "pit", "good", False)).assign(p_label=[0.5, 0.0])
    assert headline(rows)["log_loss"] == pytest.approx((np.log(2) - np.log(1e-7)) / 2)


def test_every_headline_figure_has_a_direction_and_a_unit() -> None:
    counts = {"parts", "defective_parts", "good_parts", "images"}
    assert set(headline(table((1, "pit", "pit", True)))) - counts == set(MEANING)
    assert {way for way, _ in MEANING.values()} == {"higher", "lower"}


@given(st.integers(0, 50), st.integers(0, 50))
def test_a_rate_lies_in_its_interval(hits: int, more: int) -> None:
    one = rate(hits, hits + more)
    if hits + more == 0:
        assert (one.value, one.low, one.high) == (None, None, None)
    else:
        assert 0 <= one.low <= one.value <= one.high <= 1


def test_the_interval_of_a_rate_is_wilson_s() -> None:
    one = rate(8, 10)
    assert (one.value, one.low, one.high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-3)


def test_recall_counts_what_was_called_by_its_name() -> None:
    recalls = recall_by_class(table((1, "pit", "pit", True), (2, "pit", "scratch", True)), CLASSES)
    assert (recalls["pit"].hits, recalls["pit"].n) == (1, 2) and recalls["good"].value is None
    assert list(recalls) == list(CLASSES)


def sliced(rows: pd.DataFrame, least: int = 1) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["slice"], one["value"]): one for one in slices(rows, "any", least)}


def test_slices_count_by_line_camera_part_and_class_and_say_when_there_is_too_little() -> None:
    rows = table((1, "pit", "good", False), (2, "pit", "pit", True), (3, "good", "good", False))
    found = sliced(rows)
    assert set(found) == {
        ("line", "A"),
        ("camera", "cam-0"),
        ("camera", "cam-1"),
        ("part", "bracket"),
        ("label", "good"),
        ("label", "pit"),
    }
    assert found["camera", "cam-1"]["escapes"]["hits"] == 1 and found["camera", "cam-0"]["escapes"]["hits"] == 0
    assert found["camera", "cam-0"]["false_rejects"] == "none"
    assert sliced(rows, 2)["line", "A"]["escapes"]["n"] == 2
    assert sliced(rows, 3)["line", "A"]["escapes"] == "insufficient (1 of 2)"


def test_a_good_view_of_a_rejected_defective_part_is_no_false_reject_in_any_slice() -> None:
    rows = table((1, "pit", "pit", True), (1, "good", "pit", True), (2, "good", "good", False))
    assert headline(rows)["false_rejects"] == 0
    for one in sliced(rows).values():
        assert one["false_rejects"] == "none" or one["false_rejects"]["hits"] == 0


def test_a_defect_that_another_view_gave_away_is_no_escape_in_any_slice() -> None:
    rows = table((1, "pit", "good", False), (1, "scratch", "scratch", True))
    assert headline(rows)["escapes"] == 0
    for one in sliced(rows).values():
        assert one["escapes"] == "none" or one["escapes"]["hits"] == 0


def test_the_interval_of_the_balanced_accuracy_holds_it_and_is_the_same_each_time() -> None:
    rng = np.random.default_rng(3)
    rows = table(
        *[(n, label, label if rng.random() < 0.8 else "good", False) for n in range(60) for label in [CLASSES[n % 3]]]
    )
    low, high = interval(rows, CLASSES)
    assert 0 <= low < headline(rows)["balanced_accuracy"] < high <= 1
    assert interval(rows, CLASSES) == (low, high) != interval(rows, CLASSES, seed=1)


def test_the_interval_draws_whole_parts() -> None:
    """Fifty copies of each image of the same four parts tell nothing new."""
    few = table(*[(n, "pit", "pit" if n % 2 else "good", False) for n in range(4)])
    many = pd.concat([few] * 50, ignore_index=True)
    assert interval(many, ("pit",)) == interval(few, ("pit",))


def test_two_kinds_that_share_serials_are_counted_apart() -> None:
    """20 defective brackets, 3 of which pass, and good panels of the same serials, which are rejected."""
    brackets = table(*((n, "pit", "pit", n > 3) for n in range(1, 21)))
    panels = table(*((n, "good", "good", n <= 3) for n in range(1, 21))).assign(part="panel")
    rows = pd.concat([brackets, panels], ignore_index=True)
    told = headline(rows)
    assert (told["escapes"], told["defective_parts"], told["false_rejects"], told["good_parts"]) == (3, 20, 3, 20)
    by_part = {one["value"]: one for one in slices(rows, "any", 1) if one["slice"] == "part"}
    assert by_part["bracket"]["escapes"]["hits"] == 3 and by_part["panel"]["false_rejects"]["hits"] == 3
    assert by_part["bracket"]["parts"] == by_part["panel"]["parts"] == 20
