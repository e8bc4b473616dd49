"""A letter as a mail: plain text, the same as HTML with its pictures inside, then the files."""

import textwrap
from collections.abc import Sequence
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from inspection import clock
from inspection.params import Mail
from inspection.post.letter import Letter, Table, Tone, clean, cleaned

if TYPE_CHECKING:
    from jinja2 import Environment

TONES: dict[Tone, tuple[str, str]] = {  # word, colour of the bar: white text on each has a contrast above 4.5
    "bad": ("Problem", "#a8201a"),
    "warn": ("Please look", "#8a5300"),
    "good": ("All is well", "#1b6b3a"),
    "info": ("For your information", "#1f5a99"),
}
COLUMNS = 72  # of the plain text
PICTURE_WIDTH = 600  # pixels: the letter's 640 without its margins


def compose(letter: Letter, mail: Mail, key: str) -> EmailMessage:
    """The mail that says `letter`: plain text, the same as HTML with its pictures inside, then the attachments.

    The same `key` gives the same Message-ID, by which mail programs know a mail that came twice.
    """
    letter = cleaned(letter)
    name = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    domain = parseaddr(mail.sender)[1].rpartition("@")[2] or "andon.invalid"
    message = EmailMessage(policy=policy.SMTP)
    message["Subject"] = letter.subject
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.to)
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = f"<{name}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # keeps out-of-office replies away
    message["X-Andon-Key"] = clean(key)
    cids = [f"{number}.{name}@{domain}" for number in range(1, len(letter.pictures) + 1)]
    message.set_content(_text(letter), cte="quoted-printable")
    message.add_alternative(page(letter, [f"cid:{cid}" for cid in cids]), subtype="html", cte="quoted-printable")
    _attach(message, letter, cids)
    return message


def page(letter: Letter, sources: Sequence[str], links: Sequence[tuple[str, str]] = ()) -> str:
    """`letter` as HTML.

    Args:
        sources: where each of its pictures is.
        links: (words, where to), below the pictures.
    """
    word, colour = TONES[letter.tone]
    widths = [min(_width(picture.content), PICTURE_WIDTH) for picture in letter.pictures]
    pictures = list(zip(letter.pictures, sources, widths, strict=True))
    template = _templates().get_template("letter.html.j2")
    return template.render(letter=letter, word=letter.word or word, colour=colour, pictures=pictures, links=links)


def _width(content: bytes) -> int:
    """Pixels across, as the PNG's header says."""
    return int.from_bytes(content[16:20], "big") or PICTURE_WIDTH


def _text(letter: Letter) -> str:
    word = letter.word or TONES[letter.tone][0]
    columns = min(max((len(label) for label, _ in letter.facts), default=0), 24) + 2
    return _templates().get_template("letter.txt.j2").render(letter=letter, word=word, columns=columns)


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["wrap"] = _wrap
    templates.filters["fact"] = _fact
    templates.filters["columns"] = _columns
    return templates


def _wrap(text: str, first: int = 0, rest: int = 0) -> str:
    """`text` on lines of 72 columns; `first` are taken on the first line, the others are indented by `rest`."""
    lines = textwrap.fill(
        text,
        COLUMNS,
        initial_indent=" " * first,
        subsequent_indent=" " * rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines[first:]


def _fact(label: str, value: str, columns: int) -> str:
    """The label, and the value from column `columns` on."""
    head = f"{label}:".ljust(columns)
    if len(head) > columns:
        return f"{_wrap(head.strip())}\n{' ' * columns}{_wrap(value, columns, columns)}"
    return (head + _wrap(value, columns, columns)).rstrip()


def _columns(table: Table) -> str:
    """The table with its columns under each other; the last one is wrapped."""
    lines = (table.head, *table.rows)
    widths = [max(len(line[place]) for line in lines) + 2 for place in range(len(table.head) - 1)]
    left = min(sum(widths), COLUMNS - 16)
    shown = []
    for line in lines:
        head = "".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)).rstrip()
        head = head.ljust(left) if len(head) < left else f"{_wrap(head)}\n{' ' * left}"
        shown.append((head + _wrap(line[-1], left, left)).rstrip())
    return "\n".join(shown)


def _attach(message: EmailMessage, letter: Letter, cids: Sequence[str]) -> None:
    page = message.get_body(("html",))
    assert isinstance(page, EmailMessage)
    for picture, cid in zip(letter.pictures, cids, strict=True):
        page.add_related(picture.content, "image", "png", cid=f"<{cid}>", disposition="inline", filename=picture.name)
    for attachment in letter.attachments:
        main, _, sub = attachment.kind.partition("/")
        charset = {"charset": "utf-8"} if main == "text" else {}
        message.add_attachment(attachment.content, main, sub, filename=attachment.name, params=charset)
