"""Faults of the camera: whether its first or second window opens an incident of the right cause, of another one too,
and with which size."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from benchmarks.outside import names
from benchmarks.outside.measured import learned, with_fault
from benchmarks.outside.run import Run
from benchmarks.outside.shares import counted, share
from benchmarks.outside.sizes import told_size, true_sizes
from benchmarks.outside.slots import Slot, slots
from benchmarks.outside.streams import Seat
from benchmarks.report import Figure

_FAINT_LAMP = 0.1  # a smaller change of the lamp is looked for only where ...
_STEADY = 0.05  # ... daylight is a smaller share of the light, and the lamp keeps its own

Told = dict[str, Any]  # a stream under one reference: what was called, what stood open before, what judging raised


def faults(run: Run) -> tuple[list[Figure], dict[str, Any]]:
    """The figures for each length of reference, the longest first, and what lies behind them."""
    wanted = {fault: slots(run, partial(fits, run, fault)) for fault in run.streams.module.FAULTS}
    tasks: dict[Slot, list[str]] = {}
    for fault, some in wanted.items():
        for slot in some:
            tasks.setdefault(slot, []).append(fault)
    run.each(learned, sorted({slot.seat for slot in tasks}), "faults: references")
    work = sorted(tasks.items())
    found = dict(zip([slot for slot, _ in work], run.each(with_fault, work, "faults"), strict=True))
    streams = {fault: {slot: found[slot][fault] for slot in some} for fault, some in wanted.items() if some}
    longest, *others = sorted(run.scale.lengths, reverse=True)
    figures = [*_overall(run, streams, longest, True), *_each(run, streams, longest)]
    for days in others:
        figures += [*_overall(run, streams, days, False), *_briefly(run, streams, days)]
    return figures, {"missed": dict(_missed(run, streams)), "failed": sorted(_failed(streams))}


def fits(run: Run, fault: str, camera: str) -> bool:
    """Whether the fault can be seen on a camera: one whose fixture stands still, and in colour or in steady light where
    it takes that."""
    one = run.streams.camera(Seat(camera, run.scale.seeds[0]))
    made = run.streams.module.FAULTS[fault][0](np.random.default_rng(0), one)
    steady = one.ambient < _STEADY and not one.drift
    faint = 0 < abs(made.get("lamp", 0.0)) < _FAINT_LAMP
    return bool(one.fixture and (one.channels == 3 or "red" not in made) and (steady or not faint))


_Streams = Mapping[str, Mapping[Slot, Mapping[str, Any]]]  # fault -> slot -> as `with_fault` has it


def _overall(run: Run, streams: _Streams, days: int, judged: bool) -> Iterator[Figure]:
    """Over all faults; `judged`: against the targets."""
    told, words = {fault: _of(streams, fault, days) for fault in streams}, f"reference of {days} d, all faults"
    if not told:
        return
    total = sum(map(len, told.values()))
    found = sum(_right(run, fault, one) for fault, some in told.items() for one in some)
    wrong = sum(bool(_wrong(run, fault, one)) for fault, some in told.items() for one in some)
    yield share(f"{words}: named in two windows", found, total, least=0.97 if judged else None)
    yield share("... a wrong cause", wrong, total, most=0.03 if judged else None)
    off = [error for fault in streams for error in _size_errors(run, streams, fault, days)]
    if off:
        middle = float(np.median(off))
        target, holds = ("≤ 15", middle <= 0.15) if judged else ("", None)
        yield Figure(f"... size told, median error ({len(off)} told)", 100 * middle, "%", target, holds)
    before = [one for some in told.values() for one in some if one["before"]]
    yield share(f"... alarmed before it ({counted(chain(*(o['before'] for o in before)))})", len(before), total)


def _each(run: Run, streams: _Streams, days: int) -> Iterator[Figure]:
    """Fault by fault, against the targets."""
    for fault in streams:
        told = _of(streams, fault, days)
        found, wrong = [_right(run, fault, one) for one in told], [_wrong(run, fault, one) for one in told]
        yield share(fault, sum(found), len(told), least=0.9)
        yield share(f"... a wrong cause: {counted(chain(*wrong))}", sum(map(bool, wrong)), len(told), most=0.1)
        off = _size_errors(run, streams, fault, days)
        if off:
            yield Figure(f"... size told, median error ({len(off)} told)", 100 * float(np.median(off)), "%")


def _briefly(run: Run, streams: _Streams, days: int) -> Iterator[Figure]:
    """Fault by fault: named, and called what else."""
    for fault in streams:
        told = _of(streams, fault, days)
        wrong = counted(chain(*(_wrong(run, fault, one) for one in told)))
        yield share(f"... {fault}; wrong: {wrong}", sum(_right(run, fault, one) for one in told), len(told))


def _of(streams: _Streams, fault: str, days: int) -> list[Told]:
    return [one["told"][str(days)] for one in streams[fault].values()]


def _right(run: Run, fault: str, told: Told) -> bool:
    """Named rightly, and nothing was raised on the way."""
    causes = [one["cause"] for one in told["called"]]
    return not told["failed"] and names.right(causes, run.streams.module.FAULTS[fault][1])


def _wrong(run: Run, fault: str, told: Told) -> list[str]:
    return names.wrong([one["cause"] for one in told["called"]], run.streams.module.FAULTS[fault][1])


def _size_errors(run: Run, streams: _Streams, fault: str, days: int) -> list[float]:
    """Relative errors of the sizes that are told, by the statistic that measures the fault."""
    right, off = run.streams.module.FAULTS[fault][1], []
    for one in streams[fault].values():
        for called in one["told"][str(days)]["called"]:
            true = true_sizes(one["laid"], one["height"]).get(called["statistic"])
            if true and names.name(called["cause"]) in right:
                off.append(abs(told_size(called) - true) / true)
    return off


def _missed(run: Run, streams: _Streams) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Fault -> reference -> streams that were missed or called something else, and what they were called."""
    for fault in streams:
        found: dict[str, list[str]] = {}
        for slot, one in streams[fault].items():
            for days, told in one["told"].items():
                if not _right(run, fault, told) or _wrong(run, fault, told):
                    called = "; ".join(f"{some['cause']}: {some['words'][:160]}" for some in told["called"])
                    found.setdefault(f"reference of {days} d", []).append(f"{slot}: {called or 'nothing'}")
        if found:
            yield fault, found


def _failed(streams: _Streams) -> set[str]:
    """What judging raised."""
    every = (told for some in streams.values() for one in some.values() for told in one["told"].values())
    return {words for told in every for words in told["failed"]}
