"""The table of a folder of pictures: its metadata.csv, or else the folders that name the classes."""

import codecs
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inspection.errors import FixInput, FixSettings
from inspection.intake import spreadsheet
from inspection.intake.folder import entries
from inspection.intake.spreadsheet import Refusals
from inspection.pictures.images import SUFFIXES

TABLE = "metadata.csv"
FIELDS = ("file", "label", "line", "camera", "part", "serial", "captured_at")
MOST_CLASSES = 100  # folders that may be classes; more are something else


@dataclass(frozen=True)
class Table:
    """One row a picture: `file` (from the folder on), `label` ("": nobody gave one), and those others of FIELDS and of
    the columns asked for that `columns` has; none of these is empty. `notes` are for people."""

    columns: frozenset[str]
    rows: list[dict[str, str]]
    notes: list[str] = field(default_factory=list)


def read_table(folder: Path, named: Sequence[str] = ()) -> Table:
    """The table of a folder.

    Args:
        named: columns that it has to have besides, in small letters.

    Raises:
        FixInput: there is no such folder or table, it is incomplete, or a file that it names is missing.
        FixSettings: it lacks a named column.
    """
    if not folder.is_dir():
        raise FixInput(f"{folder} is no folder: name one with {TABLE} (file,label) beside images/.")
    path = folder / TABLE
    if not path.is_file():
        return _of_folders(folder, named)
    try:
        sheet = spreadsheet.read(_all_named(path.read_bytes()), (*FIELDS, *named))
    except FixInput as refusal:
        raise FixInput(f"{path}: {refusal}.") from None
    for column in ("file", "label"):
        if column not in sheet.columns:
            raise FixInput(f"{path} has no column '{column}': add it. It has {', '.join(sheet.columns) or 'none'}.")
    for column in named:
        if column not in sheet.columns:
            raise FixSettings(f"{path} has no column '{column}': choose one of {', '.join(sheet.columns)}.")
    given = [column for column in (*FIELDS, *named) if column in sheet.columns and column != "label"]
    rows, wrong = [], Refusals()
    for line in sheet.lines:
        if line.wrong:
            wrong.add(line.number, line.wrong)
            continue
        rows.append(_row(folder, line.cells, given, line.number))
    if wrong.count:
        raise FixInput(f"{path}: {wrong.in_words()}. Correct these lines.")
    if not rows:
        raise FixInput(f"{path} has no rows: add one per image (file,label).")
    notes = [f"{TABLE}: {words}." for words in sheet.words]
    return _with_labels(Table(frozenset(given) | {"label"}, rows, notes), path)


def _all_named(content: bytes) -> bytes:
    """`content` with a name for each column that has none, such as the index that pandas writes."""
    header, end, rest = content.partition(b"\n")
    if b'"' in header or b"\0" in header:
        return content
    delimiter = max((b",", b";", b"\t"), key=header.count)
    mark = codecs.BOM_UTF8 if header.startswith(codecs.BOM_UTF8) else b""
    names = header.removeprefix(mark).rstrip(b"\r").split(delimiter)
    given = [name if name.strip() else b"column-%d" % at for at, name in enumerate(names, 1)]
    return mark + delimiter.join(given) + end + rest


def _row(folder: Path, cells: Mapping[str, str], given: Sequence[str], number: int) -> dict[str, str]:
    path = folder / TABLE
    if empty := [column for column in given if not cells.get(column)]:
        raise FixInput(f"{path}, line {number}: '{empty[0]}' is empty; fill it in.")
    name = spreadsheet.as_key(cells["file"])
    for file in (name, f"images/{name}"):
        if (folder / file).is_file():
            return {**cells, "file": file}
    raise FixInput(f"{path}, line {number}: the file '{cells['file']}' is missing; restore it or remove the line.")


def _with_labels(table: Table, path: Path) -> Table:
    bare = sum(not row["label"] for row in table.rows)
    if bare == len(table.rows):
        raise FixInput(f"{path}: not one picture has a label: fill in the column `label`, for a model learns from it.")
    if bare:
        table.notes.append(f"{bare} of {len(table.rows)} pictures have no label: nobody labels them here either.")
    return table


def _of_folders(folder: Path, named: Sequence[str]) -> Table:
    """Pictures whose folders are the classes, at most two folders deep."""
    missing = f"{folder / TABLE} is missing: a data set is a folder with {TABLE} (file,label) beside images/"
    found = (Path(path) for path, seen in entries(folder) if not isinstance(seen, OSError))
    files = sorted(path.relative_to(folder) for path in found if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise FixInput(f"{missing}. There is no picture in {folder} either ({', '.join(SUFFIXES)}).")
    classes = Counter(file.parent.name for file in files)
    deep = max(len(file.parts) for file in files)
    if "" in classes or not 2 <= len(classes) <= MOST_CLASSES or deep > 3:
        raise FixInput(f"{missing}, or one folder of pictures for each class.")
    if named:
        raise FixSettings(f"There is no {folder / TABLE}, so no column {named[0]!r}: add it, or leave the option out.")
    note = f"There is no {TABLE}: the folder of each picture is its label ({', '.join(sorted(classes)[:12])})."
    return Table(frozenset({"file", "label"}), [{"file": str(f), "label": f.parent.name} for f in files], [note])
