"""The catalog against one that is folded anew, beside it, from manifests, quarantine and ledger."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from inspection.errors import AndonError
from inspection.layout import Layout
from inspection.records import catalog
from inspection.verify.finding import Finding

MOST = 200_000  # captures up to which it is folded anew each time; the fold reads every manifest


def findings(layout: Layout) -> Iterator[Finding]:
    """The tables that are not what the rest gives. Nothing is written: both are folded in a folder of their own."""
    name = layout.catalog.relative_to(layout.home).as_posix()
    if not layout.catalog.is_file():
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "catalog.sqlite"
        try:
            source = sqlite3.connect(f"file:{layout.catalog}?mode=ro", uri=True)
            with closing(source), closing(sqlite3.connect(copy)) as target:
                source.backup(target)
            differ = [table for table, same in catalog.compared(layout, copy).items() if not same]
        except (sqlite3.DatabaseError, DatabaseError, AndonError) as broken:
            yield Finding(name, f"It cannot be compared ({broken}). `andon catalog rebuild`.")
            return
    if differ:
        yield Finding(
            name,
            f"What it says ({', '.join(differ)}) is not what manifests, quarantine and ledger give: `andon catalog "
            "rebuild`. Numbers that were asked for since may be wrong.",
        )
