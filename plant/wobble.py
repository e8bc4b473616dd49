"""What changes in a healthy camera: lamp, colour and the way a part lies. Any moment can be drawn alone."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from inspection.cameras import Camera
from plant.chance import generator
from plant.shifts import local_hour, since_restart

_STEP_S = 300  # the lamp's AR(1) has one innovation in five minutes ...
_MEMORY = 0.92  # ... and forgets with a time constant of an hour
_LOOK_BACK = 96  # steps after which 0.92**n < 0.0004: what lies further back no longer shows
_BLOCK = 512  # innovations drawn at a time

_LAMP_SD = 0.005  # relative
_COLOUR_SD = 0.002
_WARM_UP = 0.010  # relative light missing right after a night's stop
_WARM_UP_HOURS = 0.35
_DAY = 0.003  # relative amplitude of the daylight that leaks in
_JITTER_SHARE = 0.004  # sd of a part's position, as a share of the image's shorter side
_JITTER_DEGREES = 0.35


@dataclass(frozen=True)
class Wobble:
    """The benign state of a camera at one moment."""

    light: float  # factor about 1
    warmth: float  # red times (1 + warmth), blue times (1 - warmth)
    shift_px: tuple[float, float]  # of the part: down, right
    turn_degrees: float  # of the part


def wobble(seed: int, camera: Camera, at: datetime) -> Wobble:
    """The healthy camera's state at `at`: light and colour wander, each part lies a little differently."""
    lying = generator(seed, camera.name, "lying", at.isoformat())
    reach = _JITTER_SHARE * min(camera.width, camera.height)
    down, right, turn = lying.normal(0, (reach, reach, _JITTER_DEGREES)).tolist()
    warmth = _COLOUR_SD * wandering(seed, camera.name, "warmth", at) if camera.mode == "RGB" else 0.0
    return Wobble(light(seed, camera, at), warmth, (down, right), turn)


def light(seed: int, camera: Camera, at: datetime) -> float:
    """The lamp's factor about 1: wandering (sd 0.5 %), warm-up after a stop (1 %), daylight (0.3 %)."""
    hour = local_hour(at, camera.zone)
    hours, cooled = since_restart(hour)
    warming = -_WARM_UP * cooled * np.exp(-hours / _WARM_UP_HOURS)
    daylight = _DAY * np.sin((hour - 7) * np.pi / 12)
    return float(1 + _LAMP_SD * wandering(seed, camera.name, "lamp", at) + warming + daylight)


def wandering(seed: int, camera: str, what: str, at: datetime) -> float:
    """A stationary AR(1) of sd 1 read at `at`, between two steps by interpolation."""
    step, between = divmod(at.timestamp(), _STEP_S)
    now, then = (_state(seed, camera, what, int(step) + ahead) for ahead in (0, 1))
    return now + (then - now) * between / _STEP_S


@lru_cache(maxsize=1024)
def _state(seed: int, camera: str, what: str, step: int) -> float:
    steps = range(step - _LOOK_BACK + 1, step + 1)
    blocks = {block: _innovations(seed, camera, what, block) for block in {s // _BLOCK for s in steps}}
    recent = np.array([blocks[s // _BLOCK][s % _BLOCK] for s in steps])
    weights = _MEMORY ** np.arange(_LOOK_BACK)[::-1]
    return float(recent @ weights * np.sqrt(1 - _MEMORY**2))


@lru_cache(maxsize=64)
def _innovations(seed: int, camera: str, what: str, block: int) -> NDArray[np.float64]:
    return generator(seed, camera, what, block).standard_normal(_BLOCK)
