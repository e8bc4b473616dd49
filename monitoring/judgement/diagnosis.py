"""A window's measurement against the limits: healthy, or which causes changed and by how much."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inspection.params import Health, Least, Watch
from monitoring.camera.health import measure
from monitoring.camera.measurement import CAUSES, UNITS, Measurement, Spot
from monitoring.camera.window import Window
from monitoring.content import comparison, drift
from monitoring.content.drift import Drift
from monitoring.content.parts import Shown
from monitoring.judgement.calibration import limits
from monitoring.judgement.climb import Climb
from monitoring.judgement.limit import Limit
from monitoring.judgement.reference import Reference
from monitoring.judgement.sentences import sentence

Some = Callable[[NDArray[np.bool_]], Window]  # some (N,) of a window's images -> a window of these alone
State = Literal["learning", "too few", "healthy", "suspect", "changed", "not comparable"]
_BY_PLACE = ("dust", "unknown")  # told from parts by the median over blocks,
_MIN_BLOCKS = 5  # of which defects in one place may outvote fewer
_FULL = 0.5  # share of the pixels that are black or full, from which nobody knows the light
_PLAIN = 1.6  # times as far as it may, by which a pixel stands out that one window is sure of
_CLEAR = 8.0  # standard deviations by which a speck stands out that one window is sure of
_ON_PARTS = {"dust": "on_parts", "hot_pixels": "hot_on_parts"}  # cause -> detail: all its places lie on the parts
_SEVERAL = 2  # causes at once, where nothing stands still, that are rather other parts than so many faults
_SOME = 0.9  # of the parts that are new, up to which others beside them would show the same dust
_BY_OTHER_PARTS = ("lighting", "blur", "framing", "noise", "dust", "unknown", "processing", "hot_pixels")
_FAMILIAR = 0.5  # of a window's pictures, by which the camera is judged beside new parts
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
    some: Some | None = None,
) -> Verdict:
    """The verdict on one window.

    Args:
        before: the CUSUMs of the windows before it, as `climb.climbs` adds them up.
        shown: what its pictures show; None: only the camera is judged.
        some: gathers some of its images anew, so that the camera is judged by the parts it knows where others pass
            among them; None: it is judged by all.
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
        seen = comparison.compare(shown, reference.content)
        if some is not None and health.least.novelty / 2 <= seen.strange.mean() <= 1 - _FAMILIAR:
            measurement = _by_familiar(measurement, seen.strange, reference, health.least, some)
            found = findings(measurement, allowed, health.least, before or {}, mm_per_px)
        measurement = _with_content(measurement, seen.drift, reference, of_camera(found, measurement))
        found = findings(measurement, allowed, health.least, before or {}, mm_per_px)
    if not found and (measurement.failed or not comparable):  # what was not judged is not called healthy
        return Verdict("not comparable", (), measurement, measurement.notes)
    known = ((name, allowed[name].error(size)) for name, size in measurement.values.items() if name in allowed)
    errors = {name: error for name, error in known if error is not None}
    return Verdict(state_of(found), found, measurement, measurement.notes, errors)


def not_judged(window: Window, words: str) -> Verdict:
    """The verdict on a window of which nothing could be measured, and why."""
    unmeasured = Measurement(window.camera, window.first, window.last, window.images, dict(window.parts))
    return Verdict("not comparable", (), unmeasured, (words,))


def state_of(found: Sequence[Finding]) -> State:
    """What findings make of a window that could be compared."""
    if not found:
        return "healthy"
    return "changed" if any(one.sure for one in found) else "suspect"


def of_camera(found: Sequence[Finding], measured: Measurement) -> set[str]:
    """The causes among findings that a new part or another surface would not bring about by itself."""
    on_parts = {cause for cause, detail in _ON_PARTS.items() if measured.details.get(detail, 0.0)}
    tint = {one.cause for one in found if _tinted(one, measured)}
    return {one.cause for one in found} - on_parts - tint - {"unknown"} - set(drift.CAUSES.values())


def _tinted(found: Finding, measured: Measurement) -> bool:
    """Whether it is light of another colour where other parts pass, whose own colour shines on what is beside them."""
    return found.statistic == "colour" and bool(measured.details.get("other_parts"))


def _by_familiar(
    measured: Measurement, strange: NDArray[np.bool_], reference: Reference, least: Least, some: Some
) -> Measurement:
    """The camera's measurement by the familiar parts alone, where strange ones (N,) pass among them: light, specks and
    whatever else changes with these is theirs."""
    again = measure(some(~strange), reference, least)
    words = f"{strange.sum()} pictures show parts that are new: the camera was judged by the {again.images} others."
    return replace(again, images=measured.images, parts=measured.parts, notes=(*again.notes, words))


def _with_content(measured: Measurement, differs: Drift, reference: Reference, camera: Collection[str]) -> Measurement:
    """A measurement of the camera with that of what its pictures show."""
    assert reference.content is not None
    still = reference.zones is not None and reference.zones.split
    other_parts = not still and (bool(measured.details.get("other_parts")) or len(camera) >= _SEVERAL)
    seen = comparison.judged(differs, reference.content, camera, other_parts)
    return measured.with_(seen.values, seen.details, seen.notes)


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
    explained = {other for cause in worst for other in _explained_by(cause, worst, measurement)} - {"new_product"}
    left = (one for cause, one in worst.items() if cause not in explained)
    return tuple(sorted(left, key=lambda finding: -finding.strength))


def _explained_by(cause: str, worst: Mapping[str, Finding], measurement: Measurement) -> Collection[str]:
    """Causes that one of the findings brings about by itself: parts that look different stand out at places, and where
    nothing stands still beside them everything about the picture may differ."""
    told = set(drift.EXPLAINS.get(cause, ()))
    if cause not in ("new_product", "changed_surface"):
        return told
    if measurement.details.get("all_else"):
        return {*told, *_BY_OTHER_PARTS}
    told |= {"unknown"} | {one.cause for one in worst.values() if _tinted(one, measurement)}
    some = cause == "new_product" and worst[cause].size < _SOME  # dust lies before all parts
    on_parts = ("hot_pixels", "dust") if some else ("hot_pixels",)
    return told | {other for other in on_parts if measurement.details.get(_ON_PARTS[other], 0.0)}


def _without_explained(values: Mapping[str, float], allowed: Mapping[str, Limit]) -> dict[str, float]:
    """What there are limits for, without a loss of light that is the mean of an uneven one."""
    judged = {name: size for name, size in values.items() if name in allowed}
    slope, held = judged.get("gradient", 0.0), allowed.get("gradient")
    uneven = held is not None and not held.low < slope < held.high
    if judged.get("clipped", 0.0) > _FULL:
        judged.pop("gain", None)
    if judged.get("reflection", 0.0) * judged.get("gain", 0.0) < 0 and "gain" in allowed:
        out = not allowed["gain"].low < judged["gain"] < allowed["gain"].high
        if out and abs(judged["reflection"]) < abs(judged["gain"]):
            del judged["reflection"]  # dark and bright places followed the light differently
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
    slow, step = climb.slow(limit, least), climb.step(size, limit)
    within = limit.low < size < limit.high or (name in drift.RISES and size < limit.high)
    if within and slow is None and step is None:
        return None
    outvoted = name in _BY_PLACE and measurement.details.get("blocks", _MIN_BLOCKS) < _MIN_BLOCKS
    outvoted |= name == "dust" and measurement.details.get("clear", _CLEAR) < _CLEAR
    outvoted |= name == "hot" and 0 < measurement.details.get("hot_clear", 0.0) < _PLAIN
    sure = not within and not limit.sure_low < size < limit.sure_high and not outvoted
    sure |= step is not None and abs(step) > 2 * limit.step
    added_up = slow if within and step is None else None
    if added_up is not None:
        size = added_up.size
    elif within and step is not None:
        size = step
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
