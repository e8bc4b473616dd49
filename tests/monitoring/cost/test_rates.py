"""The interval of a rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from monitoring.cost.rates import rate_of


@given(st.integers(0, 300), st.integers(1, 300))
def test_an_interval_is_that_of_clopper_and_pearson(hits: int, n: int) -> None:
    hits = min(hits, n)
    mine = rate_of(hits, n, n)
    theirs = binomtest(hits, n).proportion_ci(method="exact")
    assert (mine.low, mine.high) == (pytest.approx(theirs.low, abs=1e-6), pytest.approx(theirs.high, abs=1e-6))
    assert 0 <= mine.low <= mine.value <= mine.high <= 1
