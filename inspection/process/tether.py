"""Processes that end with the one that started them, however that one ends: also where it is killed.

A child learns from its environment whose it is. From its first line on a thread of it waits for that process's end, by
a pidfd, and then ends the child at once. PR_SET_PDEATHSIG would not do: it goes by the thread that forked, not by the
process; it knows only the next in line, where between a retrain and its training stand DVC and a shell; and a parent
that ends before it is set is never noticed, whereas here whoever is gone already is found gone. Children that hold the
lock instead would let nobody go on until a training has ended that nobody waits for.

`python -m inspection.process.tether MODULE ARGUMENTS` runs another's module like that. Without pidfd, elsewhere than on
Linux, children are not tied. Decoders need no tether: they end with the pipe that they read.
"""

import os
import runpy
import select
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

_VARIABLE = "ANDON_ENDS_WITH"


def environment() -> Mapping[str, str]:
    """What a child finds in its environment, so that its `tie` knows this process."""
    return {_VARIABLE: here()}


def here() -> str:
    """Which process it is: by its number and its start, for numbers are given again."""
    return f"{os.getpid()}:{_start(os.getpid())}"


def command(module: str, *arguments: str) -> list[str]:
    """How a module of somebody else is run, so that it ends with this process; with `environment` about it."""
    return [sys.executable, "-P", "-m", __name__, module, *arguments]


def tie(to: str | None = None) -> None:
    """End this process with that one; default: the one that the environment names, if it names one."""
    whose = to or os.environ.get(_VARIABLE)
    if not whose or not hasattr(os, "pidfd_open"):
        return
    number = int(whose.partition(":")[0])
    try:
        handle = os.pidfd_open(number)
    except ProcessLookupError:
        _end()
    if _start(number) != whose.partition(":")[2]:  # asked once the handle holds it: it is another's number by now
        _end()
    threading.Thread(target=_wait, args=(handle,), name="tether", daemon=True).start()


def _wait(handle: int) -> None:
    select.select([handle], [], [])
    _end()


def _end() -> NoReturn:
    os._exit(128 + signal.SIGKILL)


def _start(number: int) -> str:
    """When a process started, in the kernel's ticks; "" if there is none."""
    try:
        said = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return ""
    return said.rpartition(")")[2].split()[19]


def _run() -> None:
    tie()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _run()
