"""Sending to the remote: what waits in the backlog, and whose failure stops nothing."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import yaml
from prefect import task
from prefect.cache_policies import NO_CACHE
from tenacity import retry, stop_after_attempt, wait_exponential

from flows.versions import address, is_path, repository
from inspection import backlog, git, lock
from inspection.backlog import Waiting
from inspection.errors import FetchData
from inspection.layout import Layout

if TYPE_CHECKING:
    from dvc.repo import Repo


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
    now = [address(layout, one.target) for one in waiting if is_path(one.target)]
    stages = [one for one in waiting if not is_path(one.target)]
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
