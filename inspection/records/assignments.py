"""Who is in train, val and test: written once, never moved."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from inspection import files
from inspection.errors import CheckHistory
from inspection.pictures import piece

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Assigned:
    """What was written down.

    Attributes:
        pieces: name of a piece (`piece.name`) -> split.
        serials: serial -> split of the pieces of every kind that bear it: of files from before kinds were told apart.
    """

    pieces: Mapping[str, str]
    serials: Mapping[str, str]

    def of(self, names: Iterable[str]) -> dict[str, str]:
        """Name of a piece -> its split, of those `names` that have one."""
        found = {one: self.pieces.get(one) or self.serials.get(piece.serial(one)) for one in names}
        return {one: split for one, split in found.items() if split}


def read_assignments(folder: Path) -> Assigned:
    """Who is where, from every file in the folder; a file without the column `part` speaks of every kind of part.

    Raises:
        CheckHistory: a piece stands in two splits, a split is unknown, or a file is damaged.
    """
    pieces: dict[str, str] = {}
    serials: dict[str, str] = {}
    for path in sorted(folder.glob("*.csv")):
        for part, serial, split in _rows(path):
            known, named = (serials, serial) if part is None else (pieces, piece.name(part, serial))
            if not serial or part == "" or split not in SPLITS or known.setdefault(named, split) != split:
                raise _moved(path, named, split)
    for named, split in pieces.items():
        if serials.get(piece.serial(named), split) != split:
            raise _moved(folder, named, split)
    return Assigned(pieces, serials)


def append_assignments(folder: Path, table: pd.DataFrame) -> Path | None:
    """Write down the pieces of `table` (`part`, `serial`, `assigned`) that are not assigned yet; the new file, if any.

    It is there whole or not at all, and never in the place of another.

    Raises:
        CheckHistory: the table has a piece in two splits, or in none.
    """
    new = table.assign(piece=piece.of(table))
    have = read_assignments(folder).of(new["piece"].unique())
    new = new[["part", "serial", "assigned", "piece"]].drop_duplicates().sort_values(["serial", "part"])
    new = new[~new["piece"].isin(have)].rename(columns={"assigned": "split"})
    if new.empty:
        return None
    if (twice := new["piece"].duplicated()).any():
        raise CheckHistory(f"{new['piece'][twice].iloc[0]} would be in two splits; nothing is written.")
    if (strange := ~new["split"].isin(SPLITS)).any():
        named, split = new.loc[strange, ["piece", "split"]].iloc[0]
        raise CheckHistory(f"{named} would be assigned to {split}, which is no split; nothing is written.")
    number = max((int(path.stem) for path in folder.glob("*.csv") if path.stem.isdigit()), default=-1) + 1
    path = folder / f"{number:04d}.csv"
    part = path.with_suffix(".part")
    files.write(part, new[["part", "serial", "split"]].to_csv(index=False))
    os.link(part, path)  # unlike a rename, refuses a name that is taken
    part.unlink()
    return path


def _rows(path: Path) -> Iterator[tuple[str | None, str, str]]:
    """Part (None: the file does not tell them apart), serial and split of each line."""
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
        parts = rows["part"] if "part" in rows else [None] * len(rows)
        return zip(parts, rows["serial"], rows["split"], strict=True)
    except (ValueError, KeyError):
        raise CheckHistory(f"{path} is damaged: restore it (`git restore {path}`).") from None


def _moved(path: Path, named: str, split: str) -> CheckHistory:
    return CheckHistory(f"{path}: {named} is assigned to {split}, against what was written before.")
