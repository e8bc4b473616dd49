"""A second checkout at a committed revision, so that long work never meets a user's uncommitted changes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from inspection import git
from inspection.layout import Layout


@contextmanager
def worktree(layout: Layout, name: str) -> Iterator[Layout]:
    """A fresh worktree at HEAD that shares the plant's DVC cache; gone at the end."""
    root = layout.state / "worktrees" / name
    _remove(layout, name)
    git.run(layout.home, "worktree", "add", "--quiet", "--detach", str(root))
    (root / ".dvc" / "config.local").write_text(
        f"[cache]\n    dir = {layout.home / '.dvc' / 'cache'}\n", encoding="utf-8"
    )
    try:
        yield Layout(root, layout.home)
    finally:
        _remove(layout, name)


def _remove(layout: Layout, name: str) -> None:
    shutil.rmtree(layout.state / "worktrees" / name, ignore_errors=True)
    git.run(layout.home, "worktree", "prune")
