import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.post.incident_letters import of_check, of_incident, of_recovery
from inspection.post.letter import Picture
from inspection.post.mail import compose
from inspection.records.incidents import RECOVERED
from monitoring.cost.routing import WORDS
from plant.shot import png
from tests.inspection.post.reading import CSV, HOUR, MAIL, NOON, UNITS, ZONE, good, incident, rendered, standing

COST = {"before": 0.912, "after": 0.7, "low": 0.1, "high": 0.3, "parts": 31, "how": "rehearsed", "drop": 0.212}


@pytest.mark.parametrize("statistic", UNITS)
@pytest.mark.parametrize("action", WORDS)
def test_an_incident_in_words(statistic: str, action: str) -> None:
    cost = COST if action in ("watch", "retrain") else {}
    asked = standing(action) if action in ("label", "retrain") else None
    size = {"gain": -0.12, "frozen": 40.0, "shift": 2.345}.get(statistic, 3.0)
    letter = of_incident(incident(statistic, size, action=action, cost=cost), ZONE, 17, asked, (), (CSV,))
    text = good(letter)
    assert letter.todo
    assert "17 (attached list)" in text
    assert "between 11:00 and 13:00 on Mon 02 Nov 2026 (Europe/Berlin)" in text
    assert ("andon incidents rule I-0001" in text) == (action == "repair")
    assert ("91 were judged right before and 70 are now" in text) == bool(cost), cost
    assert ("So far 3 pictures of 2 parts are" in text) == bool(asked)


@pytest.mark.parametrize(
    ("statistic", "size", "words"),
    [
        ("gain", -0.12, "-12%"),
        ("gradient", -0.2, "-20%"),
        ("colour", 0.06, "+6%"),
        ("clipped", 0.031, "+3%"),
        ("unknown", 0.25, "+25%"),
        ("shift", 2.345, "2.3 px"),
        ("shift", 123.4, "123 px"),
        ("rotation", -1.24, "-1.2 degrees"),
        ("dead", 2.0, "2 pixels"),
        ("hot", 250.0, "250 pixels"),
        ("dust", 3.0, "3 specks"),
        ("frozen", 40.0, "40 times the same picture"),
        ("blur", 1.26, "1.3 px"),
        ("novelty", 0.2, "+20%"),
        ("surface", 4.21, "4.2 times the usual spread"),
    ],
)
def test_the_size_has_its_unit(statistic: str, size: float, words: str) -> None:
    assert words in good(of_incident(incident(statistic, size), ZONE, 1, None))


@given(st.sampled_from(sorted(UNITS)), st.floats(-5000, 5000))
def test_no_size_is_written_like_a_program_would(statistic: str, size: float) -> None:
    letter = of_incident(incident(statistic, size), ZONE, 1, None)
    what = dict(letter.facts)["How big"]
    assert not re.search(r"\de[+-]?\d", what), what


@pytest.mark.parametrize(
    ("statistic", "size", "more", "words"),
    [
        ("gain", -0.12, {"error": 0.004}, "-12% ± 1%"),
        ("gain", -0.12, {"error": 0.03}, "-12% ± 3%"),
        ("shift", 2.345, {"error": 0.21, "mm": 0.586}, "2.3 ± 0.2 px (0.59 mm)"),
        ("shift", 2.0, {"error": None, "mm": 0.5}, "2.0 px (0.5 mm)"),
        ("shift", 34.5, {"error": 0.2, "mm": 8.625}, "34 ± 1 px (8.6 mm)"),
        ("dead", 2.0, {"error": 0.0}, "2 pixels"),
    ],
)
def test_the_size_says_how_sure_it_is_and_millimetres_where_they_are_known(
    statistic: str, size: float, more: dict[str, Any], words: str
) -> None:
    one = incident(statistic, size)
    letter = of_incident(replace(one, finding={**one.finding, **more}), ZONE, 1, None)
    assert dict(letter.facts)["How big"] == words
    good(letter)


def rate(value: float, low: float, high: float, parts: int = 48) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "parts": parts}


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (
            {"escapes": rate(0.07, 0.03, 0.12), "false_rejects": rate(0.003, 0.001, 0.012), "how": "rehearsed"},
            "Of 100 defective parts about 7 now pass (between 3 and 12). Of 1,000 good parts about 3 are now rejected "
            "(between 1 and 12). Tried out: the change was laid on labelled pictures of 48 parts from healthy days.",
        ),
        (
            {"escapes": rate(0.001, 0.0, 0.06), "false_rejects": None, "how": "seen"},
            "Of 100 defective parts hardly any now pass (at most 6). Counted on 48 parts that were labelled since.",
        ),
        (
            {"escapes": None, "false_rejects": None, "how": "unknown", "labels_needed": 62},
            "How many defective parts pass cannot be estimated: have 62 pictures labelled.",
        ),
        (
            {"escapes": None, "false_rejects": rate(0.2, 0.1, 0.3), "how": "probabilities", "labels_needed": 20},
            "cannot be estimated: have 20 pictures labelled. Of 100 good parts about 20 are now rejected (between 10 "
            "and 30). Worked out from how sure the model is of each part; no labels yet.",
        ),
    ],
)
def test_what_it_costs_is_said_in_parts(estimate: dict[str, Any], words: str) -> None:
    letter = of_incident(incident(estimate=estimate), ZONE, 1, None)
    assert words in dict(letter.facts)["What it costs"]
    good(letter)


def test_an_estimate_that_escapes_made_can_be_told() -> None:
    from monitoring.cost.escapes import Estimate, Rate

    made = Estimate(Rate(0.07, 0.03, 0.12, 48), None, "rehearsed", 0, "").as_json()
    assert "about 7 now pass" in good(of_incident(incident(estimate=made), ZONE, 1, None))


def test_several_cameras_of_a_line_are_told_as_the_line_s() -> None:
    letter = of_incident(incident(cameras=("cam-1", "cam-2"), action="repair", cause="dust"), ZONE, 1, None)
    assert letter.subject == "[Andon] Line A, 2 cameras: dust on the lens"
    assert letter.headline == "Line A, cam-1 and cam-2: dust on the lens"
    text = good(letter)
    assert "light cover of cam-1 and cam-2" in text
    assert "2 cameras of line A show it since about the same time" in text


def test_an_incident_that_grew_says_so_and_a_slow_one_too() -> None:
    first, grown = (of_incident(incident(grew=grew), ZONE, 1, None, again=True) for grew in (0, 1))
    at_once = of_incident(incident(grew=1), ZONE, 1, None)
    assert "grown" not in at_once.subject + good(at_once)  # no mail was written before it had
    assert "it has grown" in grown.subject and "It has grown since we first wrote." in good(grown)
    assert "grown" not in good(first) and "slowly" not in good(first)
    slow = incident()
    letter = of_incident(replace(slow, finding={**slow.finding, "slow": True}), ZONE, 1, None)
    assert "slowly, over many hours or days" in good(letter)


def test_escapes_that_were_estimated_too_low_are_told_with_what_to_do() -> None:
    rate = {"low": 0.0, "high": 1.0, "parts": 40}
    check = {"estimated": {**rate, "value": 0.04}, "seen": {**rate, "value": 0.3}, "verdict": "too low"}
    text = good(of_check(incident(check=check)))
    assert "Of 100 defective parts about 4 were expected to pass." in text
    assert "30 of 100 had passed" in text and "40 defective parts" in text
    assert "Inspect the parts of I-0001 again" in text


def test_growth_is_told_a_day_with_its_interval() -> None:
    light, pixels = incident(), incident("dead", 4.0)
    fast = {"per_day": -0.003, "low": -0.004, "high": -0.002, "days": 3.0, "windows": 40}
    text = good(of_incident(replace(light, finding={**light.finding, "slow": 9, "growth": fast}), ZONE, 1, None))
    assert "-0.3% a day (between -0.4% and -0.2%)" in text and "slowly" not in text
    more = {"per_day": 1.5, "low": 1.0, "high": 2.0, "days": 3.0, "windows": 40}
    text = good(of_incident(replace(pixels, finding={**pixels.finding, "growth": more}), ZONE, 1, None))
    assert "+1.5 pixels a day (between +1 and +2)" in text


def test_a_fault_of_the_parts_is_none_of_the_camera() -> None:
    text = good(of_incident(incident("defects", 0.2, action="repair"), ZONE, 1, None))
    assert "The camera is well" in text and "fault of the camera" not in text


def test_since_when_says_a_day_once() -> None:
    assert "between 11:00 and 13:00 on Mon 02 Nov 2026 (Europe/Berlin)" in good(of_incident(incident(), ZONE, 1, None))
    long = incident(onset=(NOON - 24 * HOUR, NOON))
    assert "between Sun 01 Nov 2026, 13:00 and Mon 02 Nov 2026, 13:00 (Europe/Berlin)" in good(
        of_incident(long, ZONE, 1, None)
    )


def test_pictures_and_the_list_go_along() -> None:
    picture = Picture("compared.png", "cam-1: before and after", png(__import__("numpy").zeros((4, 6), "uint8")))
    letter = of_incident(incident(), ZONE, 2, None, (picture,), (CSV,))
    message = compose(letter, MAIL, "k")
    assert [part.get_filename() for part in message.walk() if part.get_filename()] == ["compared.png", CSV.name]
    assert "before and after" in rendered(letter)[2]


@pytest.mark.parametrize("why", [RECOVERED, "new references: this is how healthy pictures look from now on"])
@pytest.mark.parametrize(
    ("action", "ruling", "asks"), [("repair", "", True), ("repair", "use", False), ("watch", "", False)]
)
def test_a_recovery_in_words(why: str, action: str, ruling: str, asks: bool) -> None:
    one = incident("dead", 2.0, action=action, ruling=ruling, closed=NOON + HOUR, why_closed=why)
    letter = of_recovery(one, ZONE, 5, (CSV,))
    text = good(letter)
    assert letter.tone == "good"
    assert "over – dead pixels" in letter.subject
    assert "Mon 02 Nov 2026, 14:00 (Europe/Berlin)" in text
    assert ("andon incidents rule I-0001" in text) == asks
    assert ("look healthy again" in text) == (why == RECOVERED)
    closed = replace(one, closed_by="Ines", parts="reinspected", parts_by="Lena")
    text = good(of_recovery(closed, ZONE, 5, (CSV,)))
    assert "Ines" in text and "reinspected, said Lena" in text


def test_one_state_one_message_id_and_each_change_another() -> None:
    states = [
        incident(),
        incident(action="repair"),
        incident(grew=1),
        incident(cameras=("cam-1", "cam-2")),
        replace(incident(), closed=NOON),
        incident(name="I-0002"),
    ]
    letter = of_incident(incident(), ZONE, 1, None)
    ids = [str(compose(letter, MAIL, one.state_key)["Message-ID"]) for one in states]
    assert len(set(ids)) == len(states)
    assert ids == [str(compose(letter, MAIL, one.state_key)["Message-ID"]) for one in states]
