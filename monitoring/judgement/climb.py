"""Slow changes, which add up over windows: a CUSUM (Page, 1954)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from monitoring.judgement.limit import Limit

_SLACK = 0.5  # spreads by which a window must be out before a slow change adds up
_FURTHEST = 4.0  # spreads that one window adds at most: a single wild window is no slow change
_HEIGHT = 1.2  # times the decision interval at which the sum stops, so that a recovery is seen soon


@lru_cache(maxsize=64)
def decision(chance: float) -> float:
    """Decision interval, in spreads, of a CUSUM that a clean window passes with `chance` (Siegmund, 1985)."""
    length = 1 / chance
    run = brentq(lambda b: (np.exp(b) - b - 1) / (2 * _SLACK**2) - length, 0.1, 60.0)
    return float(run / (2 * _SLACK) - 1.166)


class Slow(NamedTuple):
    """A slow change: the mean of the windows since its sum was last 0, where it began, and how many these are."""

    size: float
    windows: int


class _Sum(NamedTuple):
    """A one-sided CUSUM in spreads, and the values since it was last 0."""

    height: float = 0.0
    total: float = 0.0
    windows: int = 0

    def after(self, value: float, away: float, top: float) -> "_Sum":
        height = min(max(0.0, self.height + away - _SLACK), top)
        return _Sum(height, self.total + value, self.windows + 1) if height else _NOTHING


_NOTHING = _Sum()


@dataclass(frozen=True)
class Climb:
    """The CUSUMs of one statistic, upwards and downwards."""

    up: _Sum = _NOTHING
    down: _Sum = _NOTHING

    def after(self, value: float, bounds: Limit) -> "Climb":
        """With one more window."""
        if not bounds.climb:
            return self
        away = float(np.clip(bounds.away(value), -_FURTHEST, _FURTHEST))
        top = _HEIGHT * bounds.climb
        return Climb(self.up.after(value, away, top), self.down.after(value, -away, top))

    def slow(self, bounds: Limit, least: float) -> "Slow | None":
        """The slow change that adds up; None: there is none, or it is smaller than `least`."""
        for side in (self.up, self.down):
            if side.windows and side.height >= bounds.climb:
                mean = side.total / side.windows
                if abs(mean - (bounds.low + bounds.high) / 2) >= least:
                    return Slow(mean, side.windows)
        return None


def climbs(
    past: Iterable[Mapping[str, float]], bounds: Mapping[str, Limit], before: Mapping[str, Climb] | None = None
) -> dict[str, Climb]:
    """The CUSUMs after the `past` windows (statistic -> value) of one reference, in time order, from those `before`."""
    found = {name: (before or {}).get(name, Climb()) for name in bounds}
    for values in past:
        for name in values.keys() & found.keys():
            found[name] = found[name].after(values[name], bounds[name])
    return found
