"""A plant of its own: a git and DVC repository with settings and no product code.

The settings are the checkout's own, file by file: `template/` links to them, and a wheel carries their content.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from andon.plants.commented import cameras_text, taxonomy_text
from inspection import files, fingerprint, git
from inspection.anchor import branch
from inspection.cameras import read_cameras
from inspection.errors import FixInput, FixSettings
from inspection.layout import Layout
from inspection.model.champion import Champion, write_champion
from inspection.params import read_params
from inspection.records.ledger import Cut, write_cut
from inspection.taxonomy import read_taxonomy

TEMPLATE = Path(str(resources("andon.plants") / "template"))
SETTINGS = {  # file of the template -> where it lies in a plant
    "params.yaml": "params.yaml",
    "cameras.yaml": "cameras.yaml",
    "taxonomy.yaml": "taxonomy.yaml",
    "dvc.yaml": "dvc.yaml",
    "prefect.yaml": "prefect.yaml",
    "constraints.txt": "constraints.txt",
    "gitignore": ".gitignore",
    "dvcignore": ".dvcignore",
    "models/costs.json": "models/costs.json",
    "dvc/config": ".dvc/config",
    "dvc/gitignore": ".dvc/.gitignore",
}
TRAILER = "Andon-Version"  # in the commits that brought a plant to a version
LONGEST = 60  # characters of a plant's name


@dataclass(frozen=True)
class Wishes:
    """What a new plant is to be.

    Attributes:
        cameras: name -> its entry of cameras.yaml; empty: the two example cameras.
        classes: name -> whether a part that shows it may pass; empty: the example classes.
    """

    name: str
    cameras: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    classes: Mapping[str, bool] = field(default_factory=dict)


def refuse_place(folder: Path) -> None:
    """Raises FixSettings for a folder that is not empty, is no folder, or lies in another plant."""
    if folder.is_symlink() or folder.is_file():
        raise FixSettings(f"{folder} is no folder: name one that is empty or does not exist yet.")
    if folder.is_dir() and any(folder.iterdir()):
        raise FixSettings(f"{folder} is not empty: name a folder that is empty or does not exist yet.")
    try:
        other = Layout.find(folder.parent)
    except FixSettings:
        return
    raise FixSettings(f"{folder} lies inside another plant, {other.root}: make the new one beside it.")


def refuse_name(name: str) -> None:
    """Raises FixInput for a name that cannot stand in a line of text."""
    if not name.strip() or len(name) > LONGEST or not name.isprintable() or name != name.strip():
        raise FixInput(
            f"{name!r} is no name for a plant: up to {LONGEST} letters, digits, spaces and signs, such as "
            '"Press shop 2"; give it with --name.'
        )


def found(folder: Path, wishes: Wishes, committer: tuple[str, str] | None = None) -> Layout:
    """The new plant in `folder`, which is empty or does not exist; whole, or not there at all.

    Args:
        committer: name and address that this plant's commits are made under; None: git's own.

    Raises:
        FixInput: the name is no name. FixSettings: git does not know who commits, or what is asked for contradicts
            itself. MakeRoom: the disk is full.
    """
    refuse_name(wishes.name)
    folder = folder.absolute()
    with beside(folder) as made:
        if committer is None:
            git.require_identity(made)
        _write_settings(made, wishes)
        _begin_history(made, wishes.name, committer)
        if folder.is_dir():
            folder.rmdir()
        os.replace(made, folder)
    return Layout(folder.resolve(), folder.resolve())


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """A folder on the same disk in which the plant is made; gone if that fails."""
    above = folder.parent
    while not above.exists():
        above = above.parent
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=above))
    try:
        made.chmod(0o755)
        folder.parent.mkdir(parents=True, exist_ok=True)
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _write_settings(folder: Path, wishes: Wishes) -> None:
    for source, target in SETTINGS.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        files.write(folder / target, shipped(source))
    if wishes.cameras:
        files.write(folder / "cameras.yaml", cameras_text(shipped("cameras.yaml"), wishes.cameras))
    if wishes.classes:
        files.write(folder / "taxonomy.yaml", taxonomy_text(shipped("taxonomy.yaml"), wishes.classes))
    for name in ("data/assignments", "masks", "inbox"):
        (folder / name).mkdir(parents=True)
    fingerprint.write(folder / "stages.json")
    write_cut(folder / "data" / "cut.json", Cut(events=0, digest="", exclusions=()))
    write_champion(folder / "models" / "champion.json", Champion())
    files.write(folder / "data" / "assignments" / "0000.csv", "part,serial,split\n")
    files.write(folder / "masks" / "masks.json", '{\n  "masks": []\n}\n')
    files.write(folder / "README.md", readme(wishes.name))
    cameras = read_cameras(folder / "cameras.yaml")
    read_params(folder / "params.yaml")
    read_taxonomy(folder / "taxonomy.yaml")
    if not cameras:
        raise FixSettings("A plant needs a camera: add one with --camera.")


def _begin_history(folder: Path, name: str, committer: tuple[str, str] | None) -> None:
    git.run(folder, "init", "--quiet", "--initial-branch=main")
    git.run(folder, "config", branch.SETTING, "main")
    if committer:
        git.run(folder, "config", "user.name", committer[0])
        git.run(folder, "config", "user.email", committer[1])
    git.run(folder, "add", "--all")
    words = f"A new plant: {name}\n\n{TRAILER}: {fingerprint.installed()}"
    git.run(folder, "commit", "--quiet", "--no-verify", "--message", words)


def shipped(name: str) -> str:
    """A file of the template."""
    return (TEMPLATE / name).read_text(encoding="utf-8")


def readme(name: str) -> str:
    """One screen for the people of the plant."""
    from jinja2 import Environment, StrictUndefined  # the other commands do not wait for it

    page = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701  Markdown
    return page.from_string(shipped("README.md.j2")).render(name=name, version=fingerprint.installed())
