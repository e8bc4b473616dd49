"""A finding in words, for whoever answers for quality."""

from collections.abc import Callable

from monitoring.camera.measurement import Measurement, Spot
from monitoring.content import comparison, drift

LAMP = "Dark places kept their level, as when the lamp changes."
EXPOSURE = "Dark and bright places changed alike, as with another exposure."
_NAMED = 5  # spots that a sentence names
_PLAIN_SD = 2.5  # standard deviations from which dark places say something
_SLOWLY = " It changes slowly."


def sentence(name: str, size: float, measurement: Measurement, mm: float | None = None, slowly: bool = False) -> str:
    """What the size of a statistic means.

    Args:
        measurement: that it is from; its details say which way, its spots where.
        mm: the size in millimetres, where it is one in pixels and they are declared.
        slowly: whether it is a change that added up.
    """
    return _with_mm(_SENTENCES[name](size, measurement), size, mm) + (_SLOWLY if slowly else "")


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
    return lambda size, measurement: comparison.words(name, size, measurement.details)


_SENTENCES: dict[str, Callable[[float, Measurement], str]] = {
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
