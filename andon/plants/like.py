"""What a folder of example pictures says of a plant: its cameras and its classes."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspection.errors import AndonError, FixInput
from inspection.intake.folder import entries
from inspection.pictures.images import SUFFIXES, stored
from inspection.pictures.structure import Stored

TABLE = "metadata.csv"
MOST = 20_000  # pictures whose headers are read
_GOOD = re.compile(r"(^|[^a-z])(good|free|ok|normal|no[-_ ]?defect)([^a-z]|$)", re.IGNORECASE)
_NOT = re.compile(r"(^|[^a-z])(not?|non|never)[-_ ]?(good|ok|normal)([^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Example:
    """One picture of the folder: where it lies, and what its place or its row says of it ("": nothing)."""

    path: Path
    camera: str = ""
    line: str = ""
    part: str = ""
    label: str = ""


@dataclass(frozen=True)
class Likeness:
    """cameras: name -> entry of cameras.yaml; classes: name -> acceptable, empty where no label is told; notes: what
    was assumed, in sentences."""

    cameras: dict[str, dict[str, Any]]
    classes: dict[str, bool]
    notes: tuple[str, ...]


def like(folder: Path, good: Sequence[str] = ()) -> Likeness:
    """What the pictures in `folder` say. With a metadata.csv (file, and perhaps label, camera, line, part) its rows
    count, otherwise the names: camera/part/..., or else one camera and one kind of part.

    Raises:
        FixInput: there are no pictures, one cannot be read, or a camera's pictures are of several kinds.
    """
    examples = _of_table(folder) if (folder / TABLE).is_file() else _of_names(folder)
    if not examples:
        raise FixInput(f"{folder} holds no pictures ({', '.join(SUFFIXES)}): name the folder that holds some.")
    by_camera: dict[str, list[Example]] = defaultdict(list)
    for one in examples:
        by_camera[one.camera or "cam-1"].append(one)
    notes: list[str] = []
    cameras = {name: _camera(name, some, notes) for name, some in sorted(by_camera.items())}
    if any(not one.part for one in examples):
        notes.append("Nothing says which kinds of parts there are: they are called 'part'.")
    labels = {one.label for one in examples} - {""}
    return Likeness(cameras, acceptable(labels, good, folder) if labels else {}, tuple(notes))


def acceptable(labels: Iterable[str], good: Sequence[str], folder: Path) -> dict[str, bool]:
    """Each label and whether a part that shows it may pass: those of `good`, or else those that say so in words.

    Raises:
        FixInput: a label that is called good is not among them.
    """
    known = sorted(labels)
    if unknown := sorted(set(good) - set(known)):
        raise FixInput(f"--good {', '.join(unknown)}: no such label in {folder}; it has {', '.join(known) or 'none'}.")
    chosen = set(good) or {label for label in known if _GOOD.search(label) and not _NOT.search(label)}
    return {label: label in chosen for label in known}


def _of_table(folder: Path) -> list[Example]:
    with (folder / TABLE).open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    if rows and "file" not in rows[0]:
        raise FixInput(f"{folder / TABLE} has no column `file`: add it, with each picture's path from {folder}.")
    fields = ("camera", "line", "part", "label")
    return [Example(folder / row["file"], **{key: (row.get(key) or "").strip() for key in fields}) for row in rows]


def _of_names(folder: Path) -> list[Example]:
    """Where every picture lies at camera/part/serial/name, its folders name camera and part."""
    if not folder.is_dir():
        raise FixInput(f"{folder} is no folder: name one that holds pictures.")
    found = (Path(path) for path, seen in entries(folder) if not isinstance(seen, OSError))
    paths = sorted(path for path in found if path.suffix.lower() in SUFFIXES and path.is_file())
    names = [path.relative_to(folder).parts for path in paths]
    if all(len(parts) == 4 for parts in names):
        return [Example(path, camera=parts[0], part=parts[1]) for path, parts in zip(paths, names, strict=True)]
    return [Example(path) for path in paths]


def _camera(name: str, some: Sequence[Example], notes: list[str]) -> dict[str, Any]:
    """The camera's entry of cameras.yaml."""
    seen = [_stored(one.path) for one in some[:: max(1, len(some) // MOST)]]
    kinds = sorted({(one.mode, one.bit_depth) for one in seen})
    if len(kinds) > 1:
        raise FixInput(
            f"{name}: its pictures are {' and '.join(f'{mode} with {bits} bits' for mode, bits in kinds)}, but a "
            "camera delivers one kind: put each kind into a folder of its own (camera/part/serial/name), or name the "
            "camera in the column `camera` of metadata.csv."
        )
    widths, heights = [{one.width for one in seen}, {one.height for one in seen}]
    entry: dict[str, Any] = {"line": next((one.line for one in some if one.line), "A")}
    entry |= {"width": max(widths), "height": max(heights)}
    if len(widths) > 1 or len(heights) > 1:
        entry |= {"min_width": min(widths), "min_height": min(heights)}
        notes.append(crops(name, (min(widths), min(heights)), (max(widths), max(heights))))
    mode, bits = kinds[0]
    entry |= {"mode": mode} | ({"bit_depth": bits} if bits != 8 else {})
    return entry | {"parts": sorted({one.part or "part" for one in some})}


def crops(name: str, least: tuple[int, int], most: tuple[int, int]) -> str:
    """What it means that a camera's pictures are of several sizes, width and height in px."""
    return (
        f"{name}: its pictures are {least[0]}×{least[1]} to {most[0]}×{most[1]} px, as of a camera that crops around "
        "the part; pixels have no fixed place there, so dust and dead pixels are not looked for."
    )


def _stored(path: Path) -> Stored:
    try:
        return stored(path)
    except AndonError as error:
        raise FixInput(f"{path}: {error}") from None
