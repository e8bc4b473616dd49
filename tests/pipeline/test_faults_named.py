"""On the simulated line: healthy days raise nothing, and each fault is named with its size, alone and in pairs."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from inspection.cameras import read_cameras
from inspection.params import read_params
from inspection.records.alarms import Glance, follow
from monitoring.camera.window import Window
from monitoring.judgement.diagnosis import Verdict, judge
from monitoring.judgement.learning import Learning
from monitoring.judgement.reference import Reference
from plant.chance import generator
from plant.faults import Fault, spots
from plant.line import Plant
from plant.shot import Shot

ROOT = Path(__file__).parents[2]
PARAMS = read_params(ROOT / "params.yaml")
CAMERAS = read_cameras(ROOT / "cameras.yaml")
SINCE = datetime(2026, 11, 15, tzinfo=UTC)
SEEDS = (1, 2, 3)
# kind -> size given, cause, statistic, size expected, tolerance
FAULTS = {
    "lamp": (-0.12, "lighting", "gain", -0.12, 0.02),
    "gradient": (-0.35, "lighting", "gradient", -0.35, 0.0875),
    "dust": (3, "dust", "dust", 3, 0),
    "dead": (2, "dead_pixels", "dead", 2, 0),
    "hot": (3, "hot_pixels", "hot", 3, 0),
    "stuck": (1, "stuck_pixels", "stuck", 1, 0),
    "defocus": (1.0, "blur", "blur", 1.0, 0.25),
    "shift": (2.0, "framing", "shift", 2.0, 0.5),
    "rotation": (1.0, "framing", "rotation", 1.0, 0.25),
    "motion": (4.0, "blur", "motion", 4.0, 1.0),
}
PAIRS = [("shift", "dust"), ("lamp", "defocus"), ("gradient", "stuck"), ("dust", "dead"), ("defocus", "dust")]

pytestmark = pytest.mark.slow


def shots(seed: int, camera: str, day: int, kinds: tuple[str, ...] = ()) -> list[Shot]:
    faults = tuple(Fault(kind, FAULTS[kind][0], camera, SINCE) for kind in kinds)
    return list(Plant(seed, (CAMERAS[camera],), faults).shots(date(2026, 11, day), 80))


@lru_cache(maxsize=16)
def healthy(seed: int, camera: str) -> Reference:
    learning = Learning(camera, PARAMS.health, PARAMS.watch)
    for day in range(2, 13):
        for shot in shots(seed, camera, day):
            learning.add(shot.levels, shot.part, shot.captured_at, shot.key)
    return learning.finish("2026-11-12")


def verdicts(seed: int, camera: str, day: int, kinds: tuple[str, ...] = (), size: int = 40) -> Iterator[Verdict]:
    some = shots(seed, camera, day, kinds)
    for start in range(0, len(some) - size + 1, size):
        window = Window(camera)
        for shot in some[start : start + size]:
            window.add(shot.levels, shot.part, shot.captured_at, shot.key)
        yield judge(window, healthy(seed, camera), PARAMS.health, PARAMS.watch)


def overlaps(seed: int, camera: str) -> int:
    """Pairs of drawn specks (6 px wide) that lie so near each other that they look like one."""
    places = spots(generator(seed, camera, "dust"), 3, CAMERAS[camera].height, CAMERAS[camera].width)
    return sum(float(np.hypot(*(one - other))) < 9 for one, other in combinations(places, 2))


def opened(found: Iterable[Verdict], what: tuple[str, ...] = ("opened",)) -> list[str]:
    """The causes of which windows in a row open incidents, or that they bring about otherwise."""
    glances = [
        Glance(
            window=str(number),
            camera=one.measurement.camera,
            line="A",
            first=one.measurement.first or SINCE,
            last=one.measurement.last or SINCE,
            images=one.measurement.images,
            state=one.state,
            causes={told["cause"]: told for told in one.as_json()["findings"]},
        )
        for number, one in enumerate(found)
    ]
    return sorted({event["cause"] for event in follow([], [], glances, PARAMS.watch) if event["what"] in what})


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("seed", SEEDS)
def test_six_healthy_days_open_nothing(seed: int, camera: str) -> None:
    found = [verdict for day in range(14, 20) for verdict in verdicts(seed, camera, day)]
    assert len(found) == 12
    assert opened(found) == []


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fault_is_named_alone_and_with_its_size(seed: int, camera: str, kind: str) -> None:
    _, cause, statistic, expected, tolerance = FAULTS[kind]
    if kind == "dust":
        expected -= overlaps(seed, camera)
    found = list(verdicts(seed, camera, 15, (kind,)))
    assert opened(found) == [cause]
    for verdict in found:
        (size,) = [one.size for one in verdict.findings if one.statistic == statistic]
        assert size == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("kinds", PAIRS)
@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_of_two_faults_at_once_both_are_named(seed: int, camera: str, kinds: tuple[str, str]) -> None:
    """As an incident, or as what was seen with it: they began together."""
    named = opened(verdicts(seed, camera, 15, kinds), ("opened", "explained", "recast"))
    assert named == sorted(FAULTS[kind][1] for kind in kinds)
