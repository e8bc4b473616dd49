"""The fewest labelled pieces that tell something: whether a change costs nothing or is costly."""

import math
from dataclasses import dataclass

from inspection.model.metrics import Z
from monitoring.cost.rates import Rate

REACH = 300  # pieces: nobody labels more of them for one answer
_UNKNOWN = 0.1  # share of defective pieces that passes, where nobody has counted it
_LEAST = 0.005  # share of the pieces that are defective, at least


@dataclass(frozen=True)
class Wanted:
    """So many pieces, labelled as they come (0: out of reach), show so many `defective` ones; these suffice alone,
    too."""

    pieces: int
    defective: int


def fewest(before: Rate | None, drop: float, share: float) -> Wanted:
    """The pieces with which a 95 % interval tells the escape rate `before` from one that is costly.

    A fall of the balanced accuracy by `drop` is a rise of the escapes by twice that, for it is the mean of two sides.
    Binomial, by the normal approximation.

    Args:
        share: of the present pieces that the model rejects, for which the defective ones are taken.
    """
    rise = 2 * drop
    costly = min((before.value if before else _UNKNOWN) + rise, 0.5)
    defective = math.ceil(Z**2 * costly * (1 - costly) / rise**2)
    pieces = math.ceil(defective / max(share, _LEAST) / 10) * 10
    return Wanted(pieces if pieces <= REACH else 0, defective)
