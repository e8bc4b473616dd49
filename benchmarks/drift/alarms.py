"""The incidents that measured windows in a row make, judged by a camera's limits."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from benchmarks.drift.streams import A_DAY, Measured, reference, settings
from inspection.records import alarms, incidents
from inspection.records.alarms import Glance
from inspection.records.incidents import Incident
from monitoring.camera.measurement import Measurement
from monitoring.judgement.calibration import limits
from monitoring.judgement.climb import climbs
from monitoring.judgement.diagnosis import findings, state_of
from monitoring.judgement.limit import Limit


@lru_cache(maxsize=64)
def bounds(seed: int) -> dict[str, Limit]:
    """A camera's limits, made of its clean windows by today's calibration."""
    return limits(reference(seed).clean, settings().health)


def alarmed_days(seed: int, days: Sequence[Sequence[Measured]]) -> list[set[str]]:
    """For each day the causes of which an incident was open on it."""
    open_ = open_at([window.measurement for day in days for window in day], bounds(seed))
    return [set().union(*open_[A_DAY * number : A_DAY * (number + 1)]) for number in range(len(days))]


def named(seed: int, windows: Sequence[Measured]) -> dict[str, int]:
    """Cause -> the number of the window at which its incident opened."""
    return opened([window.measurement for window in windows], bounds(seed))


def opened(windows: Sequence[Measurement], held: Mapping[str, Limit]) -> dict[str, int]:
    """Cause -> the number of the window, from 0, at which an incident first had it, as its own or as what was seen with
    it."""
    found: dict[str, int] = {}
    for number, now in enumerate(_after_each(windows, held)):
        for cause in {cause for one in now if one.open for cause in (one.cause, *one.also)}:
            found.setdefault(cause, number)
    return found


def open_at(windows: Sequence[Measurement], held: Mapping[str, Limit]) -> list[set[str]]:
    """For each window the causes of which an incident stood open after it."""
    return [{one.cause for one in known if one.open} for known in _after_each(windows, held)]


def _after_each(windows: Sequence[Measurement], held: Mapping[str, Limit]) -> list[list[Incident]]:
    """The incidents after each of the windows."""
    sums, known, states = climbs((), held), list[Incident](), []
    told: list[Glance] = []
    for number, seen in enumerate(windows):
        told.append(_glance(number, seen, held, sums))
        sums = climbs([seen.values], held, sums)
        before = told[max(0, number - 8) : number]
        for event in alarms.follow(known, before, told[-1:], settings().watch):
            known = incidents.fold_one(known, event, told[-1].last)
        states.append(known)
    return states


def _glance(number: int, seen: Measurement, held: Mapping[str, Limit], sums: Any) -> Glance:
    found = findings(seen, held, settings().health.least, sums)
    causes = {one.cause: one.as_json() for one in found}
    assert seen.first is not None and seen.last is not None
    return Glance(str(number), seen.camera, "A", seen.first, seen.last, seen.images, state_of(found), causes, "v1")
