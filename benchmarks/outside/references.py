"""References of the same camera that are made of one, two and five of its days, made once and kept."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.outside import embeddings
from benchmarks.outside.run import Run
from benchmarks.outside.streams import REFERENCE, Seat, Taken
from inspection import files
from monitoring.content.learning import learn
from monitoring.judgement.learning import Learning
from monitoring.judgement.looking import utc
from monitoring.judgement.reference import Reference, load, save

BROKEN = "broken.txt"  # instead of a reference: what the attempt to learn it raised


def references(run: Run, seat: Seat, lengths: Sequence[int], content: bool = False) -> dict[int, Reference | str]:
    """The references of the last so many days before `run.start`, or why learning one failed.

    Args:
        content: with what their pictures show.
    """
    _make(run, seat, lengths)
    held = {days: _read(_folder(run, seat, days)) for days in lengths}
    return {days: _with_content(run, seat, days, one) for days, one in held.items()} if content else held


def _with_content(run: Run, seat: Seat, days: int, held: Reference | str) -> Reference | str:
    folder = run.kept / "references" / f"{seat}, {days} with content"
    if isinstance(held, str) or folder.exists():
        return held if isinstance(held, str) else _read(folder)
    windows = [embeddings.shown(run, seat, number, REFERENCE) for number in _numbers(run, seat, days)]
    try:
        made: Reference | str = held.with_content(learn(windows), run.settings.health)
    except Exception as error:  # noqa: BLE001  whatever learning raises is what is measured
        made = _words(error)
    _keep(made, folder)
    return made


def _make(run: Run, seat: Seat, lengths: Sequence[int]) -> None:
    """Those that lack, of pictures that are drawn once."""
    missing = [days for days in lengths if not _folder(run, seat, days).exists()]
    learning = {days: Learning(seat.camera, run.settings.health, run.settings.watch) for days in missing}
    broken: dict[int, str] = {}
    for number in _numbers(run, seat, max(missing, default=0)):
        taken = run.streams.window(seat, number, REFERENCE)
        for days in missing:
            if number in _numbers(run, seat, days) and days not in broken:
                try:
                    _add(learning[days], taken)
                except Exception as error:  # noqa: BLE001  whatever learning raises is what is measured
                    broken[days] = _words(error)
    for days in missing:
        _keep(broken.get(days) or _finished(learning[days]), _folder(run, seat, days))


def _numbers(run: Run, seat: Seat, days: int) -> Sequence[int]:
    start = run.start(seat.seed)
    return range(start - days * run.streams.a_day, start)


def _add(learning: Learning, taken: Taken) -> None:
    for row in taken.rows.itertuples(index=False):
        learning.add(taken.load(row), str(row.part), utc(row.captured_at), str(row.image_id))


def _finished(learning: Learning) -> Reference | str:
    try:
        return learning.finish("v1")
    except Exception as error:  # noqa: BLE001  whatever learning raises is what is measured
        return _words(error)


def _words(error: Exception) -> str:
    return f"the reference was not learned: {type(error).__name__}: {error}"


def _folder(run: Run, seat: Seat, days: int) -> Path:
    return run.kept / "references" / f"{seat}, {days}"


def _keep(made: Reference | str, folder: Path) -> None:
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    if isinstance(made, str):
        files.write(part / BROKEN, made)
    else:
        save(made, part)
    try:
        part.rename(folder)
    except OSError:  # another process was quicker
        shutil.rmtree(part)


def _read(folder: Path) -> Reference | str:
    broken = folder / BROKEN
    return broken.read_text(encoding="utf-8") if broken.exists() else load(folder)
