"""What the line executes, tampered with: the link, the package, the packages beside it."""

import os
import shutil
from pathlib import Path
from random import Random

from benchmarks.tampering.edits import edited
from inspection.layout import Layout
from inspection.model.package import package_hash

LIVE = "models/live"


def link(layout: Layout, rng: Random) -> str | None:
    """`models/live` leads to nothing, to another release, to the same name elsewhere, or is no link any more."""
    here, elsewhere = layout.live.resolve(), layout.home / "elsewhere" / layout.live.resolve().name
    others = [one for one in _packages(layout) if one != here]
    way = rng.choice(["nothing", "elsewhere", "a folder", "gone", *(["another"] if others else [])])
    layout.live.unlink()
    if way == "nothing":
        layout.live.symlink_to(os.path.relpath(layout.releases / ("0" * 64), layout.live.parent))
    elif way == "elsewhere":
        shutil.copytree(here, elsewhere)
        layout.live.symlink_to(elsewhere)
    elif way == "another":
        layout.live.symlink_to(os.path.relpath(rng.choice(others), layout.live.parent))
    elif way == "a folder":
        shutil.copytree(here, layout.live)
    return LIVE


def package(layout: Layout, rng: Random) -> str | None:
    """A file of the package on the line."""
    folder = layout.live.resolve()
    edited(rng.choice(sorted(folder.iterdir())), rng)
    return LIVE


def earlier(layout: Layout, rng: Random) -> str | None:
    """A file of a package that a rollback would put back."""
    others = [one for one in _packages(layout) if one != layout.live.resolve()]
    if not others:
        return None
    folder = rng.choice(others)
    edited(rng.choice(sorted(folder.iterdir())), rng)
    return folder.relative_to(layout.home).as_posix()


def added(layout: Layout, rng: Random) -> str | None:
    """A package that nobody asked for, under the name that its files give it, or a file more in one that was."""
    folder = rng.choice(_packages(layout))
    if rng.random() < 0.3:
        (folder / "more.json").write_text("{}", encoding="utf-8")
        return folder.relative_to(layout.home).as_posix()
    part = layout.releases / ".forged"
    shutil.copytree(folder, part)
    edited(part / "weights.safetensors", rng)
    new = layout.releases / package_hash(part)
    part.rename(new)
    return new.relative_to(layout.home).as_posix()


def _packages(layout: Layout) -> list[Path]:
    return sorted(path for path in layout.releases.iterdir() if path.is_dir() and not path.name.startswith("."))
