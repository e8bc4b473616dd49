"""Ctrl-C and SIGTERM: one sentence, and the end.

What a command does may be killed at any instant and is finished by the next run, so it is not unwound but ended:
unwound, it went through Prefect, which waited for 78 s for the server that the same Ctrl-C had ended. A thread hears
the signal besides the handler, for Prefect puts its own handler in that place, and a computation can hold up any.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
REST = "it does what is left"
_CLEARED = "\r\x1b[2K\x1b[?25h"  # the line of a progress bar, and the cursor that it hides

Words = Callable[[], str]
_reached: list[Words] = []
_rest: list[Words] = []
_ending = threading.RLock()  # a second Ctrl-C comes to the very thread that is at the end already
_json = False


def listen(as_json: bool = False) -> None:
    """From now on a signal ends this process: exit code 128 + its number, as a shell counts.

    Args:
        as_json: the sentence as one JSON object.
    """
    global _json  # noqa: PLW0603  a process has one way of ending
    _json = as_json
    reads, writes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(reads, True)
    signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell has it for what runs in the background
            signal.signal(number, _handle)
    os.register_at_fork(after_in_child=leave)  # what a fork hears would be heard here
    threading.Thread(target=_hear, args=(reads,), name="stopping", daemon=True).start()


def leave() -> None:
    """The opposite of `listen`, for what has its own way of ending."""
    ours = [number for number in SIGNALS if signal.getsignal(number) is _handle]
    for number in ours:
        signal.signal(number, signal.SIG_DFL)
    if ours:
        signal.set_wakeup_fd(-1)


@contextmanager
def under_way(reached: Words = str, rest: Words = str) -> Iterator[None]:
    """While this goes on, whoever stops it is told how far it is, and what the next run does.

    Args:
        reached: such as "taking in 120 of 400"; "": not known.
        rest: such as "it goes on behind epoch 2 of 12".
    """
    _reached.append(reached)
    _rest.append(rest)
    try:
        yield
    finally:
        _reached.remove(reached)
        _rest.remove(rest)


def sentences() -> tuple[str, str]:
    """What was reached, and what to do."""
    at = _last(_reached)
    stopped = f"Stopped at {at}; what was done is kept" if at else "Stopped; what was done is kept"
    return f"{stopped}.", f"Run the same command again: {_last(_rest) or REST}."


def _last(known: list[Words]) -> str:
    """The word of the innermost work that has one."""
    for words in reversed(known):
        with suppress(Exception):  # whatever it is, the process has to end
            if said := words():
                return said
    return ""


def _handle(number: int, _: FrameType | None) -> None:
    _end(number)


def _hear(pipe: int) -> None:
    while heard := os.read(pipe, 1):
        if heard[0] in SIGNALS:
            _end(heard[0])


def _end(number: int) -> None:
    """Whichever thread comes first; the other waits for the end."""
    if not _ending.acquire(blocking=False):
        threading.Event().wait()
    wrong, remedy = sentences()
    said = json.dumps({"error": wrong, "remedy": remedy}) if _json else f"{wrong} {remedy}"
    with suppress(OSError):
        os.write(2, f"{_CLEARED if sys.stderr.isatty() else ''}{said}\n".encode())
    _end_children()
    os._exit(128 + number)


def _end_children() -> None:
    """Those of others, such as a git that waits for a password: it takes its locks with it. Ours end with us anyway."""
    for known in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            for child in known.read_text().split():
                os.kill(int(child), signal.SIGTERM)
