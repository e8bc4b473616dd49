"""Windows of drawn cameras, measured once and kept: what `benchmarks.drift` counts on.

A camera is a seed. Its reference and its limits are made of its own first days; later days and faults are measured
against them. Measured windows stay in a cache named by the code that made them, so that a run can be resumed.
"""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.cameras import Camera, read_cameras
from inspection.params import Params, read_params
from inspection.progress import progress
from monitoring.camera.health import measure
from monitoring.camera.image_stats import image_stats
from monitoring.camera.measurement import Measurement
from monitoring.camera.window import Window
from monitoring.judgement.learning import Learning
from monitoring.judgement.reference import Reference, load, save
from plant.faults import Fault
from plant.line import Plant, Visit
from plant.shot import Shot

ROOT = Path(__file__).parents[2]
FIRST = date(2026, 1, 5)
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
IMAGES, A_DAY = 50, 24  # images of a window, windows of a camera's day
LEARNED = 5  # days that the reference and the limits are made of
PARTS = (("bracket", "housing"), ("panel", "mesh"), ("housing", "mesh"), ("bracket", "panel"))
DEFECT_RATE = 0.1
MADE_BY = (  # the code that draws and measures
    "plant/**/*.py",
    "monitoring/camera/*.py",
    "monitoring/judgement/learning.py",
    "monitoring/judgement/reference.py",
)


@dataclass(frozen=True)
class Stream:
    """Windows in a row of one camera.

    Attributes:
        first, windows: the first window of the day, 0..23, and how many.
        only: the one part that comes; "": the usual mix.
    """

    seed: int
    day: int
    first: int = 0
    windows: int = A_DAY
    faults: tuple[Fault, ...] = ()
    defect_rate: float = DEFECT_RATE
    only: str = ""

    @property
    def name(self) -> str:
        return f"{self.seed}-{sha256(repr(self).encode()).hexdigest()[:20]}"


@dataclass(frozen=True)
class Measured:
    """A window as it was measured, and its images' statistics: (N, 7), as `image_stats.NAMES`."""

    measurement: Measurement
    stats: NDArray[np.float32]


@lru_cache(maxsize=1)
def settings() -> Params:
    """The product's parameters with the benchmark's windows."""
    params = read_params(ROOT / "params.yaml")
    watch = params.watch.model_copy(update={"window_images": IMAGES})
    return params.model_copy(update={"watch": watch})


@lru_cache(maxsize=256)
def camera(seed: int) -> Camera:
    """128x128 px; every fourth camera sees colour."""
    like = read_cameras(ROOT / "cameras.yaml")["cam-1"]
    mode = "RGB" if seed % 4 == 3 else "L"
    return like.model_copy(
        update={"name": f"cam-{seed}", "mode": mode, "width": 128, "height": 128, "parts": PARTS[seed % len(PARTS)]}
    )


def fault(seed: int, kind: str, size: float, number: int = 0, depth: float | None = None) -> Fault:
    return Fault(kind, size, camera(seed).name, LONG_AGO, depth=depth, number=number)


def shots(stream: Stream) -> Iterator[Shot]:
    """The pictures of a stream."""
    one = camera(stream.seed)
    plant = Plant(stream.seed, (one,), stream.faults, defect_rate=stream.defect_rate)
    per_window = IMAGES // plant.views
    start = stream.first * per_window
    visits = plant.visits(one, FIRST + timedelta(days=stream.day), IMAGES * A_DAY)
    for visit in islice(visits, start, start + stream.windows * per_window):
        yield from plant.views_of(one, _only(visit, stream.only))


def _only(visit: Visit, part: str) -> Visit:
    return replace(visit, part=part) if part else visit


def reference(seed: int) -> Reference:
    """The camera's reference, made once."""
    folder = _cache() / f"{seed}-reference"
    if not folder.exists():
        learning, stats = Learning(camera(seed).name, settings().health, settings().watch), []
        for day in range(LEARNED):
            for shot in shots(Stream(seed, day)):
                levels = shot.levels
                stats.append(list(image_stats(levels).values()))
                learning.add(levels, shot.part, shot.captured_at, shot.key)
        part = folder.with_name(f".{folder.name}.{os.getpid()}")
        save(learning.finish("v1"), part)
        np.save(part / "stats.npy", np.array(stats, np.float32))
        part.rename(folder)
    return load(folder)


def healthy_stats(seed: int) -> NDArray[np.float32]:
    """The image statistics of the reference's images: (N, 7), in time order."""
    return np.asarray(np.load(_cache() / f"{seed}-reference" / "stats.npy"))


def measured(streams: Sequence[Stream], words: str) -> dict[Stream, list[Measured]]:
    """Every stream measured, on all cores; what is in the cache is read."""
    missing = [stream for stream in streams if not _file(stream).exists()]
    cv2.setNumThreads(1)
    with ProcessPoolExecutor(initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        seeds = sorted({stream.seed for stream in missing})
        with progress(f"{words}: references", len(seeds)) as advance:
            for _ in pool.map(_learn, seeds):
                advance(1)
        with progress(words, len(missing)) as advance:
            for _ in pool.map(_measure, missing, chunksize=max(1, min(8, len(missing) // 16))):
                advance(1)
    return {stream: _read(stream) for stream in streams}


def _learn(seed: int) -> None:
    reference(seed)


@lru_cache(maxsize=4)
def _held(seed: int) -> Reference:
    return reference(seed)


def _measure(stream: Stream) -> None:
    """Draw and measure one stream, and keep it."""
    held, health = _held(stream.seed), settings().health
    found = []
    images = shots(stream)
    for _ in range(stream.windows):
        window, stats = Window(camera(stream.seed).name), []
        for shot in islice(images, IMAGES):
            levels = shot.levels
            stats.append(list(image_stats(levels).values()))
            window.add(levels, shot.part, shot.captured_at, shot.key)
        found.append((measure(window, held, health.least), np.array(stats, np.float32)))
    path = _file(stream)
    part = path.with_suffix(f".{os.getpid()}.part")
    told = json.dumps([one.as_json() for one, _ in found])
    with part.open("wb") as file:
        np.savez_compressed(file, told=np.array(told), stats=np.stack([stats for _, stats in found]))
    part.rename(path)


def _read(stream: Stream) -> list[Measured]:
    with np.load(_file(stream)) as kept:
        told, stats = json.loads(str(kept["told"])), kept["stats"]
    return [Measured(Measurement.from_json(one), some) for one, some in zip(told, stats, strict=True)]


def _file(stream: Stream) -> Path:
    return _cache() / f"{stream.name}.npz"


@lru_cache(maxsize=1)
def _cache() -> Path:
    """Named by the code that draws and measures, and by the smallest sizes that count."""
    sources = sorted(path for pattern in MADE_BY for path in ROOT.glob(pattern))
    digest = sha256(b"".join(path.read_bytes() for path in sources))
    least = settings().health.least
    digest.update(f"{least.shift} {least.rotation}".encode())  # how well framing must be known to be taken out
    folder = ROOT / ".andon" / "drift" / digest.hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return folder
