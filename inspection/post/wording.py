"""Places, times and sizes as people read them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import exp
from typing import Any
from zoneinfo import ZoneInfo

_SAID: Mapping[str, Callable[[float], str]] = {  # sizes that are a number of their own kind
    "exponent of the levels": lambda size: f"an exponent of {1 + size:.2f}",
    "steps between blocks of 8 pixels": lambda size: f"steps between blocks {exp(size):.1f} times as high as in health",
}
_LIKENESS = "likeness that was lost"  # 1: all
NAMED = 5  # places that are written out
_UNITS = {  # in plain words, where the first of a unit's words are none
    "captures with the same bytes": "times the same picture",
    "healthy standard deviations": "times the usual spread",
}


def titles(line: str, cameras: Sequence[str], what: str) -> tuple[str, str]:
    """Subject and headline: the camera, or the line where several cameras show the same at about the same time."""
    short, whole = f"{len(cameras)} cameras", f"Line {line}, {' and '.join(cameras)}"
    if len(cameras) == 1:
        short = whole = cameras[0]
    return f"[Andon] Line {line}, {short}: {what}", f"{whole}: {what}"


def known(*facts: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """The facts that have a value."""
    return tuple(fact for fact in facts if fact[1])


def place(line: str, cameras: Sequence[str]) -> str:
    return f"line {line}, {' and '.join(cameras)}"


def places(spots: Sequence[Mapping[str, Any]]) -> str:
    """Where the first few are; "" without any."""
    said = [_at(spot) for spot in spots[:NAMED]]
    return "; ".join([*said, *([f"and {len(spots) - NAMED} more"] if len(spots) > NAMED else [])])


def _at(spot: Mapping[str, Any]) -> str:
    if spot.get("shape") in ("row", "column"):  # a line across the picture
        return f"{spot['shape']} {spot[spot['shape']]}"
    return f"row {max(spot['row'], 0)}, column {max(spot['column'], 0)}"  # a blot may have its middle beyond the rim


def counted(number: int, noun: str) -> str:
    """1 part, 2 parts."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def when(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %d %b %Y, %H:%M} ({zone.key})"


def between(span: tuple[datetime, datetime], zone: ZoneInfo) -> str:
    """The day is said once where both ends share it."""
    first, last = (moment.astimezone(zone) for moment in span)
    if first.date() == last.date():
        return f"between {first:%H:%M} and {last:%H:%M} on {last:%a %d %b %Y} ({zone.key})"
    return f"between {first:%a %d %b %Y, %H:%M} and {last:%a %d %b %Y, %H:%M} ({zone.key})"


def size(finding: Mapping[str, Any]) -> str:
    """The size with its uncertainty: "-12% ± 1% in brightness", "2.3 ± 0.2 px (0.58 mm)"."""
    number, unit = float(finding["size"]), _unit(finding)
    error, mm = finding.get("error"), finding.get("mm")
    if unit in _SAID:
        return _SAID[unit](number)
    if _is_share(unit):
        number = min(number, 1.0) if unit == _LIKENESS else number
        digits = 1 if abs(number) < 0.02 else 0
        said = f"{number:{'' if unit == _LIKENESS else '+'}.{digits}%}"
        return said + (f" ± {max(error, 0.01 * 0.1**digits):.{digits}%}" if error else "") + _of_what(unit)
    if number == int(number) and not mm:
        return f"{number:.0f} {unit.removesuffix('s') if number == 1 else unit}"
    digits = 1 if abs(number) < 10 else 0
    doubt = f" ± {max(error, 0.1**digits):.{digits}f}" if error else ""
    return f"{number:.{digits}f}{doubt} {unit}{f' ({mm:.2g} mm)' if mm else ''}"


def pace(finding: Mapping[str, Any]) -> str:
    """How much a day, with its interval, where it is known: "+1.5 pixels a day (between +1 and +2)"; "" for what did
    not come slowly."""
    growth = finding.get("growth")
    if not growth:
        return "slowly, over many hours or days" if finding.get("slow") else ""
    numbers = [float(growth[name]) for name in ("per_day", "low", "high")]
    unit = _unit(finding)
    if _is_share(unit):
        daily, low, high = (f"{number:+.1%}" for number in numbers)
    else:
        daily, low, high = (f"{number:+.2g}" for number in numbers)
        daily = f"{daily} {unit}"
    return f"{daily} a day (between {low} and {high})"


def _unit(finding: Mapping[str, Any]) -> str:
    said = str(finding["unit"])
    return _UNITS.get(said, said.partition(",")[0])


def _is_share(unit: str) -> bool:
    return unit == _LIKENESS or unit.startswith(("relative", "share"))


def _of_what(unit: str) -> str:
    """What a share is of, or in what a relative size differs: " of the pictures", " in brightness"."""
    if unit == _LIKENESS:
        return " of the likeness is lost"
    kind, _, what = unit.partition(" ")
    return f" {what if kind == 'share' else f'in {what}'}" if what else ""
