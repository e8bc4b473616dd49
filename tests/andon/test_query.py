"""Captures are found by what is known of them, and written as whoever asks can read them."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from andon.__main__ import app
from andon.query import SCHEMA, Wanted, captures, write
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import ledger, verdicts
from inspection.records.catalog import Catalog, open_catalog
from inspection.records.database import Place
from tests.conftest import ROOT
from tests.inspection.world import COLOUR, add_batch, key, picture


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Two batches; the first is scored, labelled in part, and held."""
    monkeypatch.delenv("ANDON_DATABASE_URL", raising=False)
    for name in ("params.yaml", "cameras.yaml", "taxonomy.yaml", "dvc.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    layout = Layout(tmp_path, tmp_path)
    first = add_batch(layout, "one", {key(n): picture(n) for n in range(4)})
    add_batch(layout, "two", {key(n, COLOUR): picture(n, COLOUR) for n in range(10, 13)})
    at = "2026-11-02T12:00:00.000000+00:00"
    given = zip(first["image_id"], ("good", "scratch", "good"), strict=False)
    ledger.append(
        layout, "label", "T", [{"image_id": i, "label": name, "labelled_at": at, "spec": "1"} for i, name in given]
    )
    ledger.append(layout, "batch", "ingest", [{"batch": "one", "captures": 4, "held": ["too dark"]}])
    score(layout, first)
    return layout


def score(layout: Layout, rows: pd.DataFrame) -> None:
    said = rows[["capture_id", "image_id"]].assign(
        version="v1.0.0", package="p", label="good", reject_probability=0.1, threshold=0.5, probabilities="{}"
    )
    said["reject"] = [False, True, False, True]
    run = verdicts.folder(layout, "2026-11") / "r"
    looks = rows[["capture_id"]].assign(window="w")
    files = verdicts.write({verdicts.SCORES: said, verdicts.LOOKS: looks}, run)
    ledger.append(layout, "watch", "watch", [{"run": "r", "batches": ["one"], "files": files, "windows": []}])


def found(layout: Layout, **wanted: Any) -> list[int]:
    """The serial numbers of what matches."""
    return [int(row["serial"].removeprefix("s-")) for row in captures(layout, Wanted(**wanted))]


@pytest.mark.parametrize(
    ("wanted", "serials"),
    [
        ({}, [12, 11, 10, 3, 2, 1, 0]),  # newest first
        ({"limit": 2}, [12, 11]),
        ({"camera": "cam-2"}, [12, 11, 10]),
        ({"unlabelled": True}, [12, 11, 10, 3]),
        ({"line": "A"}, [3, 2, 1, 0]),
        ({"part": "panel", "since": "2026-11-02T06:11"}, [12, 11]),
        ({"since": "2026-11-02T06:01:12.345", "until": "2026-11-02T06:03:12.345"}, [2, 1]),
        ({"since": "2026-11-02T07:11:00+01:00"}, [12, 11]),
        ({"serial": "s-002"}, [2]),
        ({"label": "good"}, [2, 0]),
        ({"batch": "two"}, [12, 11, 10]),
        ({"verdict": "accept"}, [2, 0]),
        ({"verdict": "reject"}, [3, 1]),
        ({"model": "v1.0.0", "label": "scratch"}, [1]),
        ({"model": "v9.0.0"}, []),
        ({"state": "held"}, [3, 2, 1, 0]),
        ({"state": "accepted"}, [12, 11, 10]),
    ],
)
def test_captures_are_found_by_what_is_known_of_them(
    layout: Layout, wanted: dict[str, Any], serials: list[int]
) -> None:
    assert found(layout, **wanted) == serials


def test_a_row_says_what_was_said_of_the_image(layout: Layout) -> None:
    newest, *_, second, _ = captures(layout, Wanted())
    assert list(newest) == SCHEMA.names
    assert (second["label"], second["verdict"], second["model"]) == ("scratch", "reject", "v1.0.0")
    assert (newest["label"], newest["verdict"], newest["model"]) == (None, None, None)
    assert second["captured_at"].isoformat() == "2026-11-02T06:01:12.345000+00:00"
    assert second["time_doubtful"] is False and (layout.home / second["path"]).is_file()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"camera": "cam1"}, "--camera 'cam1' .*did you mean 'cam-1'"),
        ({"line": "Z"}, "--line 'Z'"),
        ({"label": "scrach"}, "did you mean 'scratch'"),
        ({"since": "yesterday"}, "--from 'yesterday' is not a time"),
        ({"until": "31.12."}, "--to '31.12.' is not a time"),
    ],
)
def test_a_name_that_was_never_seen_is_refused_with_the_nearest(
    layout: Layout, wanted: dict[str, str], words: str
) -> None:
    with pytest.raises(FixInput, match=words):
        found(layout, **wanted)


def test_a_camera_that_is_declared_no_more_is_still_found(layout: Layout) -> None:
    opened = open_catalog(layout)
    with opened.writing() as connection:
        connection.execute(text("UPDATE captures SET camera = 'old', line = 'former' WHERE serial = 's-003'"))
    opened.close()
    assert found(layout, camera="old") == found(layout, line="former") == [3]


def test_every_format_holds_the_same_rows(layout: Layout, tmp_path: Path) -> None:
    rows = list(captures(layout, Wanted()))
    for form in ("csv", "json", "parquet"):
        assert write(captures(layout, Wanted()), form, tmp_path / f"out.{form}") == 7
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == rows
    assert pq.read_schema(tmp_path / "out.parquet").equals(SCHEMA)
    texts = [{**row, "captured_at": row["captured_at"].isoformat(timespec="microseconds")} for row in rows]
    assert json.loads((tmp_path / "out.json").read_text()) == texts
    with (tmp_path / "out.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {name: "" if value is None else str(value) for name, value in row.items()} for row in texts
        ]
    assert not list(tmp_path.glob(".out*"))


def test_nothing_found_is_an_empty_file_of_its_kind(layout: Layout, tmp_path: Path) -> None:
    for form in ("csv", "json", "parquet"):
        assert write(captures(layout, Wanted(serial="none")), form, tmp_path / f"out.{form}") == 0
    assert json.loads((tmp_path / "out.json").read_text()) == []
    assert (tmp_path / "out.csv").read_text().split("\n") == [",".join(SCHEMA.names), ""]
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0


def test_a_refused_query_leaves_the_file_of_before(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("before")
    with pytest.raises(FixInput):
        write(captures(layout, Wanted(camera="none")), "csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "before"
    assert not list(tmp_path.glob(".out*"))


def test_rows_are_read_as_they_are_asked_for(layout: Layout) -> None:
    rows = captures(layout, Wanted())
    next(rows)
    rows.close()
    Catalog(Place.of(layout)).close()


def test_the_command_prints_a_table_csv_or_json(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(layout.root)

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["catalog", "query", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "captured (UTC)" in said() and "reject" in said("--camera", "cam-1")
    assert json.loads(said("--json")) == json.loads(said("--format", "json"))
    assert len(said("--format", "csv", "--limit", "3").splitlines()) == 4
    assert "7 captures are in" in said("--format", "parquet", "--out", "out.parquet")
    assert "No captures match" in said("--serial", "none")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "parquet"), "--format parquet needs --out"),
        (("--out", "x.csv"), "--out needs --format"),
        (("--format", "csv", "--out", "no/such/x.csv"), "there is no folder"),
    ],
)
def test_formats_that_cannot_be_are_refused(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(layout.root)
    done = CliRunner().invoke(app, ["catalog", "query", *arguments])
    assert isinstance(done.exception, FixInput)
    assert words in str(done.exception)


def test_an_argument_that_is_no_utf_8_is_refused_in_words() -> None:
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"andon", b"approve", b"v1.0.0", b"--by", b"J\xfcrgen"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (
        done.returncode == 1
        and done.stderr == "An argument is no UTF-8: type it anew, in a terminal that uses UTF-8.\n"
    )
