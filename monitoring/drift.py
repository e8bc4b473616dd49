"""A window's measurement against the limits: healthy, or which causes changed and by how much."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from inspection.params import Health, Watch
from monitoring.calibration import Limit, limits
from monitoring.camera_health import CAUSES, UNITS, Measurement, Spot, Window, measure
from monitoring.reference import Reference

State = Literal["learning", "too few", "healthy", "changed", "not comparable"]
_NAMED = 5  # spots that a sentence names


@dataclass(frozen=True)
class Finding:
    """A cause that is there, with its size in `unit` and the limits it passed."""

    cause: str
    statistic: str
    size: float
    unit: str
    low: float
    high: float
    words: str
    spots: tuple[Spot, ...] = ()

    @property
    def strength(self) -> float:
        """How many times the limit: 1 at the limit, 2 twice as far from the healthy centre."""
        return _strength(self.size, self.low, self.high)


@dataclass(frozen=True)
class Verdict:
    """What is said about a window, strongest finding first."""

    state: State
    findings: tuple[Finding, ...]
    measurement: Measurement
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain types; each finding with its strength."""
        return {
            "state": self.state,
            "findings": [
                {**asdict(f), "spots": [asdict(s) for s in f.spots], "strength": f.strength} for f in self.findings
            ],
            "measurement": self.measurement.as_json(),
            "notes": list(self.notes),
        }


def judge(window: Window, reference: Reference | None, health: Health, watch: Watch) -> Verdict:
    """The verdict on one window."""
    unmeasured = Measurement(window.camera, window.first, window.last, window.images, dict(window.parts))
    if reference is None:
        words = f"{window.camera} has no reference yet: the healthy camera is being learned."
        return Verdict("learning", (), unmeasured, (words,))
    if window.images < watch.min_images:
        words = f"{window.images} images are too few for a verdict: it takes {watch.min_images}."
        return Verdict("too few", (), unmeasured, (words,))
    measurement = measure(window, reference, health.least)
    if not set(measurement.values) - {"frozen"} and not measurement.values.get("frozen"):
        return Verdict("not comparable", (), measurement, measurement.notes)
    found = findings(measurement, reference.limits or limits(reference.clean, health))
    return Verdict("changed" if found else "healthy", found, measurement, measurement.notes)


def findings(measurement: Measurement, allowed: dict[str, Limit]) -> tuple[Finding, ...]:
    """At most one finding per cause, its statistic furthest beyond the limit; strongest first."""
    worst: dict[str, Finding] = {}
    for name, size in measurement.values.items():
        limit = allowed[name]
        if limit.low < size < limit.high:
            continue
        found = _finding(name, size, limit, measurement)
        if found.cause not in worst or found.strength > worst[found.cause].strength:
            worst[found.cause] = found
    return tuple(sorted(worst.values(), key=lambda finding: -finding.strength))


def _strength(size: float, low: float, high: float) -> float:
    return abs(size - (low + high) / 2) / max((high - low) / 2, 1e-12)


def _finding(name: str, size: float, limit: Limit, measurement: Measurement) -> Finding:
    spots = measurement.spots.get(name, ())
    words = _WORDS[name](size, measurement)
    return Finding(CAUSES[name], name, size, UNITS[name], limit.low, limit.high, words, spots)


def _gain(size: float, measurement: Measurement) -> str:
    if size <= -1:
        return "There is no light: the lamp is off or the lens is covered."
    more = "darker" if size < 0 else "brighter"
    return f"The picture is {abs(size):.0%} {more} than when the camera was healthy."


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
    return f"{size:.0%} of the picture changed in a way that no known cause explains: look at the camera."


_WORDS: dict[str, Callable[[float, Measurement], str]] = {
    "gain": _gain,
    "gradient": _gradient,
    "colour": _colour,
    "clipped": _clipped,
    "shift": _shift,
    "rotation": _rotation,
    "blur": _blurred,
    "motion": _motion,
    "dead": _pixels("dead"),
    "hot": _pixels("hot"),
    "stuck": _pixels("stuck"),
    "dust": _dust,
    "frozen": _frozen,
    "unknown": _unknown,
}
