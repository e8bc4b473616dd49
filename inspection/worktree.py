"""A second checkout at a committed revision, so that long work never meets a user's uncommitted changes."""

import shutil
from collections.abc import Iterator
from configparser import ConfigParser, ParsingError
from contextlib import contextmanager
from pathlib import Path

from inspection import git
from inspection.errors import FixSettings
from inspection.layout import Layout


@contextmanager
def worktree(layout: Layout, name: str) -> Iterator[Layout]:
    """A fresh worktree at HEAD that shares the plant's DVC cache; gone at the end."""
    root = layout.state / "worktrees" / name
    _remove(layout, name)
    git.run(layout.home, "worktree", "add", "--quiet", "--detach", str(root))
    (root / ".dvc" / "config.local").write_text(
        f"[cache]\n    dir = {cache_folder(layout.home / '.dvc')}\n", encoding="utf-8"
    )
    try:
        yield Layout(root, layout.home)
    finally:
        _remove(layout, name)


def cache_folder(settings: Path) -> Path:
    """Where DVC, whose settings lie in that folder, keeps what it versions; what is set for this computer is first."""
    return (settings / settings_of(settings).get("cache", "dir", fallback=str(settings / "cache"))).resolve()


def settings_of(folder: Path) -> ConfigParser:
    """DVC's settings in that folder; what is set for this computer is first.

    Raises:
        FixSettings: a file of them is damaged.
    """
    lines = ConfigParser(interpolation=None, strict=False)
    for path in (folder / "config", folder / "config.local"):
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            lines.read_string("\n".join(line.strip() for line in text.splitlines()))
        except (UnicodeDecodeError, ParsingError):
            raise FixSettings(f"{path} is not what DVC writes: restore it.") from None
    return lines


def _remove(layout: Layout, name: str) -> None:
    shutil.rmtree(layout.state / "worktrees" / name, ignore_errors=True)
    git.run(layout.home, "worktree", "prune")
