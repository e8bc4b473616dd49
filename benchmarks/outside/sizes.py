"""How big a fault that is laid on is, in the units of the product's statistics.

A fault without an entry has no size that the product tells in the same unit, and one that is told by another statistic
is not compared.
"""

from collections.abc import Callable, Mapping
from typing import Any

_Told = tuple[str, Callable[[float, int], float]]

SIZES: dict[str, _Told] = {  # argument of the fault -> statistic, and its size by that and the picture's height (px)
    "lamp": ("gain", lambda value, height: abs(value)),
    "exposure": ("gain", lambda value, height: abs(value)),
    "red": ("colour", lambda value, height: abs(value)),
    "gradient": ("gradient", lambda value, height: abs(value)),
    "glass": ("dust", lambda value, height: 1 - value),  # what its darkest place lets through: the deepest speck
    "column": ("dead", lambda value, height: height),
    "defocus": ("blur", lambda value, height: value),
    "motion": ("motion", lambda value, height: value),
    "shift": ("shift", lambda value, height: value),
    "rotation": ("rotation", lambda value, height: abs(value)),
    "noise": ("noise", lambda value, height: value - 1),
}
PIXELS = {"dead": "dead", "hot": "hot", "warm": "hot", "stuck": "stuck"}  # what one does -> the statistic
BY_DEPTH = ("dust",)  # statistics whose size is a count, told of their deepest spot instead


def true_sizes(laid: Mapping[str, Any], height: int) -> dict[str, float]:
    """Statistic -> the size that it should be told with."""
    found = {}
    for argument, value in laid.items():
        if argument in SIZES:
            statistic, size = SIZES[argument]
            found[statistic] = float(size(value, height))
    for statistic in (PIXELS[kind] for *_, kind in laid.get("pixels", ()) if kind in PIXELS):
        found[statistic] = found.get(statistic, 0.0) + 1
    return found


def told_size(called: Mapping[str, Any]) -> float:
    """The size that a finding tells, without its sign."""
    return abs(float(called["deepest" if called["statistic"] in BY_DEPTH else "size"]))
