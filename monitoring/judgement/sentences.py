"""A finding in words, for whoever answers for quality."""

from collections.abc import Callable

from monitoring.camera.measurement import Measurement, Spot
from monitoring.camera.view import WAYS
from monitoring.content import comparison, drift

LAMP = "Dark places kept their level, as when the lamp changes."
EXPOSURE = "Dark and bright places changed alike, as with another exposure."
_NAMED = 2  # spots that a sentence names: since when and what to do come after it, and five stand below
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


def _tone(size: float, measurement: Measurement) -> str:
    way = "Middle tones are darker" if size > 0 else "Dark tones are brighter"
    film = "" if size > 0 else ", or a film or haze lies on the glass"
    exponent = f"an exponent of {1 + size:.2f}"
    return f"{way} than in health, black and white are not: gamma was changed ({exponent}){film}."


def _reflection(size: float, measurement: Measurement) -> str:
    more = "brighter" if size > 0 else "darker"
    return f"The parts are {abs(size):.0%} {more} than in health, while what stands still around them is not."


def _zoom(size: float, measurement: Measurement) -> str:
    larger = "larger" if size > 0 else "smaller"
    return f"Everything in the picture is {abs(size):.1%} {larger}: the lens or the camera's distance was changed."


def _view(size: float, measurement: Measurement) -> str:
    way = WAYS.get(round(measurement.details.get("view_way", 0.0)), "")
    if way:
        return f"The picture is {way}."
    return "The camera shows another view than in health: it was moved far, or these are another camera's pictures."


def _smoothed(size: float, measurement: Measurement) -> str:
    return f"{size:.0%} of the sensor's noise is missing: the pictures are smoothed or compressed."


def _sharpened(size: float, measurement: Measurement) -> str:
    return f"Edges and noise are exaggerated by {size:.0%}: the camera sharpens its pictures."


def _blocks(size: float, measurement: Measurement) -> str:
    return "The pictures show blocks of 8 pixels: they are compressed (JPEG) before they come here."


def _coarse(size: float, measurement: Measurement) -> str:
    return f"The pictures have fewer levels of brightness: one for about {2**size:.0f} of the healthy camera."


def _torn(size: float, measurement: Measurement) -> str:
    broken, total = (measurement.details.get(f"torn_{what}", 0.0) for what in ("pictures", "all"))
    return f"{broken:.0f} of {total:.0f} pictures arrived broken ({size:.0%}): a part of each is empty or torn."


def _blurred(size: float, measurement: Measurement) -> str:
    if size < 0:
        return (
            f"The picture is sharper than when the camera was healthy, by {abs(size):.1f} px of blur: it was "
            "refocused, or the camera sharpens."
        )
    degrees = measurement.details.get("blur_degrees")
    tilted = "" if degrees is None else f" Most of it is at the {_side(degrees)}: the lens or the camera is tilted."
    return f"The picture is out of focus: {size:.1f} px of blur were added.{tilted}"


def _motion(size: float, measurement: Measurement) -> str:
    degrees = measurement.details.get("motion_degrees", 0.0)
    return f"The picture is smeared over {size:.1f} px at {degrees:.0f} degrees (0: along the rows)."


def _pixels(what: str) -> Callable[[float, Measurement], str]:
    def words(size: float, measurement: Measurement) -> str:
        name = what.split(maxsplit=1)[0]
        spots = measurement.spots.get(name, ())
        if lines := [_line(spot) for spot in spots if spot.shape]:
            more = f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
            return f"{size:.0f} pixels are {what}: {', '.join(lines[:_NAMED])}{more}."
        places = _places(spots)
        return f"{size:.0f} {'pixel is' if size == 1 else 'pixels are'} {what}{places}."

    return words


def _line(spot: Spot) -> str:
    if spot.shape in ("column", "row"):
        return f"{spot.shape} {spot.column if spot.shape == 'column' else spot.row} over {spot.size:.0f} px"
    return f"a {spot.shape} at {_at(spot)}"


def _dust(size: float, measurement: Measurement) -> str:
    spots = measurement.spots.get("dust", ())
    if hairs := [spot for spot in spots if spot.shape]:
        lines = ", ".join(f"{one.shape} ({_at(one)})" for one in hairs[:_NAMED])
        others = [spot for spot in spots if not spot.shape]
        specks = f", and {len(others)} {'speck' if len(others) == 1 else 'specks'} of dust" if others else ""
        return f"A hair or a scratch darkens {lines}{specks}{_places(tuple(others))}."
    there = "There is 1 speck" if size == 1 else f"There are {size:.0f} specks"
    on_parts = measurement.details.get("on_parts", 0.0)
    alike = " Where parts pass, dark places on the parts themselves look the same." if on_parts else ""
    return f"{there} of dust{_places(spots)}.{alike}"


def _at(spot: Spot) -> str:
    return f"row {max(spot.row, 0)}, column {max(spot.column, 0)}"


def _places(spots: tuple[Spot, ...]) -> str:
    if not spots:
        return ""
    places = "; ".join(_at(spot) for spot in spots[:_NAMED])
    return f" ({places}{f'; and {len(spots) - _NAMED} more' if len(spots) > _NAMED else ''})"


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
    "tone": _tone,
    "reflection": _reflection,
    "shift": _shift,
    "rotation": _rotation,
    "zoom": _zoom,
    "view": _view,
    "blur": _blurred,
    "motion": _motion,
    "dead": _pixels("dead"),
    "hot": _pixels("hot"),
    "stuck": _pixels("stuck"),
    "dust": _dust,
    "noise": _noise,
    "smoothed": _smoothed,
    "sharpened": _sharpened,
    "blocks": _blocks,
    "coarse": _coarse,
    "torn": _torn,
    "frozen": _frozen,
    "unknown": _unknown,
    **{name: _content(name) for name in drift.UNITS},
}
