"""What the parts do, not the camera: whether a day's windows name it, and whether they blame the camera."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

from benchmarks.outside import names
from benchmarks.outside.measured import learned_with_content, with_content
from benchmarks.outside.run import Run
from benchmarks.outside.shares import counted, share
from benchmarks.outside.slots import Slot, slots
from benchmarks.outside.streams import Seat
from benchmarks.report import Figure

_ON_DRAWN = {"shiny", "defects"}  # arguments that do nothing to surfaces that are photographs
_BY_A_MODEL = {"defect_rate"}  # names that take a model on the line, and there is none here


def content(run: Run) -> tuple[list[Figure], dict[str, Any]]:
    """The figures, with the longest reference, and what lies behind them."""
    wanted = {change: slots(run, partial(_fits, run, change)) for change in run.streams.module.CONTENT}
    tasks = [(slot, change) for change, some in wanted.items() for slot in some]
    seats = sorted({slot.seat for slot, _ in tasks})
    run.each(learned_with_content, seats, "content: references")
    told = dict(zip(tasks, run.each(with_content, tasks, "content"), strict=True))
    streams = {change: {slot: told[slot, change] for slot in some} for change, some in wanted.items() if some}
    failed = sorted({words for one in told.values() for words in one["failed"]})
    return list(_figures(run, streams)), {"missed": dict(_missed(run, streams)), "failed": failed}


def _fits(run: Run, change: str, camera: str) -> bool:
    return not (_ON_DRAWN & set(run.streams.laid(change)) and run.streams.camera(Seat(camera, run.scale.seeds[0])).real)


_Streams = Mapping[str, Mapping[Slot, Mapping[str, Any]]]  # change -> slot -> as `with_content` has it


def _figures(run: Run, streams: _Streams) -> Iterator[Figure]:
    """Over all changes, then each."""
    every = [(change, one) for change, some in streams.items() for one in some.values()]
    judged = [(change, one) for change, one in every if not _by_a_model(run, change)]
    if judged:
        found = sum(_right(run, change, one) for change, one in judged)
        yield share("all changes of content: named rightly", found, len(judged), least=0.9)
    if every:
        blamed = sum(bool(_faults(one)) for _, one in every)
        yield share("... called a fault of the camera", blamed, len(every), most=0.05)
    for change, some in streams.items():
        told = list(some.values())
        called, alarmed = counted(chain(*map(_causes, told))), counted(chain(*map(_faults, told)))
        found, least = sum(_right(run, change, one) for one in told), None if _by_a_model(run, change) else 0.8
        yield share(f"{change}: called {called}; rightly", found, len(told), least=least)
        yield share(f"... a fault of the camera: {alarmed}", sum(bool(_faults(one)) for one in told), len(told))
    before = [one["before"] for _, one in every if one["before"]]
    if every:
        yield share(f"alarmed in three healthy windows ({counted(chain(*before))})", len(before), len(every))


def _by_a_model(run: Run, change: str) -> bool:
    return set(run.streams.module.CONTENT[change][1]) <= _BY_A_MODEL


def _causes(told: Mapping[str, Any]) -> list[str]:
    return sorted({one["cause"] for one in told["called"]})


def _faults(told: Mapping[str, Any]) -> list[str]:
    return names.wrong(_causes(told), names.OF_THE_PARTS)


def _right(run: Run, change: str, told: Mapping[str, Any]) -> bool:
    return not told["failed"] and names.right(_causes(told), run.streams.module.CONTENT[change][1])


def _missed(run: Run, streams: _Streams) -> Iterator[tuple[str, list[str]]]:
    """Change -> streams that were missed or called a fault of the camera, and what they were called."""
    for change, some in streams.items():
        found = []
        for slot, one in some.items():
            if not _right(run, change, one) or _faults(one):
                called = "; ".join(f"{told['cause']}: {told['words'][:160]}" for told in one["called"])
                found.append(f"{slot}: {called or 'nothing'}")
        if found:
            yield change, found
