"""The Parquet tables that travel between stages."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inspection.errors import FetchData


def read_table(path: Path) -> pd.DataFrame:
    """A stage's table.

    Raises:
        FetchData: it is not on this disk.
    """
    if not path.exists():
        raise FetchData(f"{path} is not here: run `dvc repro`, or `dvc pull` on a clone.")
    frame: pd.DataFrame = pq.read_table(path).to_pandas()
    return frame


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """The same rows give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
