"""A CSV as people save it, read strictly, line by line: a doubtful line is refused with its number, the rest is read.

It may have commas, semicolons or tabs, its columns in any case, quotes around cells, any line ends, and be in UTF-8 or
Windows-1252.
"""

import codecs
import posixpath
import re
from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from inspection.errors import FixInput
from inspection.files import from_cell
from inspection.outside.quoted import bare

FIRST = 20  # refused lines that are told; of the others the number
_LONGEST = 100_000  # characters of a line
_SPAN = 100  # lines that a cell may span
_ENDS = re.compile(r"\r\n|\n|\r")
_DELIMITERS = ",;\t"
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CELLS = {one: re.compile(rf' *"((?:[^"]++|"")*+)" *(?={one}|\Z)|([^"{one}]*)(?={one}|\Z)') for one in _DELIMITERS}
_OPEN = re.compile(r' *"(?:[^"]++|"")*+\Z')
_BOUNDS = re.compile("[\ud800-\udfff]")  # what decoding makes of a byte that has no meaning


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not empty: its number, as an editor counts, and its cells by known column, trimmed; or why it is
    refused."""

    number: int
    cells: Mapping[str, str]
    wrong: str = ""


@dataclass(frozen=True)
class Spreadsheet:
    """What a CSV says. `words` are for who saved it; the lines are read as they are asked for, once."""

    columns: tuple[str, ...]  # as its first line names them
    words: tuple[str, ...]
    lines: Iterator[Line]


@dataclass
class Refusals:
    """Lines that are refused: how many, and those of the lowest numbers with the reason."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        self.count += 1
        if len(self.first) < FIRST or line < self.first[-1][0]:
            insort(self.first, (line, reason))
            del self.first[FIRST:]

    def in_words(self) -> str:
        """All of it in one sentence; "" if nothing is refused."""
        if not self.count:
            return ""
        told = "; ".join(f"line {line}: {reason}" for line, reason in self.first[:3])
        more = f"; and {self.count - 3:,} more" if self.count > 3 else ""
        return f"{self.count:,} of its lines {'is' if self.count == 1 else 'are'} refused ({told}{more})"


def read(content: bytes, known: Sequence[str]) -> Spreadsheet:
    """The lines of a CSV whose first line names its columns; those of other names than `known` are left alone.

    Raises:
        FixInput: it is UTF-16, or its first line cannot be read or names a known column twice.
    """
    text, words = _decoded(content)
    lines = _ENDS.split(text)
    start, told = (1, lines[0][4]) if re.match(r"sep=[,;\t]\Z", lines[0], re.IGNORECASE) else (0, "")
    header = lines[start] if start < len(lines) else ""
    delimiter = told or max(_DELIMITERS, key=lambda one: (len(set(_names(header, one)) & {*known}), header.count(one)))
    names = _names(header, delimiter)
    if not names and header.strip(" \t,;"):
        raise FixInput("its first line, which names the columns, holds a stray quote; correct it")
    if twice := sorted({name for name in names if name in known and names.count(name) > 1}):
        raise FixInput(f"it has two columns {', '.join(twice)}; remove one")
    columns = [name if name in known else "" if name else None for name in names]
    told_columns = tuple(shown(name) for name in names)
    return Spreadsheet(
        told_columns, (*words, *_likely(names, known)), _lines(lines, start + 1, _Columns(columns, delimiter))
    )


def shown(cell: str) -> str:
    """What a person may be shown of a cell beside Andon's own words: on one line, not for ever, and between quotes
    unless it is a single word."""
    return bare(cell)


def as_key(path: str) -> str:
    """The key of an image that a cell names, as Windows writes paths or as others do."""
    return posixpath.normpath(path.replace("\\", "/"))


def _decoded(content: bytes) -> tuple[str, tuple[str, ...]]:
    """The text, bytes without a meaning as lone surrogates, and what to say of it."""
    if content.startswith(_UTF_16) or _is_every_other_nul(content[:200]):
        raise FixInput("it is UTF-16, not UTF-8; save it as CSV UTF-8")
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        pass
    strange = [line for line in re.split(rb"[\r\n]+", content) if not line.isascii()]
    if any(_is_utf_8(line.removeprefix(codecs.BOM_UTF8)) and line != codecs.BOM_UTF8 for line in strange):
        return content.decode("utf-8-sig", "surrogateescape"), ()
    words = (
        "it is not UTF-8 and was read as Windows-1252: look whether letters such as ä and é are right, or save it as "
        "CSV UTF-8"
    )
    return content.removeprefix(codecs.BOM_UTF8).decode("cp1252", "surrogateescape"), (words,)


def _is_every_other_nul(content: bytes) -> bool:
    """Whether it looks like UTF-16 that does not begin with its mark."""
    halves = content[::2], content[1::2]
    return all(halves) and [any(half) for half in halves].count(True) == 1


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return not line.isascii()


def _names(header: str, delimiter: str) -> list[str]:
    """The names of the columns in small letters, "" for one without; none if the line cannot be read."""
    names = [cell.strip().casefold() for cell in _split(header, delimiter) or []]
    while names and not names[-1]:
        names.pop()
    return names


def _likely(names: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    """Columns that are left alone although their name is nearly a known one's."""
    absent = [name for name in known if name not in names]
    for name in names:
        if name and name not in known and (near := get_close_matches(name.replace(" ", "_"), absent, 1, 0.8)):
            yield f"its column {shown(name)} is left alone; if it is meant to be {near[0]}, rename it"


@dataclass(frozen=True)
class _Columns:
    """For each column its known name, "" if it is left alone, None if it has no name; and what stands between two."""

    names: Sequence[str | None]
    delimiter: str


def _lines(lines: Sequence[str], at: int, columns: _Columns) -> Iterator[Line]:
    """Every line from index `at` on that is not empty. Behind one that is refused the next one is read, whatever a
    quote in it may have opened."""
    while at < len(lines):
        number, taken, wrong = at + 1, 1, _damage(lines[at])
        cells: list[str] = []
        if not wrong and '"' in lines[at]:
            cells, taken, wrong = _quoted(lines, at, columns)
        elif not wrong:
            cells = lines[at].split(columns.delimiter)
        at += taken
        if wrong:
            yield Line(number, {}, wrong)
        elif any(cells := [cell.strip() for cell in cells]):
            wrong = _mismatch(cells, columns)
            told = {name: from_cell(cell) for name, cell in zip(columns.names, cells, strict=False) if name}
            yield Line(number, {} if wrong else told, wrong)


def _damage(line: str) -> str:
    if len(line) > _LONGEST:
        return f"it has more than {_LONGEST:,} characters; correct it"
    if "\0" in line:
        return "it holds a NUL character; save the file as CSV UTF-8"
    if not line.isascii() and _BOUNDS.search(line):
        return "it holds bytes that are no letters in UTF-8, unlike others in the file; save the file as CSV UTF-8"
    return ""


def _mismatch(cells: Sequence[str], columns: _Columns) -> str:
    """Why the cells do not fit the columns: then nobody knows which of them is which."""
    width = len(columns.names)
    if len(cells) < width or any(cells[width:]):
        between = _NAMES[columns.delimiter]
        return (
            f"it has {len(cells)} cells, but the first line names {width} columns; add what is missing, or put quotes "
            f"around a cell that holds a {between}"
        )
    for number, (name, cell) in enumerate(zip(columns.names, cells, strict=False), start=1):
        if cell and name is None:
            return f"its cell {number} stands in a column without a name; name it in the first line, or clear it"
        if cell and name and not cell.isprintable():
            odd = next(one for one in cell if not one.isprintable())
            return f"its {name} holds a character that nobody sees (U+{ord(odd):04X}); type it anew"
    return ""


def _quoted(lines: Sequence[str], at: int, columns: _Columns) -> tuple[list[str], int, str]:
    """The cells of a line with quotes, and how many lines they take; or why it is refused, which takes one line.

    A cell that spans lines must be no known one, and none of them may look like a line of its own: else a stray quote
    here and one further down would make the lines between them disappear.
    """
    record, end = lines[at], at + 1
    cells = _split(record, columns.delimiter)
    while cells is None and _is_open(record, columns.delimiter):
        if end == len(lines) or end - at == _SPAN or len(record) > _LONGEST:
            return [], 1, "a quote opens in it and is never closed; remove it or close it"
        record, end = f"{record}\n{lines[end]}", end + 1
        if '"' in lines[end - 1]:
            cells = _split(record, columns.delimiter)
            if cells is None and not _is_open(record, columns.delimiter):
                break
    if cells is None:
        return [], 1, "it holds a stray quote; remove it, or write it twice in a cell between quotes"
    known = any(name and "\n" in cell for name, cell in zip(columns.names, cells, strict=False))
    least = max(len(columns.names) - 1, 1)
    if known or any(line.count(columns.delimiter) >= least for line in lines[at + 1 : end]):
        return [], 1, f"a quote opens in it that is closed in line {end} only; remove it or close it"
    return cells, end - at, ""


def _split(record: str, delimiter: str) -> list[str] | None:
    """The cells of a line; None if its quotes are not as they have to be."""
    cells, at = [], 0
    while True:
        found = _CELLS[delimiter].match(record, at)
        if found is None:
            return None
        quoted = found[1]
        cells.append(found[2] if quoted is None else quoted.replace('""', '"'))
        if found.end() == len(record):
            return cells
        at = found.end() + 1


def _is_open(record: str, delimiter: str) -> bool:
    """Whether a line that could not be split ends within quotes."""
    at = 0
    while (found := _CELLS[delimiter].match(record, at)) is not None:
        at = found.end() + 1
    return _OPEN.match(record, at) is not None
