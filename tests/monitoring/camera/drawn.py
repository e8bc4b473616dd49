"""A drawn camera of 112 x 112 px: a still frame with marks, and parts that lie elsewhere each time."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.params import read_params
from monitoring.camera.window import Window
from monitoring.judgement.learning import Learning
from monitoring.judgement.reference import Reference
from tests.monitoring.camera.test_health import ROOT

PARAMS = read_params(ROOT / "params.yaml")
SIDE, RIM, IMAGES = 112, 16, 40
START = datetime(2026, 3, 2, 6, tzinfo=UTC)
Picture = NDArray[np.float64]
Change = Callable[[Picture], Picture]


def _noise(rng: np.random.Generator, scale: float) -> Picture:
    drawn = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)), (0, 0), scale)
    return np.asarray(drawn / drawn.std())


def _frame() -> Picture:
    rng = np.random.default_rng(7)
    frame = 34 + 4 * _noise(rng, 1.8)
    for down, right in ((6, 20), (60, 5), (104, 70), (30, 106), (8, 88)):
        cv2.circle(frame, (right, down), 3, 120, -1, cv2.LINE_AA)
    return frame


def _look(seed: int) -> Picture:
    rng = np.random.default_rng(seed)
    look = np.full((SIDE, SIDE), 130.0)
    for _ in range(4):
        at = tuple(int(v) for v in rng.integers(25, 85, 2))
        far = (at[0] + int(rng.integers(8, 25)), at[1] + int(rng.integers(6, 20)))
        cv2.rectangle(look, at, far, rng.uniform(70, 200), -1)
    return look


FRAME, LOOK, OTHER = _frame(), _look(1), _look(5)


def pictures(
    window: int,
    scene: Change = lambda light: light,
    sensor: Callable[[Picture, int], Picture] = lambda levels, number: levels,
    part: Callable[[Picture], Picture] = lambda look: look,
    noise: float = 1.3,
) -> Iterator[tuple[NDArray[np.float32], str, datetime, str]]:
    """(levels, part, at, image_id) of a window, eight of which make a day.

    Args:
        scene: acts on light before the sensor, `sensor` on noisy levels (and the picture's number), `part` on the part.
    """
    rng = np.random.default_rng(window)
    day, hour = divmod(window, 8)
    lamp = np.exp(0.003 * rng.standard_normal())
    for number in range(IMAGES):
        look = part(LOOK) * (1 + 0.04 * _noise(rng, 1.5)) * np.exp(0.02 * rng.standard_normal())
        cover = np.zeros((SIDE, SIDE))
        cover[RIM:-RIM, RIM:-RIM] = 1
        move = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), 0.4 * rng.standard_normal(), 1)
        move[:, 2] += rng.standard_normal(2)
        look, cover = (cv2.warpAffine(one, move, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT) for one in (look, cover))
        light = scene(cv2.GaussianBlur(FRAME + cover * (look - FRAME), (0, 0), 0.7)) * lamp
        seen = sensor(light + 3 + noise * rng.standard_normal(light.shape), number)
        levels = np.rint(np.clip(seen, 0, 255)).astype(np.float32)[:, :, None]
        yield levels, "a", START + timedelta(days=day, hours=hour, minutes=number), f"{window}-{number}"


def filled(window: int, torn_is_usual: bool = False, **change: Any) -> Window:
    """A window of such pictures."""
    taken = Window("cam-1", torn_is_usual)
    for picture in pictures(window, **change):
        taken.add(*picture)
    return taken


def learned(windows: Sequence[int] = range(24)) -> Reference:
    """A reference of three days."""
    learning = Learning("cam-1", PARAMS.health, PARAMS.watch)
    for window in windows:
        for picture in pictures(window):
            learning.add(*picture)
    return learning.finish("v1")
