"""What was measured of a window: signed sizes with their units, and the places that are wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from math import isfinite
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
    "tone": "exponent of the levels",
    "reflection": "relative brightness of the parts",
    "shift": "px",
    "rotation": "degrees, clockwise",
    "zoom": "relative size",
    "view": "likeness that was lost",
    "blur": "px, sigma of the added blur",
    "motion": "px, length of the smear",
    "dead": "pixels",
    "hot": "pixels",
    "stuck": "pixels",
    "dust": "specks",
    "noise": "relative noise of a pixel",
    "smoothed": "share of the noise",
    "sharpened": "relative contrast of edges",
    "blocks": "steps between blocks of 8 pixels",
    "coarse": "bits of brightness",
    "torn": "share of the pictures",
    "frozen": "captures with the same bytes",
    "unknown": "share of the picture",
}
CAUSES = {
    "gain": "lighting",
    "gradient": "lighting",
    "colour": "lighting",
    "clipped": "lighting",
    "flicker": "lighting",
    "tone": "processing",
    "reflection": "changed_surface",
    "shift": "framing",
    "rotation": "framing",
    "zoom": "framing",
    "view": "wrong_view",
    "blur": "blur",
    "motion": "blur",
    "dead": "dead_pixels",
    "hot": "hot_pixels",
    "stuck": "stuck_pixels",
    "dust": "dust",
    "noise": "noise",
    "smoothed": "processing",
    "sharpened": "processing",
    "blocks": "processing",
    "coarse": "processing",
    "torn": "transfer",
    "frozen": "frozen",
    "unknown": "unknown",
}
COUNTS = ("dead", "hot", "stuck", "dust", "frozen")  # statistics that are whole numbers
ROOTS = ("blur", "motion", "flicker")  # signed roots of a variance: it is the variance that scatters evenly


@dataclass(frozen=True)
class Spot:
    """A place that is wrong. `size`: diameter in px. `depth`: share of light (dust), levels 0..255 (pixels). `shape`:
    what it is called, if it is no point."""

    row: int
    column: int
    size: float
    depth: float
    shape: str = ""


@dataclass(frozen=True)
class Measurement:
    """A window's signed differences from the reference, in UNITS; `values` holds what could be measured, `failed` names
    what came out as no number."""

    camera: str
    first: datetime | None
    last: datetime | None
    images: int
    parts: dict[str, int]
    values: dict[str, float] = field(default_factory=dict)
    spots: dict[str, tuple[Spot, ...]] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    def with_(self, values: Mapping[str, float], details: Mapping[str, float], notes: Sequence[str]) -> "Measurement":
        """With more that was measured; a value that is no number is left out, named and noted."""
        numbers = {name: float(value) for name, value in values.items() if isfinite(value)}
        failed = tuple(name for name in values if name not in numbers)
        words = [f"What came out for {', '.join(failed)} is no number: it could not be judged."] if failed else []
        return replace(
            self,
            values={**self.values, **numbers},
            details={**self.details, **{name: float(value) for name, value in details.items() if isfinite(value)}},
            notes=(*self.notes, *notes, *words),
            failed=(*self.failed, *failed),
        )

    def as_json(self) -> dict[str, Any]:
        """Plain types, times as ISO 8601."""
        plain = asdict(self)
        for name in ("first", "last"):
            plain[name] = plain[name].isoformat() if plain[name] else None
        lists = {"notes": list(self.notes), "failed": list(self.failed)}
        return {**plain, **lists, "spots": {k: [asdict(s) for s in v] for k, v in self.spots.items()}}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Measurement":
        """What `as_json` was made from."""
        times = {n: datetime.fromisoformat(plain[n]) if plain[n] else None for n in ("first", "last")}
        spots = {name: tuple(Spot(**spot) for spot in found) for name, found in plain["spots"].items()}
        words = {name: tuple(plain.get(name, ())) for name in ("notes", "failed")}  # earlier ones never failed
        return cls(**{**plain, **times, **words, "spots": spots})


@dataclass
class Result:
    """Values, spots, details and notes as they come in."""

    values: dict[str, float] = field(default_factory=dict)
    spots: dict[str, tuple[Spot, ...]] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
