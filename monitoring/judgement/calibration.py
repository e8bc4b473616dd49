"""From clean windows to the limits between which a camera is healthy, so that false alarms stay within a budget.

The budget of a camera-day is shared evenly by the statistics, and for each by three ways to raise an alarm: one window
far out, two windows in a row less far out, and a slow change that adds up (a CUSUM). Limits come from whole windows,
for lamps wander between windows; a change smaller than `least` never counts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.stats import chi2, multivariate_normal, norm, rankdata, t

from inspection.params import Health
from monitoring.camera.measurement import COUNTS, ROOTS, UNITS, Measurement
from monitoring.judgement.climb import SLACK, decision, furthest_step
from monitoring.judgement.limit import Limit, raised

STATISTICS = len(UNITS) + 4  # that share the budget: the camera's and those of the content
SHARES = {"one": 0.25, "two": 0.5, "slow": 0.25}  # of a statistic's budget

LIGHT = ("gain", "gradient", "colour", "clipped", "flicker")  # statistics of what comes with day and weather
ALL_WEATHERS = 3  # days that a reference must have seen to know it
LEFT_OUT = 24  # first windows that are measured against the others, and so lie about 0 whatever comes later
_UNSEEN = 2.0  # times the least change that counts, of light that fewer days have shown
_RARE = 1e-3  # chance at which few windows are made up for
_DAYS_OFF, _DAYS_WIDENED = 3.0, 3.0  # standard deviations that a healthy day lies off; times, for few days
_MOST_WIDENED = 6.0  # times, for few windows
_WIDER = 1.5  # times the furthest clean window, where there are too few to know their spread
_TAIL = 0.2  # share of the windows that the tail is fitted to
_SHAPE, _SHAPE_SD = 0.05, 0.05  # of the tail, expected before any window is seen


def limits(clean: Sequence[Measurement], health: Health) -> dict[str, Limit]:
    """A limit for every statistic of camera health.

    Light comes and goes with the day and the weather: limits made of fewer than three days know too little of it, and
    those of more are wide where a lamp warms up; so a window is held against those just before it as well.
    """
    days = [one.last.date().toordinal() if one.last is not None else 0 for one in clean]
    few = () if len(set(days)) >= ALL_WEATHERS else LIGHT
    return limits_of([measured.values for measured in clean], UNITS, health, few, days)


def limits_of(
    clean: Sequence[Mapping[str, float]],
    names: Iterable[str],
    health: Health,
    unsteady: Collection[str] = (),
    days: Sequence[int] = (),
) -> dict[str, Limit]:
    """A limit for every statistic that is named, from its values in the clean windows that have it.

    Args:
        unsteady: statistics of which the windows show less than there is: their limits are wider, and nothing slow is
            told of them.
        days: on which each window was taken; none: nobody knows.
    """
    found = {}
    for name in names:
        values, least = [one[name] for one in clean if name in one], float(getattr(health.least, name))
        few, power = name in unsteady, 2 if name in ROOTS else 1
        mine = [day for day, one in zip(days, clean, strict=True) if name in one] if days else []
        slow = name not in COUNTS and not few
        made = limit(values, least * (_UNSEEN if few else 1), health, slow, power, mine)
        found[name] = replace(made, step=max(least, _WIDER * furthest_step(values))) if name in LIGHT else made
    return found


def limit(
    values: Sequence[float],
    least: float,
    health: Health,
    slow: bool = True,
    power: int = 1,
    days: Sequence[int] = (),
) -> Limit:
    """The limit of one statistic from its `values` in clean windows, in time order.

    Args:
        slow: whether a CUSUM adds up small changes of it.
        power: to which its values are raised to scatter evenly.
        days: on which each window was taken, for a day may differ from the next as a whole; fewer than three show too
            little of that, so nothing slow is told then.

    Provisional: 0 (the reference itself) +- max(least, 1.5 times the furthest of them), one window alone at twice that.
    """
    if len(values) < health.min_clean_windows:
        room = max(least, _WIDER * max(map(abs, values), default=0.0))
        return Limit(-room, room, -2 * room, 2 * room, 0.0, room / 3, 0.0, len(values), True, power)
    seen = np.array([raised(value, power) for value in values])
    later = seen[LEFT_OUT:] if len(seen) >= 2 * LEFT_OUT else seen
    centre, memory = float(np.median(later)), _memory(seen)
    daily = _daily(seen, days, memory)
    spread = float(np.hypot(_spread(seen, centre), daily))
    found = max(0.0, memory - 1 / np.sqrt(len(seen)))
    independent = max(2.0, len(seen) * (1 - found) / (1 + found))
    few = _few(round(independent))
    day = health.false_alarms / STATISTICS / 2  # of a statistic, on each side
    window = day / health.windows_a_day
    far = _Tail.of(np.abs(seen - centre) / spread) if spread > 0 else _Tail(0.0, 1.0, 0.0, 1.0)
    pair, alone = _pair(SHARES["two"] * window, round(memory, 2)), SHARES["one"] * window
    two = spread * far.beyond(pair) * few
    one = max(two, spread * far.beyond(alone) * few)
    ends = [raised(centre + room, 1 / power) for room in (-two, two, -one, one)]
    middle = raised(centre, 1 / power)
    low, sure_low = (min(end, middle - least) for end in (ends[0], ends[2]))
    high, sure_high = (max(end, middle + least) for end in (ends[1], ends[3]))
    climb = (
        decision(SHARES["slow"] * window) * np.sqrt((1 + memory) / (1 - memory))
        if slow and spread and not 0 < len(set(days)) < ALL_WEATHERS
        else 0.0
    )
    unsure = 1.28 / np.sqrt(max(2.0, independent * len(later) / len(seen)))  # of the centre, which stays as it is
    slack = (
        max(SLACK + float(unsure) + (_DAYS_OFF * daily / spread if spread else 0.0), raised(least / 2, power) / spread)
        if spread
        else SLACK
    )
    return Limit(low, high, sure_low, sure_high, centre, spread, float(climb), len(seen), False, power, slack)


def _daily(seen: NDArray[np.float64], days: Sequence[int], memory: float) -> float:
    """Standard deviation of whole days about their mean, beyond what their windows explain, at its upper bound; 0:
    there is none, or one day only."""
    groups = [seen[np.array(days) == day] for day in sorted(set(days))]
    if len(groups) < 2:
        return 0.0
    within = np.mean([group.var() * (1 + memory) / (1 - memory) / len(group) for group in groups])
    between = max(0.0, float(np.var([group.mean() for group in groups], ddof=1) - within))
    many = len(groups) - 1
    return float(np.sqrt(between) * min(_DAYS_WIDENED, np.sqrt(many / chi2.ppf(0.1, many))))


@lru_cache(maxsize=256)
def _few(independent: int) -> float:
    """How much further out chance reaches where so few independent windows tell the scatter (Student's t)."""
    return float(min(_MOST_WIDENED, t.isf(_RARE, independent - 1) / norm.isf(_RARE)))


def _spread(seen: NDArray[np.float64], centre: float) -> float:
    """Standard deviation from the median distance, plain where that is 0 (counts), at its upper 90 % bound."""
    away = np.abs(seen - centre)
    robust = 1.4826 * float(np.median(away)) or float(np.sqrt(np.mean(np.square(away))))
    return float(robust * (1 + 1.28 * np.sqrt(1.36 / len(seen))))  # the median distance is 37 % as efficient


def _memory(seen: NDArray[np.float64]) -> float:
    """Correlation of a window with the next one, one standard error above its estimate: 0..0.95."""
    rank = rankdata(seen) - (len(seen) + 1) / 2  # equal values share a rank
    if not rank.any():
        return 0.0
    found = float(rank[1:] @ rank[:-1] / (rank @ rank))
    return float(np.clip(found + 1 / np.sqrt(len(seen)), 0, 0.95))


@dataclass(frozen=True)
class _Tail:
    """Generalised Pareto tail of distances from the centre, in spreads (Pickands, 1975), or the normal's if longer.

    The shape is held near 0.05 by a normal prior, for few windows say little about it (Coles and Dixon, 1999).
    """

    start: float
    scale: float
    shape: float
    share: float  # of the windows beyond `start`

    @classmethod
    def of(cls, away: NDArray[np.float64]) -> "_Tail":
        start = float(np.quantile(away, 1 - _TAIL))
        over = away[away > start] - start
        if len(over) < 3:
            return cls(start, 1.0, 0.0, _TAIL)

        def unlikely(free: NDArray[np.float64]) -> float:
            scale, shape = float(np.exp(free[0])), float(free[1])
            inside = 1 + shape * over / scale
            if inside.min() <= 0 or abs(shape) < 1e-6:
                return 1e9
            return float(
                len(over) * free[0]
                + (1 + 1 / shape) * np.log(inside).sum()
                + (shape - _SHAPE) ** 2 / (2 * _SHAPE_SD**2)
            )

        fit = minimize(unlikely, [np.log(over.mean()), _SHAPE], method="Nelder-Mead").x
        return cls(start, float(np.exp(fit[0])), max(float(fit[1]), 0.0), len(over) / len(away))

    def beyond(self, chance: float) -> float:
        """The distance that a clean window passes, on one side, with this chance."""
        normal = float(norm.isf(chance))
        odds = min(1.0, 2 * chance / self.share)
        if self.shape < 1e-6:
            return max(normal, self.start - self.scale * float(np.log(odds)))
        return max(normal, self.start + self.scale / self.shape * float(odds**-self.shape - 1))


@lru_cache(maxsize=256)
def _pair(chance: float, memory: float) -> float:
    """The chance of one window beyond a limit when two in a row shall have `chance`: normal, correlated."""
    together = multivariate_normal([0, 0], [[1, memory], [memory, 1]])
    limit_z = brentq(lambda z: float(together.cdf([-z, -z])) - chance, 0.0, 7.0, xtol=1e-3)
    return float(norm.sf(limit_z))
