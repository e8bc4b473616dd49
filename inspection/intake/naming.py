"""What the key of a file, or its row in a sidecar, says of a capture."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache

from inspection.cameras import Camera
from inspection.errors import FixInput, FixSettings
from inspection.intake.sidecar import FIELDS, Row
from inspection.intake.spreadsheet import shown
from inspection.outside.quoted import quoted

NEEDED = FIELDS[1:]  # a camera knows its line
NAME = "its name"
_SAFE = re.compile(r"[A-Za-z0-9._-]{1,255}\Z")
_TIME = re.compile(r"(\d{8})T?(\d{6})(\d{0,6})(Z?)\Z")
_SHEET = "if it is a sheet that describes images, set ingest.sidecar in params.yaml (such as '*.csv')"
Said = Mapping[str, tuple[str, str]]  # field -> value and the place that gives it


@dataclass(frozen=True)
class Named:
    """What is known of a capture. A time is doubtful if it names no zone and lies in the hour that the end of
    daylight saving doubles, or in the one that its beginning skips: it is the earlier one, or as before the change."""

    camera: Camera
    part: str
    serial: str
    captured_at: datetime  # UTC
    time_doubtful: bool


@cache
def pattern(text: str, complete: bool = True) -> re.Pattern[str] | None:
    """`{camera}/{part}/{serial}/{captured_at}` as an expression with those groups; None for "".

    Args:
        complete: whether the key alone has to say everything, as no sidecar does.

    Raises:
        FixSettings: an unknown, doubled or missing field.
    """
    fields = re.findall(r"\{(\w+)\}", text)
    unknown, missing = set(fields) - set(FIELDS), set(NEEDED) - set(fields) if complete else set()
    if unknown or missing or len(set(fields)) != len(fields):
        wrong = ", ".join(sorted(unknown or missing)) or "a field twice"
        raise FixSettings(f"params.yaml: ingest.key_pattern: {wrong}; it takes each of {', '.join(NEEDED)} once.")
    pieces = re.split(r"(\{\w+\})", text)
    form = "".join(f"(?P<{p[1:-1]}>[^/]+?)" if p.startswith("{") else re.escape(p) for p in pieces)
    return re.compile(form + r"\Z") if text else None


def named(key: str, expression: re.Pattern[str] | None, cameras: Mapping[str, Camera], row: Row | None) -> Named:
    """What a key and a row say together. A key of another form than `expression` says nothing if there is a row.

    Raises:
        FixInput: letters that do not belong in a name, another form, a field that nobody gives or on which the two
            disagree, an unknown camera, no time.
    """
    by_key, by_row = _of_key(key, expression, row is not None), _of_row(row)
    merged = {**by_row, **by_key}
    if missing := [name for name in NEEDED if name not in merged]:
        raise FixInput(
            f"neither its name nor a row of a sidecar says {', '.join(missing)}; add it to the sidecar or to "
            "ingest.key_pattern"
        )
    for name in ("line", "camera", "part", "serial"):
        if name in by_key and name in by_row and by_key[name][0] != by_row[name][0]:
            raise _disagreement(name, by_key, by_row)
    camera = _camera(merged, cameras)
    times = [_instants(said["captured_at"][0], camera) for said in (by_key, by_row) if "captured_at" in said]
    agreed = [moment for moment in times[0] if moment in times[-1]]
    if not agreed:
        raise _disagreement("captured_at", by_key, by_row)
    return Named(camera, merged["part"][0], merged["serial"][0], agreed[0], len(agreed) > 1)


def _of_key(key: str, expression: re.Pattern[str] | None, described: bool) -> Said:
    if any(not _is_safe(step) for step in key.split("/")):
        raise FixInput(
            "the name holds more than letters, digits, dot, dash and underscore (or two dots in a row); "
            "rename it at the camera"
        )
    match = expression.match(key.rsplit(".", 1)[0]) if expression else None
    if expression and not match and not described:
        raise FixInput(
            f"the name is not of the form of ingest.key_pattern ({expression.pattern.count('?P<')} fields); "
            + (_SHEET if key.lower().endswith(".csv") else "rename it")
        )
    return {name: (value, NAME) for name, value in match.groupdict().items()} if match else {}


def _of_row(row: Row | None) -> Said:
    for name in ("camera", "part", "serial"):
        if row and name in row.fields and not _is_safe(row.fields[name]):
            raise FixInput(
                f"{name} is {quoted(row.fields[name])} in {row.place}: it may hold only letters, digits, dot, dash and "
                "underscore; correct it there"
            )
    return {name: (value, row.place) for name, value in row.fields.items()} if row else {}


def _is_safe(name: str) -> bool:
    return bool(_SAFE.match(name)) and set(name) != {"."} and ".." not in name


def _disagreement(name: str, by_key: Said, by_row: Said) -> FixInput:
    (one, there), (two, elsewhere) = by_key[name], by_row[name]
    return FixInput(f"{name} is {shown(one)} in {there} but {shown(two)} in {elsewhere}; correct one of them")


def _camera(said: Said, cameras: Mapping[str, Camera]) -> Camera:
    name, _ = said["camera"]
    if (camera := cameras.get(name)) is None:
        raise FixInput(f"camera {name} is not in cameras.yaml ({', '.join(cameras)}); declare it there")
    line, place = said.get("line", (camera.line, NAME))
    if line != camera.line:
        place = "the name" if place == NAME else place
        raise FixInput(f"{place} says line {shown(line)}, but cameras.yaml says {camera.line} for {camera.name}")
    return camera


def _instants(text: str, camera: Camera) -> list[datetime]:
    """The moments in UTC that a text may mean: two where a change of the clocks leaves the choice.

    20261102T061512345Z or ISO 8601; without a zone it is the camera's. A day is none.
    """
    if _is_day(text):
        raise FixInput(f"{text[:80]!r} names a day and no time of day; write it like 20261102T061512345Z")
    try:
        moment = _read(text)
        zoned = [moment] if moment.tzinfo else [moment.replace(tzinfo=camera.zone, fold=fold) for fold in (0, 1)]
        return list(dict.fromkeys(one.astimezone(UTC) for one in zoned))
    except (ValueError, OverflowError):
        raise FixInput(f"{quoted(text)} is not a time; write it like 20261102T061512345Z") from None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _read(text: str) -> datetime:
    match = _TIME.match(text)
    if not match:
        return datetime.fromisoformat(text)
    day, clock_time, fraction, zulu = match.groups()
    moment = datetime.strptime(day + clock_time, "%Y%m%d%H%M%S")  # noqa: DTZ007  the zone comes later
    return moment.replace(microsecond=int(fraction.ljust(6, "0")), tzinfo=UTC if zulu else None)
