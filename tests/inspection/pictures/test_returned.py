from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from inspection import clock
from inspection.chain import Event
from inspection.pictures import returned
from inspection.pictures.returned import AGAIN, NEW, SAME, WAITS

DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 5, 6, tzinfo=UTC)
AFTER = FIRST + 200 * DAY
PIECE = ("bracket", "S1")


def batch(*gaps: tuple[datetime, datetime]) -> tuple[str, Mapping[str, Any]]:
    return "batch", {"batch": "b", AGAIN: [returned.told(PIECE, gap) for gap in gaps]}


def word(what: str, since: datetime = AFTER) -> tuple[str, Mapping[str, Any]]:
    return "piece", {"part": "bracket", "serial": "S1", "since": clock.stamp(since), "what": what}


def fold(*told: tuple[str, Mapping[str, Any]]) -> returned.Returns:
    return returned.fold(Event(n, clock.stamp(AFTER), kind, "Ines", body, "") for n, (kind, body) in enumerate(told))


def named(returns: returned.Returns, at: datetime) -> str:
    return returned.named("S1", returns.get(PIECE, ()), at)


def test_a_gap_is_seen_from_both_its_ends_and_not_seen_again() -> None:
    old, new = [FIRST, FIRST + DAY], [AFTER, AFTER + DAY]
    assert list(returned.gaps(old, new, 90)) == [(FIRST + DAY, AFTER)]
    assert list(returned.gaps(new, old, 90)) == [(FIRST + DAY, AFTER)]
    assert list(returned.gaps([], old + new, 90)) == [(FIRST + DAY, AFTER)]
    assert list(returned.gaps(old + new, [AFTER + 2 * DAY], 90)) == []
    assert list(returned.gaps(old, new, 300)) == []


@pytest.mark.parametrize(
    ("said", "now"),
    [
        ([], "S1+2?"),
        ([SAME], "S1"),
        ([NEW], "S1+2"),
        ([NEW, WAITS], "S1+2?"),
        ([NEW, SAME], "S1"),
        ([SAME, NEW], "S1+2"),
    ],
)
def test_what_a_person_said_last_names_the_piece_after_the_gap_and_never_the_one_before(
    said: list[str], now: str
) -> None:
    returns = fold(batch((FIRST, AFTER)), *(word(one) for one in said))
    assert [named(returns, at) for at in (FIRST, AFTER - DAY / 2, AFTER, AFTER + 30 * DAY)] == ["S1", "S1", now, now]
    assert returned.borne(now) == "S1" and now in returned.names("S1", returns[PIECE])


def test_one_that_comes_a_third_time_waits_again() -> None:
    third = AFTER + 200 * DAY
    returns = fold(batch((FIRST, AFTER)), word(NEW), batch((AFTER, third)))
    assert [named(returns, at) for at in (FIRST, AFTER, third)] == ["S1", "S1+2", "S1+3?"]
    returns = fold(batch((FIRST, AFTER)), word(NEW), batch((AFTER, third)), word(SAME, third))
    assert [named(returns, at) for at in (FIRST, AFTER, third)] == ["S1", "S1+2", "S1+2"]


def test_late_pictures_make_a_gap_narrower_and_what_was_said_of_it_stays() -> None:
    returns = fold(batch((FIRST, AFTER)), word(NEW), batch((FIRST, AFTER - 10 * DAY)))
    (one,) = returns[PIECE]
    assert (one.since, one.state, one.by) == (AFTER - 10 * DAY, NEW, "Ines")
    assert named(returns, AFTER - 5 * DAY) == "S1+2"


def test_a_table_is_named_anew_by_kind_of_part_and_time() -> None:
    rows = [("bracket", "S1", FIRST), ("bracket", "S1", AFTER), ("panel", "S1", AFTER), ("bracket", "S2", AFTER)]
    table = pd.DataFrame(rows, columns=["part", "serial", "captured_at"])
    done = returned.applied(table, fold(batch((FIRST, AFTER))))
    assert done["serial"].tolist() == ["S1", "S1+2?", "S1", "S2"]
    assert returned.waits(done["serial"]).tolist() == [False, True, False, False]
