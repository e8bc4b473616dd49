"""Put an earlier release back: from this disk alone; only a package that is not on it comes from DVC."""

from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import Any

from prefect import flow

from flows.mails import announce
from flows.promote import fetch, put_on_line
from inspection import clock, git
from inspection.errors import AskForApproval, FixInput
from inspection.layout import Layout
from inspection.model.package import package_hash
from inspection.params import read_params
from inspection.release import approval, registry


@flow(name="rollback")
def rollback(by: str, version: str | None = None, reason: str = "rollback", root: Path | None = None) -> dict[str, Any]:
    """Put `version`, or the release before the one that is live, back on the line.

    Returns:
        The release: version, package, action, at, by, reason.
    """
    layout = Layout.find(root)
    settings = read_params(layout.params)
    git.require_identity(layout.home)
    if not by.strip():
        raise AskForApproval("A rollback needs a person's name: add --by NAME.")
    target = earlier(registry.history(layout), version)
    live = registry.live(layout)
    if live is not None and live.package == target.package and registry.difference(layout) is None:
        raise FixInput(f"{target.version} is live already, since {live.at:%Y-%m-%d %H:%M} UTC.")
    if package_hash(layout.releases / target.package) != target.package:  # a clone, or one that was cleared away
        fetch(layout, approval.find_request(layout, target.version))
    body = {"version": target.version, "package": target.package, "action": "rollback", "reason": reason}
    release = put_on_line(layout, body, by, settings.releases.keep)
    announce(layout, settings)
    return {**asdict(release), "at": clock.stamp(release.at)}


def earlier(history: list[registry.Release], version: str | None) -> registry.Release:
    """The release to go back to: the named one, or the last before the live package first went to the line, so that a
    second rollback goes further back and not to what the first has taken off.

    Raises:
        FixInput: there is none.
    """
    if version:
        found = [past for past in history if past.version == version]
    else:
        found = list(takewhile(lambda past: past.package != history[-1].package, history))
    if not found:
        known = ", ".join(sorted({past.version for past in history})) or "none"
        raise FixInput(
            f"There is no {'release ' + version if version else 'earlier release'} to go back to; released: {known}."
        )
    return found[-1]
