"""The verdict on a window, in words that a quality lead understands."""

import json

import cv2
import pytest

from monitoring.calibration import limits
from monitoring.camera_health import CAUSES, UNITS, Measurement, Spot, Window
from monitoring.drift import findings, judge
from monitoring.reference import Reference
from tests.monitoring.test_camera_health import PARAMS, at_pixels, filled, learned, moved, pictures, speck

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
    assert found.strength == pytest.approx(0.12 / 0.05, rel=0.1)


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


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("sign", [1, -1])
def test_every_statistic_has_one_sentence(name: str, sign: int) -> None:
    size = sign * 3 * getattr(HEALTH.least, name)
    spots = tuple(Spot(row, 5, 1.0, -90.0) for row in range(8))
    measured = Measurement("cam-1", None, None, 40, {"a": 40}, {name: size}, {name: spots})
    (found,) = findings(measured, limits([], HEALTH))
    assert (found.cause, found.statistic, found.unit) == (CAUSES[name], name, UNITS[name])
    assert found.strength == pytest.approx(3)
    assert found.words.endswith(".")
    assert found.words.count(". ") == 0


def test_the_verdict_is_plain_json(reference: Reference) -> None:
    window = filled(pictures(2, 40, lambda x: cv2.GaussianBlur(x, (0, 0), 1.2)))
    plain = json.loads(json.dumps(judge(window, reference, HEALTH, WATCH).as_json()))
    assert plain["state"] == "changed"
    assert plain["findings"][0]["cause"] == "blur"
    assert plain["measurement"]["images"] == 40
