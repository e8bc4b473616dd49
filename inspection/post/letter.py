"""What a person is told, before it is a mail: its words, facts, pictures and files."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from inspection.outside.credentials import masked
from inspection.outside.quoted import unlinked

Tone = Literal["bad", "warn", "good", "info"]
FOOTER = "Written by Andon, which watches the cameras of this plant."


@dataclass(frozen=True)
class Picture:
    """`name` is safe as a file name, `content` a PNG; `caption` says what is shown, `seen` what can be seen there, for
    whoever has pictures switched off."""

    name: str
    caption: str
    content: bytes
    seen: str = ""


@dataclass(frozen=True)
class Attachment:
    """`kind` is the media type, such as text/csv."""

    name: str
    content: bytes
    kind: str


@dataclass(frozen=True)
class Table:
    """Rows under their head; the first column names the row, the last one has room for a sentence."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Letter:
    """What a person is told. `facts` are (label, value), `todo` is in order, `reasons` say why Andon says so. `word`
    stands above it all where that of its tone would say too much."""

    subject: str
    headline: str
    tone: Tone
    summary: str
    facts: tuple[tuple[str, str], ...]
    todo: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    footer: str = ""
    table: Table | None = None
    word: str = ""


def as_drill(letter: Letter) -> Letter:
    """The letter as a rehearsal of it: whoever reads any part of it knows that nothing happened."""
    return replace(
        letter,
        subject=f"DRILL {letter.subject}",
        headline=f"DRILL – {letter.headline}",
        tone="info",
        word="",
        summary="This is a drill: nothing real has happened, no part is suspect, and nothing was recorded. "
        f"If it were real, this mail would say: {letter.summary}",
        todo=("Nothing: this is a drill. If it were real:", *letter.todo),
        pictures=tuple(replace(p, name=f"drill-{p.name}", caption=f"DRILL – {p.caption}") for p in letter.pictures),
        attachments=tuple(replace(one, name=f"DRILL-{one.name}") for one in letter.attachments),
        footer=f"{letter.footer} This was a drill.",
    )


def clean(text: str) -> str:
    """`text` on one line, without control characters and those that turn the direction of writing, without passwords
    in addresses, and without what a mail program would make a link of: no letter of Andon's holds one."""
    shown = (" " if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} else c for c in text)
    line = " ".join(
        "".join(c for c in shown if c not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069").split()
    )
    return unlinked(masked(line))


def cleaned(letter: Letter) -> Letter:
    def many(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(clean(text) for text in texts)

    return replace(
        letter,
        subject=clean(letter.subject),
        headline=clean(letter.headline),
        summary=clean(letter.summary),
        facts=tuple((clean(label), clean(value)) for label, value in letter.facts),
        todo=many(letter.todo),
        reasons=many(letter.reasons),
        pictures=tuple(
            replace(p, name=_file_name(p.name), caption=clean(p.caption), seen=clean(p.seen)) for p in letter.pictures
        ),
        attachments=tuple(replace(a, name=_file_name(a.name)) for a in letter.attachments),
        footer=clean(letter.footer),
        table=letter.table and Table(many(letter.table.head), tuple(many(row) for row in letter.table.rows)),
    )


def _file_name(name: str) -> str:
    return re.sub(r'[\\/:*?"<>|]+', "-", clean(name)).lstrip(".") or "file"
