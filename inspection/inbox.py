"""A folder that cameras write to, and what the name of a file in it says."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from inspection.errors import FixInput, FixSettings
from inspection.params import Camera

UNFINISHED = (".part", ".tmp")
FIELDS = ("line", "camera", "part", "serial", "captured_at")
_SAFE = re.compile(r"[A-Za-z0-9._-]+\Z")
_TIME = re.compile(r"(\d{8})T?(\d{6})(\d{0,6})(Z?)\Z")


@dataclass(frozen=True)
class Dropped:
    """A file in the inbox as it was when it was found; `key` is its path below the inbox."""

    key: str
    path: Path
    size: int
    mtime_ns: int

    def remove(self) -> None:
        """Delete the file, unless it is no longer what was read: cameras use names again."""
        try:
            now = self.path.lstat()
            if (now.st_size, now.st_mtime_ns) == (self.size, self.mtime_ns):
                self.path.unlink()
        except FileNotFoundError:
            return


@dataclass(frozen=True)
class Named:
    """What a key says of a capture."""

    camera: Camera
    part: str
    serial: str
    captured_at: datetime  # UTC


def dropped(inbox: Path) -> Iterator[Dropped]:
    """The finished files below the inbox, by name; what is hidden, unfinished or no plain file is left alone."""
    if not inbox.is_dir():
        raise FixSettings(f"There is no inbox at {inbox}: create the folder, or set ingest.inbox in params.yaml.")
    for folder, folders, names in os.walk(inbox):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder) / name
            found = path.lstat()
            if name.startswith(".") or name.lower().endswith(UNFINISHED) or not stat.S_ISREG(found.st_mode):
                continue
            key = path.relative_to(inbox).as_posix().encode("utf-8", "backslashreplace").decode()
            yield Dropped(key, path, found.st_size, found.st_mtime_ns)


def pattern(text: str) -> re.Pattern[str]:
    """`{camera}/{part}/{serial}/{captured_at}` as an expression with those groups.

    Raises:
        FixSettings: an unknown or missing field.
    """
    fields = re.findall(r"\{(\w+)\}", text)
    unknown, missing = set(fields) - set(FIELDS), set(FIELDS) - {"line"} - set(fields)
    if unknown or missing or len(set(fields)) != len(fields):
        wrong = ", ".join(sorted(unknown or missing)) or "a field twice"
        raise FixSettings(f"params.yaml: ingest.key_pattern: {wrong}; it takes each of {', '.join(FIELDS[1:])} once.")
    pieces = re.split(r"(\{\w+\})", text)
    return re.compile("".join(f"(?P<{p[1:-1]}>[^/]+?)" if p.startswith("{") else re.escape(p) for p in pieces) + r"\Z")


def named(key: str, expression: re.Pattern[str], cameras: dict[str, Camera]) -> Named:
    """What a key says.

    Raises:
        FixInput: letters that do not belong in a name, another form, an unknown camera, no time.
    """
    if any(not _SAFE.match(step) or set(step) == {"."} or ".." in step for step in key.split("/")):
        raise FixInput(
            "the name holds more than letters, digits, dot, dash and underscore (or two dots in a row); "
            "rename it at the camera"
        )
    stem = key.rsplit(".", 1)[0]
    match = expression.match(stem)
    if match is None:
        raise FixInput(
            f"the name is not of the form of ingest.key_pattern ({expression.pattern.count('?P<')} fields); rename it"
        )
    fields = match.groupdict()
    camera = cameras.get(fields["camera"])
    if camera is None:
        raise FixInput(f"camera {fields['camera']} is not in cameras.yaml ({', '.join(cameras)}); declare it there")
    if fields.get("line", camera.line) != camera.line:
        raise FixInput(f"the name says line {fields['line']}, but cameras.yaml says {camera.line} for {camera.name}")
    return Named(camera, fields["part"], fields["serial"], _time(fields["captured_at"], camera))


def _time(text: str, camera: Camera) -> datetime:
    """20261102T061512345Z or ISO 8601; without a zone it is the camera's."""
    try:
        if match := _TIME.match(text):
            day, clock_time, fraction, zulu = match.groups()
            moment = datetime.strptime(day + clock_time, "%Y%m%d%H%M%S").replace(  # noqa: DTZ007  the zone comes below
                microsecond=int(fraction.ljust(6, "0"))
            )
            moment = moment.replace(tzinfo=UTC) if zulu else moment
        else:
            moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=camera.zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise FixInput(f"{text!r} is not a time; write it like 20261102T061512345Z") from None
