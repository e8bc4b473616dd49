"""git's own store: what is kept under a name has that hash. git itself does not look when it reads."""

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator

from inspection import git
from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.verify.finding import Finding

_FILE = re.compile(r"\.git/objects/[0-9a-f]{2}/[0-9a-f]{38,}|\.git/objects/pack/\S+\.(?:pack|idx)")
MEND = "Fetch the plant's history from a clone or a backup; nothing else here can be compared until then."


def findings(layout: Layout, every: bool) -> list[Finding]:
    """What of the last commit and of the versions' tags is damaged or forged; of all that git has, if `every`."""
    if every:
        try:
            git.run(layout.home, "fsck", "--no-progress", "--no-dangling", "--no-reflogs")
        except FixSettings as broken:
            said = str(broken)
            return [Finding(one, f"{said} {MEND}") for one in sorted(set(_FILE.findall(said))) or [".git"]]
    try:
        wanted = list(_objects(layout))
    except FixSettings as broken:
        return [Finding(".git", f"{broken} {MEND}")]
    words = f"git's store is damaged: it is not what its name says. {MEND}"
    return [Finding(_name(one), words) for one in _forged(layout, wanted)]


def _objects(layout: Layout) -> Iterator[str]:
    """The names of the last commit and of those that versions' tags name, with all that they hold."""
    tags = git.run(layout.home, "tag", "--list", "model@*").splitlines()
    found = dict[str, None]()
    for at in ("HEAD", *(f"refs/tags/{tag}" for tag in tags)):
        named = git.run(layout.home, "rev-parse", at, f"{at}^{{commit}}", f"{at}^{{tree}}").split()
        every = git.entries(layout.home, at, "-r", "-t", "--full-tree")
        found |= dict.fromkeys((*named, *(one.digest for one in every if one.kind != "commit")))
    yield from found


def _forged(layout: Layout, wanted: list[str]) -> Iterator[str]:
    """Those whose content has another hash, or cannot be read; a broken one ends git's answer."""
    with tempfile.TemporaryFile() as asked:
        asked.write("".join(f"{one}\n" for one in wanted).encode())
        asked.seek(0)
        command = ["git", "--no-replace-objects", "cat-file", "--batch"]
        with subprocess.Popen(
            command, cwd=layout.home, stdin=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as told:
            assert told.stdout is not None
            for one in wanted:
                about = told.stdout.readline().split()  # name, kind, bytes
                size = int(about[2]) if len(about) == 3 else -1
                content = told.stdout.read(size + 1)[:size] if size >= 0 else b""
                digest = hashlib.new("sha1" if len(one) == 40 else "sha256", usedforsecurity=False)
                digest.update(b" ".join(about[1:]) + b"\0" + content)
                if digest.hexdigest() != one:
                    yield one
                if len(content) != size:
                    return


def _name(digest: str) -> str:
    return f".git/objects/{digest[:2]}/{digest[2:]}"
