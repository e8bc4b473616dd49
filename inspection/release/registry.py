"""Versions, releases, what is live. The history is a chain and the authority; GTO's tags are an index of it
(this is the only file that knows GTO)."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import gto.api  # now: its import flushes every log handler, and Prefect's would wait seconds for its server

from inspection import chain, clock, git, lock
from inspection.errors import CheckHistory, FixInput
from inspection.layout import Layout
from inspection.model.package import copy, package_hash

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


def difference(layout: Layout) -> str | None:
    """In words, how the disk differs from the history; None when they agree."""
    recorded, linked = live(layout), _linked(layout)
    if recorded is None:
        return None if linked is None else f"models/live points to {linked[:12]}, but the history knows no release"
    remedy = f"run `andon rollback {recorded.version} --by NAME`"
    if linked is None:
        return f"models/live is no link to a release, but the history says {recorded.version}; {remedy}"
    if linked != recorded.package:
        return f"models/live points to {linked[:12]}, but the history says {recorded.version}; {remedy}"
    if not (layout.releases / linked).is_dir() or package_hash(layout.releases / linked) != linked:
        return f"releases/{linked[:12]} is missing or changed; run `andon rollback` to an earlier release"
    if (intent := _open_intent(layout)) is not None:
        return f"the {intent.body['action']} of {intent.body['version']} was interrupted; approve or roll back again"
    return None


def release(
    layout: Layout, body: Mapping[str, Any], by: str, keep: int, may: Callable[[], object] = lambda: None
) -> Release:
    """Put a package that lies in `releases/` on the line: intent line, swap, done line. Killed anywhere, `finish`
    completes it.

    Args:
        body: `version`, `package`, `action`, `reason`.
        keep: how many packages stay on the disk.
        may: raises if it may not go to the line; called when nothing else can change that any more.

    Raises:
        FixInput: the package is not there or not what its name says.
    """
    with lock.hold(layout, "release", f"{body['action']} of {body['version']}"):
        finish(layout)
        folder = layout.releases / str(body["package"])
        if not folder.is_dir() or package_hash(folder) != body["package"]:
            raise FixInput(f"releases/{str(body['package'])[:12]} is missing or changed; it cannot go to the line.")
        now = live(layout)
        if now is not None and now.package == body["package"] == _linked(layout):
            return now  # a killed run's work, or the same wish twice
        may()
        if layout.live.exists() and not layout.live.is_symlink():
            raise FixInput(f"{layout.live} is a folder, not Andon's link: move it away and run the command again.")
        _append(layout, "intent", by, body)
        _swap(layout, folder)
        done = _append(layout, "done", by, body)
        _forget_old(layout, keep)
    return _release(done)


def finish(layout: Layout) -> None:
    """Complete a release that was interrupted after its intent was written; one whose package has gone since is
    written off with a line of its own."""
    intent = _open_intent(layout)
    if intent is None:
        return
    body = {key: value for key, value in intent.body.items() if key != "prev"}
    folder = layout.releases / str(body["package"])
    if package_hash(folder) == body["package"]:
        _swap(layout, folder)
        _append(layout, "done", intent.by, body)
    else:
        _append(layout, "abandoned", intent.by, body)


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
        if target.is_dir() and package_hash(target) == package:
            return
        if package_hash(source) != package:
            raise CheckHistory(f"{source} is not the package {package[:12]} that was registered; run `dvc checkout`.")
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


def assign(layout: Layout, version: str, message: str) -> None:
    """Tag `version` as live in GTO's index."""
    gto.api.assign(str(layout.home), ARTIFACT, version=version, stage=STAGE, message=message, force=True)


def _numbers(version: str) -> tuple[int, int, int]:
    major, minor, patch = version.removeprefix("v").split(".")
    return int(major), int(minor), int(patch)


def _linked(layout: Layout) -> str | None:
    return Path(os.readlink(layout.live)).name if layout.live.is_symlink() else None


def _swap(layout: Layout, folder: Path) -> None:
    """Point models/live to `folder` in one step."""
    part = layout.live.with_name(f".live.{os.getpid()}")
    part.unlink(missing_ok=True)
    layout.live.parent.mkdir(parents=True, exist_ok=True)
    part.symlink_to(os.path.relpath(folder, layout.live.parent), target_is_directory=True)
    os.replace(part, layout.live)


def _append(layout: Layout, kind: str, by: str, body: Mapping[str, Any]) -> chain.Event:
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
