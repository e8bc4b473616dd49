"""Rates of rehearsed parts, mixed as the present calls say.

The measured change of the camera was laid on labelled test parts of healthy days; the rates of the classes are then
mixed so that the present calls come (black-box shift estimation: Z. Lipton et al., ICML 2018, by expectation
maximisation).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitoring.cost.parts import MIN_DEFECTIVE, PASSES, Table
from monitoring.cost.rates import HALF_WIDTH, Rate, with_doubt

_DRAWS = 200  # of the bootstrap
_STEPS = 60  # of expectation maximisation
_TRUST = 20.0  # present parts that the classes' shares among test parts weigh as much as
_KS = 1.63  # of Kolmogorov and Smirnov, for 1 %


class Mixed(NamedTuple):
    """Escape and false-reject rate of the parts that come now, with the change and as they would be without it."""

    escapes: Rate
    false_rejects: Rate
    escapes_before: Rate
    false_rejects_before: Rate


def rehearsed(healthy: pd.DataFrame, laid: pd.DataFrame, present: pd.DataFrame) -> Mixed | None:
    """The classes' rates on the same parts as they were and with the change laid on, both mixed as the classes come
    now; None: too few labelled parts, or the change that was laid on is not what the model sees now."""
    if int(laid["defective"].sum()) < MIN_DEFECTIVE or laid["defective"].all():
        return None
    classes = sorted(set(laid["truth"]))
    calls = [PASSES, *sorted((set(laid["call"]) | set(healthy["call"]) | set(present["call"])) - {PASSES})]
    before, counts = (_table(side, classes, calls) for side in (healthy, laid))
    seen = present["call"].value_counts().reindex(calls, fill_value=0).to_numpy(float)
    bad = laid.groupby("truth")["defective"].any().reindex(classes).to_numpy(bool)
    weights = _shares(counts[None], seen[None])[0] / counts.sum(axis=1)
    if not _reproduced(laid, present, dict(zip(classes, weights, strict=True))):
        return None
    rng = np.random.default_rng(0)
    several = np.stack([counts, *(_redrawn(counts, rng) for _ in range(_DRAWS))])
    calls_now = np.stack([seen, *(_redrawn(seen, rng) for _ in range(_DRAWS))])
    earlier = np.stack([before, *(_redrawn(before, rng) for _ in range(_DRAWS))])
    shares = _shares(several, calls_now)
    rates = (*_mixed(several, shares, bad), *_mixed(earlier, shares, bad))
    numbers = (int(counts[bad].sum()), int(counts[~bad].sum())) * 2
    return Mixed(*(with_doubt(one[0], one[1:].var(), n) for one, n in zip(rates, numbers, strict=True)))


def _table(parts: pd.DataFrame, classes: list[str], calls: list[str]) -> Table:
    """How often parts of each class (C) were called so (calls)."""
    found = pd.crosstab(parts["truth"], parts["call"]).reindex(index=classes, columns=calls, fill_value=0)
    return np.asarray(found.to_numpy(float))


def _redrawn(counts: Table, rng: np.random.Generator) -> Table:
    total = int(counts.sum())
    drawn = rng.multinomial(total, counts.ravel() / total) if total else counts.ravel()
    return np.asarray(drawn, np.float64).reshape(counts.shape)


def _mixed(counts: Table, shares: Table, bad: NDArray[np.bool_]) -> tuple[Table, Table]:
    """Escape and false-reject rates (B,) of classes called as `counts` (B, C, calls) that come in these `shares`
    (B, C); the first call is to pass."""
    number = counts.sum(axis=2)
    shares = shares * (number > 0)
    passes = shares * counts[:, :, 0] / np.maximum(number, 1)
    escapes, passed = (
        passes[:, side].sum(axis=1) / np.maximum(shares[:, side].sum(axis=1), 1e-12) for side in (bad, ~bad)
    )
    return escapes, 1 - passed


def _shares(counts: Table, seen: Table) -> Table:
    """Shares of the classes (B, C) that explain the calls `seen`: expectation maximisation from the test parts' own."""
    total = counts.sum(axis=(1, 2), keepdims=True)
    first = counts.sum(axis=2) / total[:, :, 0]
    smooth = counts + counts.sum(axis=1, keepdims=True) / total + 1e-3
    chance = smooth / smooth.sum(axis=2, keepdims=True)
    shares = first
    for _ in range(_STEPS):
        of_call = shares[:, :, None] * chance
        shares = (of_call / of_call.sum(axis=1, keepdims=True) * seen[:, None]).sum(axis=2) + _TRUST * first
        shares = shares / shares.sum(axis=1, keepdims=True)
    return np.asarray(shares)


def _reproduced(laid: pd.DataFrame, present: pd.DataFrame, weights: Mapping[str, float]) -> bool:
    """Whether the model's scores of the altered test parts lie as those of the present parts (Kolmogorov-Smirnov)."""
    if present.empty:
        return True
    weight = laid["truth"].map(weights).to_numpy(float)
    weight = weight / weight.sum()
    levels = np.sort(np.concatenate([laid["score"], present["score"]]))
    order = np.argsort(laid["score"].to_numpy())
    mine = np.concatenate([[0.0], np.cumsum(weight[order])])
    mine = mine[np.searchsorted(laid["score"].to_numpy()[order], levels, side="right")]
    its = np.searchsorted(np.sort(present["score"]), levels, side="right") / len(present)
    chance = _KS * np.sqrt((weight**2).sum() + 1 / len(present))
    return bool(np.abs(mine - its).max() <= max(HALF_WIDTH, chance))
