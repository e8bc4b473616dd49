"""Sending to the remote: what waits in the backlog, and whose failure stops nothing.

Before anything is sent the remote is asked for the plant's mark: a disk that is not mounted leaves an empty folder.
What waits is struck off once the remote, asked again, holds it.
"""

import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE
from tenacity import retry, retry_if_not_exception_type, stop_after_attempt, wait_exponential

from flows.sending import Remote
from flows.versions import is_path, repository
from inspection import backlog, git, lock
from inspection.anchor import identity, named
from inspection.backlog import Waiting
from inspection.errors import AndonError, CheckHistory, FetchData, printable
from inspection.layout import Layout
from inspection.progress import doing

NEW = "If this is a new remote, empty, on purpose: `andon push --new-remote`, which sends everything there."


@dataclass(frozen=True)
class Asked:
    """How many files the last commit names, and how many of them the remote lacks."""

    files: int
    lacking: int


@task(name="push", cache_policy=NO_CACHE)
def push(layout: Layout) -> str:
    """Send what waits to the remote; why some of it still waits, or "". A remote that is away stops nothing."""
    with lock.hold(layout, "push", "a push to the remote"), doing("sending to the remote"):
        waiting, why = backlog.read(layout).waiting, ""
        try:
            if waiting:
                arrived, why = _send(layout, waiting)
                backlog.strike(layout, arrived)
        except Exception as error:  # noqa: BLE001  each kind of remote raises its own
            why = printable(str(error)) or type(error).__name__
        if why:
            backlog.failed(layout, why)
            print(f"The remote did not take everything ({why}); the next run tries again.", file=sys.stderr)
    return why


def push_everything(layout: Layout, new: bool = False) -> str:
    """Send whatever any commit names and the remote lacks; what could not be sent, in words, or "".

    Args:
        new: what lies at the remote's address, without a mark, is the plant's remote from now on.

    Raises:
        CheckHistory: it is another plant's, or, without `new`, not this plant's.
    """
    with lock.hold(layout, "push", "a push of everything to the remote"), repository(layout.home) as repo:
        remote = Remote(repo)
        if not new:
            _require_mark(layout, remote, ())
        elif remote.mark() not in (None, identity.settled(layout).plant):
            raise _foreign(remote)
        every = named.by_commits(layout, "--all")
        waiting = backlog.read(layout).waiting
        wanted, lost = _wanted(layout, remote, waiting)
        objects = remote.whole(every.paths) | {one for some in wanted.values() for one in some}
        remote.send(objects)
        there = remote.there(objects)
        if new:
            remote.write_mark(identity.settled(layout).plant)
            identity.note_marked(layout)
        backlog.strike(layout, [one for one, some in wanted.items() if some <= there])
        return _in_words(objects - there - every.perhaps, [*lost, *(f"{name} is damaged" for name in every.unread)])


def ask(layout: Layout) -> Asked:
    """Whether the remote holds what the last commit names.

    Raises:
        CheckHistory: it is not this plant's remote.
    """
    with repository(layout.home) as repo:
        remote = Remote(repo)
        _require_mark(layout, remote, ())
        every = named.by_last(layout)
        objects = remote.whole(every.paths)
        lacking = objects - remote.there(objects) - every.perhaps
    return Asked(len(objects - every.perhaps), len(lacking))


@retry(
    stop=stop_after_attempt(3),
    wait=wait_exponential(min=1, max=10),
    retry=retry_if_not_exception_type(CheckHistory),
    reraise=True,
)
def _send(layout: Layout, waiting: Sequence[Waiting]) -> tuple[list[Waiting], str]:
    """What is at the remote now of what waits, and why the rest is not, or ""."""
    with repository(layout.home) as repo:
        remote = Remote(repo)
        wanted, lost = _wanted(layout, remote, waiting)
        objects = {one for some in wanted.values() for one in some}
        _require_mark(layout, remote, objects)
        remote.send(objects)
        there = remote.there(objects)
    return [one for one, some in wanted.items() if some <= there], _in_words(objects - there, lost)


def _in_words(lacking: Collection[str], lost: Sequence[str]) -> str:
    """What could not be sent, or ""."""
    words = [one.rstrip(".") for one in lost]
    if lacking:
        words.append(
            f"{len(lacking)} files are neither on this disk nor at the remote: bring them into DVC's cache from a "
            "backup or a clone, then run `andon push`"
        )
    return "; ".join(words)


def _wanted(layout: Layout, remote: Remote, waiting: Iterable[Waiting]) -> tuple[dict[Waiting, set[str]], list[str]]:
    """The objects of each thing that waits, and of which they cannot be told, and why."""
    found: dict[Waiting, set[str]] = {}
    lost: list[str] = []
    for one in waiting:
        try:
            found[one] = _of_path(layout, remote, one.target) if is_path(one.target) else _of_stage(layout, remote, one)
        except (AndonError, OSError) as error:
            lost.append(str(error))
    return found, lost


def _of_path(layout: Layout, remote: Remote, target: str) -> set[str]:
    """A folder of the plant, which the .dvc of its parent lists."""
    folder = layout.home / target
    pointer = folder.parent.with_name(f"{folder.parent.name}.dvc")
    name = pointer.relative_to(layout.home).as_posix()
    whole = next(iter(named.pointed(pointer.read_text(encoding="utf-8"), name)), "")
    entries = remote.listed(whole) if whole else {}
    if entries is None:
        raise FetchData(f"What {name} names is neither on this disk nor at the remote: bring it back from a backup.")
    mine = {file for path, file in entries.items() if path.startswith(f"{folder.name}/")}
    if not mine:
        raise FetchData(f"{name} does not list {folder.name}: run `dvc add {target}`, then commit {name}.")
    return {whole, *mine}


def _of_stage(layout: Layout, remote: Remote, one: Waiting) -> set[str]:
    """What a stage made, by the dvc.lock of a revision, or by the one that lies there now."""
    if one.rev is not None:
        texts = [git.run(layout.home, "show", f"{one.rev}:{name}") for name in ("dvc.lock", "dvc.yaml")]
    else:
        paths = [layout.home / name for name in ("dvc.lock", "dvc.yaml")]
        texts = [path.read_text(encoding="utf-8") if path.exists() else "" for path in paths]
    return remote.whole(named.outputs(texts[0], texts[1], [one.target]))


def _require_mark(layout: Layout, remote: Remote, waits: Collection[str]) -> None:
    """The remote bears this plant's mark. One that was never marked is, if it holds all that was sent before.

    Raises:
        CheckHistory: it bears none, though it was marked; or another plant's; or lacks what was sent.
    """
    there = remote.mark()
    if refusal := not_ours(layout, remote, there):
        raise refusal
    if there is None:
        _mark_first(layout, remote, waits)
    identity.note_marked(layout)  # where a killed run could not


def not_ours(layout: Layout, remote: Remote, there: str | None) -> CheckHistory | None:
    """Why nothing may be sent to a remote that bears the mark of the plant `there`, or none: it is another plant's, or
    it bore ours once; None: neither."""
    mine = identity.read(layout)
    if there is not None:
        return _foreign(remote) if mine is None or there != mine.plant else None
    if mine is None or not mine.marked:
        return None
    return CheckHistory(
        f"The remote ({remote.name}) does not bear the mark of this plant, which was written there once: most "
        "likely its disk or share is not mounted. Nothing was sent; what waits goes on waiting.",
        f"Mount it, then run `andon push`. {NEW}",
    )


def _mark_first(layout: Layout, remote: Remote, waits: Collection[str]) -> None:
    """Write the mark; raises CheckHistory unless the remote holds what the last commit names and does not wait."""
    every = named.by_last(layout)
    sent = remote.whole(every.paths) - set(waits) - every.perhaps
    if lacking := sent - remote.there(sent):
        raise CheckHistory(
            f"The remote ({remote.name}) lacks {len(lacking)} of the {len(sent)} files that should be there: its "
            "disk or share may not be mounted. Nothing was sent; what waits goes on waiting.",
            f"Mount it, then run `andon push`. {NEW}",
        )
    remote.write_mark(identity.settled(layout).plant)


def _foreign(remote: Remote) -> CheckHistory:
    return CheckHistory(
        f"The remote ({remote.name}) bears the mark of another plant. Nothing was sent; what waits goes on waiting.",
        "Mount this plant's remote, or name it (`dvc remote modify NAME url PATH`), then run `andon push`.",
    )
