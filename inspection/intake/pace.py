"""How many pictures are expected of a camera hour by hour, and whether it has fallen silent. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from inspection.cameras import Camera

HOUR = timedelta(hours=1)
WEEKS = 4  # before the last picture, that are learned from
LEARNED_FROM = timedelta(weeks=WEEKS)
LEAST_HISTORY = timedelta(weeks=2)  # every hour of the week was there twice; a shorter one teaches nothing
HISTORY = LEARNED_FROM + LEAST_HISTORY  # that is asked for, so that a camera silent for two weeks is still known
FEWEST = 10  # expected pictures that did not come, below which a pause may be chance


@dataclass(frozen=True)
class Came:
    """What a camera has delivered in the last weeks: hour (its beginning, aware) in which pictures were taken in -> how
    many, at least one; and when the last was."""

    hours: Mapping[datetime, int]
    last: datetime


@dataclass(frozen=True)
class Expected:
    """What a camera is expected to deliver.

    Attributes:
        by_hour: hour of the week in the camera's own zone (0: Monday, 0:00) -> pictures, as they were learned; those
            that are left out have none. Not used where `camera` declares its pace.
    """

    camera: Camera
    by_hour: Mapping[int, float] = field(default_factory=dict)

    def at(self, hour: datetime) -> float:
        """Pictures in the hour that begins then; none in an announced stop."""
        if self.camera.stop_at(hour) is not None:
            return 0.0
        local = hour.astimezone(self.camera.zone)
        return self.camera.pace.at(local) if self.camera.pace else self.by_hour.get(_hour_of_week(local), 0.0)

    def between(self, since: datetime, until: datetime) -> float:
        """Pictures in all hours that begin in a time."""
        hours = int((until - since) / HOUR)
        return sum(self.at(since + number * HOUR) for number in range(hours))


@dataclass(frozen=True)
class Silence:
    """A camera that should have delivered and did not.

    Attributes:
        since: when its last picture came. missed: the first hour since, or since a stop, in which some were expected.
        hours: whole hours in which some were expected. pictures: that were, in all of them.
    """

    camera: str
    since: datetime
    missed: datetime
    hours: int
    pictures: float

    def lasts(self, hours: float) -> bool:
        """Whether it is longer than a pause: so many hours of work, and too many pictures for chance."""
        return self.hours >= hours and self.pictures >= FEWEST


def expected(camera: Camera, came: Came | None) -> Expected | None:
    """As the camera's entry declares, else as its own pictures of the last weeks teach; None: of too few days.

    An hour of the week is expected to bring the least that it brought in these weeks; of four weeks one may have been
    emptier, so a holiday changes nothing, and what comes every other week is not expected. Hours of announced stops
    teach nothing, nor does the silence after the last picture.
    """
    if camera.pace is not None:
        return Expected(camera)
    if came is None or max(came.hours) - min(came.hours) < LEAST_HISTORY:
        return None
    last = max(came.hours)
    hour = max(min(came.hours), last - LEARNED_FROM + HOUR)
    seen: dict[int, list[int]] = {}
    while hour <= last:
        if camera.stop_at(hour) is None:
            seen.setdefault(_hour_of_week(hour.astimezone(camera.zone)), []).append(came.hours.get(hour, 0))
        hour += HOUR
    low = {of_week: sorted(some)[len(some) >= WEEKS] for of_week, some in seen.items() if len(some) > 1}
    return Expected(camera, {of_week: float(count) for of_week, count in low.items() if count})


def silence(known: Expected | None, came: Came | None, now: datetime) -> Silence | None:
    """The hours of work without a picture since the last one; None: there are none, an announced stop is under way, or
    nobody knows what to expect.

    Only whole hours that are over count, so the end of a shift a little earlier is no silence; and none from before a
    stop, after which everything begins anew.
    """
    if known is None or came is None or known.camera.stop_at(now) is not None:
        return None
    hour, missed = max(came.hours) + HOUR, list[tuple[datetime, float]]()
    while hour + HOUR <= now:
        if known.camera.stop_at(hour) is not None:
            missed.clear()
        elif count := known.at(hour):
            missed.append((hour, count))
        hour += HOUR
    if not missed:
        return None
    pictures = sum(count for _, count in missed)
    return Silence(known.camera.name, came.last, missed[0][0], len(missed), pictures)


def _hour_of_week(local: datetime) -> int:
    return 24 * local.weekday() + local.hour
