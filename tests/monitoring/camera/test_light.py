"""Light that does different things to dark and to bright places."""

import numpy as np
import pytest

from monitoring.camera.light import bent_light
from monitoring.camera.zones import Zones

SIDE, RIM = 128, 24


def scene() -> tuple[np.ndarray, Zones]:
    """A dark frame with bright marks, and parts as bright as these inside."""
    still = np.ones((SIDE, SIDE), np.bool_)
    still[RIM:-RIM, RIM:-RIM] = False
    level = np.where(still, 28.0, 115.0)
    level[4:14, 4:40] = level[-14:-4, -40:-4] = 118.0
    return level.astype(np.float32), Zones(still, True)


def test_brighter_parts_bend_no_light_of_what_stands_still() -> None:
    level, zones = scene()
    rest = np.where(zones.still, 0.0, 0.07).astype(np.float32)
    assert bent_light(rest, level, zones)[8, 10] == pytest.approx(1, abs=0.003)
    assert bent_light(rest, level, None)[8, 10] > 1.03


def test_an_offset_in_the_dark_bends_it_by_what_stands_still() -> None:
    level, zones = scene()
    rest = np.log((0.95 * level + 1.4) / level).astype(np.float32)
    light = bent_light(rest, level, zones)
    assert np.abs(np.log(light) - rest)[zones.still].max() < 0.01
