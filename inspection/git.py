"""The few things Andon asks of git. Every commit names its paths, so a user's own work stays untouched."""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from inspection.errors import FixSettings, MakeRoom

_LOCK = re.compile(r"Unable to create '(.+\.lock)': File exists")


def run(root: Path, *arguments: str) -> str:
    """The output of `git ARGUMENTS` in `root`.

    Raises:
        FixSettings: git refused; the message is its own first line.
        MakeRoom: the disk is full.
    """
    done = _git(root, arguments)
    while done.returncode and (held := _LOCK.search(done.stderr)) and _clear_dead(root, [Path(held[1])]):
        done = _git(root, arguments)
    if done.returncode == 0:
        return done.stdout.strip()
    words = (done.stderr or done.stdout).strip()
    if "No space left" in words:
        raise MakeRoom(f"The disk of {root} is full: free some space and run the command again.")
    raise FixSettings(f"git {arguments[0]} failed in {root}: {words.splitlines()[0] if words else 'no reason given'}")


def _git(root: Path, arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    english = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": ""}  # `run` reads what it says
    return subprocess.run(["git", *arguments], cwd=root, env=english, capture_output=True, text=True, check=False)


def _clear_dead(root: Path, locks: Sequence[Path]) -> bool:
    """Remove locks that a git which was killed left behind; False if one may still be at work in `root`."""
    import psutil

    for process in psutil.process_iter(["name", "cwd", "status"]):
        folder, ended = process.info["cwd"], process.info["status"] in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        at_work = (process.info["name"] or "").startswith("git") and not ended
        if at_work and (not folder or Path(folder).is_relative_to(root)):
            return False
    for lock in locks:
        (root / lock).unlink(missing_ok=True)
    return True


def clear_dead_locks(root: Path) -> None:
    """Remove what a git that was killed left: its index, its half-made commit, its lock on tidying up.

    git itself passes over the last two for ever: half-made commits pile up, and the store is never packed again.
    """
    folder = root / ".git"
    if left := [*folder.glob("*.lock"), *folder.glob("objects/*.lock")]:
        _clear_dead(root, left)


def require_identity(root: Path) -> str:
    """The name that commits are made under.

    Raises:
        FixSettings: git knows no name or address.
    """
    done = subprocess.run(["git", "var", "GIT_COMMITTER_IDENT"], cwd=root, capture_output=True, text=True, check=False)
    name = _config(root, "user.name")
    if done.returncode or not name or not _config(root, "user.email"):
        raise FixSettings(
            "git does not know who commits here: run `git config user.name NAME` and `git config user.email ADDRESS`."
        )
    return name


def commit(root: Path, paths: Sequence[Path], message: str) -> str | None:
    """Commit exactly `paths` as they are on the disk; the revision, or None when nothing had changed."""
    names = [str(path.relative_to(root)) for path in paths if path.exists() or is_tracked(root, path)]
    if not names:
        return None
    run(root, "add", "--", *names)
    if not run(root, "status", "--porcelain", "--untracked-files=no", "--", *names):
        return None
    run(root, "commit", "--quiet", "--no-verify", "--message", message, "--", *names)
    return run(root, "rev-parse", "HEAD")


def changed(root: Path, paths: Sequence[str]) -> list[str]:
    """Those of `paths` that differ from the last commit."""
    lines = run(root, "status", "--porcelain", "--", *paths).splitlines()
    return [line.strip().split(maxsplit=1)[-1] for line in lines]


def merged(root: Path, mine: str, old: str, new: str) -> str | None:
    """`mine` with the changes from `old` to `new`; None where both changed the same lines."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("mine", "old", "new")]
        for path, text in zip(paths, (mine, old, new), strict=True):
            path.write_text(text, encoding="utf-8")
        done = _git(root, ["merge-file", "-p", *map(str, paths)])
    return done.stdout if done.returncode == 0 else None


def is_tracked(root: Path, path: Path) -> bool:
    """Whether git has `path`."""
    return bool(run(root, "ls-files", "--", str(path.relative_to(root))))


def _config(root: Path, key: str) -> str:
    done = subprocess.run(["git", "config", key], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip()
