"""A window's measurement against the limits: healthy, or which causes changed and by how much."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from inspection.params import Health, Least, Watch
from monitoring.camera.health import measure
from monitoring.camera.measurement import CAUSES, UNITS, Measurement, Spot
from monitoring.camera.window import Window
from monitoring.content import comparison, drift
from monitoring.content.healthy import Content
from monitoring.content.parts import Shown
from monitoring.judgement.calibration import limits
from monitoring.judgement.climb import Climb
from monitoring.judgement.limit import Limit
from monitoring.judgement.reference import Reference
from monitoring.judgement.sentences import sentence

State = Literal["learning", "too few", "healthy", "suspect", "changed", "not comparable"]
_BY_PLACE = ("dust", "unknown")  # told from parts by the median over blocks,
_MIN_BLOCKS = 5  # of which defects in one place may outvote fewer
_UNITS, _CAUSES = UNITS | drift.UNITS, CAUSES | drift.CAUSES


@dataclass(frozen=True)
class Finding:
    """A cause that is there, with its size in `unit` and the limits it passed.

    Attributes:
        error: standard error of the size; None: the camera's own scatter is not known yet.
        sure: whether this window alone opens an incident; otherwise the next one has to show it too.
        slow: how many windows add up to it, each of which may be within its limits; 0: this one alone is beyond them.
        mm: the size in millimetres, of a size in px.
    """

    cause: str
    statistic: str
    size: float
    unit: str
    low: float
    high: float
    words: str
    spots: tuple[Spot, ...] = ()
    error: float | None = None
    sure: bool = False
    slow: int = 0
    mm: float | None = None

    @property
    def strength(self) -> float:
        """How many times the limit: 1 at the limit, 2 twice as far from the healthy centre."""
        return _strength(self.size, self.low, self.high)

    def as_json(self) -> dict[str, Any]:
        """Plain types, with the strength."""
        return {**asdict(self), "spots": [asdict(spot) for spot in self.spots], "strength": self.strength}


@dataclass(frozen=True)
class Verdict:
    """What is said about a window, strongest finding first.

    Attributes:
        errors: statistic -> standard error, from the camera's clean windows.
    """

    state: State
    findings: tuple[Finding, ...]
    measurement: Measurement
    notes: tuple[str, ...] = ()
    errors: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain types; each finding with its strength."""
        return {
            "state": self.state,
            "findings": [one.as_json() for one in self.findings],
            "measurement": self.measurement.as_json(),
            "notes": list(self.notes),
            "errors": dict(self.errors),
        }


def judge(
    window: Window,
    reference: Reference | None,
    health: Health,
    watch: Watch,
    before: Mapping[str, Climb] | None = None,
    mm_per_px: float | None = None,
    shown: Shown | None = None,
) -> Verdict:
    """The verdict on one window.

    Args:
        before: the CUSUMs of the windows before it, as `climb.climbs` adds them up.
        shown: what its pictures show; None: only the camera is judged.
    """
    unmeasured = Measurement(window.camera, window.first, window.last, window.images, dict(window.parts))
    if reference is None:
        words = f"{window.camera} has no reference yet: the healthy camera is being learned."
        return Verdict("learning", (), unmeasured, (words,))
    if window.images < watch.min_images:
        words = f"{window.images} images are too few for a verdict: it takes {watch.min_images}."
        return Verdict("too few", (), unmeasured, (words,))
    measurement = measure(window, reference, health.least)
    comparable = bool(set(measurement.values) - {"frozen"} or measurement.values.get("frozen"))
    allowed = reference.limits or limits(reference.clean, health)
    found = findings(measurement, allowed, health.least, before or {}, mm_per_px)
    if shown is not None and reference.content is not None:
        measurement = _with_content(measurement, shown, reference.content, {one.cause for one in found})
        found = findings(measurement, allowed, health.least, before or {}, mm_per_px)
    if not comparable and not found:
        return Verdict("not comparable", (), measurement, measurement.notes)
    known = ((name, allowed[name].error(size)) for name, size in measurement.values.items() if name in allowed)
    errors = {name: error for name, error in known if error is not None}
    return Verdict(state_of(found), found, measurement, measurement.notes, errors)


def state_of(found: Sequence[Finding]) -> State:
    """What findings make of a window that could be compared."""
    if not found:
        return "healthy"
    return "changed" if any(one.sure for one in found) else "suspect"


def _with_content(measured: Measurement, shown: Shown, content: Content, camera: Collection[str]) -> Measurement:
    """A measurement of the camera with that of what its pictures show."""
    seen = comparison.measure(shown, content, camera)
    return replace(
        measured,
        values=measured.values | seen.values,
        details=measured.details | seen.details,
        notes=(*measured.notes, *seen.notes),
    )


def findings(
    measurement: Measurement,
    allowed: Mapping[str, Limit],
    least: Least,
    before: Mapping[str, Climb],
    mm_per_px: float | None = None,
) -> tuple[Finding, ...]:
    """At most one finding per cause, its statistic furthest beyond the limit; strongest first.

    A statistic that a reference of an earlier version has no limit for is not judged.
    """
    worst: dict[str, Finding] = {}
    for name, size in _without_explained(measurement.values, allowed).items():
        climb = before.get(name, Climb()).after(size, allowed[name])
        found = _finding(name, size, allowed[name], climb, getattr(least, name) / 2, measurement, mm_per_px)
        if found and (found.cause not in worst or _order(found) > _order(worst[found.cause])):
            worst[found.cause] = found
    explained = {other for cause in worst for other in drift.EXPLAINS.get(cause, ())}
    left = (one for cause, one in worst.items() if cause not in explained)
    return tuple(sorted(left, key=lambda finding: -finding.strength))


def _without_explained(values: Mapping[str, float], allowed: Mapping[str, Limit]) -> dict[str, float]:
    """What there are limits for, without a loss of light that is the mean of an uneven one."""
    judged = {name: size for name, size in values.items() if name in allowed}
    slope, held = judged.get("gradient", 0.0), allowed.get("gradient")
    uneven = held is not None and not held.low < slope < held.high
    if uneven and "gain" in judged and allowed["gain"].low < judged["gain"] - slope / 2 < allowed["gain"].high:
        del judged["gain"]
    return judged


def _order(finding: Finding) -> tuple[bool, float]:
    return finding.sure, finding.strength


def _strength(size: float, low: float, high: float) -> float:
    return abs(size - (low + high) / 2) / max((high - low) / 2, 1e-12)


def _finding(
    name: str,
    size: float,
    limit: Limit,
    climb: Climb,
    least: float,
    measurement: Measurement,
    mm_per_px: float | None,
) -> Finding | None:
    slow = climb.slow(limit, least)
    within = limit.low < size < limit.high or (name in drift.RISES and size < limit.high)
    if within and slow is None:
        return None
    outvoted = name in _BY_PLACE and measurement.details.get("blocks", _MIN_BLOCKS) < _MIN_BLOCKS
    sure = not within and not limit.sure_low < size < limit.sure_high and not outvoted
    added_up = slow if within else None
    if added_up is not None:
        size = added_up.size
    mm = abs(size) * mm_per_px if mm_per_px and _UNITS[name].startswith("px") else None
    return Finding(
        cause=_CAUSES[name],
        statistic=name,
        size=size,
        unit=_UNITS[name],
        low=limit.low,
        high=limit.high,
        words=sentence(name, size, measurement, mm, added_up is not None),
        spots=measurement.spots.get(name, ()),
        error=limit.error(size),
        sure=sure or slow is not None,
        slow=added_up.windows if added_up is not None else 0,
        mm=mm,
    )
