"""What git keeps: each file on the disk as the last commit has it, none beside them where what lies there is believed,
and no part of the record in a commit that Andon did not make."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from inspection import git
from inspection.layout import Layout
from inspection.verify.finding import Finding

BELIEVED = (  # where a file that lies there is taken for what it says
    "approvals/*",
    "data/assignments/*",
    "data/batches/*.dvc",
    "data/ledger/*/*.dvc",
    "data/ledger/*/*.jsonl",
    "masks/*",
    "models/*.dvc",
    "references/*.dvc",
)
RECORD = (
    "data/ledger",
    "releases",
    "approvals",
    "data/cut.json",
    "data/assignments",
    "data/plant.json",
    "models/champion.json",
)
POINTERS = ("dvc.lock", "*.dvc")
LINK, PROGRAM, OTHER = "120000", "100755", "160000"  # git's modes: a symbolic link, a program, another repository


def findings(layout: Layout) -> Iterator[Finding]:
    """What differs from the last commit, what it lacks, and what somebody committed beside Andon."""
    kept = _kept(layout)
    for name, (mode, blob) in kept.items():
        path = layout.home / name
        if mode == OTHER or (_chained(name) and path.is_file() and not path.is_symlink()):
            continue  # chained files may go on behind the commit, which record.py looks at
        if not path.is_symlink() and not path.exists():
            yield Finding(name, f"It is missing on the disk. `git restore -- {name}`.")
        elif _blob(path, len(blob)) != blob or path.is_symlink() != (mode == LINK):
            yield Finding(
                name,
                "It is not what was committed, and what lies here is believed. Look at `git diff` of it, then commit "
                f"it if you mean it, or `git restore -- {name}`.",
            )
    for pattern in BELIEVED:
        for path in sorted(layout.home.glob(pattern)):
            name = path.relative_to(layout.home).as_posix()
            if name not in kept and not path.is_dir() and not path.name.startswith("."):
                yield Finding(
                    name,
                    "It was never committed, so nobody stands for it. A run that was killed leaves such a file, and "
                    "the next commits it; if it is still here then, move it away.",
                )
    yield from _beside_andon(layout)
    if names := git.run(layout.home, "for-each-ref", "--format=%(refname)", "refs/replace"):
        for name in names.splitlines():
            yield Finding(
                name, f"It makes git show other content than was committed: `git update-ref -d {name}`, then look anew."
            )


def of_record(found: Finding) -> bool:
    """Whether a run that is at work may have caused it, between its files and their commit."""
    return found.file.startswith(RECORD) or found.file.endswith((".dvc", "dvc.lock"))


def _kept(layout: Layout) -> Mapping[str, tuple[str, str]]:
    """The files of the last commit: name -> mode and git's name of the content."""
    return {one.path: (one.mode, one.digest) for one in git.entries(layout.home, "HEAD", "-r", "--full-tree")}


def _chained(name: str) -> bool:
    return name.endswith(".jsonl") and name.startswith(("data/ledger/", "releases/"))


def _blob(path: Path, length: int) -> str:
    """What git calls the content of a file as it is now; of a link, of where it leads."""
    content = os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
    digest = hashlib.new("sha1" if length == 40 else "sha256", usedforsecurity=False)
    digest.update(b"blob %d\0" % len(content) + content)
    return digest.hexdigest()


def _beside_andon(layout: Layout) -> Iterator[Finding]:
    """Parts of the record that were changed by commits behind Andon's last one in this clone, unless another clone sent
    them."""
    if not git.asked(layout.home, "rev-parse", "--quiet", "--verify", git.RECORDED) or git.is_begun(layout.home):
        return
    names = _changed(layout, git.RECORDED)
    if names and git.asked(layout.home, "rev-parse", "--quiet", "--verify", "@{upstream}"):
        names &= _changed(layout, "@{upstream}")
    for name in sorted(names):
        last = git.asked(layout.home, "log", "-1", "--format=%h by %an on %as", f"{git.RECORDED}..HEAD", "--", name)
        yield Finding(
            name,
            f"A commit that Andon did not make changed it{f' ({last})' if last else ''}: `git log -p {git.RECORDED}.. "
            f"-- {name}`. If it should not be, `git restore --source={git.RECORDED} --staged --worktree -- {name}` "
            "and commit that; if it was meant (a rebuilt dvc.lock, say), the next run goes on from it.",
        )


def _changed(layout: Layout, since: str) -> set[str]:
    asked = ["diff", "--name-only", "--no-renames", "-z", since, "HEAD", "--", *RECORD, *POINTERS]
    return {name for name in git.run(layout.home, *asked).split("\0") if name}
