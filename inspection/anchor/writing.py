"""Whether a plant may be written to, asked by every flow and command before its first effect."""

from collections.abc import Iterator

from inspection import git
from inspection.anchor import account, branch, points, prefix
from inspection.errors import AndonError, CheckHistory
from inspection.layout import Layout


def require(layout: Layout) -> str:
    """The name that commits are made under.

    Raises:
        FixSettings: git knows no name, may not sign, does not trust the folder, or stands on another branch.
        CheckHistory: what lies here does not go on from what was recorded.
    """
    for refusal in refusals(layout):
        raise refusal
    name = git.require_identity(layout.home)
    git.require_signing(layout.home)
    branch.settle(layout)
    git.settle(layout.home)
    account.tell()
    return name


def require_still(layout: Layout) -> None:
    """Asked again before anything is appended: a run is long, and somebody may have checked out another branch.

    Raises:
        FixSettings: git stands on another branch by now.
        CheckHistory: what lies here does not go on from the last commit.
    """
    if branch.left(layout) and (elsewhere := branch.refusal(layout)):
        raise elsewhere
    prefix.require(layout)


def refusals(layout: Layout) -> Iterator[AndonError]:
    """Why nothing may be written now, the first reason first; of a branch beside the plant's no more is asked."""
    if elsewhere := branch.refusal(layout):
        yield elsewhere
        return
    try:
        prefix.require(layout)
    except CheckHistory as changed:
        yield changed
        return
    yield from points.refusals(layout)
