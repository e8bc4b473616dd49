"""A window's measurement against the limits: healthy, or which causes changed and by how much."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from inspection.params import Health, Least, Watch
from monitoring.camera.health import measure
from monitoring.camera.measurement import CAUSES, UNITS, Measurement, Spot
from monitoring.camera.window import Window
from monitoring.content import drift
from monitoring.content.drift import Content, Shown
from monitoring.judgement.calibration import Climb, Limit, limits
from monitoring.judgement.reference import Reference

State = Literal["learning", "too few", "healthy", "suspect", "changed", "not comparable"]
LAMP = "Dark places kept their level, as when the lamp changes."
EXPOSURE = "Dark and bright places changed alike, as with another exposure."
_NAMED = 5  # spots that a sentence names
_BY_PLACE = ("dust", "unknown")  # told from parts by the median over blocks,
_MIN_BLOCKS = 5  # of which defects in one place may outvote fewer
_PLAIN_SD = 2.5  # standard deviations from which dark places say something
_UNITS, _CAUSES = UNITS | drift.UNITS, CAUSES | drift.CAUSES
_SLOWLY = " It changes slowly."


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
        before: the CUSUMs of the windows before it, as `calibration.climbs` adds them up.
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
    seen = drift.measure(shown, content, camera)
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
    if slow is not None and within:
        size = slow.size
    mm = abs(size) * mm_per_px if mm_per_px and _UNITS[name].startswith("px") else None
    return Finding(
        cause=_CAUSES[name],
        statistic=name,
        size=size,
        unit=_UNITS[name],
        low=limit.low,
        high=limit.high,
        words=_with_mm(_WORDS[name](size, measurement), size, mm) + (_SLOWLY if slow is not None and within else ""),
        spots=measurement.spots.get(name, ()),
        error=limit.error(size),
        sure=sure or slow is not None,
        slow=slow.windows if slow is not None and within else 0,
        mm=mm,
    )


def _with_mm(words: str, size: float, mm: float | None) -> str:
    """`words` with the size in mm after the one in px, which they name first."""
    px = f"{abs(size):.1f} px"
    return words if mm is None else words.replace(px, f"{px}, {mm:.2f} mm", 1)


def _gain(size: float, measurement: Measurement) -> str:
    if size <= -1:
        return "There is no light: the lamp is off or the lens is covered."
    more = "darker" if size < 0 else "brighter"
    return f"The picture is {abs(size):.0%} {more} than when the camera was healthy.{_lamp_or_exposure(measurement)}"


def _lamp_or_exposure(measurement: Measurement) -> str:
    """What dark places say of the cause, if they say anything (`light.kept_in_the_dark`)."""
    kept, expected = (measurement.details.get(name, 0.0) for name in ("kept", "kept_expected"))
    if kept > _PLAIN_SD:
        return f" {LAMP}"
    if -_PLAIN_SD < kept < expected - _PLAIN_SD:
        return f" {EXPOSURE}"
    return ""


def _gradient(size: float, measurement: Measurement) -> str:
    side = _side(measurement.details.get("gradient_degrees", 0.0))
    return f"The light is uneven: {abs(size):.0%} darker towards the {side} than when the camera was healthy."


def _side(degrees: float) -> str:
    sides = ("right", "lower right", "bottom", "lower left", "left", "upper left", "top", "upper right")
    return sides[round(degrees / 45) % 8]


def _colour(size: float, measurement: Measurement) -> str:
    red, blue = measurement.details.get("red", 0.0), measurement.details.get("blue", 0.0)
    return f"The colour of the light changed: red {red:+.1%}, blue {blue:+.1%} against green."


def _clipped(size: float, measurement: Measurement) -> str:
    return f"{abs(size):.1%} {'more' if size > 0 else 'less'} of the pixels are black or overexposed than before."


def _flicker(size: float, measurement: Measurement) -> str:
    if size < 0:
        return f"The light is {abs(size):.0%} steadier from picture to picture than when the camera was healthy."
    return f"The light flickers: from picture to picture, rows differ by {size:.0%} more than in health."


def _noise(size: float, measurement: Measurement) -> str:
    return f"The picture is {size:.0%} noisier than when the camera was healthy."


def _shift(size: float, measurement: Measurement) -> str:
    down, right = (measurement.details.get(f"shift_{way}_px", 0.0) for way in ("down", "right"))
    ways = f"{abs(down):.1f} {'down' if down >= 0 else 'up'}, {abs(right):.1f} {'right' if right >= 0 else 'left'}"
    return f"The picture moved by {size:.1f} px ({ways})."


def _rotation(size: float, measurement: Measurement) -> str:
    return f"The picture is turned by {abs(size):.1f} degrees {'clockwise' if size > 0 else 'anticlockwise'}."


def _blurred(size: float, measurement: Measurement) -> str:
    if size < 0:
        return f"The picture is sharper than its reference (by {abs(size):.1f} px): make a new reference."
    return f"The picture is out of focus: {size:.1f} px of blur were added."


def _motion(size: float, measurement: Measurement) -> str:
    degrees = measurement.details.get("motion_degrees", 0.0)
    return f"The picture is smeared over {size:.1f} px at {degrees:.0f} degrees (0: along the rows)."


def _pixels(what: str) -> Callable[[float, Measurement], str]:
    def words(size: float, measurement: Measurement) -> str:
        name = what.split(maxsplit=1)[0]
        places = _places(measurement.spots.get(name, ()))
        return f"{size:.0f} {'pixel is' if size == 1 else 'pixels are'} {what}{places}."

    return words


def _dust(size: float, measurement: Measurement) -> str:
    spots = measurement.spots.get("dust", ())
    return (
        f"There {'is' if size == 1 else 'are'} {size:.0f} {'speck' if size == 1 else 'specks'} of dust{_places(spots)}."
    )


def _places(spots: tuple[Spot, ...]) -> str:
    if not spots:
        return ""
    places = "; ".join(f"row {spot.row}, column {spot.column}" for spot in spots[:_NAMED])
    return f" ({places}{'; ...' if len(spots) > _NAMED else ''})"


def _frozen(size: float, measurement: Measurement) -> str:
    return f"The camera delivered the same picture {size:.0f} times: it hangs."


def _unknown(size: float, measurement: Measurement) -> str:
    share = f"{size:.{1 if size < 0.02 else 0}%}"
    return f"{share} of the picture changed in a way that no known cause explains: look at the camera."


def _content(name: str) -> Callable[[float, Measurement], str]:
    return lambda size, measurement: drift.words(name, size, measurement.details)


_WORDS: dict[str, Callable[[float, Measurement], str]] = {
    "gain": _gain,
    "gradient": _gradient,
    "colour": _colour,
    "clipped": _clipped,
    "flicker": _flicker,
    "shift": _shift,
    "rotation": _rotation,
    "blur": _blurred,
    "motion": _motion,
    "dead": _pixels("dead"),
    "hot": _pixels("hot"),
    "stuck": _pixels("stuck"),
    "dust": _dust,
    "noise": _noise,
    "frozen": _frozen,
    "unknown": _unknown,
    **{name: _content(name) for name in drift.UNITS},
}
