from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.params import Promotion
from inspection.promotion import Decision, Scores, decide

RULES = Promotion(
    min_test_defects=20,
    floor=0.4,  # of the way from guessing to perfect: 0.6 of balanced accuracy with three classes
    forgetting_budget=0.05,
    min_gain=0.02,
    new_class_recall_floor=0.5,
    min_class_images=8,
)
NAMES = ("good", "scratch", "pit", "rust")


def scores(recalls: dict[str, tuple[int, int]] | None = None, **figures: Any) -> Scores:
    known = {
        "balanced_accuracy": 0.8,
        "defective_parts": 40,
        "good_parts": 40,
        "escapes": 2,
        "false_rejects": 5,
        "cost": 25.0,
    }
    return Scores("t" * 64, {**known, **figures}, recalls or {"good": (36, 40), "scratch": (16, 20), "pit": (16, 20)})


def decided(decision: Decision) -> tuple[bool, str]:
    return decision.promote, " | ".join(decision.objections)


def test_a_first_model_over_the_floors_is_put_before_a_person_with_reasons() -> None:
    decision = decide(scores(), None, RULES)
    assert decision.promote and decision.objections == ()
    assert any("0.800 (floor 0.600, guessing gives 0.333)" in words for words in decision.reasons)
    assert any("40 defective test parts" in words for words in decision.reasons)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"defective_parts": 19}, "tried on 19 defective test parts (at least 20"),
        ({"balanced_accuracy": 0.599}, "balanced accuracy 0.599 (floor 0.600, guessing gives 0.333)"),
        ({"balanced_accuracy": None}, "balanced accuracy 0.000"),
    ],
)
def test_a_first_model_under_a_floor_is_refused_with_the_number(figures: dict[str, Any], words: str) -> None:
    promote, objections = decided(decide(scores(**figures), None, RULES))
    assert not promote and words in objections


def test_the_floors_themselves_are_enough() -> None:
    assert decide(scores(balanced_accuracy=0.6000001, defective_parts=20), None, RULES).promote


@pytest.mark.parametrize("classes", [1, 2, 5, 20])
def test_a_model_that_guesses_is_refused_and_one_that_is_perfect_is_not_whatever_the_number_of_classes(
    classes: int,
) -> None:
    recalls = {f"c{number}": (10, 20) for number in range(classes)}
    assert not decide(scores(recalls, balanced_accuracy=1 / max(classes, 2)), None, RULES).promote
    assert decide(scores(recalls, balanced_accuracy=1.0), None, RULES).promote


def test_an_old_class_may_lose_its_budget_and_no_more() -> None:
    old = scores({"pit": (20, 20)})
    assert decide(scores({"pit": (18, 20)}), old, RULES).promote  # 0.1, but it may be chance
    promote, objections = decided(decide(scores({"pit": (14, 20)}), old, RULES))
    assert not promote and "pit: recall 1.000 → 0.700 on 20 images (may lose 0.050" in objections


def test_a_loss_is_judged_by_the_images_that_changed_sides() -> None:
    old = scores({"pit": (180, 200)})
    few = replace(scores({"pit": (160, 200)}), changes={"pit": (20, 0)})
    assert not decide(few, old, RULES).promote  # all losses: 0.10 for sure
    many = replace(scores({"pit": (160, 200)}), changes={"pit": (60, 40)})
    assert decide(many, old, RULES).promote  # the two disagree on half of the images: 0.10 may be chance


def test_a_class_that_the_candidate_does_not_know_any_more_is_forgotten() -> None:
    promote, objections = decided(decide(scores({"good": (40, 40)}), scores({"good": (40, 40), "pit": (9, 9)}), RULES))
    assert not promote and "pit: recall 1.000 → 0.000" in objections


def test_a_class_with_too_few_test_images_is_named_but_decides_nothing() -> None:
    decision = decide(scores({"pit": (0, 7)}), scores({"pit": (7, 7)}), RULES)
    assert decision.promote and "pit: insufficient, 7 test images" in decision.reasons


def test_a_new_class_is_judged_by_its_own_floor() -> None:
    old = scores({"good": (40, 40)})
    assert decide(scores({"good": (40, 40), "rust": (5, 10)}), old, RULES).promote
    promote, objections = decided(decide(scores({"good": (40, 40), "rust": (4, 10)}), old, RULES))
    assert not promote and "new class rust: recall 0.400 on 10 images (floor 0.500)" in objections


def test_a_candidate_that_costs_more_is_refused_and_one_that_costs_the_same_is_not() -> None:
    assert decide(scores(cost=25.0), scores(cost=25.0), RULES).promote
    promote, objections = decided(decide(scores(cost=26.0, escapes=3), scores(cost=25.0), RULES))
    assert not promote and "cost 25 → 26: escapes 2 → 3 of 40" in objections


def test_two_test_sets_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="different test sets"):
        decide(scores(), replace(scores(), test_set="u" * 64), RULES)


def test_the_same_figures_give_the_same_decision_in_the_same_words() -> None:
    new = scores({"good": (40, 40), "rust": (5, 10), "dent": (1, 9), "burr": (9, 9)})
    assert decide(new, scores({"good": (40, 40)}), RULES) == decide(new, scores({"good": (40, 40)}), RULES)


counts = st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
figures = st.fixed_dictionaries(
    {
        "balanced_accuracy": st.floats(0, 1),
        "defective_parts": st.integers(0, 60),
        "cost": st.integers(0, 200),
        "escapes": st.integers(0, 9),
        "false_rejects": st.integers(0, 9),
        "good_parts": st.just(40),
    }
)
recalls = st.dictionaries(st.sampled_from(NAMES), counts, min_size=1)


def drawn(data: st.DataObject, totals: dict[str, int]) -> Scores:
    """Scores on a test set that holds `totals` images of each class."""
    called = {name: (data.draw(st.integers(0, n)), n) for name, n in totals.items() if data.draw(st.booleans())}
    return Scores("t", data.draw(figures), called)


@given(st.data(), st.dictionaries(st.sampled_from(NAMES), st.integers(1, 30), min_size=1))
def test_a_candidate_that_is_better_in_something_and_worse_in_nothing_is_never_refused_where_the_other_was_not(
    data: st.DataObject, totals: dict[str, int]
) -> None:
    candidate, champion = drawn(data, totals), data.draw(st.one_of(st.none(), st.just(drawn(data, totals))))
    more = {name: (data.draw(st.integers(hits, n)), n) for name, (hits, n) in candidate.recalls.items()}
    given_figures = candidate.figures
    better = Scores(
        "t",
        {
            **given_figures,
            "balanced_accuracy": data.draw(st.floats(given_figures["balanced_accuracy"], 1)),
            "defective_parts": given_figures["defective_parts"] + data.draw(st.integers(0, 20)),
            "cost": data.draw(st.integers(0, given_figures["cost"])),
        },
        more,
    )
    assert decide(better, champion, RULES).promote >= decide(candidate, champion, RULES).promote


@given(figures, recalls, st.one_of(st.none(), st.tuples(figures, recalls)))
def test_a_refusal_has_an_objection_and_a_promotion_has_none(
    new: dict[str, Any], called: dict[str, tuple[int, int]], old: tuple[dict[str, Any], Any] | None
) -> None:
    decision = decide(Scores("t", new, called), Scores("t", *old) if old else None, RULES)
    assert decision.promote == (not decision.objections)
    assert len(decision.reasons) + len(decision.objections) >= 2


@given(figures, recalls)
def test_a_model_never_forgets_against_itself(
    given_figures: dict[str, Any], called: dict[str, tuple[int, int]]
) -> None:
    itself = Scores("t", given_figures, called)
    assert decide(itself, itself, RULES).promote == decide(itself, None, RULES).promote
