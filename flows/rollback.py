"""Put an earlier release back: from this disk alone; only a package that is not on it comes from DVC."""

from dataclasses import asdict
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from prefect import flow

from flows.mails import announce
from flows.promote import fetch, put_on_line
from flows.tasks import begin, refuse_deployed
from inspection import clock
from inspection.anchor import writing
from inspection.errors import AskForApproval, FixInput
from inspection.model.package import intact
from inspection.params import read_params
from inspection.release import approval, registry, warrant


@flow(name="rollback")
def rollback(by: str, version: str | None = None, reason: str = "rollback", root: Path | None = None) -> dict[str, Any]:
    """Put `version`, or the release before the one that is live, back on the line.

    Returns:
        The release: version, package, action, at, by, reason.

    Raises:
        AskForApproval: there is no name, or one that came through Prefect.
    """
    refuse_deployed("A rollback", "andon rollback --by NAME")
    layout = begin(root)
    settings = read_params(layout.params)
    writing.require(layout)
    if not by.strip():
        raise AskForApproval("A rollback needs a person's name: add --by NAME.")
    target = earlier(registry.history(layout), version)
    line = registry.on_line(layout)
    if line is not None and line.release.package == target.package and registry.carried_out(layout):
        raise FixInput(f"{target.version} is live already, since {line.release.at:%Y-%m-%d %H:%M} UTC.")
    warrant.registered(layout, target.version, target.package)
    if not intact(layout.releases / target.package, target.package):  # a clone, or one that was cleared away
        fetch(layout, approval.find_request(layout, target.version))
    may = partial(warrant.check_again, layout, target.version, target.package)
    body = {"version": target.version, "package": target.package, "action": "rollback", "reason": reason}
    release = put_on_line(layout, body, by, settings.releases.keep, may)
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
