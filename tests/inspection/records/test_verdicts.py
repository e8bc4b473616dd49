"""Runs of the watch: Parquet files that count once the ledger names them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from flows.watch import clear
from inspection.layout import Layout
from inspection.records import ledger, verdicts
from inspection.records.catalog import open_catalog, rebuild
from inspection.records.schema import look_table, run_table, score_table
from inspection.records.verdicts import LOOKS, SCORES
from tests.inspection.world import add_batch, key, picture


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, tmp_path)


@pytest.fixture
def rows(layout: Layout) -> pd.DataFrame:
    return add_batch(layout, "20261102-00000", {key(n): picture(n) for n in range(6)})


def scores(rows: pd.DataFrame, label: str = "good") -> pd.DataFrame:
    said = {
        "version": "v1.0.0",
        "package": "p" * 64,
        "label": label,
        "reject_probability": 0.25,
        "threshold": 0.5,
        "reject": False,
        "probabilities": '{"good": 0.75}',
    }
    return rows[["capture_id", "image_id"]].assign(**said)


def run(layout: Layout, name: str, rows: pd.DataFrame, label: str = "good", believed: bool = True) -> Path:
    """A run of the watch over `rows`, in one window."""
    folder = verdicts.folder(layout, "2026-11") / name
    looks = rows[["capture_id"]].assign(window=f"w-{name}")
    digests = verdicts.write({SCORES: scores(rows, label), LOOKS: looks}, folder)
    if believed:
        ledger.append(layout, "watch", "watch", [{"run": name, "batches": [], "files": digests, "windows": []}])
    return folder


def table(layout: Layout, which: object) -> pd.DataFrame:
    catalog = open_catalog(layout)
    found = catalog.frame(which.select())  # type: ignore[attr-defined]
    catalog.close()
    return found


def test_what_is_written_is_read(layout: Layout, rows: pd.DataFrame) -> None:
    folder = run(layout, "a", rows)
    pd.testing.assert_frame_equal(verdicts.read(folder, SCORES), scores(rows), check_dtype=False)
    assert list(verdicts.read(folder, LOOKS).columns) == ["capture_id", "window"]
    assert verdicts.on_disk(layout) == [folder]


@pytest.mark.parametrize("name", [SCORES, LOOKS])
def test_an_empty_table_has_every_column(name: str, tmp_path: Path) -> None:
    empty = verdicts.empty(name)
    assert list(empty.columns) == verdicts.SCHEMAS[name].names
    verdicts.write({name: empty}, tmp_path / "run")
    assert verdicts.read(tmp_path / "run", name).empty


def test_the_same_rows_give_the_same_hash(rows: pd.DataFrame, tmp_path: Path) -> None:
    first, second = (verdicts.write({SCORES: scores(rows)}, tmp_path / name) for name in ("a", "b"))
    assert first == second
    assert verdicts.write({SCORES: scores(rows, "pit")}, tmp_path / "c") != first


def test_runs_fold_into_scores_and_looks_and_a_rebuild_is_equal(layout: Layout, rows: pd.DataFrame) -> None:
    run(layout, "20261102T120000-00000", rows.iloc[:4])
    assert len(table(layout, score_table)) == 4
    run(layout, "20261102T180000-00001", rows.iloc[4:], "scratch")
    assert dict(table(layout, score_table)[["capture_id", "label"]].itertuples(index=False)) == {
        **dict.fromkeys(rows["capture_id"].iloc[:4], "good"),
        **dict.fromkeys(rows["capture_id"].iloc[4:], "scratch"),
    }
    assert len(table(layout, look_table)) == 6
    assert all(rebuild(layout).values())


def test_a_capture_keeps_the_verdict_it_got_when_it_came(layout: Layout, rows: pd.DataFrame) -> None:
    run(layout, "20261102T120000-00000", rows)
    table(layout, score_table)
    run(layout, "20261103T120000-00001", rows, "scratch")
    assert set(table(layout, score_table)["label"]) == {"good"}
    assert all(rebuild(layout).values())


def names(layout: Layout) -> Sequence[str]:
    return list(table(layout, run_table)["run"])


def test_a_run_that_the_ledger_does_not_name_is_ignored_and_cleared(layout: Layout, rows: pd.DataFrame) -> None:
    kept = run(layout, "a", rows.iloc[:3])
    killed = run(layout, "b", rows.iloc[3:], believed=False)
    half = killed.with_name(".c.part")
    half.mkdir()
    (half / SCORES).write_bytes(b"half")
    assert names(layout) == ["a"]
    assert len(table(layout, score_table)) == 3
    clear(layout)
    assert kept.is_dir() and not killed.exists() and not half.exists()
    assert all(rebuild(layout).values())


def test_clearing_an_empty_plant_is_nothing(layout: Layout) -> None:
    clear(layout)
    assert list(layout.home.iterdir()) == []
