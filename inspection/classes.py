"""Declare a class: taxonomy.yaml grows by it, the ledger says by whom."""

import io
import os
import re
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from inspection import git, ledger, lock
from inspection.errors import FixInput, FixSettings
from inspection.layout import Layout
from inspection.params import Defect, read_taxonomy

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}\Z")


def add_class(layout: Layout, defect: Defect, by: str) -> None:
    """Declare `defect`, keeping the comments in taxonomy.yaml, and commit it.

    Raises:
        FixInput: the name is taken or is no name, or nobody stands behind it.
    """
    git.require_identity(layout.home)
    taxonomy = read_taxonomy(layout.taxonomy)
    if not _NAME.match(defect.name):
        raise FixInput(f"{defect.name!r} is no name for a class: begin with a letter, then letters, digits, - and _.")
    if defect.name in taxonomy.classes:
        raise FixInput(f"{defect.name} is declared already.")
    if not by.strip():
        raise FixInput("A class needs a person who declares it: add --by NAME.")
    if git.changed(layout.home, ["taxonomy.yaml"]):
        raise FixInput("taxonomy.yaml has changes that are not committed: commit or restore it first.")
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000  # long lines stay as they are
    content = yaml.load(layout.taxonomy.read_text(encoding="utf-8"))
    entry = CommentedMap((k, v) for k, v in defect.model_dump().items() if k != "name")
    entry.fa.set_flow_style()
    content["classes"][defect.name] = entry
    text = io.StringIO()
    yaml.dump(content, text)
    with lock.hold(layout, lock.WRITE, f"declaring class {defect.name}"):
        part = layout.taxonomy.with_suffix(".part")
        part.write_text(text.getvalue(), encoding="utf-8")
        _check(part, defect)
        ledger.append(layout, "class", by, [defect.model_dump()])
        os.replace(part, layout.taxonomy)
        git.commit(layout.home, [layout.taxonomy, *ledger.files(layout)], f"Class {defect.name} declared by {by}")


def _check(path: Path, defect: Defect) -> None:
    """YAML reads some words (no, off) as something else than themselves."""
    try:
        read = read_taxonomy(path).classes.get(defect.name)
    except FixSettings:
        read = None
    if read != defect:
        path.unlink()
        raise FixInput(f"{defect.name!r} means something else in YAML; choose another name.")
