"""How much is drawn."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How much is drawn."""

    seeds: range
    clean_days: int
    streams: int  # per fault
    pair_streams: int
    content_days: int


REPORTED = Scale(range(100, 120), 50, 500, 20, 4)


def scaled(seeds: range, times: float) -> Scale:
    """`times` what is reported, on cameras of these seeds."""

    def some(count: int) -> int:
        return max(1, round(count * times))

    full = REPORTED
    return Scale(seeds, some(full.clean_days), some(full.streams), some(full.pair_streams), some(full.content_days))
