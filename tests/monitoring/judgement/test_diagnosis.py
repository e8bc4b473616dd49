"""The verdict on a window, in words that a quality lead understands."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from monitoring.camera.measurement import UNITS, Measurement
from monitoring.camera.window import Window
from monitoring.content import drift
from monitoring.content.learning import learn
from monitoring.content.parts import Shown
from monitoring.judgement.calibration import limits
from monitoring.judgement.climb import climbs
from monitoring.judgement.diagnosis import findings, judge, of_camera
from monitoring.judgement.limit import Limit
from monitoring.judgement.reference import Reference, load, save
from tests.monitoring.camera.test_health import PARAMS, START, at_pixels, filled, learned, moved, pictures, speck

HEALTH, WATCH = PARAMS.health, PARAMS.watch


@pytest.fixture(scope="module")
def reference() -> Reference:
    return learned()


def test_a_camera_without_reference_is_being_learned() -> None:
    verdict = judge(filled(pictures(2, 40)), None, HEALTH, WATCH)
    assert (verdict.state, verdict.findings) == ("learning", ())
    assert "no reference" in verdict.notes[0]


@pytest.mark.parametrize("count", [0, 1, 9])
def test_a_small_window_gets_no_verdict(reference: Reference, count: int) -> None:
    verdict = judge(filled(pictures(2, count)), reference, HEALTH, WATCH)
    assert verdict.state == "too few"
    assert f"{count} images are too few" in verdict.notes[0]


def test_healthy_is_healthy(reference: Reference) -> None:
    verdict = judge(filled(pictures(3, 40)), reference, HEALTH, WATCH)
    assert (verdict.state, verdict.findings) == ("healthy", ())


def test_what_cannot_be_compared_is_said(reference: Reference) -> None:
    window = Window("cam-1")
    for levels, _, at, key in pictures(2, 20):
        window.add(levels, "new part", at, key)
    verdict = judge(window, reference, HEALTH, WATCH)
    assert verdict.state == "not comparable"
    assert "new part" in verdict.notes[0]


def test_a_darker_picture_is_said_in_a_sentence(reference: Reference) -> None:
    (found,) = judge(filled(pictures(2, 40, lambda x: 0.88 * x)), reference, HEALTH, WATCH).findings
    assert found.words == "The picture is 12 % darker than when the camera was healthy.".replace(" %", "%")
    assert (found.cause, found.unit) == ("lighting", "relative brightness")
    assert found.strength == pytest.approx(0.12 / (2 * HEALTH.least.gain), rel=0.1)  # it has seen one day


def test_two_faults_are_both_named_strongest_first(reference: Reference) -> None:
    window = filled(pictures(2, 40, lambda x: speck(moved(2.5, 1)(x)[:, :, None])))
    found = judge(window, reference, HEALTH, WATCH).findings
    assert {one.cause for one in found} == {"framing", "dust"}
    assert [one.strength for one in found] == sorted((one.strength for one in found), reverse=True)


def test_places_are_named(reference: Reference) -> None:
    dead = at_pixels(0, (31, 40), (50, 51))
    (found,) = judge(filled(pictures(2, 40, after=dead)), reference, HEALTH, WATCH).findings
    assert found.words == "2 pixels are dead (row 31, column 40; row 50, column 51)."
    assert len(found.spots) == 2


def test_a_hanging_camera_is_told_even_if_nothing_else_can_be(reference: Reference) -> None:
    picture = next(pictures(2, 1))
    (found,) = judge(filled(iter([picture] * 12)), reference, HEALTH, WATCH).findings
    assert found.cause == "frozen"
    assert "same picture 12 times" in found.words


def test_no_light_is_one_finding(reference: Reference) -> None:
    (found,) = judge(filled(pictures(2, 40, lambda x: 0 * x)), reference, HEALTH, WATCH).findings
    assert (found.statistic, found.size) == ("gain", -1.0)
    assert "no light" in found.words


def test_the_verdict_is_plain_json(reference: Reference) -> None:
    window = filled(pictures(2, 40, lambda x: cv2.GaussianBlur(x, (0, 0), 1.2)))
    plain = json.loads(json.dumps(judge(window, reference, HEALTH, WATCH).as_json()))
    assert plain["state"] == "changed"
    assert plain["findings"][0]["cause"] == "blur"
    assert plain["measurement"]["images"] == 40


def between(name: str, times: float) -> tuple[Measurement, dict[str, Limit]]:
    """A window that lies so many times the distance from `high` to `sure_high` beyond `high`."""
    held = limits([], HEALTH)
    size = held[name].high + times * (held[name].sure_high - held[name].high)
    return Measurement("cam-1", None, None, 40, {"a": 40}, {name: size}), held


@pytest.mark.parametrize(("times", "sure"), [(0.1, [False]), (1.1, [True]), (-0.1, [])])
def test_one_window_is_sure_only_far_out(times: float, sure: list[bool]) -> None:
    measured, held = between("gain", times)
    assert [one.sure for one in findings(measured, held, HEALTH.least, {})] == sure


@pytest.mark.parametrize(("name", "blocks", "sure"), [("unknown", 4, False), ("unknown", 5, True), ("gain", 4, True)])
def test_defects_of_a_few_parts_cannot_be_a_sure_change_of_the_camera(name: str, blocks: int, sure: bool) -> None:
    measured, held = between(name, 1.1)
    measured = replace(measured, details={"blocks": float(blocks)})
    assert [one.sure for one in findings(measured, held, HEALTH.least, {})] == [sure]


def test_a_slow_change_is_sure_though_its_window_is_within_the_limits() -> None:
    rng = np.random.default_rng(1)
    clean = [
        Measurement("c", START, START + timedelta(hours=n), 40, {}, {"gain": float(v)})
        for n, v in enumerate(rng.normal(0, 0.006, 100))
    ]
    held = limits(clean, HEALTH)
    before = climbs([{"gain": -0.02}] * 40, held)
    (found,) = findings(Measurement("c", None, None, 40, {}, {"gain": -0.02}), held, HEALTH.least, before)
    assert (found.slow, found.sure) == (41, True)
    assert found.size == pytest.approx(-0.02)
    assert found.words.endswith("It changes slowly.")
    assert findings(Measurement("c", None, None, 40, {}, {"gain": -0.02}), held, HEALTH.least, {}) == ()


def test_an_error_is_told_once_the_cameras_own_scatter_is_known() -> None:
    rng = np.random.default_rng(1)
    clean = [Measurement("c", None, None, 40, {}, {"gain": float(v)}) for v in rng.normal(0, 0.006, 100)]
    measured = Measurement("c", None, None, 40, {}, {"gain": -0.2})
    (known,) = findings(measured, limits(clean, HEALTH), HEALTH.least, {})
    (unknown,) = findings(measured, limits([], HEALTH), HEALTH.least, {})
    assert known.error == pytest.approx(0.006, rel=0.4)
    assert unknown.error is None


def embedded(seed: int, count: int, shift: float = 0.0, part: str = "") -> Shown:
    """What a window of 40 pictures shows: embeddings of drawn parts, two views each."""
    rng = np.random.default_rng(seed)
    points = np.repeat(rng.normal(0, 0.2, (count // 2, 32)), 2, axis=0) + 3
    points[:, 20:] += shift
    names = [part or "ab"[n // 2 % 2] for n in range(count)]
    return Shown(points.astype(np.float32), names, [f"{seed}-{n // 2}" for n in range(count)], network="n")


@pytest.fixture(scope="module")
def knowing(reference: Reference) -> Reference:
    return reference.with_content(learn([embedded(seed, 40) for seed in range(24)]), HEALTH)


def test_what_the_pictures_show_is_judged_beside_the_camera(knowing: Reference) -> None:
    window = filled(pictures(3, 40))
    assert judge(window, knowing, HEALTH, WATCH, shown=embedded(50, 40)).state == "healthy"
    (found,) = judge(window, knowing, HEALTH, WATCH, shown=embedded(50, 40, shift=0.3)).findings
    assert (found.cause, found.unit) == ("changed_surface", "healthy standard deviations")


def test_a_part_that_nobody_declared_is_a_new_product_though_the_camera_cannot_be_compared(knowing: Reference) -> None:
    window = Window("cam-1")
    for levels, _, at, key in pictures(2, 40):
        window.add(levels, "new", at, key)
    verdict = judge(window, knowing, HEALTH, WATCH, shown=embedded(50, 40, part="new"))
    assert [one.cause for one in verdict.findings] == ["new_product"]


def test_under_a_fault_of_the_camera_surfaces_are_not_judged(knowing: Reference) -> None:
    window = filled(pictures(2, 40, lambda x: 0.8 * x))
    verdict = judge(window, knowing, HEALTH, WATCH, shown=embedded(50, 40, shift=0.3))
    assert {one.cause for one in verdict.findings} == {"lighting"}
    assert any("can be said when that is mended" in note for note in verdict.notes)


def test_beside_new_parts_the_camera_is_judged_by_those_it_knows(knowing: Reference) -> None:
    """Three pieces in ten are new and dark: that is no lamp."""
    shown = embedded(50, 40)
    new = np.arange(40) // 2 % 10 < 3
    points = shown.embeddings + np.float32(new[:, None] * np.r_[np.zeros(20), np.full(12, 1.5)])
    mixed = replace(shown, embeddings=points.astype(np.float32))
    taken = [
        (np.float32(0.3) * levels if dark else levels, *rest)
        for dark, (levels, *rest) in zip(new, pictures(2, 40), strict=True)
    ]

    def some(wanted: np.ndarray) -> Window:
        return filled(one for one, use in zip(taken, wanted, strict=True) if use)

    everything = filled(iter(taken))
    assert not {one.cause for one in judge(everything, knowing, HEALTH, WATCH, shown=mixed).findings} <= {"new_product"}
    verdict = judge(everything, knowing, HEALTH, WATCH, shown=mixed, some=some)
    assert {one.cause for one in verdict.findings} == {"new_product"}
    assert verdict.measurement.images == 40
    assert any("judged by the 28 others" in note for note in verdict.notes)

    def dark(wanted: np.ndarray) -> Window:
        return filled((0.7 * levels, *rest) for (levels, *rest), use in zip(taken, wanted, strict=True) if use)

    lamp = judge(dark(np.ones(40, np.bool_)), knowing, HEALTH, WATCH, shown=mixed, some=dark)
    assert "lighting" in {one.cause for one in lamp.findings}


def told(reference: Reference, values: dict[str, float], **details: float) -> set[str]:
    measured = Measurement("c", None, None, 40, {}, values, details=details)
    return {one.cause for one in findings(measured, reference.limits, HEALTH.least, {})}


def test_light_of_another_colour_beside_other_parts_is_theirs(knowing: Reference) -> None:
    values = {"colour": 0.1, "surface": 9.0}
    assert told(knowing, values) == {"lighting", "changed_surface"}
    assert told(knowing, values, other_parts=1.0) == {"changed_surface"}
    assert told(knowing, {"gain": -0.3, "surface": 9.0}, other_parts=1.0) == {"lighting", "changed_surface"}
    measured = Measurement("c", None, None, 40, {}, {"colour": 0.1}, details={"other_parts": 1.0})
    assert of_camera(findings(measured, limits([], HEALTH), HEALTH.least, {}), measured) == set()


def test_specks_on_the_parts_are_theirs_where_only_some_are_new(knowing: Reference) -> None:
    assert told(knowing, {"novelty": 0.3, "dust": 2.0}, on_parts=1.0) == {"new_product"}
    assert told(knowing, {"novelty": 0.3, "dust": 2.0}) == {"new_product", "dust"}
    assert told(knowing, {"novelty": 1.0, "dust": 2.0}, on_parts=1.0) == {"new_product", "dust"}, (
        "dust lies before all parts"
    )


def test_where_nothing_stands_still_several_causes_at_once_are_other_parts(knowing: Reference) -> None:
    held = replace(knowing, spread=None)
    assert held.zones is not None and not held.zones.split
    both = filled(pictures(2, 40, lambda x: 0.7 * cv2.GaussianBlur(x, (0, 0), 1.5)))
    verdict = judge(both, held, HEALTH, WATCH, shown=embedded(50, 40, shift=0.5))
    assert {one.cause for one in verdict.findings} == {"changed_surface"}
    assert {one.cause for one in judge(both, held, HEALTH, WATCH).findings} >= {"lighting", "blur"}


def test_a_reference_keeps_what_its_pictures_show(knowing: Reference, tmp_path: Path) -> None:
    digest = save(knowing, tmp_path / "v1")
    again = load(tmp_path / "v1", digest)
    assert again.content is not None
    assert set(again.limits) == set(UNITS) | set(drift.UNITS)
    window = filled(pictures(3, 40))
    one, other = (judge(window, held, HEALTH, WATCH, shown=embedded(50, 40, shift=0.3)) for held in (knowing, again))
    assert one.findings == other.findings


def test_one_dark_side_is_told_as_that_and_not_as_a_darker_picture() -> None:
    held = limits([], HEALTH)
    uneven = Measurement("c", None, None, 40, {}, {"gain": -0.15, "gradient": -0.3})
    both = Measurement("c", None, None, 40, {}, {"gain": -0.45, "gradient": -0.3})
    assert [one.statistic for one in findings(uneven, held, HEALTH.least, {})] == ["gradient"]
    assert [one.statistic for one in findings(both, held, HEALTH.least, {})] == ["gain"]
