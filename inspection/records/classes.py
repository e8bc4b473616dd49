"""Declare a class, or give one another name: taxonomy.yaml says which there are, the ledger says by whom."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from sqlalchemy import func, select

from inspection import git, lock
from inspection.anchor import prefix, writing
from inspection.chain import Event
from inspection.errors import FixInput, FixSettings
from inspection.layout import Layout
from inspection.outside import documents
from inspection.outside.quoted import quoted, typed
from inspection.records import ledger
from inspection.records.catalog import Catalog
from inspection.records.labels import standing
from inspection.records.schema import label_table
from inspection.taxonomy import Defect, Taxonomy, read_taxonomy

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}\Z")


def add_class(layout: Layout, defect: Defect, by: str) -> None:
    """Declare `defect`, keeping the comments in taxonomy.yaml, and commit it. Run again after it was cut short, it
    finishes and adds nothing.

    Raises:
        FixInput: the name is taken or is no name, or nobody stands behind it.
    """
    writing.require(layout)
    if not NAME.match(defect.name):
        raise FixInput(f"{defect.name!r} is no name for a class: begin with a letter, then letters, digits, - and _.")
    if not by.strip():
        raise FixInput("A class needs a person who declares it: add --by NAME.")
    with lock.hold(layout, lock.WRITE, f"declaring class {defect.name}"):
        begun, known = _half_declared(layout, defect, by), read_taxonomy(layout.taxonomy)
        if not begun or known.classes.get(defect.name) != defect:
            same = alike(defect.name, known)
            if same.casefold() == defect.name.casefold():
                raise FixInput(f"{same} is declared already.")
            require_committed(layout)
            part = edited(layout.taxonomy, lambda content: _add(content, defect))
            _check(part, defect)
            if not begun:
                ledger.append(layout, "class", by, [defect.model_dump()])
            os.replace(part, layout.taxonomy)
        git.commit(layout.home, [layout.taxonomy, *ledger.files(layout)], f"Class {defect.name} declared by {by}")


def _half_declared(layout: Layout, defect: Defect, by: str) -> bool:
    """Whether the same was cut short before its commit: its event is there, and git has not yet both."""
    told, wanted = [event for event in ledger.read(layout) if event.kind == "class"], defect.model_dump()
    if not told or told[-1].by != by or any(told[-1].body.get(key) != value for key, value in wanted.items()):
        return False
    return bool(prefix.behind(layout)) or bool(git.changed(layout.home, ["taxonomy.yaml"]))


def rename_class(layout: Layout, old: str, new: str, by: str) -> int:
    """Let the class `old` be called `new`, in taxonomy.yaml and for every label, and commit it; how many images bear
    it. Where `old` is declared no more, its labels follow to `new`, which is. Run again after it was cut short, it
    finishes and adds nothing.

    Raises:
        FixInput: nobody knows `old`, `new` is taken or is no name, or nobody stands behind it.
    """
    writing.require(layout)
    if not NAME.match(new):
        raise FixInput(f"{new!r} is no name for a class: begin with a letter, then letters, digits, - and _.")
    if not by.strip():
        raise FixInput("A class needs a person who renames it: add --by NAME.")
    with lock.hold(layout, lock.WRITE, f"renaming class {old}"):
        events = ledger.read(layout)
        begun = _begun(layout, events, old, new)
        if not begun:
            require_committed(layout)
            _require_renaming(layout, events, old, new)
        part = _renamed(layout, old, new)
        if not begun:
            ledger.append(layout, "class-rename", by, [{"old": old, "new": new}])
        if part:
            os.replace(part, layout.taxonomy)
        words = f"Class {old} renamed {new} by {by}"
        git.commit(layout.home, [layout.taxonomy, *ledger.files(layout)], words)
    return sum(label.label == new for label in standing(ledger.read(layout)).values())


def _begun(layout: Layout, events: Sequence[Event], old: str, new: str) -> bool:
    """Whether the same was cut short before its commit: its event is there, and git's taxonomy is not yet so."""
    told = [event for event in events if event.kind == "class-rename"]
    if not told or (told[-1].body["old"], told[-1].body["new"]) != (old, new):
        return False
    return old in documents.yaml_of(git.run(layout.home, "show", "HEAD:./taxonomy.yaml"))["classes"]


def _require_renaming(layout: Layout, events: Sequence[Event], old: str, new: str) -> None:
    taxonomy = read_taxonomy(layout.taxonomy)
    if old not in taxonomy.classes:
        if not any(label.label == old for label in standing(events).values()):
            raise FixInput(
                f"Class {quoted(old)} is not declared and no label bears it; did you mean {alike(old, taxonomy)!r}?"
            )
        if new not in taxonomy.classes:
            raise FixInput(
                f"Neither {old!r} nor {new!r} is declared: declare it first, `andon class add {new} --by NAME`."
            )
        return
    same = alike(new, taxonomy)
    if same.casefold() == new.casefold() and (same != old or new == old):
        raise FixInput(f"{same} is declared already; choose another name.")
    if any(label.label == new for label in standing(events).values()):
        raise FixInput(f"Labels bear {new!r} from before, which is another class: choose another name.")


def _renamed(layout: Layout, old: str, new: str) -> Path | None:
    """taxonomy.yaml with the new name at the place of the old one, beside it; None where it says so already."""
    before = read_taxonomy(layout.taxonomy).classes
    if old not in before:
        return None
    part = edited(layout.taxonomy, lambda content: _rename(content["classes"], old, new))
    _check(part, before[old].model_copy(update={"name": new}))
    return part


def _rename(classes: CommentedMap, old: str, new: str) -> None:
    at, comments = list(classes).index(old), classes.ca.items.pop(old, None)
    classes.insert(at, new, classes.pop(old))
    if comments:
        classes.ca.items[new] = comments


def undeclared(layout: Layout, catalog: Catalog) -> dict[str, int]:
    """Class that labels bear and taxonomy.yaml does not declare -> the images that bear it."""
    c, declared = label_table.c, read_taxonomy(layout.taxonomy).classes
    query = select(c.label, func.count()).where(c.latest).group_by(c.label).order_by(c.label)
    with catalog.engine.connect() as connection:
        return {label: int(count) for label, count in connection.execute(query) if label not in declared}


def undeclared_words(found: Mapping[str, int]) -> list[str]:
    """`undeclared` in sentences."""
    return [
        f"{count} labels bear class {quoted(name)}, which is not declared any more, and are not trained on: andon "
        f"class rename {typed(name, 'OLD')} NEW --by NAME, or declare it again: andon class add "
        f"{typed(name, 'CLASS')} --by NAME"
        for name, count in found.items()
    ]


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
    text = documents.text_of(path)
    documents.yaml_bounded(text)
    content = yaml.load(text)
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
