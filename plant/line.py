"""The simulated line: day by day, the parts that pass its cameras, and what the cameras deliver."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from heapq import merge

import numpy as np
from numpy.typing import NDArray

from inspection.cameras import Camera
from inspection.errors import FixSettings
from plant import defects, shifts, surfaces
from plant.chance import generator
from plant.faults import Fault
from plant.optics import capture, margin
from plant.shot import Shot, drop, key_of, write_labels
from plant.texture import Field

__all__ = ["CLASSES", "GOOD", "Plant", "Shot", "drop", "write_labels"]

GOOD = "good"
CLASSES = ("scratch", "pit", "stain", "crack", "inclusion")

_STRENGTH_SPREAD = 0.22  # sd of log strength: from faint to plain
_BLEMISHED = 0.25  # share of good parts with a mark that the quality spec accepts


@dataclass(frozen=True)
class Visit:
    """A part's stay under a camera."""

    day: date
    share: float  # of the day's working time that is over, 0..1
    part: str
    serial: str
    views: int


@dataclass(frozen=True)
class Plant:
    """A line whose every day follows from `seed`. A class of `new_classes` appears from its day on."""

    seed: int
    cameras: Sequence[Camera]
    faults: Sequence[Fault] = ()
    classes: Sequence[str] = CLASSES
    new_classes: Mapping[str, date] = field(default_factory=dict)
    defect_rate: float = 0.5  # share of defective parts; labelled data are enriched
    views: int = 2  # images per part and camera
    hidden_rate: float = 0.15  # share of defective parts of which one view does not show the defect

    def __post_init__(self) -> None:
        names = {camera.name for camera in self.cameras}
        for fault in self.faults:
            if fault.camera not in names:
                raise FixSettings(f"fault '{fault.kind}' is on camera '{fault.camera}': choose one of {sorted(names)}.")
        for name in (*self.classes, *self.new_classes):
            if name not in defects.KINDS:
                raise FixSettings(f"no defect '{name}': choose one of {', '.join(defects.KINDS)}.")

    def shots(self, day: date, per_camera: int) -> Iterator[Shot]:
        """The day's pictures, `per_camera` of each camera, in the order in which parts arrive."""
        visits = [
            [(visit.share, camera.name, camera, visit) for visit in self.visits(camera, day, per_camera)]
            for camera in self.cameras
        ]
        for _, _, camera, visit in merge(*visits, key=lambda arrival: arrival[:2]):
            yield from self.views_of(camera, visit)

    def classes_on(self, day: date) -> tuple[str, ...]:
        """The defect classes that may occur on `day`."""
        return (*self.classes, *(name for name, since in self.new_classes.items() if since <= day))

    def visits(self, camera: Camera, day: date, per_camera: int) -> Iterator[Visit]:
        """The parts that come under `camera` on `day`, in order; nothing is drawn yet."""
        count = -(-per_camera // self.views)
        mix = [self._mix(camera, day, shift) for shift in (0, 1)]
        rng = generator(self.seed, camera.name, day, "arrivals")
        for number, (early, choice) in enumerate(rng.random((count, 2))):
            share = (number + 0.1 + 0.8 * early) / count
            part = camera.parts[int(np.searchsorted(mix[shifts.shift(share)], choice))]
            serial = f"{camera.name}-{day:%y%m%d}-{number + 1:04d}"
            yield Visit(day, share, part, serial, min(self.views, per_camera - number * self.views))

    def _mix(self, camera: Camera, day: date, shift: int) -> NDArray[np.float64]:
        """Cumulative shares of the camera's parts in one shift: (parts - 1,), 0..1."""
        shares = generator(self.seed, camera.name, day, "mix", shift).dirichlet([6.0] * len(camera.parts))
        return np.cumsum(shares)[:-1]

    def views_of(self, camera: Camera, visit: Visit) -> Iterator[Shot]:
        """The pictures that `camera` takes of one part."""
        rng = generator(self.seed, camera.name, visit.serial)
        good = self._good_part(camera, visit.part, rng)
        label, shown = self._finish(good, visit.day, rng)
        hidden = int(rng.integers(self.views)) if self.views > 1 and rng.random() < self.hidden_rate else None
        start = shifts.moment(visit.day, visit.share, camera.zone)
        for view in range(visit.views):
            at = start + timedelta(milliseconds=700 * view)
            seen, name = (good, GOOD) if view == hidden else (shown, label)
            pixels = capture(self.seed, camera, seen, at, self.faults)
            key = key_of(camera.name, visit.part, visit.serial, at)
            yield Shot(key, camera.name, camera.line, visit.part, visit.serial, at, name, pixels)

    def _good_part(self, camera: Camera, part: str, rng: np.random.Generator) -> Field:
        """(H + 2m, W + 2m, C) reflectance."""
        kind, rim = surfaces.kind_of(part), 2 * margin(camera)
        grey = surfaces.draw(kind, rng, camera.height + rim, camera.width + rim)[..., None]
        surface = grey * surfaces.tint(kind, rng) if camera.mode == "RGB" else grey
        return defects.blemish(rng, surface) if rng.random() < _BLEMISHED else surface

    def _finish(self, good: Field, day: date, rng: np.random.Generator) -> tuple[str, Field]:
        """What the part's label is, and how it looks where it shows it."""
        defective, choice = rng.random(2)
        if defective >= self.defect_rate:
            return GOOD, good
        known = self.classes_on(day)
        kind = known[int(choice * len(known))]
        return kind, defects.add(kind, rng, good, float(np.exp(rng.normal(0, _STRENGTH_SPREAD))))
