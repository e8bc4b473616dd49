"""Light that comes and goes in health, such as daylight through a window: its shape is learned and taken out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from inspection.params import Least
from monitoring.camera.measurement import Measurement, Vector

LIGHT = ("light", "light_down", "light_right")  # details: relative brightness, and its slopes over the picture
_FEWEST = 12  # clean windows from which a shape is learned
_MOST_OF_IT, _LEAST = 0.7, 0.004  # share of the light's variance, and standard deviation, of what is a shape
_SLANTED = 0.25  # of it must be uneven: an even one is not told from a lamp
_ALL_WEATHERS = 3  # days in which most of it is seen
_FURTHER, _UNSEEN = 0.5, 4.0  # of its range in so many days, and in fewer, by which it may go further


@dataclass(frozen=True)
class Daylight:
    """The one shape in which a healthy camera's light varies: gain, slope down, slope right.

    Attributes:
        mean: (3,) of the clean windows. shape: (3,) of length 1; all 0: there is none. low, high: how much of it.
    """

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    shape: tuple[float, ...] = (0.0, 0.0, 0.0)
    low: float = 0.0
    high: float = 0.0

    @classmethod
    def of(cls, clean: Sequence[Measurement]) -> "Daylight":
        """As clean windows show it."""
        seen = np.array([[one.details[name] for name in LIGHT] for one in clean if LIGHT[0] in one.details])
        if len(seen) < _FEWEST:
            return cls()
        mean = seen.mean(axis=0)
        sizes, axes = np.linalg.eigh(np.cov((seen - mean).T))
        shape = axes[:, -1]
        slanted = float(np.hypot(shape[1], shape[2]))
        if sizes[-1] < max(_LEAST**2, _MOST_OF_IT * sizes.sum()) or slanted < _SLANTED:
            return cls(tuple(mean.tolist()))
        along = (seen - mean) @ shape
        days = len({one.last.date() for one in clean if one.last is not None})
        room = (_FURTHER if days >= _ALL_WEATHERS else _UNSEEN) * float(np.ptp(along))
        return cls(tuple(mean.tolist()), tuple(shape.tolist()), float(along.min()) - room, float(along.max()) + room)

    def without(self, measured: Measurement, least: Least) -> Measurement:
        """A measurement whose gain and gradient are against the mean of healthy days, without what is daylight."""
        if LIGHT[0] not in measured.details or not {"gain", "gradient"} <= measured.values.keys():
            return measured
        away = np.array([measured.details[name] for name in LIGHT]) - np.array(self.mean)
        left = min(self._explained(away), key=lambda one: _size(one, least))
        values = {**measured.values, "gain": float(left[0]), "gradient": gradient_of(left)}
        degrees = float(np.degrees(np.arctan2(-left[1], -left[2])) % 360)
        return replace(measured, values=values, details={**measured.details, "gradient_degrees": degrees})

    def _explained(self, away: Vector) -> list[Vector]:
        """What is left of a light when daylight explains its slopes, and its gain; one that would take more daylight
        than there is counts only where the other would too."""
        shape = np.array(self.shape)
        if not shape.any():
            return [away]
        slopes = shape[1:] @ shape[1:]
        amounts = [float(away[1:] @ shape[1:] / slopes)]
        if abs(shape[0]) > _SLANTED:
            amounts.append(float(away[0] / shape[0]))
        inside = [amount for amount in amounts if self.low <= amount <= self.high]
        return [away - np.clip(amount, self.low, self.high) * shape for amount in inside or amounts]


def gradient_of(light: Vector) -> float:
    """Relative brightness of one side against the other, of (gain, slope down, slope right)."""
    half = float(abs(light[1]) + abs(light[2])) / 2
    far, near = 1 + light[0] - half, 1 + light[0] + half
    return float(max(far, 0) / near - 1) if near > 0 else 0.0


def _size(light: Vector, least: Least) -> float:
    return float(abs(light[0]) / least.gain + abs(gradient_of(light)) / least.gradient)
