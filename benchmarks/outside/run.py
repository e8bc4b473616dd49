"""What is measured, where it is kept, and on how many processes."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2

from benchmarks.outside.streams import Seat, Streams
from inspection.params import Params, read_params
from inspection.progress import progress

ROOT = Path(__file__).parents[2]
LENGTHS = (1, 2, 5)  # days that a reference is made of
MADE_BY = (  # the code that takes, judges and follows windows
    "monitoring/camera/*.py",
    "monitoring/content/*.py",
    "monitoring/judgement/*.py",
    "inspection/records/alarms.py",
    "inspection/records/growth.py",
    "inspection/records/incidents.py",
    *(f"benchmarks/outside/{name}.py" for name in ("measured", "references", "run", "slots", "streams", "watching")),
)
_CYCLE = 3  # days of the slowest thing that comes back in a healthy camera

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Scale:
    """How much is drawn.

    Attributes:
        days: healthy days of each camera. streams: of each fault and each change of content.
        windows: with a change of content.
    """

    cameras: tuple[str, ...]
    seeds: range
    days: int = 6
    streams: int = 60
    windows: int = 24
    lengths: tuple[int, ...] = LENGTHS

    @property
    def seats(self) -> list[Seat]:
        return [Seat(camera, seed) for seed in self.seeds for camera in self.cameras]


@dataclass(frozen=True)
class Run:
    """One run of the benchmark; what it measures is kept in a folder named by the code and the parameters."""

    streams: Streams
    scale: Scale
    within: Path
    code: str
    processes: int = 1

    @classmethod
    def of(cls, streams: Streams, scale: Scale, within: Path, processes: int = 1) -> "Run":
        """A run of the code as it is now."""
        used = settings(streams.images, streams.a_day)
        sources = sorted(path for pattern in MADE_BY for path in ROOT.glob(pattern))
        found = sha256(b"".join(path.read_bytes() for path in sources))
        found.update((used.health.model_dump_json() + used.watch.model_dump_json() + streams.digest).encode())
        return cls(streams, scale, within, found.hexdigest()[:12], processes)

    @property
    def kept(self) -> Path:
        return self.within / self.code

    @property
    def settings(self) -> Params:
        return settings(self.streams.images, self.streams.a_day)

    def start(self, seed: int) -> int:
        """The number of the first window behind the reference, whatever its length: every seed meets another phase of
        what comes back after some days."""
        return (max(LENGTHS) + seed % _CYCLE) * self.streams.a_day

    def each(self, work: "Callable[[Run, Item], Made]", items: Sequence[Item], words: str) -> list[Made]:
        """What `work`, a function of a module, makes of each item, in their order."""
        made = []
        with progress(words, len(items)) as advance:
            if self.processes == 1:
                for item in items:
                    made.append(work(self, item))
                    advance(1)
                return made
            with ProcessPoolExecutor(self.processes, get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
                for one in pool.map(partial(work, self), items):
                    made.append(one)
                    advance(1)
        return made


@lru_cache(maxsize=4)
def settings(images: int, a_day: int) -> Params:
    """The parameters as shipped, for windows of that many images and days of that many windows."""
    shipped = read_params(ROOT / "params.yaml")
    watch = shipped.watch.model_copy(update={"window_images": images})
    health = shipped.health.model_copy(update={"windows_a_day": a_day})
    return shipped.model_copy(update={"watch": watch, "health": health})
