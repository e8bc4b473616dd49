"""Which of DVC's objects commits name, and how DVC lays them in a store.

Outputs with `cache: false` stand in a dvc.lock like any other and lie in no store; the dvc.yaml beside it tells them.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspection import git
from inspection.errors import CheckHistory
from inspection.layout import Layout
from inspection.outside import documents

FOLDER = ".dir"  # how the name of an object ends that lists a folder's files
STORE = "files/md5"  # where objects lie in a cache or a remote


@dataclass(frozen=True)
class Named:
    """Object -> a path under which commits name it; those that perhaps were never in a store; and the files that could
    not be read, so that what they name is not among them."""

    paths: Mapping[str, str]
    perhaps: frozenset[str]
    unread: tuple[str, ...]


def by_commits(layout: Layout, *revisions: str) -> Named:
    """What every commit up to these names; of a folder, only the object that lists it."""
    lines = git.run(layout.home, "rev-list", "--objects", *revisions, "--").splitlines()
    return _named(layout, [line.partition(" ")[::2] for line in lines])


def by_last(layout: Layout, revision: str = "HEAD") -> Named:
    """As `by_commits`, of one commit alone.

    Raises:
        CheckHistory: a file of DVC cannot be read.
    """
    every = git.entries(layout.home, revision, "-r", "--full-tree")
    found = _named(layout, [(one.digest, one.path) for one in every])
    if found.unread:
        raise _unreadable(found.unread[0])
    return found


def made(record: str) -> dict[str, str]:
    """What all stages made, by the text of a dvc.lock: path -> object.

    Raises:
        CheckHistory: it cannot be read.
    """
    return {path: name for name, path in _outs("dvc.lock", _mapping(record, "dvc.lock"))}


def outputs(record: str, map_: str, stages: Iterable[str]) -> list[str]:
    """The objects that these stages made, by the text of a dvc.lock and of the dvc.yaml beside it."""
    apart, made = _uncached(_mapping(map_, "dvc.yaml")), _mapping(record, "dvc.lock").get("stages") or {}
    every = [out for stage in stages for out in (made.get(stage) or {}).get("outs") or ()]
    return [str(out["md5"]) for out in every if out["path"] not in apart]


def pointed(text: str, path: str) -> list[str]:
    """The objects that a .dvc file, which lies at that path, names."""
    return [str(out["md5"]) for out in _mapping(text, path).get("outs") or () if out.get("md5")]


def listed(content: bytes) -> dict[str, str]:
    """A folder's files, by the content of the object that lists it: path -> object."""
    return {str(one["relpath"]): str(one["md5"]) for one in documents.json_of(content)}


def place(store: Path, name: str) -> Path:
    """Where an object lies in a store (STORE of a cache or a remote)."""
    return store / name[:2] / name[2:]


def holds(path: Path, name: str) -> bool:
    """Whether a file is the object of that name."""
    try:
        return md5(path) == name.removesuffix(FOLDER)
    except FileNotFoundError:
        return False


def md5(path: Path) -> str:
    """Of a file, as DVC names it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _named(layout: Layout, objects: Sequence[Sequence[str]]) -> Named:
    """Of git's objects and their paths, what the files of DVC among them name."""
    mine = [(blob, path) for blob, path in objects if _is_of_dvc(path)]
    contents = git.contents_of(layout.home, [blob for blob, _ in mine])
    found: dict[str, str] = {}
    certain, apart, unread = set[str](), set[str](), list[str]()
    of_stages: dict[str, set[str]] = {}  # object -> its paths in any dvc.lock
    for (_, path), content in zip(mine, contents, strict=True):
        try:
            raw = _mapping(content.decode("utf-8", "replace"), path)
        except CheckHistory:
            unread.append(path)
            continue
        if path == "dvc.yaml":
            apart |= _uncached(raw)
        for name, at in _outs(path, raw):
            found.setdefault(name, at)
            if path == "dvc.lock":
                of_stages.setdefault(name, set()).add(at)
            else:
                certain.add(name)
    perhaps = {name for name, paths in of_stages.items() if paths <= apart} - certain
    return Named(found, frozenset(perhaps), tuple(unread))


def _is_of_dvc(path: str) -> bool:
    return path in ("dvc.lock", "dvc.yaml") or (path.endswith(".dvc") and path != ".dvc")


def _outs(path: str, raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a .dvc or a dvc.lock names: object and path."""
    above = Path(path).parent if path.endswith(".dvc") else Path()
    entries = [] if path == "dvc.yaml" else [raw, *(raw.get("stages") or {}).values()]
    for out in (out for entry in entries for out in (entry or {}).get("outs") or ()):
        if out.get("md5"):
            yield str(out["md5"]), (above / str(out.get("path", ""))).as_posix()


def _uncached(raw: Mapping[str, Any]) -> set[str]:
    """The paths that a dvc.yaml declares with `cache: false`."""
    entries = [
        entry
        for stage in (raw.get("stages") or {}).values()
        for kind in ("outs", "metrics", "plots")
        for entry in (stage or {}).get(kind) or ()
    ]
    told = [one for entry in entries if isinstance(entry, dict) for one in entry.items()]
    return {str(path) for path, options in told if (options or {}).get("cache") is False}


def _mapping(text: str, path: str) -> dict[str, Any]:
    try:
        return {**(documents.yaml_of(text) or {})}
    except (ValueError, TypeError):
        raise _unreadable(path) from None


def _unreadable(path: str) -> CheckHistory:
    return CheckHistory(
        f"{path}, by which DVC finds data, cannot be read.",
        f"Look at `git log -- {path}` and restore it from an earlier commit.",
    )
