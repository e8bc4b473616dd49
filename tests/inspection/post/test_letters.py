"""Every letter is plain to read, in text and in HTML."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.params import Mail
from inspection.post import letters
from inspection.post.letters import CameraDay
from inspection.post.mail import Attachment, Letter, Picture, compose
from inspection.records.commissions import Commission, Renewal
from inspection.records.incidents import RECOVERED, Incident
from inspection.release import approval
from inspection.release.registry import Release
from inspection.release.requests import Request, Standing
from monitoring.camera import measurement
from monitoring.content import drift
from monitoring.cost.routing import WORDS
from plant.shot import png

CAUSES = {**measurement.CAUSES, **drift.CAUSES}
UNITS = {**measurement.UNITS, **drift.UNITS}
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ZONE = ZoneInfo("Europe/Berlin")
MAIL = Mail(to=("quality@plant.invalid",), sender="andon@plant.invalid", outbox="outbox", digest=False)
COST = {"before": 0.912, "after": 0.7, "low": 0.1, "high": 0.3, "parts": 31, "how": "rehearsed", "drop": 0.212}
CSV = Attachment("I-0001-suspect-parts.csv", b"serial\n", "text/csv")


def incident(statistic: str = "gain", size: float = -0.12, **changes: Any) -> Incident:
    finding = {
        "cause": CAUSES[statistic],
        "statistic": statistic,
        "size": size,
        "unit": UNITS[statistic],
        "words": "The picture is 12% darker than when the camera was healthy.",
        "strength": 2.4,
        "spots": [],
    }
    fields: dict[str, Any] = {
        "name": "I-0001",
        "line": "A",
        "cameras": ("cam-1",),
        "cause": CAUSES[statistic],
        "finding": finding,
        "onset": (NOON - 2 * HOUR, NOON),
        "opened": NOON,
        "window": "w",
        "action": "watch",
        "reasons": ("because of this",),
    }
    return Incident(**{**fields, **changes})


def standing(kind: str = "retrain") -> Standing:
    asked = Request("R-0001", kind, "why", 60, 25, NOON, "I-0001", ("cam-1",), NOON)  # type: ignore[arg-type]
    return Standing(asked, 3, 2, None)


class Text(HTMLParser):
    """The words of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.hidden += tag in ("style", "title", "head")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("style", "title", "head")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words.append(data)


def rendered(letter: Letter) -> tuple[str, str, str]:
    """Subject, plain text and the words of the HTML."""
    message: EmailMessage = compose(letter, MAIL, "a key")
    plain, page = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None and page is not None
    reader = Text()
    reader.feed(page.get_content())
    return str(message["Subject"]), plain.get_content(), " ".join(" ".join(reader.words).split())


def good(letter: Letter) -> str:
    """The text of a letter that holds everything it should and nothing that it should not."""
    subject, text, page = rendered(letter)
    assert len(subject) <= 120
    flat = " ".join(text.split())
    for words in (subject, flat, page):
        assert not re.search(r"\b(None|nan|NaN|inf)\b|[{}]|\d[eE]\+", words), words
        assert not re.search(r"\b(dead|hot|stuck)_pixels\b", words), words
    assert "_" not in subject
    assert re.match(r"(DRILL )?\[Andon\] ", subject)
    for part in (letter.headline, letter.summary, *letter.todo, *letter.reasons, letter.footer):
        assert " ".join(part.split()) in flat
        assert " ".join(part.split()) in page
    cells = [cell for row in (letter.table.rows if letter.table else ()) for cell in row]
    for words in (*cells, *(word for fact in letter.facts for word in fact)):
        assert words in flat and words in page
    return flat


@pytest.mark.parametrize("statistic", UNITS)
@pytest.mark.parametrize("action", WORDS)
def test_an_incident_in_words(statistic: str, action: str) -> None:
    cost = COST if action in ("watch", "retrain") else {}
    asked = standing(action) if action in ("label", "retrain") else None
    size = {"gain": -0.12, "frozen": 40.0, "shift": 2.345}.get(statistic, 3.0)
    letter = letters.of_incident(incident(statistic, size, action=action, cost=cost), ZONE, 17, asked, (), (CSV,))
    text = good(letter)
    assert letter.todo
    assert "17 (attached list)" in text
    assert "between 11:00 and 13:00 on Mon 02 Nov 2026 (Europe/Berlin)" in text
    assert ("andon incidents rule I-0001" in text) == (action == "repair")
    assert ("91 were judged right before and 70 are now" in text) == bool(cost), cost
    assert ("So far 3 pictures of 2 parts are" in text) == bool(asked)


def test_every_cause_and_action_has_its_words() -> None:
    assert set(letters.NAMES) == set(letters.TODO) == set(CAUSES.values())
    assert set(letters.CONTENT) == set(drift.CAUSES.values())
    for cause in letters.NAMES:
        assert "_" not in letters.NAMES[cause]


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
    assert words in good(letters.of_incident(incident(statistic, size), ZONE, 1, None))


@given(st.sampled_from(sorted(UNITS)), st.floats(-5000, 5000))
def test_no_size_is_written_like_a_program_would(statistic: str, size: float) -> None:
    letter = letters.of_incident(incident(statistic, size), ZONE, 1, None)
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
    letter = letters.of_incident(replace(one, finding={**one.finding, **more}), ZONE, 1, None)
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
    letter = letters.of_incident(incident(estimate=estimate), ZONE, 1, None)
    assert words in dict(letter.facts)["What it costs"]
    good(letter)


def test_an_estimate_that_escapes_made_can_be_told() -> None:
    from monitoring.cost.escapes import Estimate
    from monitoring.cost.rates import Rate

    made = Estimate(Rate(0.07, 0.03, 0.12, 48), None, "rehearsed", 0, "").as_json()
    assert "about 7 now pass" in good(letters.of_incident(incident(estimate=made), ZONE, 1, None))


def test_several_cameras_of_a_line_are_told_as_the_line_s() -> None:
    letter = letters.of_incident(incident(cameras=("cam-1", "cam-2"), action="repair", cause="dust"), ZONE, 1, None)
    assert letter.subject == "[Andon] Line A, 2 cameras: dust on the lens"
    assert letter.headline == "Line A, cam-1 and cam-2: dust on the lens"
    text = good(letter)
    assert "light cover of cam-1 and cam-2" in text
    assert "2 cameras of line A show it since about the same time" in text


def test_an_incident_that_grew_says_so_and_a_slow_one_too() -> None:
    first, grown = (letters.of_incident(incident(grew=grew), ZONE, 1, None, again=True) for grew in (0, 1))
    at_once = letters.of_incident(incident(grew=1), ZONE, 1, None)
    assert "grown" not in at_once.subject + good(at_once)  # no mail was written before it had
    assert "it has grown" in grown.subject and "It has grown since we first wrote." in good(grown)
    assert "grown" not in good(first) and "slowly" not in good(first)
    slow = incident()
    letter = letters.of_incident(replace(slow, finding={**slow.finding, "slow": True}), ZONE, 1, None)
    assert "slowly, over many hours or days" in good(letter)


def test_escapes_that_were_estimated_too_low_are_told_with_what_to_do() -> None:
    rate = {"low": 0.0, "high": 1.0, "parts": 40}
    check = {"estimated": {**rate, "value": 0.04}, "seen": {**rate, "value": 0.3}, "verdict": "too low"}
    text = good(letters.of_check(incident(check=check)))
    assert "Of 100 defective parts about 4 were expected to pass." in text
    assert "30 of 100 had passed" in text and "40 defective parts" in text
    assert "Inspect the parts of I-0001 again" in text


def test_growth_is_told_a_day_with_its_interval() -> None:
    light, pixels = incident(), incident("dead", 4.0)
    fast = {"per_day": -0.003, "low": -0.004, "high": -0.002, "days": 3.0, "windows": 40}
    text = good(
        letters.of_incident(replace(light, finding={**light.finding, "slow": 9, "growth": fast}), ZONE, 1, None)
    )
    assert "-0.3% a day (between -0.4% and -0.2%)" in text and "slowly" not in text
    more = {"per_day": 1.5, "low": 1.0, "high": 2.0, "days": 3.0, "windows": 40}
    text = good(letters.of_incident(replace(pixels, finding={**pixels.finding, "growth": more}), ZONE, 1, None))
    assert "+1.5 pixels a day (between +1 and +2)" in text


def test_a_fault_of_the_parts_is_none_of_the_camera() -> None:
    text = good(letters.of_incident(incident("defects", 0.2, action="repair"), ZONE, 1, None))
    assert "The camera is well" in text and "fault of the camera" not in text


def test_since_when_says_a_day_once() -> None:
    assert "between 11:00 and 13:00 on Mon 02 Nov 2026 (Europe/Berlin)" in good(
        letters.of_incident(incident(), ZONE, 1, None)
    )
    long = incident(onset=(NOON - 24 * HOUR, NOON))
    assert "between Sun 01 Nov 2026, 13:00 and Mon 02 Nov 2026, 13:00 (Europe/Berlin)" in good(
        letters.of_incident(long, ZONE, 1, None)
    )


@pytest.mark.parametrize("action", WORDS)
def test_a_drill_says_so_wherever_one_looks(action: str) -> None:
    picture = Picture("compared.png", "cam-1: before and after", png(__import__("numpy").zeros((4, 6), "uint8")))
    real = letters.of_incident(incident(action=action), ZONE, 3, standing(), (picture,), (CSV,))
    drill = letters.as_drill(real)
    text = good(drill)
    assert drill.subject.startswith("DRILL ") and drill.headline.startswith("DRILL")
    assert "This is a drill: nothing real has happened" in text and real.summary in text
    assert drill.todo[0].startswith("Nothing: this is a drill.") and drill.todo[1:] == real.todo
    assert [one.name for one in drill.attachments] == ["DRILL-I-0001-suspect-parts.csv"]
    assert all(one.caption.startswith("DRILL") for one in drill.pictures)


RENEWAL = Renewal("cam-1", 1, "new lamp", "Ines", NOON, NOON, 800)


def test_a_planned_change_in_words() -> None:
    letter = letters.of_renewal(RENEWAL, "A", ZONE)
    text = good(letter)
    assert letter.tone == "info"
    assert "Until 800 of them fit together, Andon cannot tell a fault of this camera." in text
    assert "new lamp" in text and "by Ines" in text
    held_up = letters.of_renewal(replace(RENEWAL, refused=("first", "they differ in blur")), "A", ZONE)
    assert held_up.tone == "warn" and held_up.reasons == ("they differ in blur",)
    assert "do not fit together" in good(held_up)


def test_a_new_reference_in_words() -> None:
    made = Commission("cam-1", "v2", "d" * 64, NOON - 30 * HOUR, NOON, 800, 20, "Ines", NOON, "new lamp")
    text = good(letters.of_reference(made, "A", ZONE))
    assert "watched again after the planned change" in text and "reference v2" in text
    assert "800 pictures, taken between Sun 01 Nov 2026, 07:00 and Mon 02 Nov 2026, 13:00" in text
    assert "new lamp" in text and "Ines" in text


DAY = date(2026, 11, 2)
WELL = CameraDay("cam-1", 72, 3, 9, "well", "healthy")
DARK = CameraDay("cam-2", 69, 3, 12, "troubled", "light has changed", ("light has changed (I-0004)",))
LEARNING = CameraDay("cam-3", 40, 0, None, "unknown", "is being learned")
MODEL = "v1.0.0 judged 141 pictures: 120 accepted, 21 rejected."


@pytest.mark.parametrize(
    ("cameras", "waits", "tone", "subject"),
    [
        ((WELL,), (), "good", "all is well"),
        ((WELL, DARK), (), "warn", "1 camera (cam-2) to look at"),
        ((WELL,), ("Decide on model v1.1.0.",), "warn", "1 thing for you to do"),
        ((DARK, DARK), ("a", "b"), "warn", "2 cameras (cam-2, cam-2) to look at, 2 things for you to do"),
        ((WELL, LEARNING), (), "info", "1 camera (cam-3) not judged"),
        ((LEARNING, DARK), (), "warn", "1 camera (cam-2) to look at"),
        ((replace(WELL, incidents=("dust (I-0001)",)),), (), "warn", "1 camera (cam-1) to look at"),
    ],
)
def test_a_day_is_well_only_when_every_camera_was_judged_and_nothing_waits(
    cameras: tuple[CameraDay, ...], waits: tuple[str, ...], tone: str, subject: str
) -> None:
    letter = letters.of_digest(DAY, cameras, waits, MODEL)
    text = good(letter)
    assert (letter.tone, letter.subject) == (tone, f"[Andon] Mon 02 Nov 2026: {subject}")
    assert letter.headline == f"Monday 02 November 2026: {subject}"
    assert MODEL in text and letter.todo == waits
    assert ("All is well" in text) == (tone == "good")


def test_a_day_has_a_row_for_each_camera() -> None:
    letter = letters.of_digest(DAY, (WELL, DARK, LEARNING), (), MODEL)
    assert letter.table is not None and letter.table.rows == (
        ("cam-1", "72", "3", "9", "healthy"),
        ("cam-2", "69", "3", "12", "light has changed; open: light has changed (I-0004)"),
        ("cam-3", "40", "0", "–", "is being learned"),
    )
    assert "3 cameras delivered 181 pictures." in letter.summary


def test_pictures_and_the_list_go_along() -> None:
    picture = Picture("compared.png", "cam-1: before and after", png(__import__("numpy").zeros((4, 6), "uint8")))
    letter = letters.of_incident(incident(), ZONE, 2, None, (picture,), (CSV,))
    message = compose(letter, MAIL, "k")
    assert [part.get_filename() for part in message.walk() if part.get_filename()] == ["compared.png", CSV.name]
    assert "before and after" in rendered(letter)[2]


@pytest.mark.parametrize("why", [RECOVERED, "new references: this is how healthy pictures look from now on"])
@pytest.mark.parametrize(
    ("action", "ruling", "asks"), [("repair", "", True), ("repair", "use", False), ("watch", "", False)]
)
def test_a_recovery_in_words(why: str, action: str, ruling: str, asks: bool) -> None:
    one = incident("dead", 2.0, action=action, ruling=ruling, closed=NOON + HOUR, why_closed=why)
    letter = letters.of_recovery(one, ZONE, 5, (CSV,))
    text = good(letter)
    assert letter.tone == "good"
    assert "over – dead pixels" in letter.subject
    assert "Mon 02 Nov 2026, 14:00 (Europe/Berlin)" in text
    assert ("andon incidents rule I-0001" in text) == asks
    assert ("look healthy again" in text) == (why == RECOVERED)
    closed = replace(one, closed_by="Ines", parts="reinspected", parts_by="Lena")
    text = good(letters.of_recovery(closed, ZONE, 5, (CSV,)))
    assert "Ines" in text and "reinspected, said Lena" in text


FIGURES: Mapping[str, Any] = {
    "escapes": 2,
    "defective_parts": 40,
    "false_rejects": 1,
    "good_parts": 60,
    "balanced_accuracy": 0.934,
}


def candidate(promote: bool = True) -> approval.Request:
    return approval.Request(
        version="v1.1.0",
        package="ab" * 32,
        promote=promote,
        objections=() if promote else ("2 escapes more than today",),
        reasons=("fewer escapes",),
        champion=None,
        classes=("good", "scratch"),
        figures=FIGURES,
        requested_by="Andon",
        reason="lighting on cam-1 (I-0001)",
        at="2026-11-02T12:00:00+00:00",
    )


@pytest.mark.parametrize("live", [None, "v1.0.0"])
@pytest.mark.parametrize("promote", [True, False])
def test_a_candidate_in_words(promote: bool, live: str | None) -> None:
    now = {**FIGURES, "escapes": 5} if live else None
    letter = letters.of_candidate(candidate(promote), live, now, ZONE)
    text = good(letter)
    assert ("andon approve v1.1.0 --by" in text) == promote
    assert ("was refused" in letter.subject) != promote
    assert ("(today's model: 5 of 40)" in text) == bool(live)
    assert ("it is the first" in text) == (live is None)
    assert ("2 escapes more than today" in text) != promote
    assert "93.4% of the pictures" in text


@pytest.mark.parametrize(("action", "tone"), [("release", "good"), ("rollback", "warn")])
def test_a_release_in_words(action: str, tone: str) -> None:
    release = Release("v1.0.0", "ab" * 32, action, NOON, "Lena", "approved by Lena")
    letter = letters.of_release(release, ZONE)
    text = good(letter)
    assert letter.tone == tone
    assert ("again" in letter.headline) == (action == "rollback")
    assert "Lena" in text and "13:00 (Europe/Berlin)" in text


def test_one_state_one_message_id_and_each_change_another() -> None:
    states = [
        incident(),
        incident(action="repair"),
        incident(grew=1),
        incident(cameras=("cam-1", "cam-2")),
        replace(incident(), closed=NOON),
        incident(name="I-0002"),
    ]
    letter = letters.of_incident(incident(), ZONE, 1, None)
    ids = [str(compose(letter, MAIL, one.state_key)["Message-ID"]) for one in states]
    assert len(set(ids)) == len(states)
    assert ids == [str(compose(letter, MAIL, one.state_key)["Message-ID"]) for one in states]
