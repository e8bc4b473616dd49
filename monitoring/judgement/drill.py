"""What a rehearsed fault has to look like to the watch, and whether it did. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SIGNED = ("gain", "rotation")  # statistics whose sign means what the fault's does
CLOSE = 0.3  # share of the injected size by which the found one may differ, or 3 standard errors


@dataclass(frozen=True)
class Expected:
    """The cause that a fault has to be given, and the statistic that measures its size ("": it has no model). `near`:
    causes that are as good; the lamp's supply and the camera's exposure, for one, do the same to a picture."""

    cause: str
    statistic: str = ""
    near: tuple[str, ...] = ()

    @property
    def causes(self) -> tuple[str, ...]:
        return (self.cause, *self.near)


EXPECTED: Mapping[str, Expected] = {
    "shift": Expected("framing", "shift"),
    "rotation": Expected("framing", "rotation"),
    "defocus": Expected("blur", "blur"),
    "motion": Expected("blur", "motion"),
    "dust": Expected("dust", "dust"),
    "fibre": Expected("unknown", near=("dust",)),
    "scratched_glass": Expected("unknown", near=("dust", "blur", "lighting")),
    "oil_film": Expected("unknown", near=("blur", "lighting", "dust")),
    "condensation": Expected("unknown", near=("blur", "lighting")),
    "lamp": Expected("lighting", "gain"),
    "colour": Expected("lighting", "colour"),
    "gradient": Expected("lighting", "gradient"),
    "flicker": Expected("lighting", near=("unknown",)),
    "exposure": Expected("lighting", "gain"),
    "hot": Expected("hot_pixels", "hot"),
    "dead": Expected("dead_pixels", "dead"),
    "stuck": Expected("stuck_pixels", "stuck"),
}


@dataclass(frozen=True)
class Check:
    """One thing that had to happen, what did, and whether that will do."""

    what: str
    expected: str
    found: str
    passed: bool


def detected(fault: str, windows: Sequence[Mapping[str, Any]], confirm: int) -> Check:
    """Whether a window shows the fault, in time."""
    right = EXPECTED[fault].causes
    shown = [any(finding["cause"] in right for finding in one["findings"]) for one in windows]
    first = shown.index(True) + 1 if any(shown) else None
    found = f"after {first} window{'s' * (first > 1)}" if first else f"not in {len(windows)} windows"
    return Check("detected", f"after {confirm} windows at most", found, first is not None and first <= confirm)


def named(fault: str, causes: Sequence[str]) -> Check:
    """Whether the incidents' `causes` are the fault's own, or causes that are as good."""
    expected = EXPECTED[fault]
    right = bool(causes) and set(causes) <= set(expected.causes)
    if not expected.statistic:  # it has no model: whatever is named, somebody is called
        right = bool(set(causes) & set(expected.causes))
    return Check("cause", " or ".join(expected.causes), ", ".join(causes) or "none", right)


def sized(fault: str, size: float, unit: str, windows: Sequence[Mapping[str, Any]]) -> Check:
    """Whether the last window measures the size that was injected."""
    statistic = EXPECTED[fault].statistic
    if not statistic:
        return Check("size", f"{size:g} {unit}", "not measured: such a fault has no model", True)
    last = windows[-1] if windows else {}
    found = last.get("values", {}).get(statistic)
    if found is None:
        return Check("size", f"{size:g} {unit}", "not measured", False)
    error = last.get("errors", {}).get(statistic, 0.0)
    injected = size if statistic in SIGNED else abs(size)
    measured = found if statistic in SIGNED else abs(found)
    close = abs(measured - injected) <= max(CLOSE * abs(size), 3 * error)
    return Check("size", f"{size:g} {unit}", f"{found:.3g} ± {error:.1g}", close)


def routed(way: str, action: str) -> Check:
    """Whether the action is one that the cause's route in params.yaml can lead to."""
    leads_to = {"cost": ("watch", "label", "retrain"), "label": ("label", "watch", "retrain")}
    expected = leads_to.get(way, (way,))
    return Check("routing", " or ".join(expected), action or "none", action in expected)
