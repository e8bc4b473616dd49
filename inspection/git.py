"""The few things Andon asks of git. Every commit names its paths, so a user's own work stays untouched."""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from inspection.errors import FixSettings, MakeRoom
from inspection.outside.credentials import masked

NOBODY = (
    "git does not know who commits here: run `git config --global user.name NAME` and "
    "`git config --global user.email ADDRESS`."
)
RECORDED = "refs/andon/recorded"  # Andon's last commit in this clone: a rewritten history lacks it
BEGUN = "refs/andon/begun"  # while Andon commits: what its commit goes on from
_LOCK = re.compile(r"Unable to create '(.+\.lock)': File exists")
_SAID = 4  # lines of git's that a refusal passes on


def run(root: Path, *arguments: str) -> str:
    """The output of `git ARGUMENTS` in `root`.

    Raises:
        FixSettings: git refused; the message is its own, with the command that it names as the way out.
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
    said, commands = _words(words)
    remedy = f"git itself says: run {' or '.join(f'`{one}`' for one in commands)}." if commands else ""
    raise FixSettings(f"git {arguments[0]} failed in {root}: {said}", remedy)


def asked(root: Path, *arguments: str) -> str:
    """The output of `git ARGUMENTS`, "" where git has no answer."""
    done = _git(root, arguments)
    return "" if done.returncode else done.stdout.strip()


def _words(said: str) -> tuple[str, list[str]]:
    """What git said, on one line, and the commands that it told to run."""
    lines = [line.removeprefix("hint:") for line in said.splitlines() if not line.startswith("[GNUPG:]")]
    commands = [line.strip() for line in lines if line[:1].isspace() and line.strip().startswith("git ")]
    told = [line for line in lines if line.strip() and not line[0].isspace()]
    return "; ".join(told[:_SAID]) or "no reason given", commands


def _git(
    root: Path, arguments: Sequence[str], apart: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    english = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "", **(apart or {})}  # `run` reads what it says
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
    name = setting(root, "user.name")
    if done.returncode or not name or not setting(root, "user.email"):
        raise FixSettings(NOBODY)
    return name


def require_signing(root: Path) -> None:
    """Where commits have to be signed, sign one that nobody keeps.

    Raises:
        FixSettings: git cannot sign; with what the program that signs said.
    """
    if asked(root, "config", "--type=bool", "commit.gpgsign") != "true":
        return
    store = root / run(root, "rev-parse", "--git-path", "objects")
    with tempfile.TemporaryDirectory() as folder:
        apart = {"GIT_OBJECT_DIRECTORY": folder, "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(store.resolve())}
        done = _git(root, ["commit-tree", "--gpg-sign", "-m", "Andon asks whether git can sign", "HEAD^{tree}"], apart)
    if done.returncode:
        raise FixSettings(
            f"git has to sign commits here (commit.gpgsign) and cannot: {_words(done.stderr)[0]}. Nothing was written.",
            "Set the key up (`git config user.signingkey KEY`), or, in this plant, `git config commit.gpgsign false`.",
        )


def commit(root: Path, paths: Sequence[Path], message: str) -> str | None:
    """Commit exactly `paths` as they are on the disk; the revision, or None when nothing had changed."""
    names = [str(path.relative_to(root)) for path in paths if path.exists() or is_tracked(root, path)]
    if not names:
        return None
    run(root, "add", "--", *names)
    if not run(root, "status", "--porcelain", "--untracked-files=no", "--", *names):
        return None
    asked(root, "update-ref", BEGUN, "HEAD")  # nothing before the first commit
    run(root, "commit", "--quiet", "--no-verify", "--message", masked(message), "--", *names)
    run(root, "update-ref", RECORDED, "HEAD")
    run(root, "update-ref", "-d", BEGUN)
    return run(root, "rev-parse", "HEAD")


def is_begun(root: Path) -> bool:
    """Whether the last commit is one of Andon's that a run made and was killed before it could say so."""
    begun = asked(root, "rev-parse", "--quiet", "--verify", BEGUN)
    return bool(begun) and begun == asked(root, "rev-parse", "--quiet", "--verify", "HEAD^")


def settle(root: Path) -> None:
    """Say so in its place, and forget a commit that was begun and never made."""
    if is_begun(root):
        run(root, "update-ref", RECORDED, "HEAD")
    run(root, "update-ref", "-d", BEGUN)


def changed(root: Path, paths: Sequence[str]) -> list[str]:
    """Those of `paths` that differ from the last commit."""
    lines = run(root, "status", "--porcelain", "--", *paths).splitlines()
    return [line.strip().split(maxsplit=1)[-1] for line in lines]


def committed(path: Path, revision: str = "HEAD") -> bytes | None:
    """What a file held in a commit, byte by byte; None: it was not there. Links of folders are followed.

    Raises:
        FixSettings: it lies in no git repository.
    """
    there = next(one for one in path.absolute().parents if one.is_dir())
    folder, name = there.resolve(), path.absolute().relative_to(there)
    blob = _object(folder, f"{revision}:./{name}")
    if not blob:
        return None
    command = ["git", "cat-file", "blob", blob]
    return subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout


def folder_at(root: Path, folder: str) -> Mapping[str, bytes]:
    """The files of one folder in the last commit: name -> what it held, byte by byte.

    Raises:
        FixSettings: `root` lies in no git repository.
    """
    return _files(root, blob) if (blob := _object(root, f"HEAD:./{folder}")) else {}


def _object(folder: Path, name: str) -> str:
    """The hash of what a commit has under a name, "" for nothing.

    Raises:
        FixSettings: the folder lies in no git repository.
    """
    said = _git(folder, ["rev-parse", "--verify", "--quiet", name])
    if "not a git repository" in said.stderr:
        raise FixSettings(
            f"{folder} lies in no git repository, so nothing of it is on record: restore the plant's .git."
        )
    return "" if said.returncode else said.stdout.strip()


class Entry(NamedTuple):
    """What a commit or a folder in it holds under a path: git's mode and kind, and the hash of the content."""

    mode: str
    kind: str
    digest: str
    path: str


def entries(root: Path, tree: str, *options: str) -> list[Entry]:
    """What a commit or a folder in it holds; of the folders within nothing, without the option `-r`."""
    found = []
    for line in run(root, "ls-tree", "-z", *options, tree).split("\0"):
        about, _, path = line.partition("\t")
        if path:
            mode, kind, digest = about.split()
            found.append(Entry(mode, kind, digest, path))
    return found


@lru_cache(maxsize=16)  # what bears a hash stays as it is
def _files(root: Path, tree: str) -> Mapping[str, bytes]:
    blobs = {one.path: one.digest for one in entries(root, tree) if one.kind == "blob"}
    contents = contents_of(root, list(blobs.values()))
    return dict(zip(blobs, contents, strict=True))


def contents_of(root: Path, blobs: Sequence[str]) -> list[bytes]:
    """What each of these objects holds, byte by byte, by one git."""
    if not blobs:
        return []
    asked = "".join(f"{blob}\n" for blob in blobs).encode()
    command = ["git", "cat-file", "--batch"]
    said = subprocess.run(command, cwd=root, input=asked, capture_output=True, check=True).stdout
    found, at = list[bytes](), 0
    for _ in blobs:  # "<id> blob <size>\n<content>\n" each
        end = said.index(b"\n", at)
        size = int(said[at:end].split()[2])
        found.append(said[end + 1 : end + 1 + size])
        at = end + size + 2
    return found


def in_history(root: Path, revision: str) -> bool:
    """Whether the last commit comes from the revision, or is it."""
    return _git(root, ["merge-base", "--is-ancestor", revision, "HEAD"]).returncode == 0


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


def setting(root: Path, key: str) -> str:
    """What git's settings say of `key`; "" where they are silent."""
    done = subprocess.run(["git", "config", key], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip()
