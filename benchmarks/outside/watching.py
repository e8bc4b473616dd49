"""Windows in a row, judged and folded to incidents as the watch of a plant does after each of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from benchmarks.outside import embeddings
from benchmarks.outside.run import Run
from benchmarks.outside.streams import Seat, Taken
from inspection.chain import Event
from inspection.params import Params
from inspection.records import alarms, incidents
from inspection.records.alarms import Glance
from inspection.records.incidents import Incident
from monitoring.content.parts import Shown
from monitoring.judgement.climb import Climb, climbs
from monitoring.judgement.looking import look
from monitoring.judgement.reference import Reference
from monitoring.telling.courses import CAUSES

RAISED = "could not be judged ("  # in the note of a window of which judging raised something


@dataclass(frozen=True)
class Watched:
    """A camera after some windows.

    Attributes:
        held: its reference, or why there is none.
        failed: what judging raised, in words: such a window says nothing.
        silent: windows that were judged and could not be compared.
    """

    seat: Seat
    held: Reference | str
    settings: Params
    sums: Mapping[str, Climb] = field(default_factory=dict)
    told: tuple[Glance, ...] = ()
    values: tuple[tuple[datetime, Mapping[str, float]], ...] = ()
    known: tuple[Incident, ...] = ()
    failed: tuple[str, ...] = ()
    silent: int = 0

    @classmethod
    def of(cls, run: Run, seat: Seat, held: Reference | str) -> "Watched":
        """Before its first window."""
        return cls(seat, held, run.settings)

    @property
    def open(self) -> set[str]:
        """Causes of the incidents that stand open."""
        return {one.cause for one in self.known if one.open}

    def after(self, taken: Taken, shown: Shown | None = None) -> "Watched":
        """After one more window."""
        try:
            return self._after(taken, shown)
        except Exception as error:  # noqa: BLE001  whatever judging raises is what is measured
            words = f"{self.seat}, {taken.rows['captured_at'].iloc[0]:%Y-%m-%d %H:%M}: {type(error).__name__}: {error}"
            return replace(self, failed=(*self.failed, words))

    def _after(self, taken: Taken, shown: Shown | None) -> "Watched":
        if isinstance(self.held, str):
            return replace(self, failed=(*self.failed, f"{self.seat}: {self.held}"))
        found = look(
            taken.rows, self.held, self.settings, taken.load, self.sums, None, (lambda: shown) if shown else None
        )
        told = found.as_json()
        glance = _glance(told)
        raised = tuple(f"{self.seat}, {told['last']}: {note}" for note in told["notes"] if RAISED in note)
        known = list(self.known)
        for event in alarms.follow(known, self.told, [glance], self.settings.watch):
            known = incidents.fold_one(known, event, glance.last)
        values = (*self.values, (glance.last, found.verdict.measurement.values))
        return replace(
            self,
            sums=self._sums(self.held, known, values),
            told=(*self.told, glance),
            values=values,
            known=tuple(known),
            failed=(*self.failed, *raised),
            silent=self.silent + (glance.state not in alarms.JUDGED),
        )

    def _sums(
        self, held: Reference, known: list[Incident], values: tuple[tuple[datetime, Mapping[str, float]], ...]
    ) -> dict[str, Climb]:
        """The CUSUMs, each since the last incident of its cause was over, as `flows.looks.slow_changes` has them."""
        ended = incidents.ended(known, self.seat.camera)
        if ended == incidents.ended(self.known, self.seat.camera):
            return climbs([values[-1][1]], held.limits, self.sums)
        start = {name: ended[cause] for name, cause in CAUSES.items() if cause in ended}
        past = ({n: size for n, size in some.items() if n not in start or last > start[n]} for last, some in values)
        return climbs(past, held.limits)


def one_more(
    run: Run, states: Mapping[int, Watched], number: int, what: Mapping[str, Any] | None = None, content: bool = False
) -> dict[int, Watched]:
    """The same camera under several references after one more window, which is drawn once.

    Args:
        what: is laid on it. content: whether what its pictures show is judged too.
    """
    seat = next(iter(states.values())).seat
    taken = run.streams.window(seat, number, what=what)
    shown = embeddings.shown(run, seat, number, what=what, taken=taken) if content else None
    return {days: state.after(taken, shown) for days, state in states.items()}


def _glance(told: Mapping[str, Any]) -> Glance:
    """A window as the ledger gives it back."""
    return alarms.glances([Event(0, told["last"], "watch", "watch", {"windows": [told]}, "")])[0]
