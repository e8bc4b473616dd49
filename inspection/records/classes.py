"""Declare a class: taxonomy.yaml grows by it, the ledger says by whom."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from inspection import git, lock
from inspection.errors import FixInput, FixSettings
from inspection.layout import Layout
from inspection.records import ledger
from inspection.taxonomy import Defect, Taxonomy, read_taxonomy

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}\Z")


def add_class(layout: Layout, defect: Defect, by: str) -> None:
    """Declare `defect`, keeping the comments in taxonomy.yaml, and commit it.

    Raises:
        FixInput: the name is taken or is no name, or nobody stands behind it.
    """
    git.require_identity(layout.home)
    if not _NAME.match(defect.name):
        raise FixInput(f"{defect.name!r} is no name for a class: begin with a letter, then letters, digits, - and _.")
    if not by.strip():
        raise FixInput("A class needs a person who declares it: add --by NAME.")
    with lock.hold(layout, lock.WRITE, f"declaring class {defect.name}"):
        same = alike(defect.name, read_taxonomy(layout.taxonomy))
        if same.casefold() == defect.name.casefold():
            raise FixInput(f"{same} is declared already.")
        require_committed(layout)
        part = edited(layout.taxonomy, lambda content: _add(content, defect))
        _check(part, defect)
        ledger.append(layout, "class", by, [defect.model_dump()])
        os.replace(part, layout.taxonomy)
        git.commit(layout.home, [layout.taxonomy, *ledger.files(layout)], f"Class {defect.name} declared by {by}")


def alike(label: str, taxonomy: Taxonomy) -> str:
    """The declared class that `label` most likely means: the one that differs only in case, or else the nearest."""
    same = [name for name in taxonomy.classes if name.casefold() == label.casefold()]
    return same[0] if same else taxonomy.nearest(label)


def require_committed(layout: Layout) -> None:
    """Raises FixInput when taxonomy.yaml holds somebody's changes that a commit would take along."""
    if git.changed(layout.home, ["taxonomy.yaml"]):
        raise FixInput("taxonomy.yaml has changes that are not committed: commit or restore it first.")


def edited(path: Path, change: Callable[[Any], None]) -> Path:
    """A YAML file after `change` to its content, comments kept, written beside it with the suffix .part."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000  # long lines stay as they are
    content = yaml.load(path.read_text(encoding="utf-8"))
    change(content)
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
    return part


def _add(content: Any, defect: Defect) -> None:
    entry = CommentedMap((k, v) for k, v in defect.model_dump().items() if k != "name")
    entry.fa.set_flow_style()
    content["classes"][defect.name] = entry


def _check(path: Path, defect: Defect) -> None:
    """YAML reads some words (no, off) as something else than themselves."""
    try:
        read = read_taxonomy(path).classes.get(defect.name)
    except FixSettings:
        read = None
    if read != defect:
        path.unlink()
        raise FixInput(f"{defect.name!r} means something else in YAML; choose another name.")
