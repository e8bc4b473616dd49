"""The few Prefect tasks that flows share."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.utilities.annotations import quote
from tenacity import retry, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_exponential, wait_fixed

from flows import server
from inspection import backlog, garbage, git, lock
from inspection.backlog import Waiting
from inspection.errors import TOO_LITTLE_MEMORY, FetchData, FixSettings, MakeRoom, WaitForOther
from inspection.layout import Layout

if TYPE_CHECKING:
    from dvc.repo import Repo

T = TypeVar("T")


def run_here(flow: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `flow` returns, run in this process, on its own server if it has one, and without heartbeats: their end
    would keep it waiting for a second."""
    garbage.settle()
    settings: dict[Any, Any] = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    if url := server.address():
        settings[PREFECT_API_URL] = url
    with temporary_settings(settings):
        return flow(*args, **kwargs)


def whole(thing: T) -> T:
    """`thing` for a task, handed on as it is: Prefect would walk through it all, twice a task, looking for futures."""
    return quote(thing)  # type: ignore[return-value]  # the task gets `thing`


def dvc(root: Path, *arguments: str, shown: bool = False) -> str:
    """The output of `dvc ARGUMENTS` in `root`, with this Python's stages; `shown` passes it on as it comes.

    Raises:
        MakeRoom: the disk is full. WaitForOther: another DVC is at work.
        FixSettings: anything else, with what the stage or DVC said.
    """
    _clear_torn_note(root)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.rstrip())
        if shown and _worth_showing(line):
            print(f"  {line.rstrip()}", file=sys.stderr, flush=True)
    if process.wait() == 0:
        return "\n".join(lines)
    words = "\n".join(lines)
    if "No space left on device" in words or "disk is full" in words:
        raise MakeRoom(f"The disk of {root} is full: free some space and run the command again.")
    if "busy, it is being blocked" in words or "Unable to acquire lock" in words:
        raise WaitForOther("Another DVC command is at work in this plant: try again when it has finished.")
    if "exited with -9" in words or "exited with 137" in words:
        raise FixSettings(f"dvc {arguments[0]} stopped: the system ended the stage. {TOO_LITTLE_MEMORY}")
    raise FixSettings(f"dvc {arguments[0]} stopped: {_reason(lines)}")


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
        raise WaitForOther("Another DVC command is at work in this plant: try again when it has finished.") from None
    except DvcException as error:
        words = [str(one) for one in _causes(error) if str(one)]
        if any("No space left on device" in one or "disk is full" in one for one in words):
            raise MakeRoom(f"The disk of {root} is full: free some space and run the command again.") from None
        raise FixSettings(f"DVC stopped: {': '.join(words)}") from None


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
        json.loads(note.read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


_CHATTER = (
    *(
        "> ",
        "Running stage",
        "Updating lock",
        "Generating lock",
        "Use `dvc",
        "To track",
        "To enable",
        "git add",
        "Stage '",
    ),
    *("Data and", "Verifying", "ERROR", "dvc config"),
)


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


GATE = "promote/gate"  # flow and deployment in prefect.yaml


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


@retry(retry=retry_if_exception_type(WaitForOther), stop=stop_after_delay(600), wait=wait_fixed(1), reraise=True)
def _add(layout: Layout, target: Path) -> None:
    """DVC itself gives up after three seconds; a push beside it holds its lock until all is sent."""
    with repository(layout.home) as repo:
        repo.add([str(target)])


@task(name="push", cache_policy=NO_CACHE)
def push(layout: Layout) -> str:
    """Send what waits to the remote; why some of it still waits, or "". A remote that is away stops nothing."""
    with lock.hold(layout, "push", "a push to the remote"):
        waiting = backlog.read(layout).waiting
        try:
            if waiting:
                _send(layout, waiting)
                backlog.strike(layout, waiting)
        except Exception as error:  # noqa: BLE001  each kind of remote raises its own
            why = str(error) or type(error).__name__
            backlog.failed(layout, why)
            print(f"The remote did not take everything ({why}); the next run tries again.", file=sys.stderr)
            return why
    return ""


@retry(stop=stop_after_attempt(3), wait=wait_exponential(min=1, max=10), reraise=True)
def _send(layout: Layout, waiting: Sequence[Waiting]) -> None:
    """A folder of the plant goes by its address; what stages made, now or at an earlier revision, by its hashes."""
    now = [_address(layout, one.target) for one in waiting if _is_path(one.target)]
    stages = [one for one in waiting if not _is_path(one.target)]
    made = {
        digest
        for revision in {one.rev for one in stages}
        for digest in _outputs(layout, revision, [one.target for one in stages if one.rev == revision])
    }
    with repository(layout.home) as repo:
        if now:
            repo.push(targets=now)
        if made:
            _send_made(repo, made)


def _send_made(repo: "Repo", digests: set[str]) -> None:
    """To the remote of today: DVC's own push of a revision takes that revision's remote."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.transfer import transfer

    kept = {HashInfo("md5", digest) for digest in digests if repo.cache.local.exists(digest)}
    done = transfer(repo.cache.local, repo.cloud.get_remote_odb(None, "push"), kept, shallow=False)
    if done.failed:
        raise FetchData(f"{len(done.failed)} files did not arrive")


def _outputs(layout: Layout, revision: str | None, stages: Sequence[str]) -> list[str]:
    """The hashes of what stages made, by the dvc.lock of a revision, or by the one that lies there now."""
    record = layout.home / "dvc.lock"
    if revision is not None:
        text = git.run(layout.home, "show", f"{revision}:dvc.lock")
    else:
        text = record.read_text(encoding="utf-8") if record.exists() else ""
    made = (yaml.load(text, yaml.CSafeLoader) or {}).get("stages", {})
    return [out["md5"] for stage in stages for out in made.get(stage, {}).get("outs", ())]


def check_out(layout: Layout, *targets: str) -> None:
    """Put the outputs of these stages into the plant as `dvc.lock` has them."""
    with repository(layout.home) as repo:
        repo.checkout(targets=[_address(layout, one) for one in targets], force=True)


def _address(layout: Layout, target: str) -> str:
    """A path or a stage of the plant, whatever folder this process stands in."""
    return str(layout.home / target) if _is_path(target) else f"{layout.home / 'dvc.yaml'}:{target}"


def _is_path(target: str) -> bool:
    return "/" in target


@task(name="register", cache_policy=NO_CACHE)
def register_all(layout: Layout) -> None:
    """Tag every candidate that asked at the commit that holds its request."""
    from inspection.release import approval, registry

    for request in approval.requests(layout):
        path = f"approvals/{request.version}.request.json"
        revision = git.run(layout.home, "log", "--diff-filter=A", "--format=%H", "-1", "--", path)
        if revision:
            registry.register(layout, request.version, revision, f"{request.reason} ({request.requested_by})")


def start_gate(layout: Layout, version: str) -> None:
    """Let the deployed `promote` flow wait for the candidate's approval; without a Prefect server the command does."""
    if not os.environ.get("PREFECT_API_URL"):
        return
    from prefect.deployments import run_deployment
    from prefect.exceptions import ObjectNotFound

    parameters = {"version": version, "root": str(layout.home)}
    try:
        run_deployment(
            GATE, parameters=parameters, timeout=0, as_subflow=False, idempotency_key=f"{layout.home}/{version}"
        )
    except ObjectNotFound:
        print(
            f"Prefect knows no deployment {GATE}: deploy it with `prefect --no-prompt deploy --all`.", file=sys.stderr
        )
