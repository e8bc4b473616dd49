"""A valid approval -> release, atomically."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import flow, task

from flows.tasks import dvc
from inspection import approval, clock, git, lock, registry
from inspection.layout import Layout
from inspection.package import package_hash
from inspection.params import read_params


@flow(name="promote")
def promote(version: str, root: Path | None = None) -> dict[str, Any]:
    """Release the candidate, if a person approved exactly this one.

    Returns:
        The release: version, package, action, at, by, reason.
    """
    layout = Layout.find(root)
    settings = read_params(layout.params)
    git.require_identity(layout.home)
    request = approval.find_request(layout, version)
    given = approval.valid(layout, request)
    fetch(layout, request)
    body = {"version": request.version, "package": request.package, "action": "release", "reason": request.reason}
    release = put_on_line(layout, body, given.by, settings.releases.keep)
    return {**asdict(release), "at": clock.stamp(release.at)}


@task(name="fetch")
def fetch(layout: Layout, request: approval.Request) -> None:
    """Bring the candidate's package into `releases/`, from the checkout or from DVC by its tag."""
    if layout.candidate.is_dir() and package_hash(layout.candidate) == request.package:
        registry.install(layout, layout.candidate, request.package)
        return
    layout.state.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.state) as folder:
        target = Path(folder) / "candidate"
        tag = f"{registry.ARTIFACT}@{request.version}"
        dvc(layout.home, "get", ".", "models/candidate", "--rev", tag, "--out", str(target), "--quiet")
        registry.install(layout, target, request.package)


@task(name="put-on-line")
def put_on_line(layout: Layout, body: dict[str, Any], by: str, keep: int) -> registry.Release:
    """Swap the line's package and record it: history, commit, index."""
    release = registry.release(layout, body, by, keep)
    with lock.hold(layout, lock.WRITE, f"recording the {release.action} of {release.version}"):
        git.commit(layout.home, [layout.history], f"{release.action.capitalize()}: {release.version} by {release.by}")
        registry.assign(layout, release.version, f"{release.action} by {release.by}")
    return release
