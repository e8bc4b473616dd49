"""When the line runs: two shifts, each with a meal break, in the plant's own time zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_RUNS = ((6.0, 10.0), (10.5, 14.0), (14.0, 18.0), (18.5, 22.0))  # local hours between stops or handovers
_STOPS = ((6.0, 1.0), (10.5, 0.4), (18.5, 0.4))  # hour of restart, how far the lamp has cooled (night = 1)
_HOURS = sum(end - start for start, end in _RUNS)


def moment(day: date, share: float, zone: ZoneInfo) -> datetime:
    """The UTC time at which `share` (0..1) of the day's working time is over, to the millisecond."""
    hours = share * _HOURS
    for start, end in _RUNS:
        if hours < end - start:
            break
        hours -= end - start
    midnight = datetime.combine(day, time(), zone)
    at = midnight.astimezone(UTC) + timedelta(hours=start + hours) + _clock_change(midnight, start)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def shift(share: float) -> int:
    """0 for the early shift, 1 for the late one."""
    return int(share >= 0.5)


def local_hour(at: datetime, zone: ZoneInfo) -> float:
    """Hours since local midnight as the wall clock shows them, 0..24."""
    local = at.astimezone(zone)
    return local.hour + local.minute / 60 + local.second / 3600 + local.microsecond / 3.6e9


def since_restart(hour: float) -> tuple[float, float]:
    """Hours since the line last restarted, and how far the lamp had cooled by then (0..1)."""
    restart, cooled = next((stop for stop in reversed(_STOPS) if stop[0] <= hour), (_STOPS[-1][0] - 24, 0.4))
    return hour - restart, cooled


def _clock_change(midnight: datetime, hour: float) -> timedelta:
    """What summer time took from or gave to the night before `hour`."""
    offset = (midnight + timedelta(hours=hour)).utcoffset() or timedelta()
    return (midnight.utcoffset() or timedelta()) - offset
