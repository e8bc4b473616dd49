"""Drawn embeddings: each change of what the pictures show has its name and no other; what cannot be judged is said."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.content import drift
from monitoring.content.comparison import compare, measure, words
from monitoring.content.drift import CAUSES, UNITS
from monitoring.content.healthy import Content, nearest
from monitoring.content.learning import learn
from monitoring.content.parts import Shown, fold
from tests.monitoring.content.windows import WIDE, over, window


def test_every_statistic_has_a_unit_a_cause_words_and_an_error(content: Content) -> None:
    found = measure(window(100), content)
    assert set(found.values) == set(found.errors) == set(UNITS) == set(CAUSES)
    assert all(error > 0 for error in found.errors.values())
    for name, size in found.values.items():
        assert words(name, size, found.details).endswith(".")


def test_clean_windows_show_nothing(content: Content) -> None:
    assert [over(measure(window(seed), content)) for seed in range(100, 140)] == [set()] * 40


@pytest.mark.parametrize("seed", range(200, 205))
def test_a_new_product_under_its_own_name_is_new(content: Content, seed: int) -> None:
    found = measure(window(seed, kinds=["a", "a", "b", "new", "new"]), content)
    assert over(found) == {"new_product"}
    assert any("'new'" in note for note in found.notes)


@pytest.mark.parametrize("seed", range(200, 205))
def test_a_new_product_under_an_old_name_is_new(content: Content, seed: int) -> None:
    shown = window(seed, pieces=60, kinds=[*"aaaabb", "new", "new"])
    found = measure(replace(shown, parts=["a" if part == "new" else part for part in shown.parts]), content)
    assert over(found) == {"new_product"}
    assert "look like none" in words("novelty", found.values["novelty"], found.details)


OTHERS = 0.3 * np.random.default_rng(5).normal(0, 1, WIDE)  # by which some parts differ, all alike
ODD = 0.6  # by which one clean piece in a hundred differs, each in its own way: all the new ones are nearer than that


def odd(seed: int, kinds: str = "ab") -> Shown:
    """A window in which now and then a piece lies far off."""
    shown, rng = window(seed, pieces=60, kinds=kinds), np.random.default_rng([seed, 1])
    away = np.repeat(rng.normal(0, ODD, (60, WIDE)) * (rng.random((60, 1)) < 0.01), 2, axis=0)
    return replace(shown, embeddings=shown.embeddings + np.float32(away))


def replaced(shown: Shown, new: np.ndarray) -> Shown:
    return replace(shown, embeddings=shown.embeddings + np.float32(new[:, None] * OTHERS))


@lru_cache
def held_of(kinds: str, only: bool = False) -> Content:
    windows = [odd(seed, kinds) for seed in range(24)]
    found = learn([replace(one, parts=["a"] * len(one.parts)) for one in windows] if only else windows)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(200, 205))
def test_a_few_parts_that_are_alike_are_new_though_clean_ones_lie_further_off(seed: int) -> None:
    held, shown = held_of("ab"), odd(seed)
    new = np.array([int(serial[1:]) % 4 == 0 for serial in shown.serials])
    far = nearest(fold(replaced(shown, new), "model").points, held)[0] > held.far
    assert not far.any(), "by their distance alone they would not be told"
    assert over(measure(replaced(shown, new), held)) == {"new_product"}
    assert compare(replaced(shown, new), held).strange[new].mean() > 0.7
    assert compare(replaced(shown, new), held).strange[~new].mean() < 0.1
    assert not compare(shown, held).strange.any()


@pytest.mark.parametrize("seed", range(200, 205))
def test_parts_that_took_the_place_of_one_look_are_no_other_surface(seed: int) -> None:
    """A camera's only part has two looks; what comes instead of the second is nearest to it."""
    shown = replace(odd(seed, "aab"), parts=["a"] * 120)
    second = np.array([kind == "b" for kind in odd(seed, "aab").parts])
    held = held_of("aab", only=True)
    assert len(held.kinds) == 2
    assert "new_product" in over(measure(replaced(shown, second), held))
    assert "changed_surface" not in over(measure(replaced(shown, second), held))
    assert "changed_surface" in over(measure(replaced(shown, np.ones(120, np.bool_)), held))


@pytest.mark.parametrize("seed", range(200, 205))
def test_another_mix_is_no_other_surface(content: Content, seed: int) -> None:
    assert over(measure(window(seed, kinds="abbbbbbb"), content)) == {"changed_mix"}


@pytest.mark.parametrize("moved", ["ab", "b"])
@pytest.mark.parametrize("seed", range(200, 205))
def test_another_surface_is_no_new_product(content: Content, seed: int, moved: str) -> None:
    found = measure(window(seed, kinds="ab", pieces=40, moved=moved), content)
    assert over(found) == {"changed_surface"}
    if moved == "b":
        assert "'b'" in words("surface", found.values["surface"], found.details)


@pytest.mark.parametrize("seed", range(200, 205))
def test_three_times_as_many_defects_are_neither_a_surface_nor_a_product(content: Content, seed: int) -> None:
    found = measure(window(seed, pieces=50, defective=0.45), content)
    assert over(found) == {"defect_rate"}
    assert "more parts" in words("defects", found.values["defects"], found.details)


def test_the_rate_of_rejections_is_compared_part_by_part() -> None:
    """Part b is defective more often; more of it is another mix, not more defects."""

    def shown(seed: int, kinds: str) -> Shown:
        plain = window(seed, pieces=60, kinds=kinds)
        rng = np.random.default_rng(seed)
        return replace(plain, rejected=[rng.random() < (0.5 if part == "b" else 0.02) for part in plain.parts])

    content = learn([shown(seed, "aaab") for seed in range(12)])
    assert content is not None
    assert over(measure(shown(50, "abbbbb"), content)) == {"changed_mix"}


def test_a_changed_camera_leaves_only_what_names_say(content: Content) -> None:
    shown = window(200, kinds=["a", "a", "new"], moved="ab", defective=0.6)
    found = measure(shown, content, {"blur", "dust"})
    assert set(found.values) == {"mix", "novelty"}
    assert found.values["novelty"] == found.details["unknown_names"] > 0
    assert found.details["surface"] > 1
    assert any("blur and dust" in note for note in found.notes)
    assert set(measure(window(201), content, {"lighting"}).values) == {"mix"}


def test_without_a_model_or_with_another_the_rate_is_not_judged(content: Content) -> None:
    for shown in (window(200, judged=False), replace(window(200), model="another")):
        found = measure(shown, content)
        assert set(found.values) == {"novelty", "mix", "surface"}
        assert any("reject" in note for note in found.notes)


def test_a_window_that_cannot_be_compared_says_so(content: Content) -> None:
    usual = window(200)
    still = np.repeat(usual.embeddings[:1], len(usual.parts), axis=0)
    for shown in (
        window(200, pieces=4),
        replace(usual, network="another"),
        replace(usual, embeddings=usual.embeddings[:, :10]),
        replace(usual, embeddings=np.full_like(usual.embeddings, np.nan)),
        replace(usual, embeddings=np.zeros_like(usual.embeddings)),
        replace(usual, embeddings=still),
        Shown(np.zeros((0, WIDE), np.float32), [], [], None, "model", "network"),
    ):
        found = measure(shown, content)
        assert not over(found)
        assert found.notes
        assert "surface" not in found.values


def test_parts_that_are_all_unknown_are_all_new(content: Content) -> None:
    found = measure(window(200, kinds=["new"]), content)
    assert found.values == {"novelty": 1.0}
    assert len(found.notes) == 2


def test_images_without_features_are_left_out(content: Content) -> None:
    shown = window(200)
    broken = shown.embeddings.copy()
    broken[::10] = np.inf
    found = measure(replace(shown, embeddings=broken), content)
    assert set(found.values) == set(UNITS)
    assert not over(found)


def test_images_fold_to_parts_by_the_rule(content: Content) -> None:
    shown = window(200, defective=0)
    half = [n % 2 == 0 for n in range(len(shown.parts))]  # one of the two views of every part
    every = measure(replace(shown, rejected=half), content).details["rejected_now"]
    none = measure(replace(shown, rejected=half, rule="majority"), content).details["rejected_now"]
    assert (every, none) == (1.0, 0.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 12), st.integers(0, 2**16), st.sampled_from(["a", "ab", "n"]), st.booleans())
def test_whatever_comes_is_measured_or_said(pieces: int, seed: int, kinds: str, judged: bool) -> None:
    content = learn([window(n, pieces=8) for n in range(3)])
    assert content is not None
    names = [{"n": "new"}.get(kind, kind) for kind in kinds]
    found = measure(window(seed, pieces=pieces, kinds=names, judged=judged), content)
    assert found.values or found.notes
    assert all(np.isfinite([*found.values.values(), *found.errors.values()]))


def test_causes_and_units_cover_the_same_statistics() -> None:
    assert set(drift.UNITS) == set(drift.CAUSES)
    assert set(drift.EXPLAINS) <= set(drift.CAUSES.values())
