"""What was forgotten: the interval holds what is true, parts count and not their images, chance refuses nobody."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from inspection.model.metrics import part_draws
from inspection.params import Promotion
from inspection.release.forgetting import LEAST_PARTS, Slice, interval, slices

RULES = Promotion(
    min_test_defects=20,
    floor=0.4,
    forgetting_budget=0.05,
    min_gain=0.02,
    new_class_recall_floor=0.5,
    min_class_images=8,
)


def draw(parts: int, lost: float, won: float, alike: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What became of each image of parts of 1 to 4 images (1 lost, -1 won), and its part; in the share `alike` of the
    parts all images fare the same."""
    part = np.repeat(np.arange(parts), rng.integers(1, 5, parts))
    chance = np.where((rng.random(parts) < alike)[part], rng.random(parts)[part], rng.random(len(part)))
    return (chance < lost).astype(float) - (chance > 1 - won), part


@pytest.mark.parametrize("parts", [8, 12, 20, 30, 50])
@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
def test_the_interval_holds_what_is_true(parts: int, alike: float) -> None:
    rng = np.random.default_rng(0)
    for lost, won in ((0.05, 0.0), (0.03, 0.03), (0.15, 0.05), (0.3, 0.02), (0.2, 0.2)):
        drawn = [draw(parts, lost, won, alike, rng) for _ in range(400)]
        low, high = np.array([interval(changed, np.ones(len(part)), part) for changed, part in drawn]).T
        assert np.mean((low <= lost - won) & (lost - won <= high)) >= 0.9
        assert np.mean(low > lost - won) <= 0.04  # what a refusal rests on


def test_a_bootstrap_of_the_parts_would_hold_it_too_seldom() -> None:
    """Where no part happens to be lost, it has no width."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(100):
        changed, part = draw(12, 0.05, 0.0, 1.0, rng)
        weights = part_draws(part, rng)
        drops = [np.average(changed, weights=next(weights)) for _ in range(100)]
        held += np.percentile(drops, 2.5) <= 0.05 <= np.percentile(drops, 97.5)
    assert held < 60


def test_the_interval_of_classes_of_unequal_size_holds_what_is_true() -> None:
    rng, sizes = np.random.default_rng(0), np.array([30, 10, 5, 1])
    label = np.repeat(np.arange(4), sizes)
    part = rng.permutation(len(label)) // 2
    lost = np.array([0.05, 0.1, 0.1, 0.35])  # a lone image that is lost must not look like proof
    drawn = [(rng.random(len(label)) < lost[label]).astype(float) for _ in range(1000)]
    low, high = np.array([interval(changed, 1 / sizes[label], part) for changed in drawn]).T
    assert np.mean((low <= lost.mean()) & (lost.mean() <= high)) >= 0.92


def test_several_images_of_a_part_that_say_the_same_count_once() -> None:
    changed, part = np.repeat([1.0, 0.0], [4, 12]), np.arange(16)
    once = interval(changed, np.ones(16), part)
    assert interval(np.tile(changed, 3), np.ones(48), np.tile(part, 3)) == pytest.approx(once)
    assert interval(np.tile(changed, 3), np.ones(48), np.arange(48))[0] > once[0] + 0.05


def test_fewer_parts_than_the_least_are_no_proof_even_if_all_is_lost() -> None:
    def low(parts: int) -> float:
        return interval(np.ones(parts), np.ones(parts), np.arange(parts))[0]

    assert low(LEAST_PARTS - 1) < 0 < RULES.forgetting_budget < low(LEAST_PARTS)


def test_without_a_change_the_interval_has_a_width_and_lies_about_nothing() -> None:
    low, high = interval(np.zeros(20), np.ones(20), np.arange(20))
    assert low == pytest.approx(-high) and 0.05 < high < 0.15


Call = tuple[str, str, str, bool, bool]  # class, part type, serial, whether champion and candidate call it right


def told(calls: Sequence[Call]) -> dict[str, Slice]:
    rows = pd.DataFrame(calls, columns=["label", "part", "serial", "champion", "candidate"])
    rows["image_id"] = [f"i{i}" for i in range(len(rows))]
    return {one.value: one for one in slices(rows, RULES)}


def test_six_of_twenty_images_lost_are_proof_on_twenty_parts_and_chance_on_ten() -> None:
    verdicts = [
        told([("pit", "panel", f"p{i // images}", True, i >= 6) for i in range(20)])["pit"].verdict for images in (1, 2)
    ]
    assert verdicts == ["lost", "kept"]


def test_recall_of_a_part_type_is_the_mean_over_its_classes() -> None:
    calls = [("good", "panel", f"g{i}", True, True) for i in range(40)]
    calls += [("pit", "panel", f"p{i}", True, i >= 7) for i in range(10)]
    panel = told(calls)["panel"]
    assert (panel.champion, panel.candidate, panel.drop) == pytest.approx((1.0, 0.65, 0.35))
    assert (panel.images, panel.parts, panel.verdict) == (50, 50, "lost")
    assert panel.low is not None and panel.high is not None and panel.low < 0.35 < panel.high
    assert panel.lost == ("i40", "i41", "i42", "i43", "i44")


def test_an_image_that_only_the_candidate_calls_right_is_not_among_the_lost() -> None:
    pit = told([("pit", "panel", f"p{i}", i % 2 == 0, i % 4 != 0) for i in range(8)])["pit"]
    assert pit.lost == ("i0", "i4") and pit.drop == pytest.approx(-0.25) and pit.verdict == "kept"


def test_what_is_insufficient_has_no_interval() -> None:
    few = told([("pit", "panel", f"p{i}", True, False) for i in range(7)])["pit"]
    assert (few.verdict, few.low, few.high, few.images, few.parts) == ("insufficient", None, None, 7, 7)


def test_of_models_that_are_equally_good_fewer_than_one_in_fifty_seems_to_have_forgotten() -> None:
    """Twelve classes on part types, six classes, two part types; each model is wrong on 3 % of the images by chance."""
    rng = np.random.default_rng(0)
    kinds = pd.MultiIndex.from_product([["good", *"abcde"], ["panel", "mesh"], range(20)]).to_frame(index=False)
    rows = kinds.set_axis(["label", "part", "image_id"], axis=1)
    rows["serial"] = [f"s{i // 2}" for i in range(len(rows))]
    refused = 0
    for _ in range(100):
        right = rng.random((2, len(rows))) > 0.03
        judged = slices(rows.assign(champion=right[0], candidate=right[1]), RULES)
        refused += any(one.verdict == "lost" for one in judged)
        assert len(judged) == 20 and all(one.verdict != "insufficient" for one in judged)
    assert refused < 2


def test_two_kinds_that_share_serials_are_parts_of_their_own() -> None:
    calls = [("pit", part, f"p{i}", True, True) for part in ("panel", "mesh") for i in range(10)]
    assert told(calls)["pit"].parts == 20
