from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.params import Promotion
from inspection.release.promotion import Decision, Scores, decide

RULES = Promotion(
    min_test_defects=20,
    floor=0.4,  # of the way from guessing to perfect: 0.6 of balanced accuracy with three classes
    forgetting_budget=0.05,
    min_gain=0.02,
    new_class_recall_floor=0.5,
    min_class_images=8,
)
NAMES = ("good", "scratch", "pit", "rust")


Calls = dict[str, tuple[int, int]]  # class -> (images called right, images)
Call = tuple[str, str, str, bool]  # class, part type, serial, called right


def scores(recalls: Calls | None = None, knows: Sequence[str] = NAMES, **figures: Any) -> Scores:
    """Of a package that calls the first images of each class right; every image is one of a part of its own."""
    recalls = recalls or {"good": (36, 40), "scratch": (16, 20), "pit": (16, 20)}
    calls = [
        (name, "bracket", f"{name}-{i}", i < right and name in knows)
        for name, (right, n) in recalls.items()
        for i in range(n)
    ]
    return called(calls, knows, **figures)


def called(calls: Sequence[Call], knows: Sequence[str] = NAMES, old: Any = None, **figures: Any) -> Scores:
    """`old`: figures that are others on the parts of the champion's classes."""
    known = {
        "parts": 80,
        "balanced_accuracy": 0.8,
        "defective_parts": 40,
        "good_parts": 40,
        "escapes": 2,
        "false_rejects": 5,
        "cost": 25.0,
    }
    rows = pd.DataFrame(calls, columns=["label", "part", "serial", "right"])
    rows["predicted"] = rows["label"].where(rows["right"], "other")
    rows["image_id"] = [f"{i:04d}".ljust(64, "f") for i in range(len(rows))]
    return Scores("t" * 64, {**known, **figures}, {**known, **figures, **(old or {})}, knows, rows)


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
    assert not promote and "pit: recall 1.000 → 0.700 on 20 images of 20 parts" in objections


def test_a_loss_is_judged_by_the_images_that_changed_sides() -> None:
    def swapped(more: int) -> Scores:
        """Of 200 images 180 were right; 20 of them are lost, and `more` besides, for which as many are won."""
        return called([("pit", "bracket", f"s{i}", i < 160 - more or 180 <= i < 180 + more) for i in range(200)])

    old = scores({"pit": (180, 200)})
    assert not decide(swapped(0), old, RULES).promote  # all losses: 0.10 for sure
    assert decide(swapped(20), old, RULES).promote  # the two disagree on 60 images: 0.10 may be chance


def on_two(**right: int) -> Scores:
    """20 images of each of three classes on each of two part types, two images a part, 14 called right unless told."""
    return called(
        [
            (name, part, f"{part}-{name}-{i // 2}", i < right.get(f"{name}_{part}", 14))
            for name in ("good", "pit", "scratch")
            for part in ("bracket", "panel")
            for i in range(20)
        ]
    )


def test_one_class_lost_on_one_part_type_is_named_though_the_total_holds() -> None:
    decision = decide(on_two(scratch_panel=2, scratch_bracket=20, pit_panel=20), on_two(), RULES)
    assert not decision.promote
    (objection,) = decision.objections
    assert objection.startswith("scratch on panel: recall 0.700 → 0.100 on 20 images of 10 parts, at least 0.2")
    assert objection.endswith("now wrong: 0102ffffffff, 0103ffffffff, 0104ffffffff, 0105ffffffff, 0106ffffffff")
    for words in ("scratch: recall 0.700 → 0.550 on 40", "part type panel: mean recall 0.700 → 0.600 on 60"):
        assert any(reason.startswith(words) for reason in decision.reasons), decision.reasons
    assert "each class on each part type: 5 kept, 0 insufficient" in decision.reasons


def test_a_few_images_of_one_class_on_one_part_type_are_chance() -> None:
    decision = decide(on_two(scratch_panel=10), on_two(), RULES)
    assert decision.promote and "each class on each part type: 6 kept, 0 insufficient" in decision.reasons
    assert not any(" on panel:" in words for words in decision.reasons)  # 24 such lines would hide the rest


def test_every_slice_is_listed_for_machines() -> None:
    forgetting = decide(on_two(scratch_panel=2), on_two(), RULES).forgetting
    assert [(one.slice, one.value) for one in forgetting] == [
        *(("class", name) for name in ("good", "pit", "scratch")),
        *(("part", name) for name in ("bracket", "panel")),
        *(("class x part", f"{a} on {b}") for a in ("good", "pit", "scratch") for b in ("bracket", "panel")),
    ]
    assert forgetting[-1].verdict == "lost" and {one.verdict for one in forgetting[:2]} == {"kept"}
    assert decide(on_two(), None, RULES).forgetting == ()


def test_a_class_that_the_candidate_does_not_know_any_more_is_forgotten() -> None:
    new, old = ({"good": (40, 40), "pit": (9, 9)} for _ in range(2))
    promote, objections = decided(decide(scores(new, knows=("good",)), scores(old), RULES))
    assert not promote and "pit: recall 1.000 → 0.000" in objections


def test_a_class_with_too_few_test_images_is_named_but_decides_nothing() -> None:
    decision = decide(scores({"pit": (0, 7)}), scores({"pit": (7, 7)}), RULES)
    assert decision.promote and "pit: insufficient, 7 test images of 7 parts" in decision.reasons
    assert "part type bracket: insufficient, 7 test images of 7 parts" in decision.reasons
    assert "each class on each part type: 0 kept, 1 insufficient" in decision.reasons


def test_a_class_on_too_few_parts_is_insufficient_however_many_images_they_have() -> None:
    def of(parts: int, right: bool) -> Scores:
        return called([("pit", "bracket", f"s{i % parts}", right) for i in range(60)])

    decision = decide(of(2, False), of(2, True), RULES)
    assert decision.promote and "pit: insufficient, 60 test images of 2 parts" in decision.reasons
    assert not decide(of(3, False), of(3, True), RULES).promote


def test_a_new_class_is_judged_by_its_own_floor() -> None:
    old = scores({"good": (40, 40), "rust": (0, 10)}, knows=("good",))
    assert decide(scores({"good": (40, 40), "rust": (5, 10)}), old, RULES).promote
    promote, objections = decided(decide(scores({"good": (40, 40), "rust": (4, 10)}), old, RULES))
    assert not promote and "new class rust: recall 0.400 on 10 images (floor 0.500)" in objections


def test_a_new_class_neither_hides_nor_adds_to_what_was_lost() -> None:
    old = scores({"good": (40, 40), "rust": (0, 40)}, knows=("good",))
    decision = decide(scores({"good": (20, 40), "rust": (40, 40)}), old, RULES)
    assert any(words.startswith("part type bracket: mean recall 1.000 → 0.500 on 40") for words in decision.objections)
    assert all("rust" not in one.value for one in decision.forgetting)


@pytest.mark.parametrize(
    ("old", "promote"),
    [
        ({"escapes": 3, "cost": 35.0}, False),  # it lets more of the defects through that the champion finds
        ({"false_rejects": 7, "cost": 27.0}, True),  # 2 of 40 good parts are within the budget of 5 %
        ({"false_rejects": 8, "cost": 28.0}, False),
    ],
)
def test_a_new_class_buys_no_escape_and_few_false_rejects_on_the_parts_of_the_old_ones(
    old: dict[str, Any], promote: bool
) -> None:
    champion = scores({"good": (40, 40), "rust": (0, 1)}, knows=("good",), old={"parts": 70})
    decision = decide(scores({"good": (40, 40), "rust": (1, 1)}, old={"parts": 70, **old}), champion, RULES)
    assert decision.promote == promote
    said = decision.reasons if promote else decision.objections
    assert any(words.startswith("on parts without new classes, cost 25 → ") for words in said), said


def test_a_candidate_that_costs_more_is_refused_and_one_that_costs_the_same_is_not() -> None:
    assert decide(scores(cost=25.0), scores(cost=25.0), RULES).promote
    promote, objections = decided(decide(scores(cost=26.0, escapes=3), scores(cost=25.0), RULES))
    assert not promote and "cost 25 → 26: escapes 2 → 3 of 40" in objections


def test_two_test_sets_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="different test sets"):
        decide(scores(), replace(scores(), test_set="u" * 64), RULES)


def test_the_same_figures_give_the_same_decision_in_the_same_words() -> None:
    new = {"good": (40, 40), "rust": (5, 10), "dent": (1, 9), "burr": (9, 9)}
    one, again = (decide(scores(new, tuple(new)), scores(new, knows=("good",)), RULES) for _ in range(2))
    assert one == again


figures = st.fixed_dictionaries(
    {
        "balanced_accuracy": st.floats(0, 1),
        "defective_parts": st.integers(0, 60),
        "cost": st.integers(0, 200),
        "escapes": st.integers(0, 9),
        "false_rejects": st.integers(0, 9),
        "good_parts": st.just(40),
        "parts": st.just(100),
    }
)
totals = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 30), min_size=1)


def drawn(data: st.DataObject, images: dict[str, int]) -> Scores:
    """Scores on a test set that holds `images` of each class, of a package that knows some of them."""
    knows = [name for name in images if data.draw(st.booleans())]
    recalls = {name: (data.draw(st.integers(0, n)), n) for name, n in images.items()}
    return scores(recalls, knows, **data.draw(figures))


@given(st.data(), totals)
def test_a_candidate_that_is_better_in_something_and_worse_in_nothing_is_never_refused_where_the_other_was_not(
    data: st.DataObject, images: dict[str, int]
) -> None:
    candidate, champion = drawn(data, images), data.draw(st.one_of(st.none(), st.just(drawn(data, images))))
    more = {name: (data.draw(st.integers(candidate.recalls.get(name, (0, n))[0], n)), n) for name, n in images.items()}
    before = candidate.figures
    better = scores(
        more,
        candidate.classes,
        **{
            **before,
            "balanced_accuracy": data.draw(st.floats(before["balanced_accuracy"], 1)),
            "defective_parts": before["defective_parts"] + data.draw(st.integers(0, 20)),
            "cost": data.draw(st.integers(0, before["cost"])),
        },
    )
    assert decide(better, champion, RULES).promote >= decide(candidate, champion, RULES).promote


@given(st.data(), totals)
def test_a_refusal_has_an_objection_and_a_promotion_has_none(data: st.DataObject, images: dict[str, int]) -> None:
    candidate, champion = drawn(data, images), data.draw(st.one_of(st.none(), st.just(drawn(data, images))))
    decision = decide(candidate, champion, RULES)
    assert decision.promote == (not decision.objections)
    assert len(decision.reasons) + len(decision.objections) >= 2


@given(st.data(), totals)
def test_a_model_never_forgets_against_itself(data: st.DataObject, images: dict[str, int]) -> None:
    itself = drawn(data, images)
    assert decide(itself, itself, RULES).promote == decide(itself, None, RULES).promote
