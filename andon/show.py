"""Print for people, or with --json one document for machines."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inspection.errors import printable
from inspection.outside.credentials import masked

_UNSEEN = re.compile(r"[^\n -~]")  # what may have to be escaped
WIDE = 160  # columns where no terminal says how wide it is


def emit(data: Any, as_json: bool, lines: Iterable[str]) -> None:
    """`data` as JSON, or `lines`, without what could move a terminal's cursor."""
    if as_json:
        print(as_text(data, indent=2))
        return
    for line in lines:
        print(printable(line))


def as_text(data: Any, indent: int | None = None) -> str:
    """`data` as JSON in which letters stand as they are, and what nobody sees is escaped; without passwords."""
    text = masked(json.dumps(data, indent=indent, ensure_ascii=False, default=str))
    return _UNSEEN.sub(lambda found: found[0] if found[0].isprintable() else _escaped(found[0]), text)


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], as_json: bool, empty: str) -> None:
    """Rows as a table whose columns are key -> heading; `empty` in words if there are none."""
    if as_json or not rows:
        emit(rows, as_json, [empty])
        return
    from rich.console import Console
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns.values():
        grid.add_column(heading, overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(row.get(key)) for key in columns))
    Console(width=None if sys.stdout.isatty() else WIDE).print(grid)


def share(value: float | None) -> str:
    """A share with three digits, or a dash where it does not apply."""
    return "–" if value is None else f"{value:.3f}"


def _cell(value: Any) -> str:
    from rich.markup import escape

    return "–" if value is None else escape(share(value) if isinstance(value, float) else printable(str(value)))
