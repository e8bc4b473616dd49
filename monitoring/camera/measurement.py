"""What was measured of a window: signed sizes with their units, and the places that are wrong."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]  # (H, W)
Vector = NDArray[np.float64]

UNITS = {
    "gain": "relative brightness",
    "gradient": "relative brightness, one side against the other",
    "colour": "relative, red or blue against green",
    "clipped": "share of the pixels",
    "flicker": "relative brightness, from picture to picture",
    "shift": "px",
    "rotation": "degrees, clockwise",
    "blur": "px, sigma of the added blur",
    "motion": "px, length of the smear",
    "dead": "pixels",
    "hot": "pixels",
    "stuck": "pixels",
    "dust": "specks",
    "noise": "relative noise of a pixel",
    "frozen": "captures with the same bytes",
    "unknown": "share of the picture",
}
CAUSES = {
    "gain": "lighting",
    "gradient": "lighting",
    "colour": "lighting",
    "clipped": "lighting",
    "flicker": "lighting",
    "shift": "framing",
    "rotation": "framing",
    "blur": "blur",
    "motion": "blur",
    "dead": "dead_pixels",
    "hot": "hot_pixels",
    "stuck": "stuck_pixels",
    "dust": "dust",
    "noise": "noise",
    "frozen": "frozen",
    "unknown": "unknown",
}
COUNTS = ("dead", "hot", "stuck", "dust", "frozen")  # statistics that are whole numbers
ROOTS = ("blur", "motion", "flicker")  # signed roots of a variance: it is the variance that scatters evenly


@dataclass(frozen=True)
class Spot:
    """A place that is wrong. `size`: diameter in px. `depth`: share of light (dust), levels 0..255 (pixels)."""

    row: int
    column: int
    size: float
    depth: float


@dataclass(frozen=True)
class Measurement:
    """A window's signed differences from the reference, in UNITS; `values` holds what could be measured."""

    camera: str
    first: datetime | None
    last: datetime | None
    images: int
    parts: dict[str, int]
    values: dict[str, float] = field(default_factory=dict)
    spots: dict[str, tuple[Spot, ...]] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain types, times as ISO 8601."""
        plain = asdict(self)
        for name in ("first", "last"):
            plain[name] = plain[name].isoformat() if plain[name] else None
        return {**plain, "notes": list(self.notes), "spots": {k: [asdict(s) for s in v] for k, v in self.spots.items()}}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Measurement":
        """What `as_json` was made from."""
        times = {n: datetime.fromisoformat(plain[n]) if plain[n] else None for n in ("first", "last")}
        spots = {name: tuple(Spot(**spot) for spot in found) for name, found in plain["spots"].items()}
        return cls(**{**plain, **times, "spots": spots, "notes": tuple(plain["notes"])})


@dataclass
class Result:
    """Values, spots, details and notes as they come in."""

    values: dict[str, float] = field(default_factory=dict)
    spots: dict[str, tuple[Spot, ...]] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
