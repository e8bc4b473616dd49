from pathlib import Path

import pandas as pd
import pytest

from inspection.errors import FetchData
from inspection.tables import read_table, write_table


def test_a_table_is_read_as_it_was_written_and_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = pd.DataFrame({"serial": ["a", "b"], "at": pd.to_datetime(["2026-11-02", "2026-11-03"], utc=True)})
    for name in ("one/t.parquet", "two/t.parquet"):
        write_table(rows, tmp_path / name)
    pd.testing.assert_frame_equal(read_table(tmp_path / "one" / "t.parquet"), rows, check_dtype=False)
    assert (tmp_path / "one" / "t.parquet").read_bytes() == (tmp_path / "two" / "t.parquet").read_bytes()


def test_a_missing_table_says_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(FetchData, match=r"t\.parquet is not here: run `dvc repro`"):
        read_table(tmp_path / "t.parquet")
