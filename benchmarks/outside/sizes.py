"""How big a fault that is laid on is, in the units of the product's statistics.

A fault without an entry has no size that the product tells in the same unit, and one that is told by another statistic
is not compared.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_Told = tuple[str, Callable[[Any, Any], float]]

SIZES: dict[str, _Told] = {  # argument of the fault -> statistic, and its size of that argument and the camera
    "lamp": ("gain", lambda value, camera: abs(value)),
    "exposure": ("gain", lambda value, camera: abs(value)),
    "red": ("colour", lambda value, camera: abs(value)),
    "gradient": ("gradient", lambda value, camera: abs(value)),
    "glass": ("dust", lambda value, camera: 1 - np.min(value)),  # the depth of the deepest speck
    "column": ("dead", lambda value, camera: camera.height),
    "defocus": ("blur", lambda value, camera: value),
    "motion": ("motion", lambda value, camera: value),
    "shift": ("shift", lambda value, camera: value),
    "rotation": ("rotation", lambda value, camera: abs(value)),
    "noise": ("noise", lambda value, camera: value - 1),
}
PIXELS = {"dead": "dead", "hot": "hot", "warm": "hot", "stuck": "stuck"}  # what one does -> the statistic
BY_DEPTH = ("dust",)  # statistics whose size is a count, told of their deepest spot instead


def true_sizes(fault: Mapping[str, Any], camera: Any) -> dict[str, float]:
    """Statistic -> the size that it should be told with."""
    found = {}
    for argument, value in fault.items():
        if argument in SIZES:
            statistic, size = SIZES[argument]
            found[statistic] = float(size(value, camera))
    for _, _, kind in fault.get("pixels", ()):
        statistic = PIXELS[kind]
        found[statistic] = found.get(statistic, 0.0) + 1
    return found


def told_size(finding: Mapping[str, Any]) -> float:
    """The size that a finding tells, without its sign."""
    if finding["statistic"] in BY_DEPTH:
        return max((abs(float(spot["depth"])) for spot in finding["spots"]), default=0.0)
    return abs(float(finding["size"]))
