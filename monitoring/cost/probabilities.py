"""What a model's own calibrated probabilities expect of the present parts (D. Guillory et al., "Predicting with
Confidence on Unseen Distributions", ICCV 2021), corrected for another share of defective parts (M. Saerens et al.,
Neural Computation 2002)."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from monitoring.cost.parts import MIN_DEFECTIVE, Table, rates
from monitoring.cost.rates import HALF_WIDTH, Rate, with_doubt

_DRAWS = 200  # of the bootstrap
_STEPS = 60  # of expectation maximisation
_RIDGE = 0.01  # of the line through log odds, so that it is finite where scores tell all parts apart


def expected(healthy: pd.DataFrame, present: pd.DataFrame) -> tuple[Rate, Rate] | None:
    """What calibrated probabilities expect of the present parts; None: too few parts, or wrong on labelled ones."""
    if int(healthy["defective"].sum()) < MIN_DEFECTIVE or healthy["defective"].all() or present.empty:
        return None
    labelled, now = _scores(healthy), _scores(present)
    if not _right_on_labels(labelled, rates(healthy)[0]):
        return None
    rng = np.random.default_rng(0)
    draws = [_from_scores(labelled.redrawn(rng), now.redrawn(rng)) for _ in range(_DRAWS // 2)]
    values, variances = _from_scores(labelled, now), np.var(draws, axis=0)
    numbers = (int(healthy["defective"].sum()), int((~healthy["defective"]).sum()))
    escapes, false_rejects = (with_doubt(*one) for one in zip(values, variances, numbers, strict=True))
    return escapes, false_rejects


class _Scores(NamedTuple):
    """Log odds of the deciding reject probability, whether it passes, how often it counts, whether it is defective."""

    odds: Table
    passes: NDArray[np.bool_]
    weight: Table
    defective: Table

    def redrawn(self, rng: np.random.Generator) -> "_Scores":
        return self._replace(weight=rng.multinomial(len(self.odds), self.weight / self.weight.sum()).astype(float))


def _scores(parts: pd.DataFrame) -> _Scores:
    odds = logit(np.clip(parts["score"].to_numpy(float), 1e-5, 1 - 1e-5))
    defective = parts["defective"].to_numpy(float) if "defective" in parts else np.full(len(parts), np.nan)
    return _Scores(odds, ~parts["rejected"].to_numpy(bool), np.ones(len(parts)), defective)


def _right_on_labels(labelled: _Scores, seen: Rate) -> bool:
    """Whether one half of the labelled parts foretells the other half's escapes, both ways."""
    turn = np.arange(len(labelled.odds)) % 2
    halves = [labelled._replace(weight=(turn == side).astype(float)) for side in (0, 1)]
    if any(not 0 < half.weight @ half.defective < half.weight.sum() for half in halves):
        return False
    foretold = np.mean([_from_scores(one, other)[0] for one, other in (halves, halves[::-1])])
    return bool(abs(foretold - seen.value) <= HALF_WIDTH or seen.low <= foretold <= seen.high)


def _from_scores(labelled: _Scores, present: _Scores) -> tuple[float, float]:
    """Expected escape and false-reject rate of `present`."""
    slope, offset = _platt(labelled)
    before = float(np.clip(np.average(labelled.defective, weights=labelled.weight), 1e-3, 1 - 1e-3))
    chance = expit(slope * present.odds + offset - logit(before))  # as if half of the parts were defective
    odds, share = chance / np.maximum(1 - chance, 1e-9), before
    for _ in range(_STEPS):
        chance = share * odds / (share * odds + 1 - share)
        share = float(np.clip(np.average(chance, weights=present.weight), 1e-4, 1 - 1e-4))
    bad, good = present.weight * chance, present.weight * (1 - chance)
    return float(bad @ present.passes / bad.sum()), float(good @ ~present.passes / good.sum())


def _platt(labelled: _Scores) -> tuple[float, float]:
    """Slope and offset of the log odds of being defective (J. Platt 1999): Newton's steps of a logistic regression."""
    terms, free = np.stack([labelled.odds, np.ones_like(labelled.odds)]), np.zeros(2)
    for _ in range(12):
        chance = expit(free @ terms)
        slope = terms @ (labelled.weight * (labelled.defective - chance)) - _RIDGE * free
        curve = (terms * (labelled.weight * chance * (1 - chance))) @ terms.T + _RIDGE * np.eye(2)
        free = free + np.clip(np.linalg.solve(curve, slope), -2, 2)
    return float(free[0]), float(free[1])
