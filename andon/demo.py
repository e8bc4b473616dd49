"""The whole loop, day by day, in a plant of its own under .demo/."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

from andon import tally
from andon.crew import Crew, Say, evening
from andon.plants.commented import cameras_text, taxonomy_text
from andon.plants.founding import Wishes, found, shipped
from andon.plants.like import acceptable
from inspection import clock, git
from inspection.cameras import Camera, read_cameras
from inspection.intake import suite
from inspection.layout import Layout
from inspection.params import read_params
from inspection.records import catalog
from monitoring.telling import report
from plant.faults import Fault
from plant.line import Plant
from plant.replay import Replay
from plant.shot import Shot, drop

START = date(2026, 11, 2)  # a Monday
PER_CAMERA = 69  # drawn images a day
FIRST_LABELS = 300  # labelled images from which a first model is asked for


@dataclass(frozen=True)
class Source:
    """What the cameras see: parts drawn from `seed`, or the images of a folder."""

    data: Path | None
    serial_column: str | None
    order_column: str | None
    good: tuple[str, ...]
    days: int
    seed: int


class Stream(Protocol):
    """Pictures day by day."""

    @property
    def days(self) -> list[date]: ...

    def shots(self, day: date) -> Iterator[Shot]: ...

    def news(self, day: date) -> str: ...


@dataclass(frozen=True)
class Drawn:
    """A drawn plant over its first days, with what goes wrong there."""

    plant: Plant
    count: int

    @property
    def days(self) -> list[date]:
        return [START + timedelta(days=number) for number in range(self.count)]

    def shots(self, day: date) -> Iterator[Shot]:
        return self.plant.shots(day, PER_CAMERA)

    def news(self, day: date) -> str:
        """What the plant's people do not know yet."""
        begins = [f"{f.kind} {f.size:+g} on {f.camera}" for f in self.plant.faults if f.since.date() == day]
        ends = [f"{f.kind} on {f.camera} is mended" for f in self.plant.faults if f.until and f.until.date() == day]
        new = [f"parts with {name} turn up" for name, since in self.plant.new_classes.items() if since == day]
        words = [*begins, *ends, *new]
        return f"   (unseen by anybody: {', '.join(words)})" if words else ""


def story(seed: int, cameras: tuple[Camera, ...]) -> Plant:
    """The drawn plant of the demo. The sizes of the two changes of light were measured (docs/LOG.md): the first costs
    the model nothing, the second more than ten points of balanced accuracy."""
    one, two = cameras[0].name, cameras[1].name

    def morning(number: int) -> datetime:
        return datetime.combine(START + timedelta(days=number - 1), datetime.min.time(), UTC) + timedelta(hours=3)

    faults = (
        Fault("lamp", -0.12, one, morning(4), morning(6)),
        Fault("lamp", -0.85, two, morning(5)),
        Fault("dust", 3, one, morning(6), morning(7)),
        Fault("dead", 2, one, morning(8), morning(9)),
    )
    return Plant(seed, cameras, faults, new_classes={"burr": START + timedelta(days=6)})


def run(folder: Path, source: Source, quiet: bool = False) -> dict[str, Any]:
    """Play the demo in `folder`; the content of its `summary.json`."""
    from flows.ingest import ingest
    from flows.retrain import retrain
    from flows.tasks import run_here
    from flows.watch import watch

    say = _Teller(quiet)
    started = time.perf_counter()
    layout = scratch_plant(folder)
    stream = Ahead(layout, open_stream(layout, source, say))
    suite.load()  # both while Prefect's server starts and the first pictures are drawn
    report.load()
    run_here(retrain, root=layout.root)  # nothing is due: it waits for the server
    crew = Crew(layout, say, FIRST_LABELS)
    ingested = []
    for number, day in enumerate(stream.days):
        night = datetime.combine(day, datetime.min.time(), UTC)
        pictured = stream.shots(day)
        deliver(layout, pictured, number == 1)
        crew.shots += [replace(shot, image=b"") for shot in pictured]
        say(f"{day:%a %d %b}, day {number + 1}{stream.news(day)}")
        with clock.at(evening(night, 0)):
            ingested.append(told(run_here(ingest, root=layout.root), say))
        with clock.at(evening(night, 10)):
            tell_watch(run_here(watch, root=layout.root), say)
            crew.read_mails()
        with clock.at(evening(night, 20)):
            crew.label()
        with clock.at(evening(night, 30)):
            crew.commission()
        with clock.at(evening(night, 40)):
            crew.ask_for_first_model()
            crew.scheduled_retrain()
            crew.read_mails()
        with clock.at(evening(night, 80)):
            crew.approve()
            crew.rule()
            crew.read_mails()
    stream.close()
    with clock.at(evening(night, 5 * 24 * 60)):
        crew.make_do()
        drilled = crew.drill()
    with clock.at(evening(night, 5 * 24 * 60 + 60)):
        summary = tally.summarise(layout, crew.shots, ingested, START)
        summary["drill"] = [{"fault": one["fault"], "passed": one["passed"]} for one in drilled]
        closing(layout, folder, summary, round(time.perf_counter() - started, 1), say)
    return summary


class Ahead:
    """A stream whose next days are drawn by another process while this one works on the day before."""

    def __init__(self, layout: Layout, stream: Stream) -> None:
        self.days, self.news = stream.days, stream.news
        spawn = get_context("spawn")
        cutter = ProcessPoolExecutor(1, mp_context=spawn)
        cutter.submit(_cut_backbone, layout)  # the first ingest needs it, ten seconds from now
        cutter.shutdown(wait=False)
        self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=os.nice, initargs=(10,))  # for idle cores
        self._waiting = {day: self._pool.submit(_drawn, stream, day) for day in self.days}

    def shots(self, day: date) -> list[Shot]:
        return self._waiting.pop(day).result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _cut_backbone(layout: Layout) -> None:
    from inspection.network.frozen import frozen_graph

    frozen_graph(read_params(layout.params).backbone, layout)


def _drawn(stream: Stream, day: date) -> list[Shot]:
    return list(stream.shots(day))


def scratch_plant(folder: Path) -> Layout:
    """A new plant with the shipped settings, in `folder/plant`; an earlier one there is gone."""
    target = folder / "plant"
    shutil.rmtree(target, ignore_errors=True)
    return found(target, Wishes("Demo"), ("Andon demo", "demo@andon.invalid"))


def open_stream(layout: Layout, source: Source, say: Say) -> Stream:
    """The pictures, after cameras.yaml and taxonomy.yaml were written for a replayed folder.

    Raises:
        FixInput: a label given as good is not in the folder.
    """
    if source.data is None:
        cameras = tuple(read_cameras(layout.cameras).values())
        return Drawn(story(source.seed, cameras), source.days)
    replay = Replay(
        source.data,
        source.seed,
        START,
        days=None if source.order_column else source.days,
        serial_column=source.serial_column,
        order_column=source.order_column,
    )
    for note in replay.notes:
        say(note)
    labels = sorted({shot.label for day in replay.days for shot in replay.shots(day)})
    classes = acceptable(labels, source.good, source.data)
    good = {label for label, passes in classes.items() if passes}
    say(f"Acceptable: {', '.join(sorted(good))}." if good else "No label is acceptable: false rejects do not apply.")
    layout.taxonomy.write_text(taxonomy_text(shipped("taxonomy.yaml"), classes), encoding="utf-8")
    layout.cameras.write_text(cameras_text(shipped("cameras.yaml"), _cameras(replay)), encoding="utf-8")
    git.commit(layout.root, [layout.taxonomy, layout.cameras], f"Demo: cameras and classes of {source.data.name}")
    return replay


def deliver(layout: Layout, shots: list[Shot], rubbish: bool) -> None:
    """A day's pictures into the inbox, with two files that are none where `rubbish` says so."""
    folder = layout.root / read_params(layout.params).ingest.inbox
    folder.mkdir(exist_ok=True)
    drop(shots, folder)
    if rubbish:
        _drop_rubbish(folder, shots[0].captured_at.date())


def told(result: dict[str, Any], say: Say) -> dict[str, Any]:
    """Say what an ingest did; its counts."""
    say(f"  ingest    {result['accepted']} images taken in, {result['refused']} refused")
    for key, reason in result["reasons"].items():
        say(f"            {key}: {reason}")
    return {key: result[key] for key in ("accepted", "refused")}


def tell_watch(result: dict[str, Any], say: Say) -> None:
    """Say what a watch saw."""
    from monitoring.judgement.looking import states

    say(f"  watch     {result['scored']} verdicts; {states(result['windows']) or 'no window is full yet'}")


def closing(layout: Layout, folder: Path, summary: dict[str, Any], seconds: float, say: Say) -> None:
    """What came of it, and where to look."""
    tally.write({**summary, "seconds": seconds}, folder / "summary.json")
    for line in happened(summary):
        say(line)
    equal = all(catalog.rebuild(layout).values())
    say(f"The catalog, folded anew, is {'equal' if equal else 'DIFFERENT'} table for table. {seconds} s in all.")
    say(f"Look at    {folder / 'summary.json'}")
    say(f"           {layout.root / 'outbox'} (the mails; open one in a mail program)")
    for path in sorted(layout.watched.glob("incidents/*/report.html"))[:2]:
        say(f"           {path}")
    say(f"           cd {layout.root} && andon status, andon incidents --all, andon history, andon trace IMAGE")


def happened(summary: dict[str, Any]) -> list[str]:
    """The table of what happened."""
    lines = ["", "What happened"]
    table = [("day", "camera", "what", "size", "answer", "end")]
    for one in summary["incidents"]:
        size = f"{one['size']:+.0%}" if one["unit"].startswith(("relative", "share")) else f"{one['size']:g}"
        row = (
            str(one["day"]),
            one["camera"],
            one["cause"].replace("_", " "),
            size,
            one["action"],
            one["closed"] or "open",
        )
        table.append(row)
    for one in summary["releases"]:
        table.append((str(one["day"]), "", f"release {one['version']}", "", f"by {one['approved_by']}", one["reason"]))
    widths = [max(len(row[column]) for row in table) for column in range(5)]
    head, *rows = table
    for row in (head, *sorted(rows, key=lambda row: int(row[0]))):
        lines.append(
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)).rstrip()
        )
    for one in summary["recovery"]:
        lines.append(
            f"{one['incident']} on {'+'.join(one['cameras'])}: balanced accuracy {_figure(one['before'])} before, "
            f"{_figure(one['under_it'])} under it, {_figure(one['after_release'])} on the test parts after the release "
            f"({one['test_parts_after']} parts; {_figure(one['after_release_all_parts'])} on all): "
            f"{_figure(one['won_back'])} of the loss won back."
        )
    if champion := summary["champion"]:
        good = (
            f"{champion['false_rejects']} good rejected"
            if champion["good_parts"]
            else "no good parts, so false rejects do not apply"
        )
        lines.append(
            f"{champion['version']} in its test of {champion['parts']} parts: {champion['escapes']} defective let "
            f"through, {good}; balanced accuracy {champion['balanced_accuracy']:.3f}."
        )
    return lines


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


class _Teller:
    """Prints the story to the error stream's terminal, or nothing."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, line: str) -> None:
        if not self._quiet:
            print(line, file=sys.stdout, flush=True)


def _drop_rubbish(folder: Path, day: date) -> None:
    """A file that was cut off and a text with an image's name."""
    camera = next(path for path in sorted(folder.iterdir()) if path.is_dir())
    whole = next(path for path in sorted(camera.rglob("*")) if path.is_file())
    stamp = f"{day:%Y%m%d}T2200"
    cut, text = (whole.parent / f"{stamp}{end}" for end in (f"01000Z{whole.suffix}", "02000Z.png"))
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    text.write_text("this is not an image\n")
    for path in (cut, text):
        shutil.copystat(whole, path)


def _cameras(replay: Replay) -> dict[str, Any]:
    def one(seen: Any) -> dict[str, Any]:
        entry = {key: value for key, value in asdict(seen).items() if key not in ("name", "modes", "parts")}
        mode = seen.modes[0]
        return {
            **entry,
            "mode": "L" if mode.startswith("I") else mode,
            "bit_depth": 16 if mode.startswith("I") else 8,
            "parts": list(seen.parts),
            "turns": ["flip_x", "flip_y", "turn_180"],  # a folder says nothing of it; surfaces look alike either way
        }

    return {seen.name: one(seen) for seen in replay.cameras()}
