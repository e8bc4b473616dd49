"""What clean windows teach, and that each was measured against the others."""

from dataclasses import replace

import numpy as np
import pytest

from monitoring.content.comparison import measure
from monitoring.content.drift import UNITS
from monitoring.content.healthy import Content
from monitoring.content.learning import learn, with_verdicts
from monitoring.content.parts import Shown
from tests.monitoring.content.windows import SURFACE, WIDE, over, window


def test_each_clean_window_was_measured_against_the_others(content: Content) -> None:
    assert len(content.clean) == 24
    assert all(set(values) == set(UNITS) for values in content.clean)
    fresh = [measure(window(seed), content).values for seed in range(100, 140)]
    for name in UNITS:
        ours, new = (np.array([values[name] for values in side]) for side in (content.clean, fresh))
        assert ours.mean() == pytest.approx(new.mean(), abs=3 * new.std() / np.sqrt(len(ours)) + 0.02), name


def test_a_model_that_came_later_is_not_compared() -> None:
    content = learn([window(seed, judged=False) for seed in range(6)])
    assert content is not None
    assert "defects" not in measure(window(200), content).values


def test_nothing_to_learn_from_is_none() -> None:
    assert learn([]) is None
    assert learn([replace(window(1), embeddings=np.full((50, WIDE), np.nan, np.float32))]) is None


def test_a_single_clean_window_is_learned_but_says_nothing_of_its_spread() -> None:
    content = learn([window(1, pieces=30)])
    assert content is not None
    assert content.clean == ()
    assert set(measure(window(2), content).values) == set(UNITS)


def test_pictures_that_are_all_alike_teach_only_names() -> None:
    plain = window(1)
    still = np.repeat(plain.embeddings[:1], len(plain.parts), axis=0)
    content = learn([replace(plain, embeddings=still)] * 3)
    assert content is not None
    found = measure(window(2), content)
    assert not found.values
    assert found.notes


def test_where_there_is_one_part_its_looks_are_the_mix() -> None:
    def one(shown: Shown) -> Shown:
        return replace(shown, parts=["a"] * len(shown.parts))

    content = learn([one(window(seed)) for seed in range(8)])
    assert content is not None
    assert len(content.kinds) == 2
    assert not over(measure(one(window(50)), content))
    assert over(measure(one(window(51, kinds="b")), content)) == {"changed_mix"}
    assert "mix" not in measure(one(window(51, kinds="b")), content, {"blur"}).values


@pytest.mark.parametrize("shift", [0.2, 1.0])  # inside and outside of where nineteen in twenty healthy parts lie
def test_another_product_near_one_look_is_no_other_mix(shift: float) -> None:
    """As polycrystalline cells after monocrystalline ones of several shades."""

    def one(shown: Shown, shift: float = 0.0) -> Shown:
        embeddings = shown.embeddings + np.float32(shift) * SURFACE
        return replace(shown, parts=["a"] * len(shown.parts), embeddings=embeddings.astype(np.float32))

    content = learn([one(window(seed)) for seed in range(8)])
    assert content is not None and len(content.kinds) == 2
    found = measure(one(window(52, kinds="b"), shift), content)
    assert over(found) == {"changed_surface"}
    assert "mix" not in found.values


def test_a_kind_that_only_one_clean_window_shows_does_not_make_it_new() -> None:
    content = learn([*(window(seed, kinds="a") for seed in range(6)), window(6, kinds="b")])
    assert content is not None
    assert max(values["novelty"] for values in content.clean) < 0.5


def test_the_same_windows_teach_the_same() -> None:
    one, other = (learn([window(seed) for seed in range(4)]) for _ in range(2))
    assert one is not None and other is not None
    assert one.facts() == other.facts()
    assert all(np.array_equal(one.tensors()[name], array) for name, array in other.tensors().items())


def test_a_new_models_rate_is_learned_from_windows_that_it_judged(content: Content) -> None:
    other = [replace(window(seed, defective=0.3), model="other") for seed in range(200, 208)]
    learned = with_verdicts(content, other)
    assert len([one for one in learned.clean if "defects" in one]) == 8
    usual = measure(replace(window(300, defective=0.3), model="other"), learned)
    risen = measure(replace(window(300, defective=0.9), model="other"), learned)
    assert abs(usual.values["defects"]) < 0.25 < risen.values["defects"]
    assert (
        usual.values["surface"]
        == measure(replace(window(300, defective=0.3), model="other"), content).values["surface"]
    )
    assert "defects" not in measure(window(300), learned).values, "verdicts of the model before do not count"
