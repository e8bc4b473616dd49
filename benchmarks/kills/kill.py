"""One kill at a random instant, and the run after it."""

import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import psutil

from benchmarks.kills import record
from benchmarks.kills.world import COMMANDS, MARK, World, start
from inspection.layout import Layout
from inspection.model import epochs

PATIENCE = 5.0  # seconds after which nothing that the killed command started may be left
LONGEST = 900.0  # seconds that a command may take
TRIES = 20  # commands that ended before they were to be killed, one after the other


@dataclass(frozen=True)
class Whole:
    """An undisturbed run: what it leaves, and how long it and its training take, in seconds."""

    left: record.Record
    seconds: float
    training: float


@dataclass(frozen=True)
class Kill:
    """What came of one.

    Attributes:
        after: seconds from the start of the command, or of its training.
        epoch: that training had kept by then; 0: none.
        processes: command lines of what was left after `PATIENCE` seconds.
        said: the end of what the next run said, where it did not finish the work.
    """

    command: str
    training: bool
    after: float
    epoch: int
    processes: list[str]
    lost: list[str]
    doubled: list[str]
    troubles: list[str]
    finished: bool
    said: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def undisturbed(world: World, command: str) -> Whole:
    """What the command leaves where nobody kills it.

    Raises:
        RuntimeError: it fails, or leaves troubles.
    """
    layout, mark = world.copy(command, f"{command}-whole"), uuid4().hex
    said = layout.home.with_suffix(".said")
    process, began, trained = start(layout, COMMANDS[command], mark, said), time.monotonic(), [0.0]
    while process.poll() is None:
        if command == "retrain" and is_training(mark):
            trained.append(time.monotonic())
        time.sleep(0.05)
    seconds = time.monotonic() - began
    wrong = record.troubles(layout)
    if process.returncode or wrong:
        raise RuntimeError(f"andon {command} failed undisturbed: {wrong}\n{said.read_text()[-2000:]}")
    return Whole(record.record(layout), seconds, trained[-1] - trained[1] if trained[1:] else 0.0)


def kill(world: World, command: str, training: bool, whole: Whole, chance: random.Random) -> Kill:
    """Kill the command at a random instant, of its training if that is wanted, and let the next run finish the work.

    Raises:
        RuntimeError: it always ended before.
    """
    for _ in range(TRIES):
        layout, mark = world.copy(command, command), uuid4().hex
        said = layout.home.with_suffix(".said")
        said.unlink(missing_ok=True)
        process = start(layout, COMMANDS[command], mark, said)
        while training and process.poll() is None and not is_training(mark):
            time.sleep(0.01)
        after = chance.uniform(0, whole.training if training else whole.seconds)
        time.sleep(after)
        in_time = process.poll() is None and (not training or is_training(mark))
        process.kill()
        process.wait()
        if in_time:
            epoch = epochs.kept(layout.state) if training else 0
            return _finished(layout, command, whole, Kill(command, training, after, epoch, _left(mark), *NOTHING))
    raise RuntimeError(f"andon {command} ended {TRIES} times before it was to be killed")


NOTHING: tuple[list[str], list[str], list[str], bool, str] = ([], [], [], False, "")


def _finished(layout: Layout, command: str, whole: Whole, killed: Kill) -> Kill:
    """The next run, to its end, and what there is then."""
    said = layout.home.with_suffix(".next")
    said.unlink(missing_ok=True)
    mark = uuid4().hex
    start(layout, COMMANDS[command], mark, said).wait(LONGEST)
    found, wrong = record.record(layout), record.troubles(layout)
    lost, doubled = record.lost(whole.left, found), record.lost(found, whole.left)
    wrong += [f"left by the next run: {words}" for words in _left(mark)]
    finished = not (lost or doubled or wrong)
    more = (lost, doubled, wrong, finished, "" if finished else said.read_text()[-2000:])
    return Kill(command, killed.training, killed.after, killed.epoch, killed.processes, *more)


def marked(mark: str) -> list[psutil.Process]:
    """What runs with the mark in its environment."""
    known, wanted = [], f"{MARK}={mark}\0".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes() + b"\0":
                known.append(psutil.Process(int(folder.name)))
        except (OSError, psutil.Error):
            continue
    return known


def is_training(mark: str) -> bool:
    return any("stages.train" in line for line in _lines(mark))


def _left(mark: str) -> list[str]:
    """The command lines of what has not ended after `PATIENCE` seconds."""
    until = time.monotonic() + PATIENCE
    while (left := _lines(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def _lines(mark: str) -> list[str]:
    lines = []
    for one in marked(mark):
        try:
            if one.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                lines.append(" ".join(one.cmdline())[:200])
        except psutil.Error:
            continue
    return lines
