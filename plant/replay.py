"""A plain data set replayed as cameras over days: real pictures, and whatever the table lacks simulated."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from math import isnan
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from inspection.errors import AndonError, FixInput, FixSettings
from inspection.pictures.images import read, stored
from inspection.pictures.structure import Stored
from plant import shifts
from plant.chance import generator
from plant.faults import PLACES, Fault, apply
from plant.metadata import read_table
from plant.optics import Pixels, quantised
from plant.shot import Shot, key_of
from plant.words import class_names, words

_SIMULATED_DAYS = 10
_MOST_DAYS = 31  # that are simulated for the values of a column
_YEARS = range(1971, 2200)  # of a capture
_RENAMED = 3  # classes that a note names


@dataclass(frozen=True)
class Seen:
    """One replayed camera as its pictures show it: what a cameras.yaml has to declare. Its times are UTC."""

    name: str
    line: str
    parts: tuple[str, ...]
    modes: tuple[str, ...]  # L or RGB, usually one
    bit_depth: int
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

    `notes` says in plain sentences what had to be simulated, and `classes` how each label is called here. Same folder
    and arguments, same shots.
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
        one_kind: bool = False,
    ) -> None:
        """Read the table, and simulate what it lacks.

        `serial_column` holds the part's serial (default: `serial`). The values of `order_column` follow each
        other as days from `start`, stretched or pressed into `days` where that is given. With `one_kind`, pictures of
        another mode or bit depth than most of their camera's are those of another camera.

        Raises:
            FixInput: metadata.csv is missing or incomplete, or a file that it names is missing.
            FixSettings: metadata.csv lacks a named column, or a fault is on a camera that is not here.
        """
        self.data_dir, self.seed, self.start, self.faults = data_dir, seed, start, tuple(faults)
        serial_column, order_column = (name and name.strip().casefold() for name in (serial_column, order_column))
        table = read_table(data_dir, [column for column in (serial_column, order_column) if column])
        self.notes: list[str] = table.notes
        self._headers: dict[str, Stored | None] = {}
        self.classes = self._classes(table.rows)
        serials = self._serials(table.rows, serial_column or "serial")
        parts = self._column(table.rows, "part", data_dir.resolve().name, "every image shows the part '{}'")
        lines = self._column(table.rows, "line", "A", "all cameras stand at line '{}'")
        names = self._cameras(table.rows, serials, cameras)
        times = self._times(table.rows, serials, parts, order_column, days)
        rows = [
            _Row(row["file"], self.classes[row["label"]], name, line, part, serial, at)
            for row, name, line, part, serial, at in zip(table.rows, names, lines, parts, serials, times, strict=True)
        ]
        rows = self._of_one_kind(rows) if one_kind else rows
        self._rows = self._apart(sorted(rows, key=lambda row: (row.captured_at, row.file)))
        self._check_faults()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def days(self) -> list[date]:
        """The days (UTC) that have pictures."""
        return sorted({row.captured_at.date() for row in self._rows})

    @property
    def broken(self) -> int:
        """Files whose header nobody can read; a plant refuses them."""
        return sum(self._header(name) is None for name in {row.file for row in self._rows})

    def cameras(self) -> list[Seen]:
        """What each camera delivers, measured from the headers of all its files; none, where no file can be read."""
        by_camera = defaultdict(list)
        for row in self._rows:
            by_camera[row.camera].append(row)
        found = (self._seen(name, rows) for name, rows in sorted(by_camera.items()))
        return [one for one in found if one]

    def shots(self, day: date) -> Iterator[Shot]:
        """The day's pictures in the order of capture: the original bytes, unless a fault is on."""
        for row in self._rows:
            if row.captured_at.date() == day:
                yield self._shot(row)

    def news(self, day: date) -> str:
        """What is special about the day: nothing that anybody knows."""
        return ""

    @property
    def laid(self) -> list[str]:
        """The faults that are laid on the pictures, in words."""
        return [f"{fault.kind} on {fault.camera}" for fault in self.faults]

    def _shot(self, row: _Row) -> Shot:
        path, at = self.data_dir / row.file, row.captured_at
        on = [fault for fault in self.faults if fault.camera == row.camera and fault.size_at(at)]
        image = _faulty(path, on, self.seed, row.camera, at) if on else path
        suffix = path.suffix.lower() if isinstance(image, Path) else ".png"
        key = key_of(row.camera, row.part, row.serial, at, suffix)
        return Shot(key, row.camera, row.line, row.part, row.serial, at, row.label, image)

    def _seen(self, name: str, rows: list[_Row]) -> Seen | None:
        known = [one for one in map(self._header, dict.fromkeys(row.file for row in rows)) if one]
        if not known:
            return None
        (_, bit_depth), _ = Counter((one.mode, one.bit_depth) for one in known).most_common(1)[0]
        return Seen(
            name=name,
            line=Counter(row.line for row in rows).most_common(1)[0][0],
            parts=tuple(sorted({row.part for row in rows})),
            modes=tuple(sorted({one.mode for one in known})),
            bit_depth=bit_depth,
            min_width=min(one.width for one in known),
            width=max(one.width for one in known),
            min_height=min(one.height for one in known),
            height=max(one.height for one in known),
        )

    def _header(self, file: str) -> Stored | None:
        """What the file says of itself; None: it is no picture that anybody can read."""
        if file not in self._headers:
            try:
                self._headers[file] = stored(self.data_dir / file)
            except (AndonError, OSError):
                self._headers[file] = None
        return self._headers[file]

    def _of_one_kind(self, rows: list[_Row]) -> list[_Row]:
        """`rows` with pictures of another kind than most of their camera's at a camera of their own."""
        kinds: dict[str, Counter[str]] = defaultdict(Counter)
        for row in rows:
            if header := self._header(row.file):
                kinds[row.camera][_kind(header)] += 1
        main = {name: count.most_common(1)[0][0] for name, count in kinds.items()}
        for name, count in sorted(kinds.items()):
            if len(count) > 1:
                several = " and ".join(f"{number} {kind}" for kind, number in count.most_common())
                others = ", ".join(f"{name}-{kind}" for kind in count if kind != main[name])
                self.notes.append(
                    f"The pictures of {name} are of several kinds ({several}), and a camera delivers one: "
                    f"the others are told as those of {others}."
                )
        return [
            replace(row, camera=f"{row.camera}-{_kind(header)}")
            if (header := self._header(row.file)) and _kind(header) != main[row.camera]
            else row
            for row in rows
        ]

    def _classes(self, table: list[dict[str, str]]) -> dict[str, str]:
        """Each label -> what it is called here; "" stays."""
        names = class_names({row["label"] for row in table} - {""})
        if other := [f"{label!r} is {name!r}" for label, name in names.items() if label != name]:
            more = f" and {len(other) - _RENAMED} more" if len(other) > _RENAMED else ""
            self.notes.append(f"Classes are called by letters, digits, - and _ here: {', '.join(other[:3])}{more}.")
        return {**names, "": ""}

    def _column(self, table: list[dict[str, str]], column: str, simulated: str, note: str) -> list[str]:
        given = [row.get(column, simulated) for row in table]
        names = words(given, column)
        if column not in table[0]:
            self.notes.append(f"metadata.csv has no column '{column}': {note.format(names[simulated])}.")
        return [names[text] for text in given]

    def _serials(self, table: list[dict[str, str]], column: str) -> list[str]:
        if column in table[0]:
            names = words((row[column] for row in table), "serial")
            return [names[row[column]] for row in table]
        self.notes.append(
            f"metadata.csv has no column '{column}': each image is a part of its own, equal files are one."
        )
        return [f"S{sha256((self.data_dir / row['file']).read_bytes()).hexdigest()[:10]}" for row in table]

    def _cameras(self, table: list[dict[str, str]], serials: list[str], count: int) -> list[str]:
        if "camera" in table[0]:
            names = words((row["camera"] for row in table), "camera")
            return [names[row["camera"]] for row in table]
        self.notes.append(f"metadata.csv has no column 'camera': parts are dealt to {count} cameras at random.")
        return [f"cam-{1 + int(count * self._share('camera', serial))}" for serial in serials]

    def _times(
        self,
        table: list[dict[str, str]],
        serials: list[str],
        parts: list[str],
        order_column: str | None,
        days: int | None,
    ) -> list[datetime]:
        if "captured_at" in table[0] and order_column is None:
            return [_time(row["captured_at"], row["file"]) for row in table]
        order = [row[order_column] for row in table] if order_column else [""] * len(table)
        values = {value: place for place, value in enumerate(sorted(set(order), key=_natural))}
        days = days or (min(len(values), _MOST_DAYS) if order_column else _SIMULATED_DAYS)
        source = f"the values of '{order_column}' follow each other" if order_column else "parts are dealt at random"
        self.notes.append(f"Capture times are simulated: {source} over {days} days from {self.start}.")
        numbers = [
            _stretch(values[value], len(values), days, self._share("day", serial))
            for value, serial in zip(order, serials, strict=True)
        ]
        return self._spread(numbers, serials, parts)

    def _spread(self, numbers: list[int], serials: list[str], parts: list[str]) -> list[datetime]:
        """Times evenly over the working hours of each row's day; a part's pictures follow each other."""
        arrivals = [
            (number, self._share("turn", serial), part, i)
            for i, (number, serial, part) in enumerate(zip(numbers, serials, parts, strict=True))
        ]
        per_day, done = Counter(numbers), Counter[int]()
        times = [datetime.min.replace(tzinfo=UTC)] * len(numbers)
        for number, _, _, row in sorted(arrivals):
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


def _kind(header: Stored) -> str:
    colour = "grey" if header.mode == "L" else "colour"
    return colour if header.bit_depth == 8 else f"{colour}{header.bit_depth}"


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
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise FixInput(
            f"metadata.csv: captured_at of '{file}' is '{text}': write it as 2026-11-02T06:15:12Z."
        ) from None
    if at.year not in _YEARS:
        raise FixInput(f"metadata.csv: captured_at of '{file}' is '{text}', of the year {at.year}: correct it.")
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _natural(text: str) -> tuple[float, str]:
    """A sort key: numbers by value, other text after them by the alphabet."""
    try:
        number = float(text)
    except ValueError:
        return float("inf"), text
    return (float("inf") if isnan(number) else number), text
