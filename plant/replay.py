"""A plain data set replayed as cameras over days: real pictures, and whatever the table lacks simulated."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from PIL import Image

from inspection.errors import FixInput, FixSettings
from inspection.intake.images import read
from plant import shifts
from plant.chance import generator
from plant.faults import PLACES, Fault, apply
from plant.optics import Pixels, quantised
from plant.shot import Shot, key_of

_SIMULATED_DAYS = 10


@dataclass(frozen=True)
class Seen:
    """One replayed camera as its pictures show it: what a cameras.yaml has to declare. Its times are UTC."""

    name: str
    line: str
    parts: tuple[str, ...]
    modes: tuple[str, ...]  # Pillow's names, usually one
    min_width: int  # px
    width: int  # px, the largest
    min_height: int
    height: int


@dataclass(frozen=True)
class _Row:
    """One row of metadata.csv, nothing missing any more."""

    file: str
    label: str
    camera: str
    line: str
    part: str
    serial: str
    captured_at: datetime


class Replay:
    """A folder with metadata.csv (`file`, `label`, maybe line, camera, part, serial, captured_at) as a plant.

    `notes` says in plain sentences what had to be simulated. Same folder and arguments, same shots.
    """

    def __init__(
        self,
        data_dir: Path,
        seed: int,
        start: date,
        *,
        days: int | None = None,
        cameras: int = 2,
        serial_column: str | None = None,
        order_column: str | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        """Read the table, and simulate what it lacks.

        `serial_column` holds the part's serial (default: `serial`). The values of `order_column` follow each
        other as days from `start`, stretched or pressed into `days` where that is given.

        Raises:
            FixInput: metadata.csv is missing or incomplete, or a file that it names is missing.
            FixSettings: metadata.csv lacks a named column, or a fault is on a camera that is not here.
        """
        self.data_dir, self.seed, self.start, self.faults = data_dir, seed, start, tuple(faults)
        self.notes: list[str] = []
        table = _read(data_dir, [column for column in (serial_column, order_column) if column])
        serials = self._serials(table, serial_column or "serial")
        parts = self._column(table, "part", _word(data_dir.resolve().name), "every image shows the part '{}'")
        lines = self._column(table, "line", "A", "all cameras stand at line '{}'")
        names = self._cameras(table, serials, cameras)
        times = self._times(table, serials, order_column, days)
        rows = [
            _Row(row["file"], row["label"], name, line, part, serial, at)
            for row, name, line, part, serial, at in zip(table, names, lines, parts, serials, times, strict=True)
        ]
        self._rows = self._apart(sorted(rows, key=lambda row: (row.captured_at, row.file)))
        self._check_faults()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def days(self) -> list[date]:
        """The days (UTC) that have pictures."""
        return sorted({row.captured_at.date() for row in self._rows})

    def cameras(self) -> list[Seen]:
        """What each camera delivers, measured from the headers of all its files."""
        by_camera = defaultdict(list)
        for row in self._rows:
            by_camera[row.camera].append(row)
        return [self._seen(name, rows) for name, rows in sorted(by_camera.items())]

    def shots(self, day: date) -> Iterator[Shot]:
        """The day's pictures in the order of capture: the original bytes, unless a fault is on."""
        for row in self._rows:
            if row.captured_at.date() == day:
                yield self._shot(row)

    def news(self, day: date) -> str:
        """What is special about the day: nothing that anybody knows."""
        return ""

    def _shot(self, row: _Row) -> Shot:
        path, at = self.data_dir / row.file, row.captured_at
        on = [fault for fault in self.faults if fault.camera == row.camera and fault.size_at(at)]
        image = _faulty(path, on, self.seed, row.camera, at) if on else path.read_bytes()
        suffix = path.suffix.lower() if isinstance(image, bytes) else ".png"
        key = key_of(row.camera, row.part, row.serial, at, suffix)
        return Shot(key, row.camera, row.line, row.part, row.serial, at, row.label, image)

    def _seen(self, name: str, rows: list[_Row]) -> Seen:
        sizes, modes = set(), set()
        for row in rows:
            with Image.open(self.data_dir / row.file) as image:  # reads the header only
                sizes.add(image.size)
                modes.add(image.mode)
        widths, heights = zip(*sizes, strict=True)
        return Seen(
            name=name,
            line=rows[0].line,
            parts=tuple(sorted({row.part for row in rows})),
            modes=tuple(sorted(modes)),
            min_width=min(widths),
            width=max(widths),
            min_height=min(heights),
            height=max(heights),
        )

    def _column(self, table: list[dict[str, str]], column: str, simulated: str, note: str) -> list[str]:
        if column in table[0]:
            return [_word(row[column]) for row in table]
        self.notes.append(f"metadata.csv has no column '{column}': {note.format(simulated)}.")
        return [simulated] * len(table)

    def _serials(self, table: list[dict[str, str]], column: str) -> list[str]:
        if column in table[0]:
            return [_word(row[column]) for row in table]
        self.notes.append(
            f"metadata.csv has no column '{column}': each image is a part of its own, equal files are one."
        )
        return [f"S{sha256((self.data_dir / row['file']).read_bytes()).hexdigest()[:10]}" for row in table]

    def _cameras(self, table: list[dict[str, str]], serials: list[str], count: int) -> list[str]:
        if "camera" in table[0]:
            return [_word(row["camera"]) for row in table]
        self.notes.append(f"metadata.csv has no column 'camera': parts are dealt to {count} cameras at random.")
        return [f"cam-{1 + int(count * self._share('camera', serial))}" for serial in serials]

    def _times(
        self, table: list[dict[str, str]], serials: list[str], order_column: str | None, days: int | None
    ) -> list[datetime]:
        if "captured_at" in table[0] and order_column is None:
            return [_time(row["captured_at"], row["file"]) for row in table]
        order = [row[order_column] for row in table] if order_column else [""] * len(table)
        values = sorted(set(order), key=_natural)
        days = days or (len(values) if order_column else _SIMULATED_DAYS)
        source = f"the values of '{order_column}' follow each other" if order_column else "parts are dealt at random"
        self.notes.append(f"Capture times are simulated: {source} over {days} days from {self.start}.")
        numbers = [
            _stretch(values.index(value), len(values), days, self._share("day", serial))
            for value, serial in zip(order, serials, strict=True)
        ]
        return self._spread(numbers, serials)

    def _spread(self, numbers: list[int], serials: list[str]) -> list[datetime]:
        """Times evenly over the working hours of each row's day; a part's pictures follow each other."""
        arrivals = [
            (number, self._share("turn", serial), i)
            for i, (number, serial) in enumerate(zip(numbers, serials, strict=True))
        ]
        per_day, done = Counter(numbers), Counter[int]()
        times = [datetime.min.replace(tzinfo=UTC)] * len(numbers)
        for number, _, row in sorted(arrivals):
            share = (done[number] + 0.5) / per_day[number]
            times[row] = shifts.moment(self.start + timedelta(days=number), share, ZoneInfo("UTC"))
            done[number] += 1
        return times

    def _apart(self, rows: list[_Row]) -> list[_Row]:
        """`rows` in time order with no two pictures of one camera in the same millisecond."""
        last: dict[str, datetime] = {}
        moved = 0
        for i, row in enumerate(rows):
            at = max(
                row.captured_at,
                last.get(row.camera, datetime.min.replace(tzinfo=UTC)) + timedelta(milliseconds=1),
            )
            moved += at != row.captured_at
            rows[i], last[row.camera] = replace(row, captured_at=at), at
        if moved:
            self.notes.append(
                f"{moved} capture times were moved by milliseconds: one camera takes one picture at a time."
            )
        return rows

    def _check_faults(self) -> None:
        names = sorted({row.camera for row in self._rows})
        for fault in self.faults:
            if fault.camera not in names:
                raise FixSettings(
                    f"fault '{fault.kind}' is on camera '{fault.camera}': choose one of {', '.join(names)}."
                )

    def _share(self, what: str, serial: str) -> float:
        return float(generator(self.seed, "replay", what, serial).random())


def _read(data_dir: Path, named: list[str]) -> list[dict[str, str]]:
    """metadata.csv as a list of rows, each with a file that exists and a label."""
    path = data_dir / "metadata.csv"
    if not path.is_file():
        raise FixInput(f"{path} is missing: a data set is a folder with metadata.csv (file,label) beside images/.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        table = list(csv.DictReader(file))
    if not table:
        raise FixInput(f"{path} has no rows: add one per image (file,label).")
    for column in ("file", "label"):
        if column not in table[0]:
            raise FixInput(f"{path} has no column '{column}': add it.")
    for column in named:
        if column not in table[0]:
            raise FixSettings(f"{path} has no column '{column}': choose one of {', '.join(table[0])}.")
    given = [c for c in ("file", "label", "line", "camera", "part", "serial", "captured_at", *named) if c in table[0]]
    for number, row in enumerate(table, start=2):
        if empty := [column for column in given if not row[column]]:
            raise FixInput(f"{path}, line {number}: '{empty[0]}' is empty; fill it in.")
        if not (data_dir / row["file"]).is_file():
            raise FixInput(
                f"{path}, line {number}: the file '{row['file']}' is missing; restore it or remove the line."
            )
    return table


def _faulty(path: Path, faults: Sequence[Fault], seed: int, camera: str, at: datetime) -> Pixels:
    """The picture as it would have been with `faults`; its own noise is in it and is changed with it."""
    picture = read(path, max_megapixels=1000)
    image = picture.levels() / np.float32(255)
    for place in PLACES:
        image = apply(image, place, faults, seed, camera, at)
    return quantised(image[..., 0] if image.shape[2] == 1 else image, picture.bit_depth)


def _stretch(value: int, values: int, days: int, share: float) -> int:
    """The day of the `value`-th of `values` that fill `days` in order; `share` (0..1) picks of several."""
    first, end = value * days // values, (value + 1) * days // values
    return first + int(share * max(1, end - first))


def _time(text: str, file: str) -> datetime:
    """`text` (ISO 8601; UTC if it names no zone) in UTC, cut to milliseconds."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise FixInput(
            f"metadata.csv: captured_at of '{file}' is '{text}': write it as 2026-11-02T06:15:12Z."
        ) from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _natural(text: str) -> tuple[float, str]:
    """A sort key: numbers by value, other text after them by the alphabet."""
    try:
        return float(text), text
    except ValueError:
        return float("inf"), text


def _word(text: str) -> str:
    """`text` as one safe step of a path."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip(".") or "-"
