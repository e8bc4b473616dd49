"""How a window's parts differ from the clean ones: the statistics, their units and causes."""

from dataclasses import dataclass, field

import numpy as np

UNITS = {
    "novelty": "share of the parts",
    "mix": "share of the parts that changed kind",
    "surface": "healthy standard deviations",
    "defects": "share of the parts",
}
CAUSES = {"novelty": "new_product", "mix": "changed_mix", "surface": "changed_surface", "defects": "defect_rate"}
RISES = ("novelty", "mix", "surface")  # statistics of which only more is a change; below 0 is chance
EXPLAINS = {"changed_surface": ("defect_rate",)}  # a model that sees another surface rejects for another reason


@dataclass
class Drift:
    """How a window's parts differ from the clean ones: values and standard errors in UNITS.

    `details` hold what the sentences need and, under the statistics' own names, all that was measured, also what a
    fault of the camera may explain and `values` therefore lack.
    """

    values: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, statistic: str, value: float, error: float) -> None:
        self.values[statistic] = self.details[statistic] = float(value)
        self.errors[statistic] = float(error)


def share_error(share: float, count: float) -> float:
    """Standard error of a share, one success and one failure added, so that it is never 0."""
    shrunk = (share * count + 1) / (count + 2)
    return float(np.sqrt(shrunk * (1 - shrunk) / count))
