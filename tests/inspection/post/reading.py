"""Whether a letter is plain to read, as text and as a page; and one incident to write of."""

import re
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

from inspection.params import Mail
from inspection.post.letter import Attachment, Letter
from inspection.post.mail import compose
from inspection.records.incidents import Incident
from inspection.release.requests import Request, Standing
from monitoring.camera import measurement
from monitoring.content import drift

CAUSES = {**measurement.CAUSES, **drift.CAUSES}
UNITS = {**measurement.UNITS, **drift.UNITS}
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ZONE = ZoneInfo("Europe/Berlin")
MAIL = Mail(to=("quality@plant.invalid",), sender="andon@plant.invalid", outbox="outbox", digest=False)
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
