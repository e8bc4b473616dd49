"""A second checkout at a committed revision, so that long work never meets a user's uncommitted changes."""

import shutil
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path

from inspection import git
from inspection.layout import Layout


@contextmanager
def worktree(layout: Layout, name: str) -> Iterator[Layout]:
    """A fresh worktree at HEAD that shares the plant's DVC cache; gone at the end."""
    root = layout.state / "worktrees" / name
    _remove(layout, name)
    git.run(layout.home, "worktree", "add", "--quiet", "--detach", str(root))
    (root / ".dvc" / "config.local").write_text(
        f"[cache]\n    dir = {_cache(layout.home / '.dvc')}\n", encoding="utf-8"
    )
    try:
        yield Layout(root, layout.home)
    finally:
        _remove(layout, name)


def _cache(settings: Path) -> Path:
    """Where DVC, whose settings lie in that folder, keeps what it versions; what is set for this computer is first."""
    found = settings / "cache"
    for path in (settings / "config", settings / "config.local"):
        if path.exists():
            lines = ConfigParser(interpolation=None, strict=False)
            lines.read_string("\n".join(line.strip() for line in path.read_text(encoding="utf-8").splitlines()))
            found = settings / lines.get("cache", "dir", fallback=str(found))
    return found.resolve()


def _remove(layout: Layout, name: str) -> None:
    shutil.rmtree(layout.state / "worktrees" / name, ignore_errors=True)
    git.run(layout.home, "worktree", "prune")
