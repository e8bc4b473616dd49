"""What is measured, once, and kept: healthy days, and streams with a fault or with a change of content. Plain types."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from benchmarks.outside.references import references
from benchmarks.outside.run import Run
from benchmarks.outside.slots import HEALTHY, Slot, healthy
from benchmarks.outside.streams import Seat
from benchmarks.outside.watching import Watched, one_more
from benchmarks.report import once

WITHIN = 2  # windows with a fault
FAILED = "exception"  # instead of a cause, on a day that could not be judged


def learned(run: Run, seat: Seat) -> None:
    """Nothing, but the camera's references are there."""
    references(run, seat, run.scale.lengths)


def learned_with_content(run: Run, seat: Seat) -> None:
    """Nothing, but the longest reference is there, with what its pictures show."""
    references(run, seat, [max(run.scale.lengths)], content=True)


def watched_days(run: Run, seat: Seat) -> list[dict[str, Any]]:
    """A camera's days under each reference: the causes of which an incident was open at any time, the words of those
    that opened, what judging raised, and how many windows could not be compared."""
    path = run.kept / "clean" / f"{seat}, {run.scale.days} days, references {run.scale.lengths}.json"
    return list(once(path, lambda: {"days": _watched_days(run, seat)})["days"])


def _watched_days(run: Run, seat: Seat) -> list[dict[str, Any]]:
    states = {days: Watched.of(run, seat, one) for days, one in references(run, seat, run.scale.lengths).items()}
    start, found = run.start(seat.seed), []
    for day in range(run.scale.days):
        before, open_ = states, {days: state.open for days, state in states.items()}  # what yesterday left open counts
        for window in range(run.streams.a_day):
            states = one_more(run, states, start + day * run.streams.a_day + window)
            open_ = {days: causes | states[days].open for days, causes in open_.items()}
        for days, state in states.items():
            failed = state.failed[len(before[days].failed) :]
            causes = sorted(open_[days]) + [FAILED] * bool(failed)
            words = [one["words"] for one in _opened(before[days], state)]
            silent = state.silent - before[days].silent
            told = {"causes": causes, "words": words, "failed": failed, "silent": silent}
            found.append({"reference": days, "day": day, **told})
    return found


def with_fault(run: Run, task: tuple[Slot, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Each of the faults on the same hours of a camera: what was laid on, and what was told under each reference."""
    slot, every = task
    digest = sha256(f"{every} {run.scale.lengths}".encode()).hexdigest()[:12]
    return once(run.kept / "faults" / f"{slot}, {digest}.json", lambda: _with_faults(run, slot, every))


def _with_faults(run: Run, slot: Slot, every: Sequence[str]) -> dict[str, dict[str, Any]]:
    before, camera, found = healthy(run, slot, run.scale.lengths), run.streams.camera(slot.seat), {}
    for fault in every:
        seed = int.from_bytes(sha256(f"{fault} {slot}".encode()).digest()[:8])
        made = run.streams.module.FAULTS[fault][0](np.random.default_rng(seed), camera)
        states, first = before, slot.first(run) + HEALTHY
        for number in range(first, first + WITHIN):
            states = one_more(run, states, number, {"faults": made})
        told = {str(days): _told(before[days], state) for days, state in states.items()}
        found[fault] = {"laid": _plain(made), "height": camera.height, "told": told}
    return found


def with_content(run: Run, task: tuple[Slot, str]) -> dict[str, Any]:
    """What was told of a change of content."""
    slot, change = task
    days, windows = max(run.scale.lengths), run.scale.windows
    path = run.kept / "content" / f"{slot}, {change}, {windows} windows, reference of {days} d.json"

    def work() -> dict[str, Any]:
        before = healthy(run, slot, [days], content=True)
        states, first = before, slot.first(run) + HEALTHY
        for number in range(first, first + windows):
            states = one_more(run, states, number, run.streams.laid(change), content=True)
        return _told(before[days], states[days])

    return once(path, work)


def _told(before: Watched, after: Watched) -> dict[str, Any]:
    """The incidents that opened in between, the causes of those that stood open, and what judging raised."""
    return {"called": _opened(before, after), "before": sorted(before.open), "failed": list(after.failed)}


def _opened(before: Watched, after: Watched) -> list[dict[str, Any]]:
    return [
        {
            "cause": one.cause,
            "statistic": one.finding["statistic"],
            "size": one.finding["size"],
            "deepest": max((abs(spot["depth"]) for spot in one.finding["spots"]), default=0.0),
            "words": one.finding["words"],
        }
        for one in after.known[len(before.known) :]
    ]


def _plain(made: Mapping[str, Any]) -> dict[str, Any]:
    """A fault's arguments; of a picture its lowest value."""
    return {
        name: float(np.min(value)) if isinstance(value, np.ndarray) else _bare(value) for name, value in made.items()
    }


def _bare(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
