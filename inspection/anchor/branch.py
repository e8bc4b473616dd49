"""On which branch a plant writes. What is committed beside it is lost to everybody who looks at the plant."""

from inspection import git
from inspection.errors import FixSettings
from inspection.layout import Layout

SETTING = "andon.branch"  # in this clone's .git/config
UNFINISHED = {  # in git's folder -> what is under way, and what ends it
    "rebase-merge": ("a rebase", "git rebase --abort"),
    "rebase-apply": ("a rebase", "git rebase --abort"),
    "MERGE_HEAD": ("a merge", "git merge --abort"),
    "CHERRY_PICK_HEAD": ("a cherry-pick", "git cherry-pick --abort"),
    "REVERT_HEAD": ("a revert", "git revert --abort"),
    "BISECT_LOG": ("a bisect", "git bisect reset"),
}


def refusal(layout: Layout) -> FixSettings | None:
    """Why nothing may be committed where git stands now; None where it may.

    Raises:
        FixSettings: git itself refuses, with what git says to do.
    """
    folder = layout.home / git.run(layout.home, "rev-parse", "--git-dir")
    for name, (work, end) in UNFINISHED.items():
        if (folder / name).exists():
            return FixSettings(
                f"In {layout.home} {work} of git is not finished, so Andon cannot commit. Nothing was written.",
                f"Finish it, or run `{end}` there.",
            )
    current, own = _current(layout), _own(layout)
    if current == own:
        return None
    back = f"`git switch {own}`" if own else "`git switch BRANCH` to the branch of the plant"
    where = f"branch {current}" if current else "no branch (HEAD is detached)"
    return FixSettings(
        f"{layout.home} stands on {where}, but this plant writes on {own or 'a branch of its own'}: what is committed "
        "elsewhere would be lost to everybody else. Nothing was written.",
        f"Run {back} there, then run it again."
        + (f" If {current} is to be the plant's branch: `git config {SETTING} {current}`." if current else ""),
    )


def left(layout: Layout) -> bool:
    """Whether git stands elsewhere than on the branch that was noted; not where nothing was."""
    noted = git.setting(layout.home, SETTING) if (layout.home / ".git").exists() else ""
    return bool(noted) and _current(layout) != noted


def settle(layout: Layout) -> None:
    """Note the branch for the time to come, where it was not noted."""
    if not git.setting(layout.home, SETTING):
        git.run(layout.home, "config", SETTING, _own(layout))


def _own(layout: Layout) -> str:
    """The branch of the plant: as noted; else the one that a clone was made of; else where git stands, or the only
    one that there is."""
    if noted := git.setting(layout.home, SETTING):
        return noted
    if origin := git.asked(layout.home, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"):
        return origin.removeprefix("origin/")
    if current := _current(layout):
        return current
    every = git.run(layout.home, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()
    return every[0] if len(every) == 1 else ""


def _current(layout: Layout) -> str:
    """The branch that git stands on; "" where HEAD is detached."""
    return git.asked(layout.home, "symbolic-ref", "--quiet", "--short", "HEAD")
