"""A lamp told from exposure, and one that fades."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

from benchmarks.drift.alarms import bounds, named
from benchmarks.drift.scale import Scale
from benchmarks.drift.streams import FIRST, LEARNED, Measured, Stream, camera, fault, measured, settings
from benchmarks.report import Figure
from monitoring.judgement.diagnosis import findings
from monitoring.judgement.sentences import EXPOSURE, LAMP
from plant.faults import Fault

_BEFORE_LOSS = 5  # healthy days before a lamp begins to fade


def lamp(scale: Scale) -> Iterator[Figure]:
    """Lamp against exposure: what the words of the brightness say of the dark places."""
    sizes = (-0.4, -0.25, 0.25, 0.4)
    for kind, right, wrong in (("lamp", LAMP, EXPOSURE), ("exposure", EXPOSURE, LAMP)):
        streams = [
            Stream(seed, 300, 2 * number, 2, (fault(seed, kind, size),))
            for seed in scale.seeds
            for number, size in enumerate(sizes)
        ]
        found = measured(streams, f"{kind}, told apart")
        words = [_said_of_light(stream.seed, one) for stream in streams for one in found[stream]]
        for meaning, part in (("told as that", right), ("told as the other", wrong)):
            hits = sum(part in said for said in words)
            yield Figure(f"{kind} ±25 % or ±40 %: {meaning} ({hits} of {len(words)})", 100 * hits / len(words), "%")


def _said_of_light(seed: int, window: Measured) -> str:
    told = findings(window.measurement, bounds(seed), settings().health.least, {})
    return " ".join(one.words for one in told if one.statistic == "gain")


def slow(scale: Scale) -> Iterator[Figure]:
    """A lamp that loses 0.3 % a day: how much is lost when the alarm comes."""
    windows: dict[int, list[Measured]] = {seed: [] for seed in scale.seeds}
    found: dict[int, float] = {}
    for day in range(_BEFORE_LOSS + 10):  # of 0.3 % each
        streams = {seed: _losing(seed, day) for seed in scale.seeds if seed not in found}
        seen = measured(list(streams.values()), f"slow loss, day {day + 1}")
        for seed, stream in streams.items():
            windows[seed] += seen[stream]
            at = named(seed, windows[seed]).get("lighting")
            if at is not None:
                found[seed] = -_loss(seed).size_at(_end(windows[seed][at]))
    lost = [found.get(seed, 0.03) for seed in scale.seeds]
    yield Figure("slow loss of light, 0.3 % a day: lost at the alarm, median", 100 * sorted(lost)[len(lost) // 2], "%")
    yield Figure("... at most", 100 * max(lost), "%", "< 3", max(lost) < 0.03)


def _losing(seed: int, day: int) -> Stream:
    return Stream(seed, LEARNED + day, faults=(_loss(seed),) if day >= _BEFORE_LOSS else ())


def _loss(seed: int) -> Fault:
    since = datetime.combine(FIRST + timedelta(days=LEARNED + _BEFORE_LOSS), time(), UTC)
    return Fault("lamp", -0.3, camera(seed).name, since, ramp_days=100)


def _end(window: Measured) -> datetime:
    assert window.measurement.last is not None
    return window.measurement.last
