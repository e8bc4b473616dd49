"""Sidecars: CSV files in the inbox that describe images, written by lines whose file names say too little."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from inspection.errors import FixInput
from inspection.intake import spreadsheet
from inspection.intake.dropped import Dropped
from inspection.intake.spreadsheet import Refusals, as_key, shown
from inspection.outside.quoted import bare

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
        return f"{bare(self.source, 120)}, line {self.line}"


@dataclass(frozen=True)
class Sheet:
    """A CSV file that was read. Each row stands under both keys that its `file` may mean: a path below the sheet's
    own folder, or below the inbox. `words` are for who saved it."""

    file: Dropped
    content: bytes
    rows: Mapping[str, Sequence[Row]]
    refused: Refusals = field(default_factory=Refusals)
    words: tuple[str, ...] = ()


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
                        f"{name} is {shown(one)} in {found[0].place} but {shown(two)} in {other.place}; "
                        "correct one of them"
                    )
        return found[0] if found else None


def is_sheet(key: str, mask: str) -> bool:
    """Whether a file is a sidecar by `ingest.sidecar`, a mask such as `*.csv` for its name, in any case."""
    return fnmatchcase(key.rpartition("/")[2].lower(), mask.lower())


def read(file: Dropped, content: bytes) -> Sheet:
    """The rows of a CSV file; lines that cannot be read are refused one by one.

    Raises:
        FixInput: it is larger than 64 MB, has more than 200,000 rows, is no CSV, or has no column `file`.
    """
    if len(content) > MOST_BYTES:
        raise FixInput(f"{len(content) / 2**20:.0f} MB are more than a sidecar may have (64 MB); split it")
    said = spreadsheet.read(content, ("file", *FIELDS))
    if "file" not in said.columns:
        has = ", ".join(said.columns)[:200] or "it is empty"
        raise FixInput(f"it has no column `file` ({has}); name the images there")
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    refused = Refusals()
    for line in said.lines:
        if line.number > MOST_ROWS + 1:
            raise FixInput(f"it has more than {MOST_ROWS:,} lines; split it")
        if line.wrong:
            refused.add(line.number, line.wrong)
            continue
        fields = {name: cell for name, cell in line.cells.items() if cell}
        if name := fields.pop("file", ""):
            row = Row(fields, file.key, line.number)
            for key in _keys(name, file.key):
                rows[key].append(row)
        else:
            refused.add(line.number, "it names no file; fill in the column `file`, or clear the line")
    return Sheet(file, content, dict(rows), refused, said.words)


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


def _keys(name: str, source: str) -> set[str]:
    return {as_key(_folder(source) + name), as_key(name)}


def _folder(source: str) -> str:
    """`a/b/` of `a/b/sheet.csv`, "" of `sheet.csv`."""
    return source[: source.rfind("/") + 1]
