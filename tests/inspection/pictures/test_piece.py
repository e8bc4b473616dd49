"""A piece is a part (a kind) and its serial, in tables and in queries alike, and nothing else counts pieces."""

import re

import pandas as pd
import pytest
from sqlalchemy import create_engine, func, insert, select

from inspection.pictures import piece
from inspection.records.schema import capture_table, metadata
from tests.conftest import ROOT

ROWS = pd.DataFrame(
    {"part": ["bracket", "panel", "bracket", "bracket"], "serial": ["S1", "S1", "S1", "S2"], "image_id": list("abcd")},
    index=[7, 3, 5, 1],
)
ALONE = re.compile(
    r"""groupby\("serial"|\["serial"\]\.(nunique|unique|isin|map|drop_duplicates|value_counts)|"serial"\]\.nunique"""
    r"""|drop_duplicates\("serial"|set_index\("serial"|serial\.distinct|factorize\(\w+\["serial"\]|isin\(\w+\["serial"\]"""
)


def test_two_kinds_that_share_a_serial_are_two_pieces() -> None:
    own = piece.of(ROWS)
    assert own.to_dict() == {7: "S1 of bracket", 3: "S1 of panel", 5: "S1 of bracket", 1: "S2 of bracket"}
    assert {piece.serial(name) for name in own} == {"S1", "S2"}


def test_pieces_are_named_in_the_order_of_their_serials() -> None:
    serials = ["s", "s-1", "s.1", "s1", "s10", "s2"]
    assert sorted(piece.name("bracket", one) for one in reversed(serials)) == [f"{one} of bracket" for one in serials]


def test_what_nobody_knows_is_no_piece() -> None:
    assert piece.of(ROWS.assign(serial=["S1", None, "S1", "S2"])).nunique() == 2
    assert piece.of(ROWS.iloc[:0]).empty


def test_a_query_names_pieces_as_a_table_does() -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        for row in ROWS.to_dict("records"):
            blank = {one.name: 0 if one.name in ("black", "white", "time_doubtful") else "" for one in capture_table.c}
            at = dict.fromkeys(("captured_at", "ingested_at"), pd.Timestamp("2026-11-02"))
            connection.execute(insert(capture_table), {**blank, **at, **row, "capture_id": row["image_id"]})
        named = piece.column(capture_table.c)
        assert set(connection.scalars(select(named))) == set(piece.of(ROWS))
        assert connection.scalar(select(func.count(named.distinct()))) == 3


@pytest.mark.parametrize("room", ["andon", "benchmarks", "flows", "inspection", "monitoring", "plant", "stages"])
def test_nobody_tells_pieces_apart_by_their_serial_alone(room: str) -> None:
    sources = (path for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts)
    assert [f"{path}: {found[0]}" for path in sources for found in ALONE.finditer(path.read_text())] == []
