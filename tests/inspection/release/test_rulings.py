"""What people say of incidents."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Column

from inspection import clock
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.catalog import open_catalog
from inspection.records.incidents import RECOVERED, find
from inspection.records.schema import batch_table, capture_table, image_table, run_table, score_table
from inspection.release import rulings
from tests.inspection.records.test_alarms import HOUR, START, glance, run_by_run
from tests.inspection.world import git


@pytest.fixture
def one_open(repo: Layout) -> Layout:
    bodies, _ = run_by_run([[glance("cam-1", n, ["dust"]) for n in range(2)]])
    ledger.append(repo, "incident", "watch", bodies)
    return repo


def test_a_person_closes_and_rules(one_open: Layout) -> None:
    rulings.close(one_open, "I-0001", "Ines", "cleaned", "reinspected")
    rulings.rule(one_open, "I-0001", "Lena", "drop")
    one = find(one_open, "I-0001")
    assert (one.why_closed, one.closed_by, one.ruling, one.ruled_by) == ("cleaned", "Ines", "drop", "Lena")
    assert (one.parts, one.parts_by) == ("reinspected", "Ines")
    assert git(one_open.home, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("name", "by", "why", "parts", "words"),
    [
        ("I-0009", "Ines", "x", "none", "No incident 'I-0009'; there are: I-0001"),
        ("I-0001", " ", "x", "none", "--by NAME"),
        ("I-0001", "Ines", " ", "none", "--why TEXT"),
        ("I-0001", "Ines", "x", "burnt", "'burnt': say reinspected, released, scrapped or none"),
    ],
)
def test_what_cannot_be_closed_is_said_and_nothing_is_written(
    one_open: Layout, name: str, by: str, why: str, parts: str, words: str
) -> None:
    before = ledger.head(one_open)
    with pytest.raises(FixInput, match=words):
        rulings.close(one_open, name, by, why, parts)
    assert ledger.head(one_open) == before


def test_images_are_used_or_dropped(one_open: Layout) -> None:
    with pytest.raises(FixInput, match="use or drop"):
        rulings.rule(one_open, "I-0001", "Ines", "maybe")


def test_judged_parts_have_to_be_accounted_for(one_open: Layout) -> None:
    """Two parts were judged since it may have begun; a third one before, and a fourth by another camera."""
    verdicts(one_open, {"early": ("cam-1", -2), "a": ("cam-1", 0.5), "b": ("cam-1", 1.5), "other": ("cam-2", 1)})
    before = ledger.head(one_open)
    with pytest.raises(FixInput, match=r"2 suspect parts .* --parts reinspected, released, scrapped or none"):
        rulings.close(one_open, "I-0001", "Ines", "cleaned")
    assert ledger.head(one_open) == before
    rulings.close(one_open, "I-0001", "Ines", "cleaned", "scrapped")
    assert find(one_open, "I-0001").parts == "scrapped"


def test_where_no_part_was_judged_there_is_nothing_to_account_for(one_open: Layout) -> None:
    assert rulings.close(one_open, "I-0001", "Ines", "cleaned")["parts"] == "none"


def test_what_is_closed_is_not_closed_again(one_open: Layout) -> None:
    rulings.close(one_open, "I-0001", "Ines", "cleaned")
    with pytest.raises(FixInput, match="closed already: cleaned"):
        rulings.close(one_open, "I-0001", "Ines", "again", "none")


def test_what_is_over_by_itself_takes_a_word_on_its_parts_once(one_open: Layout) -> None:
    over = {"incident": "I-0001", "what": "closed", "why": RECOVERED, "over": clock.stamp(START + 3 * HOUR)}
    routed = {"incident": "I-0001", "what": "routed", "action": "repair", "reasons": ["so"]}
    ledger.append(one_open, "incident", "watch", [routed, over])
    assert not find(one_open, "I-0001").parts
    with pytest.raises(FixInput, match="closed already: recovered"):
        rulings.close(one_open, "I-0001", "Ines", "cleaned")
    rulings.close(one_open, "I-0001", "Ines", "looked at them", "reinspected")
    one = find(one_open, "I-0001")
    assert (one.why_closed, one.closed_by, one.closed) == (RECOVERED, "", START + 3 * HOUR)
    assert (one.parts, one.parts_by) == ("reinspected", "Ines")
    with pytest.raises(FixInput, match="closed already"):
        rulings.close(one_open, "I-0001", "Ines", "again", "scrapped")


def verdicts(layout: Layout, serials: Mapping[str, tuple[str, float]]) -> None:
    """Put judged captures into the catalog: serial -> camera and hour."""
    catalog = open_catalog(layout)
    with catalog.writing() as connection:
        for serial, (camera, hour) in serials.items():
            at = (START + hour * HOUR).replace(tzinfo=None)
            for table in (batch_table, image_table, capture_table, run_table, score_table):
                row = {column.name: _value(column, serial, at) for column in table.columns}
                row = {**row, **({"camera": camera} if "camera" in row else {})}
                connection.execute(table.insert(), row)
    catalog.close()


def _value(column: Column[Any], serial: str, at: datetime) -> Any:
    kinds: dict[type, Any] = {int: 1, float: 0.5, bool: False, datetime: at, str: serial}
    return kinds[column.type.python_type]
