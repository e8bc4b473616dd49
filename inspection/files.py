"""Writing a file whole or not at all, and a table so that a spreadsheet shows it and does not compute it."""

import os
from pathlib import Path
from typing import Any

from inspection.errors import printable

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # what makes a spreadsheet compute a cell that begins with it


def write(path: Path, content: str | bytes) -> Path:
    """Put `content` (text as UTF-8) at `path`, over what is there: a reader sees the old or the new, nothing between.

    Its folder is made. It is on the disk before it has its name, so it survives a loss of power.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    return path


def as_sheet(table: Any) -> str:
    """A data frame as CSV for people."""
    return str(table.map(as_cell).to_csv(index=False))


def as_cell(value: Any) -> Any:
    """A value as a cell of a sheet for people: text that a spreadsheet would compute has a `'` before it, text that
    could not be seen is a "?". Other values stay."""
    if not isinstance(value, str):
        return value
    value = printable(value).replace("\n", " ")
    return f"'{value}" if value.lstrip(" '\xa0").startswith(_FORMULA) else value


def from_cell(text: str) -> str:
    """What `as_cell` was given, of its text."""
    return text[1:] if text.startswith("'") and text.lstrip(" '\xa0").startswith(_FORMULA) else text
