"""The whole loop, day by day, in a plant of its own under .demo/."""

import shutil
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from andon import outcome, tally
from andon.attempts import Attempts
from andon.crew import Crew, Say
from andon.evenings import MOST_EVENINGS, Played
from andon.plants.founding import Wishes, found
from andon.streams import START, Source, Stream, open_stream
from inspection import clock
from inspection.layout import Layout
from inspection.progress import heard
from inspection.records import catalog


def run(folder: Path, source: Source, quiet: bool = False) -> dict[str, Any]:
    """Play the demo in `folder`; the content of its `summary.json`. A step that cannot be done is told, and the others
    go on: `complete` says whether all were done and a model is on the line, `missing` what is not there."""
    say = _Teller(quiet)
    started = time.perf_counter()
    (folder / "summary.json").unlink(missing_ok=True)
    layout = scratch_plant(folder)
    tried = Attempts(say)
    stream = tried("opening", lambda: open_stream(layout, source, say))
    played, end = Played(layout, say, tried, Crew(layout, say)), datetime.combine(START, datetime.min.time(), UTC)
    if stream is not None:
        end = tried("days", lambda: played.through(stream, max(MOST_EVENINGS, source.days))) or clock.now()
    with clock.at(end):
        summary = ended(played, stream, started)
        truths = outcome.truths(summary, stream.laid, bool(source.data)) if stream else []
        tried("closing", lambda: closing(layout, folder, summary, truths, say))
    summary["complete"] &= not any(one.step == "closing" for one in tried.failed)
    return summary


def ended(played: Played, stream: Stream | None, started: float) -> dict[str, Any]:
    """What summary.json says; `stream` is None where the pictures could not be opened."""
    layout, crew, tried = played.layout, played.crew, played.tried
    start = stream.days[0] if stream else START
    found = tried("summary", lambda: tally.summarise(layout, crew.shots, played.ingested, start))
    summary = {**(found or tally.NOTHING), "drill": played.drilled, "planted": played.planted}
    end = tried("summary", lambda: outcome.judged(summary, crew if stream else None, tried.failed))
    summary |= end or outcome.judged(summary, None, tried.failed)
    return {**summary, "seconds": round(time.perf_counter() - started, 1)}


def scratch_plant(folder: Path) -> Layout:
    """A new plant with the shipped settings, in `folder/plant`; an earlier one there is gone."""
    target = folder / "plant"
    shutil.rmtree(target, ignore_errors=True)
    return found(target, Wishes("Demo"), ("Andon demo", "demo@andon.invalid"))


def closing(layout: Layout, folder: Path, summary: dict[str, Any], truths: Sequence[str], say: Say) -> None:
    """What came of it, and where to look."""
    tally.write(summary, folder / "summary.json")
    for line in (*outcome.happened(summary), *truths, *outcome.lines(summary)):
        say(line)
    equal = all(catalog.rebuild(layout).values())
    same = "equal" if equal else "DIFFERENT"
    say(f"The catalog, folded anew, is {same} table for table. {summary['seconds']} s in all.")
    say(f"Look at    {folder / 'summary.json'}")
    say(f"           {layout.root / 'outbox'} (the mails; open one in a mail program)")
    for path in sorted(layout.watched.glob("incidents/*/report.html"))[:2]:
        say(f"           {path}")
    say(f"           cd {layout.root} && andon status, andon incidents --all, andon history, andon trace IMAGE")


class _Teller:
    """Prints the story to the error stream's terminal, or nothing."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, line: str) -> None:
        if not self._quiet:
            print(line, file=sys.stdout, flush=True)
            heard()
