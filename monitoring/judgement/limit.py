"""The limits between which a statistic is healthy."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Limit:
    """Two windows in a row beyond low or high are an alarm, one beyond sure_low or sure_high is.

    Attributes:
        centre, spread: median and standard deviation (robust, at its upper 90 % bound) of the clean windows' values,
            each raised to `power` with its sign.
        climb: what the CUSUM of slow changes must reach, in spreads; 0: there are too few windows for one.
        slack: spreads by which a window must be out before a slow change adds up.
        step: by how much a window may differ from those just before it; 0: that is not asked. Only a window that is
            also further from the centre than that counts.
        provisional: made of fewer clean windows than it takes, so physical and wide.
    """

    low: float
    high: float
    sure_low: float
    sure_high: float
    centre: float
    spread: float
    climb: float
    windows: int
    provisional: bool
    power: int = 1
    slack: float = 0.5
    step: float = 0.0

    def away(self, value: float) -> float:
        """How many spreads a value lies from the centre."""
        return (raised(value, self.power) - self.centre) / self.spread

    def error(self, size: float) -> float | None:
        """Standard error of a size; None where the camera's own scatter is not known."""
        if self.provisional or not self.spread:
            return None
        return float(self.spread / (self.power * max(abs(size), self.spread ** (1 / self.power)) ** (self.power - 1)))


def raised(value: float, power: float) -> float:
    """`value` to a power, with its sign."""
    return float(np.copysign(abs(value) ** power, value))
