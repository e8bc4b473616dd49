"""What a release stands on: request and answer as committed, the version's tag, and the package as DVC recorded it.
What merely lies in a folder is nobody's word, and each of them has to speak of the same package."""

import hashlib
import json
from pathlib import Path

from inspection import git
from inspection.anchor import named
from inspection.errors import CheckHistory, FixInput
from inspection.layout import Layout
from inspection.release import approval, registry
from inspection.release.approval import Answer, Request

LOOK = "Look at what git says of it (`git log -- {}`) before anything is released."


def approved(layout: Layout, request: Request) -> Answer:
    """The approval under which the candidate may be released now, as it is committed.

    Raises:
        AskForApproval: there is none that holds, or a file of it is not what was committed.
    """
    approval.refuse_unrecorded(layout, request.version)
    return approval.valid(layout, request)


def registered(layout: Layout, version: str, package: str) -> None:
    """Whether the version was registered with this package: its request is committed, its tag holds the same request,
    and the tag is of this plant's history.

    Raises:
        CheckHistory: it was not. AskForApproval: the request on the disk is not what was committed.
    """
    approval.refuse_unrecorded(layout, version)
    path = approval.request_path(layout, version)
    name = path.relative_to(layout.home).as_posix()
    kept, tag = git.committed(path), registry.registered(layout, version)
    if kept is None:
        raise CheckHistory(f"{name} is not committed, so {version} was never registered.", LOOK.format(name))
    if tag is None:
        raise CheckHistory(
            f"{version} is not registered: it has no tag model@{version}.",
            "On a clone run `git fetch --tags`; else the next `andon retrain` makes a candidate that is registered.",
        )
    if not git.in_history(layout.home, tag):
        raise CheckHistory(f"The tag model@{version} is of another history than this plant's.", LOOK.format(name))
    if git.committed(path, tag) != kept:
        raise CheckHistory(f"{name} was changed after {version} was registered.", LOOK.format(name))
    if approval.find_request(layout, version).package != package:
        raise CheckHistory(f"{name} names another package than {package[:12]}.", LOOK.format(name))


def recorded(layout: Layout, version: str, package: str) -> None:
    """Whether the package in `releases/` is, file by file, the one that dvc.lock had when the version was registered.

    Raises:
        CheckHistory: it is not. FixInput: it is not there.
    """
    folder, tag = layout.releases / package, registry.registered(layout, version)
    if not folder.is_dir():
        raise FixInput(f"releases/{package[:12]} is missing; run `andon rollback {version} --by NAME` to fetch it.")
    name = layout.candidate.relative_to(layout.root).as_posix()
    if outputs(layout, tag or "HEAD").get(name) != hash_of(folder):
        raise CheckHistory(
            f"releases/{package[:12]} is not the {name} that dvc.lock had when {version} was registered.",
            LOOK.format("dvc.lock"),
        )


def check(layout: Layout, request: Request) -> None:
    """Everything that a release stands on; called when nothing else can change that any more. Raises as the others."""
    approved(layout, request)
    registered(layout, request.version, request.package)
    recorded(layout, request.version, request.package)


def check_again(layout: Layout, version: str, package: str) -> None:
    """The same of a release that was on the line before, whose approval has done its work."""
    registered(layout, version, package)
    recorded(layout, version, package)


def hash_of(folder: Path) -> str:
    """A folder of files as DVC names it: the MD5 of the list of their names and MD5s.

    DVC's own (dvc_data.hashfile.tree) takes .7 s to import, and a file system in memory, for these four lines, before
    every release. A test compares the two.
    """
    listed = [
        {"md5": named.md5(path), "relpath": path.name} for path in sorted(folder.iterdir(), key=lambda path: path.name)
    ]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + named.FOLDER


def outputs(layout: Layout, revision: str = "HEAD") -> dict[str, str]:
    """What stages made, as dvc.lock of a commit has it: path -> MD5."""
    text = git.committed(layout.home / "dvc.lock", revision) or b""
    return named.made(text.decode("utf-8", "replace"))
