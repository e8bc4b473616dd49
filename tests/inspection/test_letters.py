"""Every letter is plain to read, in text and in HTML."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection import approval, letters
from inspection.incidents import RECOVERED, Incident
from inspection.mail import Attachment, Letter, Picture, compose
from inspection.params import Mail
from inspection.registry import Release
from inspection.requests import Request, Standing
from monitoring.camera_health import CAUSES, UNITS
from monitoring.routing import WORDS
from plant.shot import png

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ZONE = ZoneInfo("Europe/Berlin")
MAIL = Mail(to=("quality@plant.invalid",), sender="andon@plant.invalid", outbox="outbox")
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
    flat = " ".join(text.split())
    for words in (subject, flat, page):
        assert not re.search(r"\b(None|nan|NaN|inf)\b|[{}]|\d[eE]\+", words), words
        assert not re.search(r"\b(dead|hot|stuck)_pixels\b", words), words
    assert "_" not in subject
    assert subject.startswith("[Andon] ")
    for part in (letter.headline, letter.summary, *letter.todo, *letter.reasons, letter.footer):
        assert " ".join(part.split()) in flat
        assert " ".join(part.split()) in page
    for name, value in letter.facts:
        assert name in flat and value in flat and name in page and value in page
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
    assert "Mon 02 Nov 2026, 13:00 (Europe/Berlin)" in text
    assert ("andon incidents rule I-0001" in text) == (action == "repair")
    assert ("91% → 70%" in text) == bool(cost)
    assert ("So far 3 pictures of 2 parts are" in text) == bool(asked)


def test_every_cause_and_action_has_its_words() -> None:
    assert set(letters.NAMES) == set(letters.TODO) == set(CAUSES.values())
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
        ("rotation", -1.24, "-1.2 degrees, clockwise"),
        ("dead", 2.0, "2 pixels"),
        ("hot", 250.0, "250 pixels"),
        ("dust", 3.0, "3 specks"),
        ("frozen", 40.0, "40 captures with the same bytes"),
        ("blur", 1.26, "1.3 px, sigma of the added blur"),
    ],
)
def test_the_size_has_its_unit(statistic: str, size: float, words: str) -> None:
    assert words in good(letters.of_incident(incident(statistic, size), ZONE, 1, None))


@given(st.sampled_from(sorted(UNITS)), st.floats(-5000, 5000))
def test_no_size_is_written_like_a_program_would(statistic: str, size: float) -> None:
    letter = letters.of_incident(incident(statistic, size), ZONE, 1, None)
    what = dict(letter.facts)["What"]
    assert not re.search(r"\de[+-]?\d", what), what


def test_two_cameras_are_named_together() -> None:
    letter = letters.of_incident(incident(cameras=("cam-1", "cam-2"), action="repair", cause="dust"), ZONE, 1, None)
    assert "cam-1 and cam-2" in letter.subject
    assert "light cover of cam-1 and cam-2" in good(letter)


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
