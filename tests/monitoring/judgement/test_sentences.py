"""A finding in a sentence that a quality lead understands."""

import pytest

from monitoring.camera.measurement import CAUSES, UNITS, Measurement, Spot
from monitoring.judgement.calibration import limits
from monitoring.judgement.diagnosis import findings, judge
from monitoring.judgement.sentences import EXPOSURE, LAMP, sentence
from tests.monitoring.camera.test_health import PARAMS, filled, learned, pictures

HEALTH, WATCH = PARAMS.health, PARAMS.watch
DARK = 4  # levels that the sensor reads without light


@pytest.mark.parametrize(
    ("gain", "dark", "windows", "said", "unsaid"),
    [
        (0.6, DARK, 10, LAMP, EXPOSURE),
        (1.4, DARK, 10, LAMP, EXPOSURE),
        (0.6, 0, 10, EXPOSURE, LAMP),
        (0.93, DARK, 10, "darker", "places"),  # too little to tell
        (0.6, DARK, 4, "darker", "places"),  # too few clean windows
    ],
)
def test_dark_places_tell_lamp_from_exposure(gain: float, dark: float, windows: int, said: str, unsaid: str) -> None:
    held = learned(count=40 * windows)
    now = filled(pictures(2, 40, before=lambda x: gain * (x - dark) + dark))
    words = next(one.words for one in judge(now, held, HEALTH, WATCH).findings if one.statistic == "gain")
    assert said in words and unsaid not in words


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("sign", [1, -1])
def test_every_statistic_has_one_sentence(name: str, sign: int) -> None:
    size = sign * 3 * limits([], HEALTH)[name].high
    spots = tuple(Spot(row, 5, 1.0, -90.0) for row in range(8))
    measured = Measurement("cam-1", None, None, 40, {"a": 40}, {name: size}, {name: spots})
    (found,) = findings(measured, limits([], HEALTH), HEALTH.least, {})
    assert (found.cause, found.statistic, found.unit) == (CAUSES[name], name, UNITS[name])
    assert found.strength == pytest.approx(3)
    assert found.words.endswith(".")
    assert found.words.count(". ") == 0


@pytest.mark.parametrize("name", ["dead", "hot", "stuck", "dust"])
def test_two_places_stand_in_the_sentence_so_that_what_to_do_is_not_far(name: str) -> None:
    spots = tuple(Spot(row, 5, 1.0, -90.0) for row in range(8))
    words = sentence(name, 8.0, Measurement("c", None, None, 40, {}, {name: 8.0}, {name: spots}))
    assert "(row 0, column 5; row 1, column 5; and 6 more)" in words


def test_a_blot_that_reaches_over_the_rim_has_its_place_in_the_picture() -> None:
    rim = Spot(-1, 81, 3.0, 0.2)
    assert "(row 0, column 81)" in sentence("dust", 1.0, Measurement("c", None, None, 40, {}, {}, {"dust": (rim,)}))


def test_a_size_in_pixels_is_told_in_millimetres_where_the_camera_declares_them() -> None:
    measured = Measurement("c", None, None, 40, {}, {"shift": 2.0, "gain": 0.2})
    found = {one.statistic: one for one in findings(measured, limits([], HEALTH), HEALTH.least, {}, mm_per_px=0.25)}
    assert (found["shift"].mm, found["gain"].mm) == (0.5, None)
    assert "2.0 px, 0.50 mm" in found["shift"].words
