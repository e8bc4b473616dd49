"""So few labelled parts tell something, or it is said that they cannot be had."""

import pytest

from monitoring.cost.labelling import REACH, fewest
from monitoring.cost.rates import Rate, apart, rate_of


@pytest.mark.parametrize("before", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("drop", [0.03, 0.05, 0.1])
def test_with_so_many_defective_parts_a_costly_rate_stands_apart_from_what_it_was(before: float, drop: float) -> None:
    """The rate before is known well; that of so many parts since may be off by its interval."""
    n = fewest(Rate(before, before, before, 1000), drop, 0.5).defective
    costly = rate_of((before + 2 * drop) * n, n, n)
    assert costly.low > before - 0.02
    fewer = n // 4
    assert not apart(rate_of((before + 2 * drop) * fewer, fewer, fewer), Rate(before, before, before, 1000))


def test_as_many_parts_are_labelled_as_show_so_many_defective_ones() -> None:
    wanted = fewest(Rate(0.02, 0.0, 0.05, 100), 0.05, 0.5)
    assert (wanted.pieces, wanted.defective) == (90, 41)


def test_what_nobody_would_label_is_out_of_reach() -> None:
    rare = fewest(Rate(0.02, 0.0, 0.05, 100), 0.05, 0.01)
    assert (rare.pieces, rare.defective) == (0, 41)
    assert fewest(None, 0.05, 0.0).pieces == 0
    assert all(fewest(None, 0.05, share / 100).pieces <= REACH for share in range(101))
