"""Slow changes, which add up over windows: a CUSUM (Page, 1954); and steps from one window to the next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from monitoring.judgement.limit import Limit, raised

SLACK = 0.5  # spreads by which a window must be out, at least, before a slow change adds up
_FURTHEST = 4.0  # spreads that one window adds at most: a single wild window is no slow change
_HEIGHT = 1.2  # times the decision interval at which the sum stops, so that a recovery is seen soon
_RECENT, _FEWEST = 6, 3  # windows that a step is seen against, at most and at least
_STEEP = 2.0  # standard errors from which the values climb, and do not only lie elsewhere


@lru_cache(maxsize=64)
def decision(chance: float) -> float:
    """Decision interval, in spreads, of a CUSUM that a clean window passes with `chance` (Siegmund, 1985)."""
    length = 1 / chance
    run = brentq(lambda b: (np.exp(b) - b - 1) / (2 * SLACK**2) - length, 0.1, 60.0)
    return float(run / (2 * SLACK) - 1.166)


class Slow(NamedTuple):
    """A slow change: its size now, and how many windows add up to it."""

    size: float
    windows: int


class _Sum(NamedTuple):
    """A one-sided CUSUM in spreads, and the values (raised) since it was last 0: their sum, and that of each times its
    number."""

    height: float = 0.0
    total: float = 0.0
    moment: float = 0.0
    windows: int = 0

    def after(self, value: float, away: float, bounds: Limit) -> "_Sum":
        height = min(max(0.0, self.height + away - bounds.slack), _HEIGHT * bounds.climb)
        if not height:
            return _NOTHING
        return _Sum(height, self.total + value, self.moment + self.windows * value, self.windows + 1)

    def now(self, spread: float) -> float:
        """Where the values are now: on the line through them if they climb, at their mean if they do not."""
        mean, middle = self.total / self.windows, (self.windows - 1) / 2
        squares = self.windows * (self.windows**2 - 1) / 12
        if not squares:
            return mean
        slope = (self.moment - middle * self.total) / squares
        steep = abs(slope) > _STEEP * spread / np.sqrt(squares)
        return float(mean + slope * middle) if steep else mean


_NOTHING = _Sum()


@dataclass(frozen=True)
class Climb:
    """The CUSUMs of one statistic, upwards and downwards."""

    up: _Sum = _NOTHING
    down: _Sum = _NOTHING
    recent: tuple[float, ...] = ()

    def after(self, value: float, bounds: Limit) -> "Climb":
        """With one more window. What lies a step off is not what the next ones are held against: it would be forgotten
        though it is still there."""
        usual = bounds.step and self.step(value, bounds) is None
        recent = (*self.recent, value)[-_RECENT:] if usual else self.recent
        if not bounds.climb:
            return replace(self, recent=recent)
        away = float(np.clip(bounds.away(value), -_FURTHEST, _FURTHEST))
        seen = raised(value, bounds.power)
        return Climb(self.up.after(seen, away, bounds), self.down.after(seen, -away, bounds), recent)

    def step(self, value: float, bounds: Limit) -> "float | None":
        """How far a value lies from the windows just before it; None: not further than it may."""
        if not bounds.step or len(self.recent) < _FEWEST:
            return None
        off = value - float(np.median(self.recent))
        middle = (bounds.low + bounds.high) / 2
        return off if min(abs(off), abs(value - middle)) >= bounds.step else None

    def slow(self, bounds: Limit, least: float) -> "Slow | None":
        """The slow change that adds up; None: there is none, or it is smaller than `least`."""
        for side in (self.up, self.down):
            if side.windows and side.height >= bounds.climb:
                size = raised(side.now(bounds.spread), 1 / bounds.power)
                if abs(size - (bounds.low + bounds.high) / 2) >= least:
                    return Slow(size, side.windows)
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


def furthest_step(values: Sequence[float]) -> float:
    """How far a window lies from those just before it, at most."""
    steps = [
        abs(value - float(np.median(values[max(0, number - _RECENT) : number])))
        for number, value in enumerate(values)
        if number >= _FEWEST
    ]
    return max(steps, default=0.0)
