"""What the cameras of the demo see, day by day: a drawn plant, or the pictures of a folder."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from andon.crew import Say
from andon.plants.commented import cameras_text, taxonomy_text
from andon.plants.founding import shipped
from andon.plants.like import acceptable, crops
from inspection import git
from inspection.cameras import Camera, read_cameras
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.pictures.images import SUFFIXES
from plant.faults import Fault
from plant.line import Plant
from plant.replay import Replay, Seen
from plant.shot import Shot

START = date(2026, 11, 2)  # a Monday
PER_CAMERA = 69  # drawn images a day
ARCHIVE = 365  # days; pictures of more come in later after they were taken than a plant's own


@dataclass(frozen=True)
class Source:
    """What the cameras see: parts drawn from `seed`, or the images of a folder."""

    data: Path | None
    serial_column: str | None
    order_column: str | None
    good: tuple[str, ...]
    days: int
    seed: int


class Stream(Protocol):
    """Pictures day by day."""

    @property
    def days(self) -> list[date]: ...

    def shots(self, day: date) -> Iterator[Shot]: ...

    def news(self, day: date) -> str: ...

    @property
    def laid(self) -> list[str]: ...


@dataclass(frozen=True)
class Drawn:
    """A drawn plant over its first days, with what goes wrong there."""

    plant: Plant
    count: int

    @property
    def days(self) -> list[date]:
        return [START + timedelta(days=number) for number in range(self.count)]

    def shots(self, day: date) -> Iterator[Shot]:
        return self.plant.shots(day, PER_CAMERA)

    def news(self, day: date) -> str:
        """What the plant's people do not know yet."""
        begins = [f"{f.kind} {f.size:+g} on {f.camera}" for f in self.plant.faults if f.since.date() == day]
        ends = [f"{f.kind} on {f.camera} is mended" for f in self.plant.faults if f.until and f.until.date() == day]
        new = [f"parts with {name} turn up" for name, since in self.plant.new_classes.items() if since == day]
        words = [*begins, *ends, *new]
        return f"   (unseen by anybody: {', '.join(words)})" if words else ""

    @property
    def laid(self) -> list[str]:
        """The faults that are on the pictures of these days."""
        return [f"{one.kind} on {one.camera}" for one in self.plant.faults if one.since.date() <= self.days[-1]]


def story(seed: int, cameras: tuple[Camera, ...]) -> Plant:
    """The drawn plant of the demo. The sizes of the two changes of light were measured (docs/LOG.md): the first costs
    the model nothing, the second more than ten points of balanced accuracy."""
    one, two = cameras[0].name, cameras[1].name

    def morning(number: int) -> datetime:
        return datetime.combine(START + timedelta(days=number - 1), datetime.min.time(), UTC) + timedelta(hours=3)

    faults = (
        Fault("lamp", -0.12, one, morning(4), morning(6)),
        Fault("lamp", -0.85, two, morning(5)),
        Fault("dust", 3, one, morning(6), morning(7)),
        Fault("dead", 2, one, morning(8), morning(9)),
    )
    return Plant(seed, cameras, faults, new_classes={"burr": START + timedelta(days=6)})


def open_stream(layout: Layout, source: Source, say: Say) -> Stream:
    """The pictures, after cameras.yaml and taxonomy.yaml were written for a replayed folder.

    Raises:
        FixInput: a label given as good is not in the folder.
    """
    if source.data is None:
        cameras = tuple(read_cameras(layout.cameras).values())
        return Drawn(story(source.seed, cameras), source.days)
    replay = Replay(
        source.data,
        source.seed,
        START,
        days=None if source.order_column else source.days,
        serial_column=source.serial_column,
        order_column=source.order_column,
        one_kind=True,
    )
    for note in replay.notes:
        say(note)
    seen = replay.cameras()
    for one in seen:
        least, most = (one.min_width, one.min_height), (one.width, one.height)
        if least != most:
            say(crops(one.name, least, most))
    declared = {one.name: _declared(one) for one in seen}
    if not declared:
        raise FixInput(
            f"Not one of the {len(replay)} files in {source.data} can be read as a picture: give "
            f"{', '.join(SUFFIXES)}, in grey or RGB of 8 or 16 bits."
        )
    if replay.broken:
        say(f"{replay.broken} of {len(replay)} files cannot be read as a picture: they are delivered as they are.")
    classes = acceptable(replay.classes.keys() - {""}, source.good, source.data)
    good = sorted(label for label, passes in classes.items() if passes)
    say(f"Acceptable: {', '.join(good)}." if good else "No label is acceptable: false rejects do not apply.")
    taxonomy = {replay.classes[label]: passes for label, passes in classes.items()}
    layout.taxonomy.write_text(taxonomy_text(shipped("taxonomy.yaml"), taxonomy), encoding="utf-8")
    layout.cameras.write_text(cameras_text(shipped("cameras.yaml"), declared), encoding="utf-8")
    _allow_an_archive(layout, replay.days, say)
    settings = [layout.taxonomy, layout.cameras, layout.params]
    git.commit(layout.root, settings, f"Demo: cameras and classes of {source.data.name}")
    return replay


def _allow_an_archive(layout: Layout, days: Sequence[date], say: Say) -> None:
    """Pictures of many years are told in a few evenings, so they come in late."""
    span = (days[-1] - days[0]).days if days else 0
    if span > ARCHIVE:
        text = layout.params.read_text(encoding="utf-8")
        layout.params.write_text(re.sub(r"(?m)^( +max_past: )\d+", rf"\g<1>{span}", text), encoding="utf-8")
        say(f"The pictures span {span} days, as an archive does: ingest.max_past is {span} days in this plant.")


def _declared(seen: Seen) -> dict[str, Any]:
    """The entry of cameras.yaml of a camera in a folder."""
    entry = {key: value for key, value in asdict(seen).items() if key not in ("name", "modes")}
    return {
        **entry,
        "mode": seen.modes[0],
        "parts": list(seen.parts),
        "turns": ["flip_x", "flip_y", "turn_180"],  # a folder says nothing of it; surfaces look alike either way
    }
