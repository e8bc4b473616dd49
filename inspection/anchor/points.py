"""Revisions that the record has to go on from: what Andon recorded last in this clone, the newest day's tag, and what
another clone has sent to the branch that this one follows. A rebase, an amend, a reset or a merge of the plant's
history, and two clones that both wrote, show here."""

from collections.abc import Iterator
from dataclasses import dataclass

from inspection import git
from inspection.anchor.prefix import Difference, difference
from inspection.errors import CheckHistory
from inspection.layout import Layout

TAGS = "refs/tags/heads/"  # + the day


@dataclass(frozen=True)
class Point:
    """A commit of the record, the name git knows it by, what it is in words, and the command that gives it up."""

    commit: str
    name: str
    words: str
    let_go: str


def refusals(layout: Layout) -> Iterator[CheckHistory]:
    """Why nothing may be written behind what lies here; nothing where it goes on from every point."""
    for point in _points(layout):
        missing, more = _apart(layout, point.commit)
        if found := _refusal(layout, point, missing, more):
            yield found
    if (other := _followed(layout)) and (found := _forked(layout, other)):
        yield found


def _points(layout: Layout) -> Iterator[Point]:
    """What was recorded last here, and the newest tag of a day, as far as there are any."""
    wanted = "--format=%(objectname) %(*objectname) %(refname)"
    lines = git.run(layout.home, "for-each-ref", wanted, git.RECORDED, TAGS.rstrip("/")).splitlines()
    tagged = ""
    for line in lines:
        *commits, ref = line.split()
        if ref == git.RECORDED:
            yield Point(commits[-1], ref, "what Andon recorded last in this clone", f"git update-ref -d {ref}")
        else:
            tagged = max(tagged, f"{ref} {commits[-1]}")
    if tagged:
        ref, commit = tagged.split()
        name = ref.removeprefix("refs/tags/")
        yield Point(commit, name, f"the record of the day {ref.removeprefix(TAGS)}", f"git tag --delete {name}")


def _apart(layout: Layout, commit: str) -> tuple[int, int]:
    """How many commits of `commit` HEAD lacks, and how many it has besides."""
    missing, more = git.run(layout.home, "rev-list", "--count", "--left-right", f"{commit}...HEAD").split()
    return int(missing), int(more)


def _refusal(layout: Layout, point: Point, missing: int, more: int) -> CheckHistory | None:
    if not missing and not more:
        return None  # HEAD itself, which is held to the disk anyway
    found = difference(layout, point.commit)
    if not missing and not found:
        return None
    said = f"{point.words} (commit {point.commit[:10]}, {point.name})"
    home, give_up = layout.home, f"If what lies here now is to hold instead: `{point.let_go}`; what it drops is lost."
    if not missing and found:
        return CheckHistory(
            f"{found.words}, against {said}, which was changed and committed since. Nothing was written.",
            f"Keep a copy for whoever looks into it, then, in {home}, `git restore --source={point.name} --staged "
            f'--worktree -- {_names(found)}` and `git commit --message "Record restored" -- {_names(found)}`; '
            f"lines that were written since have to be entered again. {give_up}",
        )
    if not more:
        forward = f"git merge --ff-only {point.name}" if found else f"git reset {point.name}"
        return CheckHistory(
            f"The branch was put back: it lacks {_commits(missing)} up to {said}. Nothing was written.",
            f"Run `{forward}` in {home}. {give_up}",
        )
    if not found:
        return CheckHistory(
            f"git's history was rewritten, as a rebase or an amend does: {said} is no part of it any more. The record "
            "itself holds all its lines. Nothing was written.",
            f"Run, in {home}, `git branch mine` and then `git reset --keep {point.name}` to go back to it; or, if the "
            f'change was meant, `git merge --strategy=ours --message "History rewritten" {point.name}`, which keeps '
            "both.",
        )
    return CheckHistory(
        f"{found.words}, against {said}, which is no part of git's history any more: it was rewritten, or two clones "
        "of the plant wrote. Nothing was written.",
        f"Run, in {home}, `git branch mine` and then `git reset --keep {point.name}` to go back to it. {give_up}",
    )


@dataclass(frozen=True)
class _Followed:
    """The branch of a remote that this one follows, as it was when last fetched."""

    name: str
    missing: int
    more: int


def _followed(layout: Layout) -> _Followed | None:
    name = git.asked(layout.home, "rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}")
    return _Followed(name, *_apart(layout, name)) if name else None


def _forked(layout: Layout, other: _Followed) -> CheckHistory | None:
    """What another clone wrote that this one lacks; it may write again once it has it."""
    found = difference(layout, other.name) if other.missing else None
    if found is None:
        return None
    if not other.more and " missing" in found.words:
        return CheckHistory(
            f"Another clone of this plant wrote: {found.words}, against {other.name}. Nothing was written.",
            f"Run `git merge --ff-only {other.name}` in {layout.home} first.",
        )
    return CheckHistory(
        f"Two clones of this plant wrote, so the record has a fork: {found.words}, against {other.name}. Nothing was "
        "written.",
        f"Decide which of the two holds. The other's: run, in {layout.home}, `git branch mine`, `git reset --keep "
        f"{other.name}` and `git update-ref -d {git.RECORDED}`, and enter again what was written here since. This "
        f"one's: `git merge --strategy=ours --message \"This clone's record holds\" {other.name}`, and enter again "
        "what the other wrote. From then on only one of them may write.",
    )


def _names(found: Difference) -> str:
    return " ".join(found.paths)


def _commits(count: int) -> str:
    return f"{count} commit{'' if count == 1 else 's'}"
