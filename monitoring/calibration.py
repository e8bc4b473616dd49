"""From clean windows to the limits between which a camera is healthy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inspection.params import Health
from monitoring.camera_health import UNITS, Measurement

_WIDER = 1.5  # times the furthest clean window, where there are too few to know their spread


@dataclass(frozen=True)
class Limit:
    """Healthy is strictly between `low` and `high`; provisional: from fewer clean windows than it takes."""

    low: float
    high: float
    windows: int
    provisional: bool

    @property
    def centre(self) -> float:
        return (self.low + self.high) / 2


def limits(clean: Sequence[Measurement], health: Health) -> dict[str, Limit]:
    """A limit for every statistic.

    With enough clean windows: their median +- max(least, `spreads` robust standard deviations). With fewer:
    0 (the reference itself) +- max(least, 1.5 times the furthest of them).
    """
    return {name: _limit([m.values[name] for m in clean if name in m.values], name, health) for name in UNITS}


def _limit(values: Sequence[float], name: str, health: Health) -> Limit:
    least = float(getattr(health.least, name))
    provisional = len(values) < health.min_clean_windows
    if not values:
        return Limit(-least, least, 0, True)
    centre = 0.0 if provisional else float(np.median(values))
    away = np.abs(np.array(values) - centre)
    if provisional:
        room = max(least, _WIDER * float(away.max()))
    else:
        room = max(least, health.spreads * _spread(away), float(away.max()))
    return Limit(centre - room, centre + room, len(values), provisional)


def _spread(away: "np.typing.NDArray[np.float64]") -> float:
    """Standard deviation from the median distance; counts that are mostly 0 fall back on the plain one."""
    robust = 1.4826 * float(np.median(away))
    return robust if robust > 0 else float(np.sqrt(np.mean(np.square(away))))
