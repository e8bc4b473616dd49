"""Versions, releases, what is live. The history is a chain and, as committed, the authority; GTO's tags are an index of
it (this is the only file that knows GTO)."""

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import gto.api  # now: its import flushes every log handler, and Prefect's would wait seconds for its server

from inspection import chain, clock, git, lock
from inspection.anchor import prefix, writing
from inspection.errors import AndonError, CheckHistory, FixInput
from inspection.layout import Layout
from inspection.model.package import copy, intact, linked, package_hash
from inspection.records import ledger

ARTIFACT, STAGE = "model", "live"


@dataclass(frozen=True)
class Release:
    """One line of the history that took effect: from `at` on, `package` was on the line."""

    version: str
    package: str
    action: str  # release or rollback
    at: datetime
    by: str
    reason: str


def history(layout: Layout) -> list[Release]:
    """Every release and rollback that took effect, oldest first."""
    return [_release(event) for event in chain.read([layout.history]) if event.kind == "done"]


def live(layout: Layout, at: datetime | None = None) -> Release | None:
    """What was on the line at a moment, or is now (whatever the clock says); None before the first release."""
    past = [release for release in history(layout) if at is None or release.at <= at]
    return past[-1] if past else None


def state_key(layout: Layout) -> str | None:
    """What the mail of the last release is known by; None before the first."""
    past = history(layout)
    return f"release/{len(past)}/{past[-1].version}" if past else None


def carried_out(layout: Layout) -> bool:
    """Whether nothing is left to do of the last release: it is on the line, all of it is committed, people had a mail
    of it. A run that was killed leaves the rest to the next one."""
    whole = difference(layout) is None and not prefix.behind(layout)
    return whole and state_key(layout) in {None, *ledger.told(layout)}


def cut(layout: Layout, version: str) -> ledger.Cut | None:
    """What a version's model was trained on, as the commit of its tag has it; None where that cannot be read."""
    name = layout.cut.relative_to(layout.root).as_posix()
    try:
        return ledger.Cut.model_validate_json(git.run(layout.home, "show", f"{ARTIFACT}@{version}:{name}"))
    except (AndonError, ValueError):
        return None


@dataclass(frozen=True)
class Line:
    """What judges: the release, and the folder of its package with every link followed."""

    release: Release
    folder: Path


def on_line(layout: Layout) -> Line | None:
    """What is on the line, where the committed history, the link and the bytes that will be executed agree; None before
    the first release, and while they do not (`difference` says how)."""
    release = live(layout)
    if release is None or difference(layout) is not None:
        return None
    return Line(release, layout.releases.resolve() / release.package)


def difference(layout: Layout) -> str | None:
    """In words, how the disk differs from the history, or the history from what was committed; None when they agree."""
    if (words := unrecorded(layout)) is not None:
        return words
    recorded, folder = live(layout), linked(layout)
    if recorded is None:
        return None if folder is None else f"models/live points to {folder.name[:12]}, but the history knows no release"
    remedy = f"run `andon rollback {recorded.version} --by NAME`"
    if folder is None:
        return f"models/live is no link to a release, but the history says {recorded.version}; {remedy}"
    if folder.parent != layout.releases.resolve():
        return f"models/live leads out of releases/, to {folder}, but the history says {recorded.version}; {remedy}"
    if folder.name != recorded.package:
        return f"models/live points to {folder.name[:12]}, but the history says {recorded.version}; {remedy}"
    if not intact(folder, recorded.package):
        return f"releases/{folder.name[:12]} is missing or changed; run `andon rollback` to an earlier release"
    if (intent := _open_intent(layout)) is not None:
        return f"the {intent.body['action']} of {intent.body['version']} was interrupted; approve or roll back again"
    return None


def unrecorded(layout: Layout) -> str | None:
    """In words, how the history on the disk differs from the committed one; a line without its end does not count."""
    changed, more = _against_commit(layout)
    if changed:
        return "releases/history.jsonl is not what was committed; restore it with `git restore releases/history.jsonl`"
    if not more:
        return None
    return (
        f"the last {'line' if more == 1 else f'{more} lines'} of releases/history.jsonl "
        f"{'is' if more == 1 else 'are'} not committed, so nobody stands for {'it' if more == 1 else 'them'}; if a "
        "release was interrupted, approve or roll back again, else `git restore releases/history.jsonl`"
    )


def _against_commit(layout: Layout) -> tuple[bool, int]:
    """Whether the history is not what was committed, and how many lines of it go on behind that."""
    git.committed(layout.history)  # raises where there is no git at all
    name = layout.history.relative_to(layout.home).as_posix()
    found = prefix.difference(layout, "HEAD")
    return found is not None and name in found.paths, prefix.behind(layout).get(name, 0)


def release(
    layout: Layout,
    body: Mapping[str, Any],
    by: str,
    keep: int,
    may: Callable[[], object] = lambda: None,
    index: Callable[[], object] = lambda: None,
) -> Release:
    """Put a package that lies in `releases/` on the line. All that can refuse comes before the swap: the checks, the
    intent line and its commit, the index. Then the swap, the done line and its commit. Killed anywhere, `finish`
    completes it or takes it back.

    Args:
        body: `version`, `package`, `action`, `reason`.
        keep: how many packages stay on the disk.
        may: raises if it may not go to the line; called when nothing else can change that any more.
        index: what is written elsewhere of a release that stands; if it raises, the line stays as it was.

    Raises:
        FixInput: the package is not there or not what its name says.
        CheckHistory: the history is not what was committed.
    """
    with lock.hold(layout, "release", f"{body['action']} of {body['version']}"):
        _finish(layout)
        folder = layout.releases / str(body["package"])
        if not intact(folder, str(body["package"])):
            raise FixInput(f"releases/{str(body['package'])[:12]} is missing or changed; it cannot go to the line.")
        now = live(layout)
        if now is not None and now.package == body["package"] and linked(layout) == folder.resolve():
            return now  # a killed run's work, or the same wish twice
        may()
        if layout.live.exists() and not layout.live.is_symlink():
            raise FixInput(f"{layout.live} is a folder, not Andon's link: move it away and run the command again.")
        _append(layout, "intent", by, body)
        try:
            _commit(layout, body, by, "announced")
            index()
        except BaseException:
            _append(layout, "abandoned", by, body)
            with suppress(AndonError):  # what failed may be git itself: the next release commits it
                _commit(layout, body, by, "given up")
            raise
        _swap(layout, folder)
        done = _append(layout, "done", by, body)
        _commit(layout, body, by)
        _forget_old(layout, keep)
    return _release(done)


def put_back(layout: Layout) -> None:
    """Point `models/live` to the package of the last release, which has to lie in `releases/`: a plant from a backup
    lacks the link. No line is written, for nobody decided anything.

    Raises:
        CheckHistory: the package is not there, or is another one.
    """
    with lock.hold(layout, "release", "putting back what is on the line"):
        release = live(layout)
        if release is None:
            return
        folder = layout.releases / release.package
        if not intact(folder, release.package):
            raise CheckHistory(
                f"releases/{release.package[:12]}, the package of {release.version}, is missing or changed.",
                f"Run `andon rollback` to an earlier release than {release.version}.",
            )
        _swap(layout, folder)


def finish(layout: Layout) -> None:
    """Complete a release that was interrupted after its intent was committed; one whose intent was not, or whose
    package has gone since, is written off with a line of its own.

    Raises:
        CheckHistory: the history is not what was committed, and no interrupted release explains it.
    """
    with lock.hold(layout, "release", "finishing what was interrupted"):
        _finish(layout)


def _finish(layout: Layout) -> None:
    _settle(layout)
    intent = _open_intent(layout)
    if intent is None:
        return
    body = _said(intent)
    folder = layout.releases / str(body["package"])
    if intact(folder, str(body["package"])):
        _swap(layout, folder)
        _append(layout, "done", intent.by, body)
    else:
        _append(layout, "abandoned", intent.by, body)
    _commit(layout, body, intent.by)


def _settle(layout: Layout) -> None:
    """Commit the lines that a killed release left: how one ended whose intent was committed, and an intent that was
    not, which is written off, for nothing had been done yet. Nobody stands for any other line.

    Raises:
        CheckHistory: there is such a line, or the history is not what was committed.
    """
    words = unrecorded(layout)
    if words is None:
        return
    changed, count = _against_commit(layout)
    events = [] if changed else list(chain.read([layout.history]))
    more = events[-count:] if count else []
    if not more or not _explained(events[: -len(more)], more):
        raise CheckHistory(
            f"{words[:1].upper()}{words[1:]}.",
            "Look at `git diff releases/history.jsonl`, then `git restore` that file. Nothing was released.",
        )
    if more[-1].kind == "intent":
        _append(layout, "abandoned", more[0].by, _said(more[0]))
    _commit(layout, _said(more[0]), more[0].by)


def _explained(known: list[chain.Event], more: list[chain.Event]) -> bool:
    """Whether a killed release left the lines in `more`: the end of one whose intent is committed, or an intent of
    which nothing came."""
    begun = known[-1] if known and known[-1].kind == "intent" else None
    kinds = [one.kind for one in more]
    if begun is None:
        return kinds in (["intent"], ["intent", "abandoned"])
    return kinds in (["done"], ["abandoned"]) and (_said(more[0]), more[0].by) == (_said(begun), begun.by)


def _said(event: chain.Event) -> dict[str, Any]:
    return {key: value for key, value in event.body.items() if key != "prev"}


def _commit(layout: Layout, body: Mapping[str, Any], by: str, how: str = "") -> None:
    """Commit the history as it is."""
    with lock.hold(layout, lock.WRITE, f"recording the {body['action']} of {body['version']}"):
        words = f"{str(body['action']).capitalize()}{' ' if how else ''}{how}: {body['version']} by {by}"
        git.commit(layout.home, [layout.history], words)


def _open_intent(layout: Layout) -> chain.Event | None:
    events = list(chain.read([layout.history]))
    return events[-1] if events and events[-1].kind == "intent" else None


def install(layout: Layout, source: Path, package: str) -> None:
    """Copy a package into `releases/`, unless it is there.

    Raises:
        CheckHistory: `source` is another package.
    """
    target = layout.releases / package
    with lock.hold(layout, "release", f"copying the package {package[:12]}"):
        if intact(target, package):
            return
        if package_hash(source) != package:
            raise CheckHistory(f"{source} is not the package {package[:12]} that was registered; run `dvc checkout`.")
        if target.is_symlink():
            target.unlink()
        shutil.rmtree(target, ignore_errors=True)
        copy(source, target)


def next_version(versions: list[str], same_classes: bool) -> str:
    """The version after `versions`: another set of classes counts up the first number, anything else the second."""
    if not versions:
        return "v1.0.0"
    major, minor, _ = max(_numbers(version) for version in versions)
    return f"v{major}.{minor + 1}.0" if same_classes else f"v{major + 1}.0.0"


def register(layout: Layout, version: str, revision: str, message: str) -> None:
    """Tag `revision` as the version, unless it is tagged."""
    if f"{ARTIFACT}@{version}" in git.run(layout.home, "tag", "--list").splitlines():
        return
    gto.api.register(str(layout.home), ARTIFACT, revision, version=version, message=message)


def registered(layout: Layout, version: str) -> str | None:
    """The commit that the version's tag names; None: there is no such tag."""
    tag = f"{ARTIFACT}@{version}"
    if tag not in git.run(layout.home, "tag", "--list").splitlines():
        return None
    return git.run(layout.home, "rev-parse", f"refs/tags/{tag}^{{commit}}")


def assign(layout: Layout, version: str, message: str) -> None:
    """Tag `version` as live in GTO's index, unless the last such tag is of it."""
    every = git.run(layout.home, "tag", "--list", "--sort=-version:refname", f"{ARTIFACT}#{STAGE}#*").splitlines()
    if every and registered(layout, version) == git.run(layout.home, "rev-parse", f"{every[0]}^{{commit}}"):
        return
    gto.api.assign(str(layout.home), ARTIFACT, version=version, stage=STAGE, message=message, force=True)


def _numbers(version: str) -> tuple[int, int, int]:
    major, minor, patch = version.removeprefix("v").split(".")
    return int(major), int(minor), int(patch)


def _swap(layout: Layout, folder: Path) -> None:
    """Point models/live to `folder` in one step."""
    part = layout.live.with_name(f".live.{os.getpid()}")
    part.unlink(missing_ok=True)
    layout.live.parent.mkdir(parents=True, exist_ok=True)
    part.symlink_to(os.path.relpath(folder, layout.live.parent), target_is_directory=True)
    os.replace(part, layout.live)


def _append(layout: Layout, kind: str, by: str, body: Mapping[str, Any]) -> chain.Event:
    writing.require_still(layout)
    events = list(chain.read([layout.history]))
    return chain.append(layout.history, events[-1] if events else None, kind, by, [body])[0]


def _release(event: chain.Event) -> Release:
    fields = {key: str(event.body[key]) for key in ("version", "package", "action", "reason")}
    return Release(**fields, at=clock.parse(event.at), by=event.by)


def _forget_old(layout: Layout, keep: int) -> None:
    """Delete the packages that the last `keep` different releases do not need."""
    needed: list[str] = []
    for past in reversed(history(layout)):
        if past.package not in needed:
            needed.append(past.package)
    for folder in layout.releases.iterdir():
        if folder.name in needed[keep:] and folder.is_dir():
            shutil.rmtree(folder)
