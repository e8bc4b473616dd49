"""cameras.yaml: what each camera delivers."""

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from inspection.record import Count, Positive, Record, mapping, named, nearest, parse


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"unknown time zone; did you mean {nearest(name, available_timezones())}?")
    return name


Turn = Literal["flip_x", "flip_y", "turn_180", "turn_90", "turn_270"]


class Camera(Record):
    """What one camera delivers. `width` and `height` are pixels; a camera that crops around the part
    also has `min_width` and `min_height` and delivers anything in between. `black` and `white` are the stored
    values that stand for no light and for full light (a 12-bit camera in a 16-bit file: white 4095). `sides` is how
    many different sides of a part it photographs; with one, all its pictures of a part bear the same label.
    `turns` are the mirrored and turned pictures that could have come as well: training may show them too; a list for
    all parts, or one for each."""

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
    sides: Count = 1
    turns: tuple[Turn, ...] | dict[str, tuple[Turn, ...]] = ()
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    parts: Annotated[tuple[str, ...], Field(min_length=1)]
    mm_per_px: Positive | None = None

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

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


def read_cameras(path: Path) -> dict[str, Camera]:
    """cameras.yaml as camera name -> record."""
    return {name: parse(Camera, named(name, body, path, name), path, (name,)) for name, body in mapping(path).items()}
