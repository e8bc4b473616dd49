"""Real pictures before the simulated rig: `python -m benchmarks.drift --data DIR [--serial-column C]`.

Every picture is the surface of a part, scaled to the camera's field; lens, lamp, wobble and noise are the rig's. The
pictures of a part stay in one window, so windows share no part and an interval over windows is one by part. Their first
half makes reference and limits, the second is watched: healthy, and once under each fault. Every rig sees the same
parts, so rigs are averaged and do not add to the number of windows.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from benchmarks.drift.alarms import opened
from benchmarks.drift.injected import Injected
from benchmarks.drift.streams import A_DAY, FIRST, IMAGES, camera, fault, settings
from benchmarks.report import Figure
from inspection.cameras import Camera
from inspection.pictures import images
from inspection.progress import progress
from monitoring.camera.health import measure
from monitoring.camera.measurement import Measurement
from monitoring.camera.window import Window
from monitoring.judgement.learning import Learning
from monitoring.judgement.reference import Reference
from plant import shifts
from plant.faults import Fault
from plant.optics import capture, margin
from plant.replay import Replay

RIGS = range(5)
SIZES = (1, 2, 4)  # times the target's, until every pair of windows has shown it
PART = "part"
BEFORE = 3  # healthy windows that a pair with a fault is seen after, as in a plant
NEEDED = 1000  # camera-days for a rate of false alarms

Surface = NDArray[np.uint8]  # (H, W), the part's picture in the camera's field and its margin
Windows = list[list[Surface]]


class Told(NamedTuple):
    """What one rig said: the causes of each healthy window, and of each pair of windows under a fault and its size as a
    multiple of the target's."""

    provisional: bool
    healthy: list[set[str]]
    faulty: dict[tuple[str, int], list[set[str]]]

    def found(self, kind: str, times: int, cause: str, pairs: int) -> list[bool]:
        """Whether each pair named the cause; a size was not tried where a smaller one was found in all of them."""
        if (kind, times) not in self.faulty:
            return [True] * pairs
        return [cause in some for some in self.faulty[kind, times]]


def figures(folder: Path, serial_column: str | None, faults: Mapping[str, Injected]) -> Iterator[Figure]:
    """The figures of a folder; what only a colour camera can have is left out."""
    faults = {kind: given for kind, given in faults.items() if kind != "colour"}
    windows = [cut for cut in _windows(folder, serial_column) if len(cut) >= IMAGES]
    watched = len(windows) - len(windows) // 2
    yield Figure("windows that share no part", len(windows), "windows")
    yield Figure("... of these watched", watched, "windows")
    with (
        ProcessPoolExecutor(initializer=cv2.setNumThreads, initargs=(1,)) as pool,
        progress(folder.name, len(RIGS)) as on,
    ):
        told = []
        for one in pool.map(partial(_rig, windows, faults), RIGS):
            told.append(one)
            on(1)
    provisional = sum(one.provisional for one in told)
    yield Figure(f"rigs whose limits are provisional (of {len(RIGS)})", provisional, "rigs")
    yield _share("healthy windows with an alarm", [[bool(some) for some in one.healthy] for one in told])
    days = watched / A_DAY
    enough = "see above" if days >= NEEDED else f"insufficient, it takes {NEEDED}"
    yield Figure(f"... a rate of false alarms a camera-day: {enough}", days, "camera-days")
    for kind, given in faults.items():
        for times in SIZES:
            hits = [one.found(kind, times, given.cause, watched // 2) for one in told]
            yield _share(f"{kind} {times * given.size:g}: found in two windows", hits)
            if np.all(hits):
                break


def _share(words: str, hits: Sequence[Sequence[bool]]) -> Figure:
    """The mean over rigs, with the exact interval over windows as many as share no part."""
    table = np.array(hits, float)
    share, count = float(table.mean()), table.shape[1]
    right = share * count
    low = float(beta.ppf(0.025, right, count - right + 1)) if right > 0 else 0.0
    high = float(beta.ppf(0.975, right + 1, count - right)) if right < count else 1.0
    interval = f"95 % interval by part {100 * low:.0f} to {100 * high:.0f} %"
    return Figure(f"{words} ({table.sum():.0f} of {table.size}; {interval})", 100 * share, "%")


def _windows(folder: Path, serial_column: str | None) -> Iterator[list[Surface]]:
    """At least 50 pictures each, of whole parts; what is left at the end stays out."""
    replay = Replay(folder, 0, FIRST, cameras=1, serial_column=serial_column)
    like, cut = camera(0), list[Surface]()
    size = like.width + 2 * margin(like)
    with progress("reading", len(replay)) as advance:
        shots = (shot for day in replay.days for shot in replay.shots(day))
        for _, every in groupby(shots, key=lambda shot: (shot.part, shot.serial)):
            for shot in every:
                grey = images.decode(shot.content, settings().ingest.max_megapixels).levels().mean(axis=2)
                cut.append(cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA).round().astype(np.uint8))
                advance(1)
            if len(cut) >= IMAGES:
                yield cut
                cut = []


def _rig(windows: Windows, faults: Mapping[str, Injected], seed: int) -> Told:
    """One rig before all windows: learning on the first half, watching the second."""
    like = camera(seed).model_copy(update={"mode": "L", "parts": (PART,)})
    half = len(windows) // 2
    learning = Learning(like.name, settings().health, settings().watch)
    for number, cut in enumerate(windows[:half]):
        for levels, at, key in _taken(seed, like, number, cut, ()):
            learning.add(levels, PART, at, key)
    held = learning.finish("v1")
    watched = _watched(seed, like, windows, held, ())
    healthy, before = [set(opened([one], held.limits)) for one in watched], held.clean[-BEFORE:]
    faulty: dict[tuple[str, int], list[set[str]]] = {}
    for kind, given in faults.items():
        for times in SIZES:
            seen = _watched(seed, like, windows, held, (fault(seed, kind, times * given.size, 1, given.depth),))
            pairs = (seen[n : n + 2] for n in range(0, len(seen) - 1, 2))
            faulty[kind, times] = [set(opened([*before, *pair], held.limits)) for pair in pairs]
            if all(given.cause in some for some in faulty[kind, times]):
                break
    return Told(held.provisional, healthy, faulty)


def _watched(seed: int, like: Camera, windows: Windows, held: Reference, faults: Sequence[Fault]) -> list[Measurement]:
    """The second half of the windows, measured."""
    found = []
    for number, cut in list(enumerate(windows))[len(windows) // 2 :]:
        window = Window(like.name)
        for levels, at, key in _taken(seed, like, number, cut, faults):
            window.add(levels, PART, at, key)
        found.append(measure(window, held, settings().health.least))
    return found


def _taken(
    seed: int, like: Camera, number: int, cut: Sequence[Surface], faults: Sequence[Fault]
) -> Iterator[tuple[NDArray[np.float32], datetime, str]]:
    """What the rig takes of the parts in a window's hour: levels (H, W, 1), time, name."""
    day, hour = divmod(number, A_DAY)
    for place, surface in enumerate(cut):
        share = (hour + (place + 0.5) / len(cut)) / A_DAY
        at = shifts.moment(FIRST + timedelta(days=day), share, like.zone)
        pixels = capture(seed, like, np.asarray(surface[..., None] / 255, np.float32), at, faults)
        yield np.atleast_3d(pixels).astype(np.float32), at, f"{number}-{place}"
