"""Shares of parts, each with its 95 % interval."""

from dataclasses import dataclass

from scipy.special import betaincinv

HALF_WIDTH = 0.05  # of a 95 % interval, beyond which a rate is not given


@dataclass(frozen=True)
class Rate:
    """A share, 0..1, with its 95 % interval and the labelled parts that it stands on."""

    value: float
    low: float
    high: float
    parts: int

    @property
    def narrow(self) -> bool:
        return self.high - self.low <= 2 * HALF_WIDTH

    @property
    def words(self) -> str:
        return f"{self.value:.0%} (95 % interval {self.low:.0%} to {self.high:.0%})"


def apart(one: Rate, other: Rate) -> bool:
    """Whether their intervals do not meet."""
    return one.low > other.high or other.low > one.high


def rate_of(hits: float, n: float, parts: int) -> Rate:
    """Of `n` the share `hits`, with the interval of Clopper and Pearson, which takes effective numbers as well (E. Korn
    and B. Graubard, Survey Methodology 1998)."""
    low = float(betaincinv(hits, n - hits + 1, 0.025)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, n - hits, 0.975)) if hits < n else 1.0
    return Rate(hits / n, low, high, parts)


def with_doubt(value: float, variance: float, parts: int) -> Rate:
    """A rate whose variance was found by drawing; never surer than `parts` counted ones."""
    shrunk = (value * parts + 0.5) / (parts + 1)
    n = min(float(parts), shrunk * (1 - shrunk) / max(variance, 1e-12))
    return rate_of(value * n, n, parts)
