"""What is estimated is near the truth, or it is said that nothing can be."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from monitoring.cost import escapes
from monitoring.cost.escapes import Estimate, check, counted, estimate
from monitoring.cost.labelling import REACH
from monitoring.cost.parts import MIN_DEFECTIVE, fold, rates
from monitoring.cost.rates import Rate

CLASSES = ("good", "pit", "scratch")


def images(rows: Sequence[tuple[str, str, float]], threshold: float = 0.5) -> pd.DataFrame:
    """(serial, label, reject probability) of each image."""
    frame = pd.DataFrame(rows, columns=["serial", "label", "reject_probability"]).assign(part="p")
    rejected = frame["reject_probability"] >= threshold
    return frame.assign(
        called=frame["label"].where(rejected, "good"), reject=rejected, acceptable=frame["label"] == "good"
    )


def parts(seed: int, count: int = 600, defective: float = 0.5, pits: float = 0.5, blunt: float = 0.0) -> pd.DataFrame:
    """Parts whose pits a model misses often and whose scratches it hardly misses; `blunt` takes from all its scores."""
    rng = np.random.default_rng(seed)
    kinds = np.where(rng.random(count) >= defective, 0, np.where(rng.random(count) < pits, 1, 2))
    middle = np.array([-3.0, 1.5 - blunt, 3.5 - blunt])[kinds]
    scores = 1 / (1 + np.exp(-rng.normal(middle, 1.4)))
    names = np.array(CLASSES)[kinds]
    return fold(images([(f"s{n:05d}", str(names[n]), float(scores[n])) for n in range(count)]), "any")


def truth(pits: float = 0.5, blunt: float = 0.0) -> float:
    """Of all defective parts such as `parts` draws the share that passes."""
    return float(pits * norm.cdf((blunt - 1.5) / 1.4) + (1 - pits) * norm.cdf((blunt - 3.5) / 1.4))


def unlabelled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=["truth", "defective"])


def test_without_any_change_the_estimate_is_what_test_parts_show() -> None:
    healthy = parts(2)
    found = estimate(healthy, healthy, unlabelled(parts(3)), moved=False)
    assert (found.how, found.labels_needed) == ("rehearsed", 0)
    assert found.escapes is not None and found.false_rejects is not None
    assert found.escapes.value == pytest.approx(truth(), abs=0.05)
    assert found.escapes.low <= truth() <= found.escapes.high


def test_a_change_that_was_laid_on_is_rehearsed() -> None:
    found = estimate(parts(2, 1200), parts(2, 1200, blunt=1.0), unlabelled(parts(3, blunt=1.0)), moved=True)
    assert found.escapes is not None
    assert (found.how, truth(blunt=1.0) > 0.15) == ("rehearsed", True)
    assert found.escapes.value == pytest.approx(truth(blunt=1.0), abs=0.05)


def test_another_mix_of_defects_is_seen_in_what_the_model_calls() -> None:
    """Test parts have as many pits as scratches; hardly a pit comes now, and scratches are missed less."""
    healthy = parts(2, count=1200)
    for pits in (0.05, 0.95):
        found = estimate(healthy, healthy, unlabelled(parts(3, count=400, pits=pits)), moved=True)
        assert found.escapes is not None
        assert found.escapes.value == pytest.approx(truth(pits), abs=0.035)


@pytest.mark.parametrize("defective", [0.1, 0.3, 0.8])
def test_another_share_of_defects_changes_nothing(defective: float) -> None:
    healthy, present = parts(1, count=1200), parts(2, count=600, defective=defective)
    for laid in (healthy, None):
        found = estimate(healthy, laid, unlabelled(present), moved=False)
        if found.escapes:
            assert found.escapes.value == pytest.approx(truth(), abs=0.05)
        else:
            assert found.labels_needed > 0


def test_probabilities_are_asked_where_nothing_can_be_laid_on() -> None:
    found = estimate(parts(1, 1200), None, unlabelled(parts(2, 1200)), moved=False)
    assert found.how == "probabilities"
    assert found.escapes is not None
    assert found.escapes.value == pytest.approx(rates(parts(2, 1200))[0].value, abs=0.05)
    assert "how sure the model is" in found.words


def test_probabilities_that_are_wrong_on_labelled_parts_are_not_believed() -> None:
    """The second half of the labelled parts was judged by another model than the first."""
    odd = parts(1, 1200)
    odd.loc[odd.index % 2 == 1, ["rejected", "score"]] = [False, 0.49]
    found = estimate(odd, None, unlabelled(parts(2, 1200)), moved=False)
    assert (found.how, found.escapes) == ("unknown", None)


def test_pictures_that_look_new_and_cannot_be_rehearsed_are_not_estimated() -> None:
    found = estimate(parts(1, 1200), None, unlabelled(parts(2)), moved=True)
    assert (found.how, found.escapes, found.false_rejects) == ("unknown", None, None)
    assert 0 < found.labels_needed <= REACH
    assert f"Have {found.labels_needed} parts labelled as they come" in found.words
    assert "cannot be estimated" in found.words


def test_a_rehearsal_that_is_not_what_comes_is_not_believed() -> None:
    found = estimate(parts(1, 1200), parts(1, 1200), unlabelled(parts(2, 600, blunt=2.0)), moved=True)
    assert found.how == "unknown"
    assert "does not make them" in found.words


def test_two_sources_that_contradict_each_other_estimate_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escapes, "expected", lambda *_: (Rate(0.5, 0.45, 0.55, 300), Rate(0.1, 0.08, 0.12, 300)))
    found = estimate(parts(1, 1200), parts(1, 1200), unlabelled(parts(2)), moved=False)
    assert found.how == "unknown"
    assert "contradict" in found.words


def test_few_labelled_parts_estimate_nothing() -> None:
    for count in (0, 1, 30, 100):
        few = parts(1, 1200).head(count)
        found = estimate(few, few, unlabelled(parts(2)), moved=False)
        assert (found.escapes is None) == (int(few["defective"].sum()) < MIN_DEFECTIVE)
        assert found.escapes is None or not found.escapes.narrow
        assert found.labels_needed > 0


def test_what_few_parts_show_is_told_with_its_interval() -> None:
    healthy, laid = parts(1, 60), parts(1, 60, blunt=1.0)
    found = estimate(healthy, laid, unlabelled(parts(2, 100, blunt=1.0)), moved=True)
    assert found.escapes is not None and found.escapes_before is not None
    assert found.escapes.high - found.escapes.low > 0.1
    assert found.escapes_before.value < found.escapes.value
    low, high = round(100 * found.escapes.low), round(100 * found.escapes.high)
    assert f"now pass (between {low} and {high}); before the change about" in found.words
    assert found.escapes.parts == found.escapes_before.parts == int(healthy["defective"].sum()), "the same parts"


def test_before_and_now_are_mixed_as_the_classes_come_now() -> None:
    healthy = parts(2, count=1200)
    found = estimate(healthy, parts(2, 1200, blunt=1.0), unlabelled(parts(3, 400, 0.5, 0.95, 1.0)), moved=True)
    assert found.escapes is not None and found.escapes_before is not None
    assert found.escapes.value == pytest.approx(truth(0.95, 1.0), abs=0.05)
    assert found.escapes_before.value == pytest.approx(truth(0.95), abs=0.04)


def test_no_present_parts_leave_the_test_parts_as_they_are() -> None:
    healthy = parts(1, 1200)
    found = estimate(healthy, healthy, unlabelled(parts(2)).head(0), moved=True)
    assert found.escapes is not None
    assert found.escapes.value == pytest.approx(rates(healthy)[0].value)


def test_labels_since_are_counted_however_few_they_are() -> None:
    frame = parts(1, 1200)
    found = counted(frame, parts(2, 300))
    assert (found.how, found.escapes, found.escapes_before) == ("seen", rates(frame)[0], rates(parts(2, 300))[0])
    few = counted(frame.head(30), frame.head(0))
    assert few.escapes is not None and not few.escapes.narrow and few.escapes_before is None
    assert "that were labelled since pass (between" in few.words and "nobody has counted" in few.words
    good = frame[~frame["defective"]].head(24)
    none = counted(good, frame)
    assert none.escapes is None and none.false_rejects is not None
    assert "None of the 24 parts labelled since is defective" in none.words


def test_an_estimate_is_checked_when_labels_come() -> None:
    healthy = parts(1, 1200)
    said = estimate(healthy, healthy, unlabelled(parts(2)), moved=False)
    right, wrong = check(said, 100, 12), check(said, 100, 60)
    assert right is not None and wrong is not None
    assert right.verdict == "agrees" and "that agrees." in right.words
    assert wrong.verdict == "too low" and "it was too low." in wrong.words
    assert wrong.as_json()["seen"]["value"] == pytest.approx(0.6)
    assert check(said, MIN_DEFECTIVE - 1, 0) is None
    assert check(estimate(healthy, None, healthy, moved=True), 100, 1) is None


def test_an_estimate_is_kept_as_plain_types() -> None:
    healthy = parts(1, 1200)
    for one in (estimate(healthy, healthy, healthy, False), estimate(healthy, None, healthy, True)):
        assert Estimate.of(one.as_json()) == one


def test_estimates_are_near_the_truth_nine_times_in_ten() -> None:
    """Drawn models and mixes: the promise of the whole, on the drawn model's own terms."""
    errors = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        blunt, pits, share = rng.uniform(0, 1.5), rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.7)
        laid = parts(1000 + seed, 900, 0.6, blunt=blunt)
        present = parts(2000 + seed, 300, share, pits, blunt)
        found = estimate(parts(3000 + seed, 900, 0.6), laid, unlabelled(present), moved=True)
        if found.escapes is None or not found.escapes.narrow:
            continue
        errors.append(abs(found.escapes.value - truth(pits, blunt)))
    assert len(errors) >= 15
    assert np.mean(np.array(errors) <= 0.05) >= 0.9
