"""Sidecars: CSV files in the inbox that describe images, written by lines whose file names say too little."""

import csv
import io
import posixpath
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from inspection.errors import FixInput
from inspection.intake.dropped import Dropped

FIELDS = ("line", "camera", "part", "serial", "captured_at")
MOST_BYTES = 64 * 2**20
MOST_ROWS = 200_000  # of a sheet: 60 MB in memory


@dataclass(frozen=True, slots=True)
class Row:
    """What one line of a sheet says of an image; empty cells are absent."""

    fields: Mapping[str, str]
    source: str  # key of the sheet
    line: int  # counted as an editor does, the header is 1

    @property
    def place(self) -> str:
        return f"{self.source}, line {self.line}"


@dataclass(frozen=True)
class Sheet:
    """A CSV file that was read. Each row stands under both keys that its `file` may mean: a path below the sheet's
    own folder, or below the inbox."""

    file: Dropped
    content: bytes
    rows: Mapping[str, Sequence[Row]]


class Sidecars:
    """All sheets of a listing."""

    def __init__(self, sheets: Iterable[Sheet]) -> None:
        self.sheets = tuple(sheets)
        self._rows: defaultdict[str, list[Row]] = defaultdict(list)
        for sheet in self.sheets:
            for key, rows in sheet.rows.items():
                self._rows[key] += rows

    def knows(self, key: str) -> bool:
        """Whether any row is about this image."""
        return key in self._rows

    def row(self, key: str) -> Row | None:
        """What the sheets say of an image; those in a folder above it go before all others.

        Raises:
            FixInput: two rows disagree.
        """
        found = self._rows.get(key, [])
        found = [row for row in found if key.startswith(_folder(row.source))] or found
        for other in found[1:]:
            for name in FIELDS:
                one, two = found[0].fields.get(name, "nothing"), other.fields.get(name, "nothing")
                if one != two:
                    raise FixInput(
                        f"{name} is {printable(one)} in {found[0].place} but {printable(two)} in {other.place}; "
                        "correct one of them"
                    )
        return found[0] if found else None


def printable(cell: str) -> str:
    """What a person may be shown of a cell: no sequence that moves a terminal's cursor, and not for ever."""
    return "".join(one if one.isprintable() else "?" for one in cell[:80])


def is_sheet(key: str, mask: str) -> bool:
    """Whether a file is a sidecar by `ingest.sidecar`, a mask such as `*.csv` for its name, in any case."""
    return fnmatchcase(key.rpartition("/")[2].lower(), mask.lower())


def read(file: Dropped, content: bytes) -> Sheet:
    """The rows of a CSV file in UTF-8, with commas, semicolons or tabs; columns of other names are left alone.

    Raises:
        FixInput: it is larger than 64 MB, has more than 200,000 rows, is no such CSV, or has no column `file`.
    """
    if len(content) > MOST_BYTES:
        raise FixInput(f"{len(content) / 2**20:.0f} MB are more than a sidecar may have (64 MB); split it")
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    try:
        for names, row in _rows(content.decode("utf-8-sig"), file.key):
            for key in names:
                rows[key].append(row)
    except UnicodeDecodeError as error:
        raise FixInput(f"byte {error.start} is not UTF-8; save it as CSV UTF-8") from None
    return Sheet(file, content, dict(rows))


def settled(sheet: Sheet, taken: Container[str], now: datetime, wait: timedelta) -> bool:
    """Whether a sheet may leave the inbox: each image that it names is in `taken`, or none is waited for any more.

    Args:
        taken: keys of the images that are safe, or were refused.
        now: by the clock that stamped the sheet.
        wait: `ingest.sidecar_wait`.
    """
    return now - sheet.file.modified >= wait or not without_image(sheet, taken)


def without_image(sheet: Sheet, taken: Container[str]) -> list[int]:
    """The lines of a sheet whose image is under neither of its keys in `taken`."""
    named = {row.line for rows in sheet.rows.values() for row in rows}
    return sorted(named - {row.line for key, rows in sheet.rows.items() if key in taken for row in rows})


def _rows(text: str, source: str) -> Iterator[tuple[set[str], Row]]:
    """Each row with the keys of the image that it may be about."""
    header, _, _ = text.partition("\n")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    line = 1
    try:
        columns = _columns(next(reader, []))
        line = reader.line_num + 1
        for cells in reader:
            if line > MOST_ROWS + 1:
                raise FixInput(f"it has more than {MOST_ROWS:,} lines; split it")
            if "\0" in "".join(cells):
                raise FixInput(f"line {line} holds a NUL character; save it as CSV UTF-8")
            if any(cells[len(columns) :]):
                raise FixInput(f"line {line} has more cells than the header; put quotes around its delimiter")
            fields = {name: said for name, cell in zip(columns, cells, strict=False) if name and (said := cell.strip())}
            if name := fields.pop("file", ""):
                yield _keys(name, source), Row(fields, source, line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise FixInput(f"line {line} is no CSV ({error}); correct it") from None


def _columns(header: list[str]) -> list[str]:
    """The known name of each column, or "" for one that is left alone."""
    names = [name.strip().lower() for name in header]
    known = [name if name in ("file", *FIELDS) else "" for name in names]
    if "file" not in known:
        raise FixInput(f"it has no column `file` ({', '.join(names)[:200] or 'it is empty'}); name the images there")
    if twice := {name for name in known if name and known.count(name) > 1}:
        raise FixInput(f"it has two columns {', '.join(sorted(twice))}; remove one")
    return known


def _keys(name: str, source: str) -> set[str]:
    path = name.replace("\\", "/")
    return {posixpath.normpath(_folder(source) + path), posixpath.normpath(path)}


def _folder(source: str) -> str:
    """`a/b/` of `a/b/sheet.csv`, "" of `sheet.csv`."""
    return source[: source.rfind("/") + 1]
