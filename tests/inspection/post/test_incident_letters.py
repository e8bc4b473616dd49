import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.post.incident_letters import of_check, of_incident, of_recovery
from inspection.post.letter import Picture
from inspection.post.mail import compose
from inspection.records.incidents import RECOVERED, Incident
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


def test_what_is_set_aside_is_said_where_labels_are_missing() -> None:
    asked = replace(standing("label"), aside="5 labelled images are set aside: 5 are in a held batch")
    assert "5 labelled images are set aside" in good(
        of_incident(incident("gain", -0.1, action="label"), ZONE, 1, asked)
    )
    enough = replace(asked, labels=60, parts=25)
    assert "set aside" not in good(of_incident(incident("gain", -0.1, action="label"), ZONE, 1, enough))


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
        ("gain", -0.12, {"error": 0.004}, "-12% ± 1% in brightness"),
        ("gain", -0.12, {"error": 0.03}, "-12% ± 3% in brightness"),
        ("torn", 0.35, {}, "+35% of the pictures"),
        ("zoom", 0.03, {"error": 0.001}, "+3% ± 1% in size"),
        ("view", 0.8, {"error": 0.1}, "80% ± 10% of the likeness is lost"),
        ("tone", -0.2, {"error": 0.01}, "an exponent of 0.80"),
        ("blocks", 1.07, {}, "steps between blocks 2.9 times as high as in health"),
        ("view", 1.03, {}, "100% of the likeness is lost"),
        ("colour", 0.06, {}, "+6%"),
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
    ("estimate", "defective", "good_ones", "more"),
    [
        (
            {
                "escapes": rate(0.07, 0.03, 0.12),
                "escapes_before": rate(0.04, 0.01, 0.08),
                "false_rejects": rate(0.003, 0.001, 0.012, 60),
                "false_rejects_before": rate(0.0, 0.0, 0.004, 60),
                "how": "rehearsed",
            },
            "Of 100 defective parts about 7 now pass (between 3 and 12); before the change about 4 did (between 1 and "
            "8).",
            "Of 1,000 good parts about 3 are now rejected (between 1 and 12); before the change hardly any were "
            "(between 0 and 4).",
            "",
        ),
        (
            {"escapes": rate(0.001, 0.0, 0.06, 80), "false_rejects": None, "how": "rehearsed"},
            "Of 100 defective parts hardly any now pass (at most 6).",
            "",
            "",
        ),
        (
            {
                "escapes": rate(0.25, 0.05, 0.57, 12),
                "false_rejects": rate(0.0, 0.0, 0.26, 12),
                "how": "seen",
                "labels_needed": 90,
            },
            "3 of 12 defective parts that were labelled since pass (between 5 and 57 of 100); nobody has counted how "
            "many before.",
            "0 of 12 good parts that were labelled since are rejected (between 0 and 26 of 100); nobody has counted "
            "how many before.",
            "Have 90 parts labelled as they come: the fewest that tell whether it costs something.",
        ),
        (
            {
                "escapes": None,
                "how": "unknown",
                "labels_needed": 0,
                "defective_needed": 41,
                "why": "the change cannot be laid on known pictures",
            },
            "How many defective parts pass cannot be estimated: the change cannot be laid on known pictures.",
            "",
            "Labelling parts as they come would take too many, for few of them are defective. Instead let 41 parts "
            "that are known to be defective pass the camera, and have their pictures labelled.",
        ),
    ],
)
def test_what_it_costs_is_said_in_parts_before_and_now(
    estimate: dict[str, Any], defective: str, good_ones: str, more: str
) -> None:
    """One line each, and none of what is not known."""
    letter = of_incident(incident(estimate=estimate), ZONE, 1, None)
    told = dict(letter.facts)
    assert told["Defective parts"] == defective
    assert told.get("Good parts", "") == good_ones
    assert told.get("To know more", "") == more
    assert "What it costs" not in told
    assert ("none of which the model was trained on" in told.get("Known from", "")) == bool(estimate["escapes"])
    good(letter)


def test_what_would_tell_more_is_not_asked_beside_a_request_for_labels() -> None:
    """One number of labels, not two."""
    estimate = {"escapes": rate(0.2, 0.1, 0.4, 40), "false_rejects": None, "how": "rehearsed", "labels_needed": 90}
    one = incident(estimate=estimate, action="retrain")
    alone, asked = (dict(of_incident(one, ZONE, 1, request).facts) for request in (None, standing()))
    assert "90" in alone["To know more"] and "To know more" not in asked
    assert "judged them worse" in good(of_incident(one, ZONE, 1, standing()))


def test_the_first_two_lines_say_what_happened_since_when_and_what_to_do() -> None:
    letter = of_incident(incident("dust", 3.0, action="repair"), ZONE, 5, None)
    assert letter.headline == "cam-1: dust on the lens"
    assert "It began between 11:00 and 13:00 on Mon 02 Nov 2026" in letter.summary
    assert "To do first: Ask maintenance to clean the lens" in letter.summary
    assert letter.facts[0] == ("State", "open until it is repaired")


def test_what_is_only_watched_asks_for_nothing_and_says_so_once() -> None:
    letter = of_incident(incident(action="watch", cost=COST), ZONE, 5, None)
    assert letter.summary.endswith("(Europe/Berlin). " + letter.todo[0])
    assert letter.summary.count("Nothing has to be done") == 1 and "To do first" not in letter.summary


def test_what_nobody_could_estimate_is_not_called_nothing() -> None:
    unknown = {"escapes": None, "false_rejects": None, "how": "unknown", "labels_needed": 110, "why": "12 of 20 parts"}
    letter = of_incident(incident(action="watch", cost=COST, estimate=unknown), ZONE, 5, None)
    assert f"as far as {COST['parts']} labelled parts tell" in letter.summary
    assert "Whether more defective parts pass is not known: 12 of 20 parts." in letter.summary
    known = {**unknown, "escapes": rate(0.2, 0.1, 0.4, 40)}
    assert "as far as" not in good(of_incident(incident(action="watch", cost=COST, estimate=known), ZONE, 5, None))


def test_a_lamp_that_is_off_is_not_called_nothing_to_do_because_no_model_is_live() -> None:
    letter = of_incident(incident(size=-1.0, action="watch"), ZONE, 5, None)
    assert "To do first: Ask maintenance whether the light of cam-1 was changed on purpose" in letter.summary
    assert "Nothing has to be done" not in good(letter)
    assert letter.tone == "warn", "its bar asks to look, as the mail does"
    assert of_incident(incident(size=-1.0, action="watch", cost=COST), ZONE, 5, None).tone == "info"
    ignored = of_incident(incident("dust", 3.0, action="watch"), ZONE, 5, None)
    assert len(ignored.todo) == 1, "params.yaml says that dust is only watched"


def test_since_when_no_picture_comes_is_said_once() -> None:
    words = "No picture has come from cam-1 since Mon 02 Nov 2026, 11:00 (Europe/Berlin)."
    mute = {"cause": "silent", "statistic": "silent", "size": 2.0, "unit": "hours", "words": words, "strength": 2.0}
    letter = of_incident(incident(cause="silent", finding=mute, action="repair"), ZONE, 0, None)
    assert letter.summary.startswith(f"{words} To do first: Ask maintenance to check cam-1: power")
    assert letter.summary.endswith("Until pictures come, nobody watches what passes there.")


def test_pictures_that_nobody_could_judge_are_not_said_to_show_a_fault() -> None:
    text = good(of_incident(incident(cause="unjudged", action="repair"), ZONE, 3, None))
    assert "their pictures could not be judged" in text and "show the fault" not in text


@pytest.mark.parametrize(("statistic", "asked"), [("defects", "what has changed before cam-1"), ("mix", "products")])
def test_parts_that_have_changed_are_asked_after_though_the_camera_is_well(statistic: str, asked: str) -> None:
    letter = of_incident(incident(statistic, 0.4, action="watch"), ZONE, 5, None)
    assert f"To do first: {letter.todo[0]}" in letter.summary and asked in letter.todo[0]
    assert letter.todo[1].startswith("Nothing else has to be done now.")
    assert "The camera is well; it is the parts that have changed." in good(letter)
    harmless = of_incident(incident(statistic, 0.4, action="watch", cost=COST), ZONE, 5, None)
    assert len(harmless.todo) == 1, "it was measured that the model judges such parts as well as before"


def test_a_handful_of_places_is_named_and_a_line_is_one() -> None:
    spots = [{"row": row, "column": 5, "size": 1.0, "depth": 9.0, "shape": ""} for row in range(7)]
    one = incident("hot", 7.0, action="repair")
    facts = dict(of_incident(replace(one, finding={**one.finding, "spots": spots}), ZONE, 1, None).facts)
    assert facts["Where in the picture"].startswith("row 0, column 5; row 1, column 5; ")
    assert facts["Where in the picture"].endswith("; row 4, column 5; and 2 more")
    line = [{"row": 64, "column": 40, "size": 128.0, "depth": 99.0, "shape": "column"}]
    facts = dict(of_incident(replace(one, finding={**one.finding, "spots": line}), ZONE, 1, None).facts)
    assert facts["Where in the picture"] == "column 40"
    assert "Where in the picture" not in dict(of_incident(one, ZONE, 1, None).facts)


@pytest.mark.parametrize("action", ["repair", "retrain", "label"])
def test_an_incident_is_not_good_news_while_its_parts_are_open(action: str) -> None:
    over = incident("dead", 2.0, action=action, ruling="drop", closed=NOON + HOUR, why_closed="new references: so")
    letter = of_recovery(over, ZONE, 172, (CSV,), complete=False)
    assert letter.tone == "warn"
    assert letter.headline == "cam-1: over, but 172 parts wait – dead pixels"
    assert "To do first: Look through the 172 parts in the attached list" in letter.summary
    assert "--parts reinspected|released|scrapped|none" in good(letter)
    assert "such pictures count as healthy, but the model on the line has not learned them" in letter.summary
    assert "It lasted" not in letter.summary
    assert "172 (attached list); the list grows until a model that has learned the change is on the line" in good(
        letter
    )
    done = of_recovery(replace(over, parts="scrapped", parts_by="Lena"), ZONE, 172, (CSV,))
    assert (done.tone, done.headline) == ("good", "cam-1: over – dead pixels")
    assert dict(done.facts)["State"] == "over; nothing is open"


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
    assert letter.tone == ("warn" if action == "repair" else "good")
    assert ("over, but 5 parts wait – dead pixels" if action == "repair" else "over – dead pixels") in letter.subject
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


def absent(cause: str, **changes: Any) -> Incident:
    words = f"No picture has come from cam-1 ({cause})."
    finding = {"cause": cause, "statistic": cause, "size": 26.0, "unit": "hours", "words": words, "strength": 1.1}
    return incident(cause=cause, finding=finding, window="", action="repair", **changes)


def test_a_camera_that_delivers_nothing_has_no_parts_to_look_through() -> None:
    letter = of_incident(absent("silent"), ZONE, 0, None)
    text = good(letter)
    assert letter.subject == "[Andon] Line A, cam-1: camera delivers no pictures"
    assert "26 hours" in text and "check cam-1: power, cable, network" in text
    for word in ("attached", "rule", "repaired, not learned", "How big", "retrain", "reference"):
        assert word not in text
    over = good(of_recovery(absent("silent", closed=NOON, why_closed=RECOVERED), ZONE, 0))
    assert "Pictures come again." in over and "attached" not in over and "rule" not in over


def test_a_plant_that_delivers_nothing_says_where_to_look_first() -> None:
    letter = of_incident(absent("silent", cameras=("cam-1", "cam-3"), line="A and B"), ZONE, 0, None)
    assert letter.subject == "[Andon] Line A and B, 2 cameras: camera delivers no pictures"
    assert "look first at what they share: the power, the network" in good(letter)


def test_a_camera_that_cannot_be_judged_has_suspect_parts_and_invites_nobody_to_learn_it() -> None:
    text = good(of_incident(absent("unjudged"), ZONE, 7, None, (), (CSV,)))
    assert "Andon cannot tell a fault of this camera" in text and "7 (attached list)" in text
    assert "have mended what the reason above names" in text
    assert "retrain" not in text and "reference" not in text
    over = good(of_recovery(absent("unjudged", closed=NOON, why_closed=RECOVERED), ZONE, 7, (CSV,)))
    assert "can be judged again" in over and "healthy" not in over and "andon incidents rule I-0001" in over


ALSO = {"cam-1": {name: {"finding": incident(name, size).finding} for name, size in (("dust", 202.0), ("blur", 1.3))}}
BESIDE = {"cam-1": {one["finding"]["cause"]: one for one in ALSO["cam-1"].values()}}


def test_what_was_seen_with_it_is_a_line_of_its_mail() -> None:
    one = incident(also_on=BESIDE)
    words = "probably because of it: blurred pictures (1.3 px), dust on the lens (202 specks)"
    assert dict(of_incident(one, ZONE, 1, None).facts)["Also seen"] == words
    over = of_recovery(replace(one, closed=NOON, why_closed=RECOVERED), ZONE, 1)
    assert dict(over.facts)["Also seen"] == words and "look healthy again" in good(over)
    good(of_incident(one, ZONE, 1, None))


def test_what_is_still_there_is_not_called_healthy() -> None:
    closed = incident(also_on=BESIDE, closed=NOON, why_closed=RECOVERED)
    dust = incident("dust", 202.0, name="I-0002", after="I-0001")
    letter = of_recovery(closed, ZONE, 1, left=[dust])
    text = good(letter)
    assert letter.tone == "warn" and letter.todo[0] == "Go on with I-0002: dust on the lens."
    assert "was not over with it: dust on the lens (I-0002)" in text and "healthy" not in text


def test_one_that_was_told_by_another_name_says_so() -> None:
    one = incident(told_as=("dust",), grew=1, also_on=BESIDE)
    assert "light has changed – first told as dust on the lens" in of_incident(one, ZONE, 1, None, again=True).subject
    assert "first told" not in of_incident(one, ZONE, 1, None).subject
    assert "it has grown" in of_incident(replace(one, grew=2), ZONE, 1, None, again=True).subject
