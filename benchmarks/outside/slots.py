"""Which cameras, seeds and hours the streams of a figure are taken from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from benchmarks.outside.references import references
from benchmarks.outside.run import Run
from benchmarks.outside.streams import Seat
from benchmarks.outside.watching import Watched, one_more

HEALTHY = 3  # windows before the change


@dataclass(frozen=True, order=True)
class Slot:
    """Some hours of a camera; `turn` counts how often the same camera and seed were taken before."""

    seat: Seat
    turn: int

    def __str__(self) -> str:
        return f"{self.seat} turn {self.turn}"

    def first(self, run: Run) -> int:
        """The number of its first window: on the day behind the reference at the first turn, at any hour."""
        hour = int.from_bytes(sha256(str(self).encode()).digest()[:4]) % run.streams.a_day
        return run.start(self.seat.seed) + self.turn * run.streams.a_day + hour


def slots(run: Run, fits: Callable[[str], bool]) -> list[Slot]:
    """As many as there are streams, evenly over the cameras that fit, and over the seeds."""
    seats = [seat for seat in run.scale.seats if fits(seat.camera)]
    return [Slot(seats[n % len(seats)], n // len(seats)) for n in range(run.scale.streams)] if seats else []


def healthy(run: Run, slot: Slot, lengths: Sequence[int], content: bool = False) -> dict[int, Watched]:
    """The camera after its healthy windows, by the days that its reference is made of."""
    held = references(run, slot.seat, lengths, content)
    states = {days: Watched.of(run, slot.seat, one) for days, one in held.items()}
    for number in range(slot.first(run), slot.first(run) + HEALTHY):
        states = one_more(run, states, number, content=content)
    return states
