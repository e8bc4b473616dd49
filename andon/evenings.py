"""The demo's loop: what cameras, flows and people do on one evening after the other."""

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from andon.attempts import Attempts
from andon.crew import Crew, Say, evening
from andon.streams import START, Stream
from inspection import clock
from inspection.intake import suite
from inspection.layout import Layout
from inspection.params import read_params
from inspection.process import tether
from monitoring.telling import report
from plant.shot import Shot, drop

MOST_EVENINGS = 31  # on which the plant is looked at; where pictures came on more days, several are told at once
AHEAD = 3  # evenings whose pictures are drawn before they are needed


@dataclass
class Played:
    """The loop, evening by evening, on one plant."""

    layout: Layout
    say: Say
    tried: Attempts
    crew: Crew
    ingested: list[dict[str, Any]] = field(default_factory=list)
    drilled: list[dict[str, Any]] = field(default_factory=list)
    planted: int = 0  # files that are no pictures, dropped by the demo itself

    def through(self, stream: Stream, most: int) -> datetime:
        """Play all of it; when it is over, by the demo's clock.

        Args:
            most: evenings.
        """
        from flows.retrain import retrain
        from flows.tasks import run_here

        evenings = rounds(stream.days, most)
        if len(evenings) < len(stream.days):
            self.say(f"Pictures came on {len(stream.days)} days; they are told in {len(evenings)} evenings.")
        ahead = Ahead(self.layout, stream, evenings)
        suite.load()  # both while Prefect's server starts and the first pictures are drawn
        report.load()
        self.tried("retrain", lambda: run_here(retrain, root=self.layout.root))  # nothing is due: it starts the server
        night = evening(stream.days[0])
        for number, days in enumerate(evenings):
            self.tried.day = (days[-1] - stream.days[0]).days + 1
            self.say(heading(days, stream))
            night = self.evening(days, ahead, rubbish=number == 1)
        ahead.close()
        self.tried.day = 0
        self.say("Five days later, when nobody has a label left to give")
        self._at(night + timedelta(days=5), "labels", lambda: self.crew.make_do(stream.laid))
        self._at(night + timedelta(days=5), "release", self.crew.approve)
        self._at(night + timedelta(days=5), "drill", self._drill)
        return night + timedelta(days=5, hours=1)

    def evening(self, days: Sequence[date], ahead: "Ahead", rubbish: bool) -> datetime:
        """What cameras and people do on a day, or on a few; when it begins to be looked at."""
        pictured = self.tried("pictures", lambda: ahead.shots(days)) or []
        crew, night = self.crew, evening(days[-1], pictured)
        told = self.say if rubbish else None
        self.planted += self.tried("pictures", lambda: deliver(self.layout, pictured, told)) or 0
        crew.shots += [replace(shot, image=b"") for shot in pictured]
        steps: tuple[tuple[int, str, Callable[[], None]], ...] = (
            (0, "ingest", self._ingest),
            (0, "held", crew.release_held),
            (10, "watch", self._watch),
            (10, "mail", crew.read_mails),
            (20, "labels", crew.label),
            (30, "reference", crew.commission),
            (40, "retrain", crew.ask_for_first_model),
            (40, "retrain", crew.scheduled_retrain),
            (40, "mail", crew.read_mails),
            (80, "release", crew.approve),
            (80, "ruling", crew.rule),
            (80, "mail", crew.read_mails),
            (90, "audit", self._audit),
        )
        for minutes, step, work in steps:
            self._at(night + timedelta(minutes=minutes), step, work)
        return night

    def _at(self, moment: datetime, step: str, work: Callable[[], None]) -> None:
        with clock.at(moment):
            self.tried(step, work)

    def _ingest(self) -> None:
        from flows.ingest import ingest
        from flows.tasks import run_here

        self.ingested.append(told(run_here(ingest, root=self.layout.root), self.say))

    def _watch(self) -> None:
        from flows.tasks import run_here
        from flows.watch import watch

        tell_watch(run_here(watch, root=self.layout.root), self.say)

    def _audit(self) -> None:
        from flows.audit import audit
        from flows.tasks import run_here

        run_here(audit, root=self.layout.root)

    def _drill(self) -> None:
        self.drilled = [{"fault": one["fault"], "passed": one["passed"]} for one in self.crew.drill()]


def rounds(days: Sequence[date], most: int) -> list[tuple[date, ...]]:
    """The days that are looked at on each evening, at most so many evenings; as even as can be."""
    count = min(len(days), most)
    ends = [len(days) * number // count for number in range(count + 1)]
    return [tuple(days[first:last]) for first, last in pairwise(ends)]


def heading(days: Sequence[date], stream: Stream) -> str:
    """What stands above an evening: its day, or the first and the last of its days."""
    year = "" if all(day.year == START.year for day in stream.days) else " %Y"
    names = [f"{day:%a %d %b}{day.strftime(year)}" for day in (days[0], days[-1])]
    numbers = [(day - stream.days[0]).days + 1 for day in (days[0], days[-1])]
    news = "".join(stream.news(day) for day in days)
    if len(days) == 1:
        return f"{names[0]}, day {numbers[0]}{news}"
    return f"{names[0]} to {names[1]}, days {numbers[0]} to {numbers[1]}{news}"


class Ahead:
    """A stream whose next pictures are drawn by another process while this one works on those before."""

    def __init__(self, layout: Layout, stream: Stream, evenings: Sequence[Sequence[date]]) -> None:
        self._stream, self._next = stream, list(evenings)
        spawn = get_context("spawn")
        cutter = ProcessPoolExecutor(1, mp_context=spawn, initializer=_begin, initargs=(tether.here(),))
        cutter.submit(_cut_backbone, layout)  # the first ingest needs it, ten seconds from now
        cutter.shutdown(wait=False)
        self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_begin, initargs=(tether.here(), 10))
        self._waiting: dict[tuple[date, ...], Future[list[Shot]]] = {}
        self._draw()

    def shots(self, days: Sequence[date]) -> list[Shot]:
        """The pictures of these days; drawn here where the other process came to its end."""
        try:
            found = self._waiting.pop(tuple(days)).result()
            self._draw()
        except (BrokenExecutor, KeyError):
            self._next, self._waiting = [], {}
            return _drawn(self._stream, days)
        return found

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _draw(self) -> None:
        while self._next and len(self._waiting) < AHEAD:
            days = tuple(self._next.pop(0))
            self._waiting[days] = self._pool.submit(_drawn, self._stream, days)


def _begin(whose: str, nice: int = 0) -> None:
    """What a process of the pool does first: end with the demo, leave Ctrl-C to it, and take what cores are idle."""
    tether.tie(whose)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(nice)


def _cut_backbone(layout: Layout) -> None:
    from inspection.network.frozen import frozen_graph

    frozen_graph(read_params(layout.params).backbone, layout)


def _drawn(stream: Stream, days: Sequence[date]) -> list[Shot]:
    return [shot for day in days for shot in stream.shots(day)]


def deliver(layout: Layout, shots: list[Shot], rubbish: Say | None) -> int:
    """The pictures into the inbox, with two files that are none where `rubbish` is told of it; how many are none."""
    folder = layout.root / read_params(layout.params).ingest.inbox
    folder.mkdir(exist_ok=True)
    drop(shots, folder)
    if rubbish is None or not shots:
        return 0
    _drop_rubbish(folder, shots)
    rubbish("  (the demo drops two files that are no pictures among them: one cut in half, and one of text)")
    return 2


def told(result: dict[str, Any], say: Say) -> dict[str, Any]:
    """Say what an ingest did; its counts."""
    from flows.ingest import summary

    say(f"  ingest    {result['accepted']} images taken in, {result['refused']} refused")
    for line in summary(result)[1:]:
        say(f"          {line}")
    return {key: result[key] for key in ("accepted", "refused")}


def tell_watch(result: dict[str, Any], say: Say) -> None:
    """Say what a watch saw."""
    from monitoring.judgement.looking import states

    say(f"  watch     {result['scored']} verdicts; {states(result['windows']) or 'no window is full yet'}")


def _drop_rubbish(folder: Path, shots: Sequence[Shot]) -> None:
    """A file that was cut off and a text with an image's name."""
    whole = folder / max(shots, key=lambda shot: len(shot.content)).key
    stamp = f"{shots[0].captured_at:%Y%m%d}T2200"
    cut, text = (whole.parent / f"{stamp}{end}" for end in (f"01000Z{whole.suffix}", "02000Z.png"))
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    text.write_text("this is not an image\n")
    for path in (cut, text):
        shutil.copystat(whole, path)
