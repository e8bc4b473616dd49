"""Chained files (the ledger, the history of releases) hold, byte for byte, what a revision of git has of them.

Lines behind that are well: a run that was killed between its lines and their commit left them, and the next commits
them. Of a file that has not changed since it was last compared nothing is read again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

from inspection import git
from inspection.errors import CheckHistory, FixSettings
from inspection.layout import Layout

PIECE = 1 << 20  # bytes read at once


@dataclass(frozen=True)
class Kept:
    """A chained file as a revision has it: `path` from the plant's folder on, git's name of its content, its bytes."""

    path: str
    blob: str
    size: int


@dataclass(frozen=True)
class Difference:
    """Chained files that do not hold what a revision has of them, and of the first of them what differs, in words."""

    paths: tuple[str, ...]
    words: str


def require(layout: Layout) -> None:
    """Nothing may be appended unless the disk goes on from the last commit.

    Raises:
        CheckHistory: it does not; the message names the file, what differs and the way out.
    """
    if found := difference(layout, "HEAD"):
        names = " ".join(found.paths)
        raise CheckHistory(
            f"{found.words}, against the last commit. Nothing was written.",
            f"Keep a copy of what lies there for whoever looks into it, then run `git restore --source=HEAD --staged "
            f"--worktree -- {names}` in {layout.home}.",
        )


def difference(layout: Layout, revision: str) -> Difference | None:
    """How the disk differs from what it has to go on from; None where it does go on from it."""
    wrong = [one for one in kept(layout, revision) if not _goes_on(layout.home / one.path, one)]
    if not wrong:
        return None
    return Difference(tuple(one.path for one in wrong), f"{wrong[0].path}: {_words(layout, wrong[0])}")


def kept(layout: Layout, revision: str) -> list[Kept]:
    """The chained files that a revision has, oldest first; none where nothing was ever committed."""
    if not (layout.home / ".git").exists():  # a drill's scratch folder
        return []
    folders = [str(path.relative_to(layout.home)) for path in (layout.ledger, layout.history)]
    try:
        lines = git.run(layout.home, "ls-tree", "-r", "-l", "--full-tree", revision, "--", *folders).splitlines()
    except FixSettings:
        if not git.run(layout.home, "for-each-ref", "--count=1"):
            return []
        raise
    found = []
    for line in lines:
        about, path = line.split("\t", 1)
        _, _, blob, size = about.split()
        if path.endswith(".jsonl"):
            found.append(Kept(path, blob, int(size)))
    return found


def behind(layout: Layout, revision: str = "HEAD") -> dict[str, int]:
    """Chained files that go on behind what a revision has of them: path from the plant's folder on -> by how many whole
    lines. Of one that `difference` names it says nothing useful."""
    have = {one.path: one.size for one in kept(layout, revision)}
    found = {}
    for path in (*sorted(layout.ledger.glob("*/*.jsonl")), layout.history):
        name = path.relative_to(layout.home).as_posix()
        if path.is_file() and path.stat().st_size > have.get(name, 0):
            with path.open("rb") as file:
                file.seek(have.get(name, 0))
                if lines := file.read().count(b"\n"):
                    found[name] = lines
    return found


def _goes_on(path: Path, one: Kept) -> bool:
    try:
        now = path.stat()
    except OSError:
        return False
    return now.st_size >= one.size and _begins(path, (now.st_ino, now.st_mtime_ns, now.st_ctime_ns, now.st_size), one)


@lru_cache(maxsize=4096)
def _begins(path: Path, stamp: tuple[int, ...], one: Kept) -> bool:
    """Whether the file begins with what git keeps, as it was at `stamp`."""
    digest = hashlib.new("sha1" if len(one.blob) == 40 else "sha256", usedforsecurity=False)
    digest.update(b"blob %d\0" % one.size)
    left = one.size
    with path.open("rb") as file:
        while left and (piece := file.read(min(left, PIECE))):
            digest.update(piece)
            left -= len(piece)
    return not left and digest.hexdigest() == one.blob


def _words(layout: Layout, one: Kept) -> str:
    """What differs in a file."""
    there = layout.home / one.path
    then = git.run(layout.home, "cat-file", "blob", one.blob).encode().split(b"\n")
    if not there.is_file():
        return f"the file is missing, with its {_lines(len(then))}"
    return in_words(then, there.read_bytes().split(b"\n"))


def in_words(then: Sequence[bytes], now: Sequence[bytes]) -> str:
    """What `now` lacks of `then`, or from which line on it says something else."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(then, now, strict=False)))
    rest = [line for line in now[same:] if line]
    if not rest:
        return f"its last {_lines(len(then) - same)} {'is' if len(then) - same == 1 else 'are'} missing"
    return f"from line {same + 1} of {len(then)} on it differs"


def _lines(count: int) -> str:
    return f"{count} line{'' if count == 1 else 's'}"
