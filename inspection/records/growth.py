"""How fast a change grows: its sizes in the windows that show it, over time."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

FEWEST, SHORTEST = 4, timedelta(days=1)  # windows, and the time from the first to the last of them


@dataclass(frozen=True)
class Growth:
    """Change of a size per day, in the size's own unit, with its 95 % interval."""

    per_day: float
    low: float
    high: float
    days: float
    windows: int

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)


def growth(when: Sequence[datetime], sizes: Sequence[float]) -> Growth | None:
    """The median of all slopes (Theil, 1950; Sen, 1968), which a wild window does not move.

    None: too few windows, too short a time, or its interval holds 0, so that it may stand still.
    """
    if len(sizes) < FEWEST or max(when) - min(when) < SHORTEST:
        return None
    from scipy.stats import theilslopes  # takes half a second, which every command would wait for

    days = [(moment - min(when)) / timedelta(days=1) for moment in when]
    slope, _, low, high = map(float, theilslopes(sizes, days, 0.95))
    if low <= 0 <= high:
        return None
    return Growth(slope, low, high, max(days), len(sizes))
