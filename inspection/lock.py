"""Locks between processes: whoever waits says for whom, and a dead holder frees its lock."""

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from inspection import clock
from inspection.errors import WaitForOther, printable
from inspection.layout import Layout
from inspection.outside import documents

WRITE = "write"  # short writes to git and DVC


def _say(words: str) -> None:
    print(printable(words), file=sys.stderr, flush=True)


@contextmanager
def hold(
    layout: Layout,
    name: str,
    purpose: str,
    patience: float = 600,
    tell: Callable[[str], None] = _say,
) -> Iterator[None]:
    """Hold the lock `name`, waiting up to `patience` seconds for whoever has it.

    Args:
        tell: called once with a sentence when there is somebody to wait for; by default it goes to the error stream.

    Raises:
        WaitForOther: still held after `patience` seconds; the message names the holder.
    """
    path = layout.state / "locks" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell(f"Waiting for {_holder(path)}.")
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            raise WaitForOther(
                f"The lock `{name}` is still held by {_holder(path)}. Try again when it has finished."
            ) from None
    try:
        _note(path).write_text(json.dumps({"pid": os.getpid(), "purpose": purpose, "since": clock.stamp(clock.now())}))
        yield
    finally:
        lock.release()


def at_work(layout: Layout, names: Iterable[str]) -> list[str]:
    """Who holds one of these locks now, in words. Nothing is written."""
    found = []
    for name in names:
        path = layout.state / "locks" / f"{name}.lock"
        with suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                found.append(_holder(path))
    return found


def _note(path: Path) -> Path:
    return path.with_suffix(".holder")


def _holder(path: Path) -> str:
    try:
        note = documents.json_file(_note(path))
        return f"{note['purpose']} (process {note['pid']}, since {note['since'][:19]} UTC)"
    except (OSError, ValueError, KeyError):
        return "another process"
