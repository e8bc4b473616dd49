from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection import clock
from inspection.errors import FixSettings
from tests.inspection.world import NOON

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=zones)


@pytest.fixture(autouse=True)
def _no_set_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANDON_NOW", raising=False)


def test_unset_it_shows_the_real_time_in_utc() -> None:
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert clock.now().utcoffset() == timedelta(0)


def test_it_stands_still_where_it_is_set_and_runs_again_afterwards() -> None:
    with clock.at(NOON):
        assert clock.now() == clock.now() == NOON
        with clock.at(NOON + timedelta(days=1)):
            assert clock.now() == NOON + timedelta(days=1)
        assert clock.now() == NOON
    assert clock.now() != NOON


def test_an_error_within_sets_the_clock_back_to_what_it_was() -> None:
    with pytest.raises(KeyError), clock.at(NOON):
        raise KeyError
    assert clock.now() != NOON


def test_the_environment_sets_it_and_the_program_overrides_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDON_NOW", "2026-11-02T07:00:00-05:00")
    assert clock.now() == NOON
    with clock.at(NOON + timedelta(hours=1)):
        assert clock.now() == NOON + timedelta(hours=1)


def test_an_environment_that_names_no_time_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDON_NOW", "next tuesday")
    with pytest.raises(FixSettings, match="ANDON_NOW"):
        clock.now()


@given(moments)
def test_a_stamp_read_again_is_the_same_moment(moment: datetime) -> None:
    assert clock.parse(clock.stamp(moment)) == moment


@given(moments, moments)
def test_stamps_sort_by_time_whatever_the_zone(one: datetime, other: datetime) -> None:
    assert (clock.stamp(one) < clock.stamp(other)) == (one < other)


def test_a_time_without_a_zone_is_utc_and_text_that_is_no_time_is_an_error() -> None:
    assert clock.parse("2026-11-02T12:00") == clock.parse("2026-11-02T12:00:00Z") == NOON
    with pytest.raises(ValueError, match="noon"):
        clock.parse("noon")
