"""When a day is looked at, and how many days at once."""

from concurrent.futures import BrokenExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.crew import evening
from andon.evenings import Ahead, heading, rounds
from inspection.layout import Layout
from inspection.params import read_params
from plant.shot import Shot
from tests.conftest import ROOT

DAY = date(2026, 11, 2)
AHEAD = timedelta(minutes=read_params(ROOT / "params.yaml").ingest.max_future)
SHOT = Shot("k", "cam-1", "A", "p", "s", datetime(2026, 11, 2, 6, tzinfo=UTC), "good", np.zeros((2, 2), np.uint8))


@settings(deadline=None, derandomize=True)
@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=1) - timedelta(milliseconds=1)), min_size=1, max_size=9))
def test_no_picture_of_the_day_lies_in_the_future(times: list[timedelta]) -> None:
    """Whatever the time, and so whatever the zone."""
    midnight = datetime(2026, 11, 2, tzinfo=UTC)
    shots = [replace(SHOT, captured_at=midnight + time) for time in times]
    at = evening(DAY, shots)
    assert max(shot.captured_at for shot in shots) <= at + AHEAD
    assert midnight + timedelta(hours=22) <= at < evening(DAY + timedelta(days=1))


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 400), st.integers(1, 40))
def test_every_day_is_told_once_and_in_order(count: int, most: int) -> None:
    days = [DAY + timedelta(days=3 * n) for n in range(count)]
    found = rounds(days, most)
    assert [day for some in found for day in some] == days
    assert len(found) == min(count, most) and all(found)


class Days:
    laid: tuple[str, ...] = ()

    def __init__(self, *days: date) -> None:
        self.days = list(days)

    def shots(self, day: date) -> Any:
        return iter(())

    def news(self, day: date) -> str:
        return ""


def test_a_process_that_dies_loses_no_pictures(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise BrokenExecutor

    pictured = [DAY + timedelta(days=n) for n in range(6)]
    stream = Days(*pictured)
    monkeypatch.setattr(stream, "shots", lambda day: iter([replace(SHOT, key=str(day))]))
    pool = SimpleNamespace(submit=lambda *_: SimpleNamespace(result=broken), shutdown=lambda **_: None)
    monkeypatch.setattr("andon.evenings.ProcessPoolExecutor", lambda *_, **__: pool)
    ahead = Ahead(tiny, stream, [(day,) for day in pictured])
    assert [ahead.shots((day,))[0].key for day in pictured] == [str(day) for day in pictured]
    ahead.close()


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ((date(2026, 11, 2),), "Mon 02 Nov, day 1"),
        ((date(2026, 11, 2), date(2026, 11, 9)), "Mon 02 Nov to Mon 09 Nov, days 1 to 8"),
        ((date(2025, 3, 1),), "Sat 01 Mar 2025, day 1"),
    ],
)
def test_an_evening_is_named_by_its_days(days: tuple[date, ...], said: str) -> None:
    assert heading(days, Days(*days)) == said
