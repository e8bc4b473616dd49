"""Drawn embeddings: each change of what the pictures show has its name and no other; what cannot be judged is said."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.content import drift
from monitoring.content.drift import CAUSES, UNITS, Content, Drift, Shown, learn, measure, words

WIDE = 48  # of the embeddings
LEAST = {"novelty": 0.15, "mix": 0.25, "surface": 1.5, "defects": 0.25}  # beyond all that clean windows show here
_FIXED = np.random.default_rng(99)
CENTRES = {name: 3 * _FIXED.normal(0, 1, WIDE) for name in ("a", "b", "new")}
SCATTER = _FIXED.normal(0, 1, (12, WIDE)) * np.geomspace(0.6, 0.1, 12)[:, None]
DEFECTS = 1.2 * _FIXED.normal(0, 1, (3, WIDE))
SURFACE = 0.5 * _FIXED.normal(0, 1, WIDE)


def window(
    seed: int,
    pieces: int = 25,
    kinds: Sequence[str] = "aab",
    defective: float = 0.1,
    moved: Sequence[str] = (),
    judged: bool = True,
) -> Shown:
    """Two views of each piece; the kinds come in the proportions of `kinds`; the model rejects what is defective."""
    rng = np.random.default_rng(seed)
    embeddings, parts, serials, rejected = [], [], [], []
    for piece in range(pieces):
        kind = str(rng.choice(list(kinds)))
        bad = bool(rng.random() < defective)
        centre = CENTRES[kind] + rng.normal(0, 1, 12) @ SCATTER + bad * DEFECTS[rng.integers(3)]
        for _ in range(2):
            embeddings.append(centre + (kind in moved) * SURFACE + rng.normal(0, 0.1, WIDE))
            parts.append(kind)
            serials.append(f"s{piece}")
            rejected.append(bad)
    said = rejected if judged else None
    return Shown(np.array(embeddings, np.float32), parts, serials, said, "model", "network")


@pytest.fixture(scope="module")
def content() -> Content:
    found = learn([window(seed) for seed in range(24)])
    assert found is not None
    return found


def over(found: Drift) -> set[str]:
    return {CAUSES[name] for name, value in found.values.items() if abs(value) > LEAST[name]}


def test_every_statistic_has_a_unit_a_cause_words_and_an_error(content: Content) -> None:
    found = measure(window(100), content)
    assert set(found.values) == set(found.errors) == set(UNITS) == set(CAUSES)
    assert all(error > 0 for error in found.errors.values())
    for name, size in found.values.items():
        assert words(name, size, found.details).endswith(".")


def test_clean_windows_show_nothing(content: Content) -> None:
    assert [over(measure(window(seed), content)) for seed in range(100, 140)] == [set()] * 40


def test_each_clean_window_was_measured_against_the_others(content: Content) -> None:
    assert len(content.clean) == 24
    assert all(set(values) == set(UNITS) for values in content.clean)
    fresh = [measure(window(seed), content).values for seed in range(100, 140)]
    for name in UNITS:
        ours, new = (np.array([values[name] for values in side]) for side in (content.clean, fresh))
        assert ours.mean() == pytest.approx(new.mean(), abs=3 * new.std() / np.sqrt(len(ours)) + 0.02), name


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


def test_a_model_that_came_later_is_not_compared() -> None:
    content = learn([window(seed, judged=False) for seed in range(6)])
    assert content is not None
    assert "defects" not in measure(window(200), content).values


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


def test_a_kind_that_only_one_clean_window_shows_does_not_make_it_new() -> None:
    content = learn([*(window(seed, kinds="a") for seed in range(6)), window(6, kinds="b")])
    assert content is not None
    assert max(values["novelty"] for values in content.clean) < 0.5


def test_images_fold_to_parts_by_the_rule(content: Content) -> None:
    shown = window(200, defective=0)
    half = [n % 2 == 0 for n in range(len(shown.parts))]  # one of the two views of every part
    every = measure(replace(shown, rejected=half), content).details["rejected_now"]
    none = measure(replace(shown, rejected=half, rule="majority"), content).details["rejected_now"]
    assert (every, none) == (1.0, 0.0)


def test_what_was_learned_can_be_kept_and_read_again(content: Content) -> None:
    tensors = content.tensors()
    again = Content.of(content.facts(), {name: array.copy() for name, array in tensors.items()})
    assert all(array.dtype == np.float32 for array in tensors.values())
    assert measure(window(200), again) == measure(window(200), content)
    assert again.facts() == content.facts()
    with pytest.raises(KeyError):
        Content.of(content.facts(), {})


def test_what_is_kept_of_a_camera_is_small() -> None:
    rng = np.random.default_rng(0)

    def wide(seed: int) -> Shown:
        shown = window(seed)
        many = np.repeat(shown.embeddings, 27, axis=1)[:, :1280]
        return replace(shown, embeddings=many + rng.normal(0, 0.01, many.shape))

    content = learn([wide(seed) for seed in range(16)])
    assert content is not None
    assert sum(array.nbytes for array in content.tensors().values()) < 300_000


def test_the_same_windows_teach_the_same() -> None:
    one, other = (learn([window(seed) for seed in range(4)]) for _ in range(2))
    assert one is not None and other is not None
    assert one.facts() == other.facts()
    assert all(np.array_equal(one.tensors()[name], array) for name, array in other.tensors().items())


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


def test_a_new_models_rate_is_learned_from_windows_that_it_judged(content: Content) -> None:
    other = [replace(window(seed, defective=0.3), model="other") for seed in range(200, 208)]
    learned = drift.with_verdicts(content, other)
    assert len([one for one in learned.clean if "defects" in one]) == 8
    usual = measure(replace(window(300, defective=0.3), model="other"), learned)
    risen = measure(replace(window(300, defective=0.9), model="other"), learned)
    assert abs(usual.values["defects"]) < 0.25 < risen.values["defects"]
    assert (
        usual.values["surface"]
        == measure(replace(window(300, defective=0.3), model="other"), content).values["surface"]
    )
    assert "defects" not in measure(window(300), learned).values, "verdicts of the model before do not count"
