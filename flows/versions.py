"""What DVC does for the flows: reproduce, track a folder, put outputs back."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from inspection import backlog
from inspection.errors import TOO_LITTLE_MEMORY, AndonError, FixSettings, MakeRoom, WaitForOther, printable
from inspection.layout import Layout
from inspection.outside import documents
from inspection.process import stopping, tether
from inspection.progress import doing, say

if TYPE_CHECKING:
    from dvc.repo import Repo

BUSY = "Another DVC command is at work in this plant: try again when it has finished."
_RUNNING = re.compile(r"Running stage '(\w+)'")
_AT = {  # stage -> what it does, to whoever waits
    "snapshot": "collecting what is labelled",
    "validate": "checking the data set",
    "split": "dividing it into training, validation and test",
    "plan": "planning the training",
    "embed": "looking at the pictures",
    "train": "training",
    "evaluate": "trying the model on the test pictures",
    "compare": "comparing it with the model on the line",
}
_CHATTER = (  # DVC's own words beside a stage's
    *("> ", "Running stage", "Updating lock", "Generating lock", "Use `dvc", "To track", "To enable", "git add"),
    *("Stage '", "Data and", "Verifying", "ERROR", "dvc config"),
)


@task(name="reproduce", cache_policy=NO_CACHE)
def reproduce(root: Path, *targets: str) -> None:
    """`dvc repro`, which runs what its inputs call for; the whole of it shows what the stages say."""
    dvc(root, "repro", *targets, shown=not targets)


def track(layout: Layout, folder: Path) -> list[Path]:
    """Put a new folder under the `.dvc` of its parent; what git has to keep of that. The caller holds the write lock.

    `dvc add` takes the folder alone when the parent is known, so that its cost does not grow with its siblings.
    """
    parent = folder.parent
    pointer = parent.with_name(f"{parent.name}.dvc")
    if pointer.exists() and pointer.stat().st_size == 0:  # a kill left it half written
        pointer.unlink()
    target = folder if pointer.exists() else parent
    _add(layout, target)
    backlog.note(layout, [str(folder.relative_to(layout.home))])
    return [pointer, parent.with_name(".gitignore")]


def check_out(layout: Layout, *targets: str) -> None:
    """Put the outputs of these stages into the plant as `dvc.lock` has them."""
    with repository(layout.home) as repo:
        repo.checkout(targets=[address(layout, one) for one in targets], force=True)


def dvc(root: Path, *arguments: str, shown: bool = False) -> str:
    """The output of `dvc ARGUMENTS` in `root`, with this Python's stages; `shown` passes it on as it comes.

    Raises:
        MakeRoom: the disk is full. WaitForOther: another DVC is at work.
        FixSettings: anything else, with what the stage or DVC said.
    """
    _clear_torn_note(root)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    quiet = {"DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1"}
    environment = {**os.environ, "PATH": path, **quiet, **tether.environment()}
    process = subprocess.Popen(
        tether.command("dvc", *arguments),
        cwd=root,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,  # Ctrl-C is for the command, which says what comes of it
    )
    lines = list[str]()
    at = partial(_going_on, arguments[0], lines)
    assert process.stdout is not None
    with doing(at), stopping.under_way(at):
        for line in process.stdout:
            lines.append(line.rstrip())
            if shown and _worth_showing(line):
                say(f"  {printable(line.rstrip())}")
        ended = process.wait()
    if ended == 0:
        return "\n".join(lines)
    raise _refusal(root, arguments[0], lines)


def _going_on(command: str, lines: Sequence[str]) -> str:
    """What DVC is at, by what it said so far."""
    stage = next((found[1] for line in reversed(lines) if (found := _RUNNING.match(line))), "")
    return _AT.get(stage, f"dvc {command}")


def _refusal(root: Path, command: str, lines: Sequence[str]) -> AndonError:
    """What DVC's words mean to a person."""
    words = "\n".join(lines)
    if full := _full(root, words):
        return full
    if "busy, it is being blocked" in words or "Unable to acquire lock" in words:
        return WaitForOther(BUSY)
    if "exited with -9" in words or "exited with 137" in words:
        return FixSettings(f"dvc {command} stopped: the system ended the stage. {TOO_LITTLE_MEMORY}")
    return FixSettings(f"dvc {command} stopped: {_reason(lines)}")


@contextmanager
def repository(root: Path) -> "Iterator[Repo]":
    """DVC's repository in this process, where a command would spend a second on starting; silent.

    Raises:
        As `dvc`.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.logger import set_loggers_level
    from dvc.repo import Repo

    try:
        with set_loggers_level(logging.CRITICAL):
            _clear_torn_note(root)
            with Repo(str(root)) as repo:
                yield repo
    except LockError:
        raise WaitForOther(BUSY) from None
    except DvcException as error:
        words = ", ".join(str(one) for one in _causes(error) if str(one))
        raise _full(root, words) or FixSettings(f"DVC stopped: {words}") from None


def _full(root: Path, words: str) -> MakeRoom | None:
    """The refusal, if DVC's words say that the disk is full."""
    if "No space left on device" in words or "disk is full" in words:
        return MakeRoom(f"The disk of {root} is full: free some space and run the command again.")
    return None


@retry(retry=retry_if_exception_type(WaitForOther), stop=stop_after_delay(600), wait=wait_fixed(1), reraise=True)
def _add(layout: Layout, target: Path) -> None:
    """DVC itself gives up after three seconds; a push beside it holds its lock until all is sent."""
    with repository(layout.home) as repo:
        repo.add([str(target)])


def address(layout: Layout, target: str) -> str:
    """A path or a stage of the plant, whatever folder this process stands in."""
    return str(layout.home / target) if is_path(target) else f"{layout.home / 'dvc.yaml'}:{target}"


def is_path(target: str) -> bool:
    return "/" in target


def _clear_torn_note(root: Path) -> None:
    """Remove DVC's note of who reads and writes if a kill left it half written: DVC would stop at it for ever."""
    from dvc.lock import make_lock

    note = root / ".dvc" / "tmp" / "rwlock"
    if not _is_torn(note):
        return
    with make_lock(f"{note}.lock", tmp_dir=str(note.parent)):  # as DVC holds it to write the note
        if _is_torn(note):
            note.unlink()


def _is_torn(note: Path) -> bool:
    try:
        documents.json_file(note)
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _worth_showing(line: str) -> bool:
    """Whether a line is a stage's own and not DVC's."""
    return bool(line.strip()) and not line.strip().startswith(_CHATTER)


def _reason(lines: Sequence[str]) -> str:
    """What the stage said last before DVC reported that it failed, or what DVC itself said."""
    said = [line for line in lines if line.strip()]
    for number, line in enumerate(said):
        if line.startswith("ERROR"):
            return said[number - 1] if "failed to run:" in line and number else line.removeprefix("ERROR: ")
    return said[-1] if said else "no reason given"
