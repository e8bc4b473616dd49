"""Growth per day: known slopes come back, noise and standing still do not."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from inspection.records.growth import growth

START = datetime(2026, 11, 2, 6, tzinfo=UTC)


def hours(count: int, every: float) -> list[datetime]:
    return [START + timedelta(hours=every * number) for number in range(count)]


def test_a_known_slope_comes_back_though_one_window_is_wild() -> None:
    sizes = [2.0 + 0.25 * number for number in range(12)]
    sizes[5] = 40.0
    found = growth(hours(12, 6), sizes)
    assert found is not None
    assert (found.per_day, found.windows, found.days) == (pytest.approx(1.0), 12, 2.75)
    assert found.low <= 1.0 <= found.high


def test_pixels_that_die_one_by_one_are_counted_per_day() -> None:
    found = growth(hours(16, 6), [1.0 + number // 4 for number in range(16)])
    assert found is not None
    assert found.low <= 1.0 <= found.high


@pytest.mark.parametrize(("count", "every"), [(3, 24.0), (12, 1.0), (0, 1.0)])
def test_too_few_windows_or_too_short_a_time_say_nothing(count: int, every: float) -> None:
    assert growth(hours(count, every), [float(number) for number in range(count)]) is None


def test_what_stands_still_has_no_growth() -> None:
    rng = np.random.default_rng(0)
    false = sum(growth(hours(20, 6), list(rng.normal(1, 0.1, 20))) is not None for _ in range(200))
    assert false <= 20  # 5 % of 200 expected
    assert growth(hours(20, 6), [3.0] * 20) is None
