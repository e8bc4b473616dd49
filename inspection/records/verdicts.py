"""What the live model said of each capture when it came, and in which window its camera was looked at: Parquet files
of a watch run, kept by DVC, believed once the ledger names their hash."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inspection.layout import Layout
from inspection.records import batches

SCORES, LOOKS = "scores.parquet", "looks.parquet"
_TEXT = pa.string()
SCHEMAS: Mapping[str, pa.Schema] = {
    SCORES: pa.schema(
        [
            ("capture_id", _TEXT),
            ("image_id", _TEXT),
            ("version", _TEXT),  # of the release that was live
            ("package", _TEXT),  # its hash
            ("label", _TEXT),  # the class it called
            ("reject_probability", pa.float64()),
            ("threshold", pa.float64()),
            ("reject", pa.bool_()),
            ("probabilities", _TEXT),  # class -> probability, as JSON
        ]
    ),
    LOOKS: pa.schema([("capture_id", _TEXT), ("window", _TEXT)]),
}


def folder(layout: Layout, month: str) -> Path:
    """Where the runs of a month (`2026-11`) lie; one `.dvc` beside it keeps them all."""
    return layout.ledger / month / "watch"


def write(rows: Mapping[str, pd.DataFrame], run: Path) -> dict[str, str]:
    """Write the tables of a run into a new folder; file name -> SHA-256."""
    run.mkdir(parents=True)
    for name, table in rows.items():
        pq.write_table(pa.Table.from_pandas(table, schema=SCHEMAS[name], preserve_index=False), run / name)
    return {name: batches.digest(run / name) for name in rows}


def read(run: Path, name: str) -> pd.DataFrame:
    """One table of a run."""
    frame: pd.DataFrame = pq.read_table(run / name).to_pandas()
    return frame


def empty(name: str) -> pd.DataFrame:
    frame: pd.DataFrame = SCHEMAS[name].empty_table().to_pandas()
    return frame


def on_disk(layout: Layout) -> list[Path]:
    """The folders of all finished runs, oldest first."""
    return sorted((path.parent for path in layout.ledger.glob(f"*/watch/*/{LOOKS}")), key=lambda path: path.name)
