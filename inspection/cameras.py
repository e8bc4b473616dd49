"""cameras.yaml: what each camera delivers."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from inspection.errors import FixSettings
from inspection.record import Count, Positive, Record, mapping, named, nearest, parse


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"unknown time zone; did you mean {nearest(name, available_timezones())}?")
    return name


Turn = Literal["flip_x", "flip_y", "turn_180", "turn_90", "turn_270"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
STOPS = "stops"  # the one key of cameras.yaml that is no camera
Hour = Annotated[int, Field(ge=0, le=24)]


class Pace(Record):
    """How many pictures an hour are expected of a camera, on these days of the week from one hour to another (over
    midnight too: [22, 6], of which the hours after midnight belong to the day before)."""

    pictures: Positive
    days: Annotated[tuple[Day, ...], Field(min_length=1)] = DAYS
    hours: tuple[Hour, Hour] = (0, 24)

    @field_validator("hours")
    @classmethod
    def _of_some_length(cls, hours: tuple[int, int]) -> tuple[int, int]:
        if hours[0] == hours[1]:
            raise ValueError("say from which hour to which other one, [0, 24] for the whole day")
        return hours

    def at(self, local: datetime) -> float:
        """Pictures expected in the hour that begins then."""
        begins, ends = self.hours
        over = begins > ends and local.hour < ends  # in the morning after
        day = DAYS[(local - timedelta(days=1) if over else local).weekday()]
        runs = begins <= local.hour < ends if begins < ends else over or local.hour >= begins
        return self.pictures if runs and day in self.days else 0.0


def _round_the_clock(said: Any) -> Any:
    """A number alone is that of every hour."""
    if isinstance(said, int | float) and not isinstance(said, bool):
        return {"pictures": said}
    if said is None or isinstance(said, dict | Pace):
        return said
    raise ValueError("say pictures an hour, such as 40, or {pictures: 40, days: [mon, tue], hours: [6, 22]}")


def _first_moment(said: Any) -> Any:
    """A date begins at midnight."""
    return datetime.combine(said, time()) if type(said) is date else said


def _last_moment(said: Any) -> Any:
    """A date is over at midnight, also one that stands there as text."""
    if isinstance(said, str) and len(said) == len("2026-12-24"):
        said = date.fromisoformat(said)
    return datetime.combine(said + timedelta(days=1), time()) if type(said) is date else said


class Stop(Record):
    """A time in which no pictures are expected: from a date or moment to another, a date as a whole; in the camera's
    own zone where none is said. Of all cameras, or of those named."""

    begins: Annotated[datetime, BeforeValidator(_first_moment), Field(alias="from")]
    ends: Annotated[datetime, BeforeValidator(_last_moment), Field(alias="to")]
    reason: Annotated[str, Field(min_length=1)]
    cameras: tuple[str, ...] = ()

    @field_validator("ends")
    @classmethod
    def _after_its_begin(cls, ends: datetime, info: ValidationInfo) -> datetime:
        begins = info.data.get("begins")
        if begins is not None and (begins.tzinfo is None) != (ends.tzinfo is None):
            raise ValueError("from and to need both a time zone, or neither")
        if begins is not None and ends <= begins:
            raise ValueError("must lie after `from`")
        return ends

    def covers(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Whether a moment (aware) lies in it, by the clock of `zone`."""
        begins, ends = (at if at.tzinfo else at.replace(tzinfo=zone) for at in (self.begins, self.ends))
        return begins <= moment < ends


class Camera(Record):
    """What one camera delivers. `width` and `height` are pixels; a camera that crops around the part
    also has `min_width` and `min_height` and delivers anything in between. `black` and `white` are the stored
    values that stand for no light and for full light (a 12-bit camera in a 16-bit file: white 4095). `sides` is how
    many different sides of a part it photographs; with one, all its pictures of a part bear the same label; where it is
    not said, it is learned from the labels (`pictures/sides.py`).
    `turns` are the mirrored and turned pictures that could have come as well: training may show them too; a list for
    all parts, or one for each. `pace` is how many pictures are expected, learned where it is not said; in the `stops`
    none are."""

    name: str
    line: str
    width: Count
    height: Count
    min_width: Count | None = None
    min_height: Count | None = None
    mode: Literal["L", "RGB"]
    bit_depth: Literal[8, 16] = 8
    black: Annotated[int, Field(ge=0)] = 0
    white: Count | None = None
    sides: Count | None = None
    turns: tuple[Turn, ...] | dict[str, tuple[Turn, ...]] = ()
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    parts: Annotated[tuple[str, ...], Field(min_length=1)]
    mm_per_px: Positive | None = None
    pace: Annotated[Pace | None, BeforeValidator(_round_the_clock)] = None
    stops: tuple[Stop, ...] = ()

    @field_validator("min_width", "min_height")
    @classmethod
    def _not_above(cls, least: int | None, info: ValidationInfo) -> int | None:
        most = info.data.get(str(info.field_name).removeprefix("min_"))
        if least is not None and most is not None and least > most:
            raise ValueError(f"may not be larger than {str(info.field_name).removeprefix('min_')}")
        return least

    @model_validator(mode="after")
    def _turns_of_known_parts(self) -> "Camera":
        unknown = set(self.turns) - set(self.parts) if isinstance(self.turns, dict) else set()
        if unknown:
            raise ValueError(f"turns: the camera sees no part {sorted(unknown)[0]!r}; it sees {', '.join(self.parts)}")
        return self

    @field_validator("white")
    @classmethod
    def _fits(cls, white: int | None, info: ValidationInfo) -> int | None:
        full = 2 ** info.data.get("bit_depth", 8) - 1
        if white is not None and not info.data.get("black", 0) < white <= full:
            raise ValueError(f"must lie above black and not above {full}")
        return white

    def turns_of(self, part: str) -> tuple[Turn, ...]:
        """How pictures of this part may be mirrored or turned."""
        return self.turns.get(part, ()) if isinstance(self.turns, dict) else self.turns

    @property
    def span(self) -> tuple[int, int]:
        """The stored values of no light and of full light."""
        return self.black, self.white or 2**self.bit_depth - 1

    def dim(self, highest: int) -> str:
        """What to look at where a camera of 16 bits never stores a value above `highest`; "" if that can be right."""
        bits = next((bits for bits in (10, 12) if highest < 2**bits), None)
        if self.bit_depth != 16 or self.white is not None or bits is None:
            return ""
        return (
            f"{self.name} has stored no value above {highest} of the 65535 that 16 bits hold, so its pictures are "
            f"nearly black to every model: if it delivers {bits} bits, set `white: {2**bits - 1}` for it in "
            "cameras.yaml."
        )

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def stop_at(self, moment: datetime) -> Stop | None:
        """The announced stop in which a moment lies, if it does."""
        return next((stop for stop in self.stops if stop.covers(moment, self.zone)), None)


def read_cameras(path: Path) -> dict[str, Camera]:
    """cameras.yaml as camera name -> record, each with the stops that concern it."""
    raw = mapping(path)
    stops = () if _is_camera(raw.get(STOPS)) else _stops(raw.pop(STOPS, None), path, raw)
    cameras = {name: parse(Camera, named(name, body, path, name), path, (name,)) for name, body in raw.items()}
    for name, camera in cameras.items():
        mine = tuple(stop for stop in stops if not stop.cameras or name in stop.cameras)
        cameras[name] = camera.model_copy(update={"stops": camera.stops + mine})
    return cameras


def _is_camera(body: Any) -> bool:
    """Whether somebody has called a camera "stops"."""
    return isinstance(body, dict) and "line" in body


def _stops(said: Any, path: Path, cameras: Iterable[str]) -> tuple[Stop, ...]:
    if not isinstance(said, list | None):
        raise FixSettings(f"{path.name}: `{STOPS}` must be a list of times, each with from, to and reason.")
    found = []
    for number, body in enumerate(said or ()):
        where = f"{STOPS}.{number}"
        if not isinstance(body, dict):
            raise FixSettings(f"{path.name}: `{where}` must say from, to and reason.")
        stop = parse(Stop, body, path, (STOPS, str(number)))
        unknown = sorted(set(stop.cameras) - set(cameras))
        if unknown:
            near = nearest(unknown[0], cameras)
            raise FixSettings(f"{path.name}: `{where}.cameras` names {unknown[0]!r}; did you mean {near!r}?")
        found.append(stop)
    return tuple(found)


def dim(highest: Iterable[Mapping[str, int]], cameras: Mapping[str, Camera]) -> list[str]:
    """Which cameras of 16 bits use so few of them that `white` was forgotten, in sentences.

    Args:
        highest: camera -> the highest value that some of its pictures store, several times.
    """
    several = list(highest)
    found = {name: max(one.get(name, 0) for one in several) for one in several for name in one if name in cameras}
    return [words for name, value in sorted(found.items()) if (words := cameras[name].dim(value))]
