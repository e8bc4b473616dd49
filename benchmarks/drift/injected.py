"""The faults of the targets, and streams of windows under them."""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.drift.scale import Scale
from benchmarks.drift.streams import A_DAY, Stream, camera, fault
from plant.faults import KINDS, Fault


class Injected(NamedTuple):
    """A fault as the table of targets has it; `both`: every second stream has the opposite sign."""

    size: float
    cause: str
    both: bool = False
    depth: float | None = None


FAULTS = {
    "dead": Injected(1, "dead_pixels"),
    "hot": Injected(3, "hot_pixels"),
    "stuck": Injected(1, "stuck_pixels"),
    "lamp": Injected(0.05, "lighting", both=True),
    "colour": Injected(0.03, "lighting", both=True),
    "gradient": Injected(-0.10, "lighting"),
    "defocus": Injected(0.5, "blur"),
    "motion": Injected(3, "blur"),
    "shift": Injected(1, "framing"),
    "rotation": Injected(0.5, "framing", both=True),
    "dust": Injected(1, "dust", depth=0.10),  # 6 px wide
    "exposure": Injected(0.10, "lighting", both=True),
}
NEAR = {  # faults without a model: what they may be called
    "oil_film": {"unknown", "blur", "lighting", "dust"},
    "fibre": {"unknown", "dust"},
    "scratched_glass": {"unknown", "dust", "lighting", "blur"},
    "flicker": {"unknown", "lighting", "noise"},
    "condensation": {"unknown", "blur", "lighting"},
}
WHOLE = {"dead", "hot", "stuck", "dust"}  # sizes that are counts


def streams_of(kind: str, scale: Scale, times: float = 1.0) -> list[Stream]:
    """Two windows each of `kind`, on every camera that can have it, at different days, hours and places."""
    seeds = [seed for seed in scale.seeds if kind != "colour" or camera(seed).mode == "RGB"]
    return [stream_of(seeds[n % len(seeds)], n // len(seeds), [kind], times) for n in range(scale.streams)]


def stream_of(seed: int, number: int, kinds: Sequence[str], times: float) -> Stream:
    """Two windows of a camera under faults of so many times their sizes."""
    faults = tuple(_fault(seed, kind, number, times) for kind in kinds)
    return Stream(seed, 100 + number, (7 * number + 3 * seed) % (A_DAY - 1), 2, faults)


def _fault(seed: int, kind: str, number: int, times: float) -> Fault:
    if kind not in FAULTS:
        return fault(seed, kind, KINDS[kind].usual, number + 1)
    given = FAULTS[kind]
    size = given.size * times * (-1 if given.both and number % 2 else 1)
    return fault(seed, kind, round(size) if kind in WHOLE else size, number + 1, given.depth)
