"""Who is in train, val and test: written once, never moved."""

import os
from pathlib import Path

import pandas as pd

from inspection import files
from inspection.errors import CheckHistory

SPLITS = ("train", "val", "test")


def read_assignments(folder: Path) -> dict[str, str]:
    """Serial -> split, from every file in the folder.

    Raises:
        CheckHistory: a serial stands in two splits, a split is unknown, or a file is damaged.
    """
    assigned: dict[str, str] = {}
    for path in sorted(folder.glob("*.csv")):
        try:
            rows = pd.read_csv(path, dtype=str, keep_default_na=False)[["serial", "split"]]
        except (ValueError, KeyError):
            raise CheckHistory(f"{path} is damaged: restore it (`git restore {path}`).") from None
        for serial, split in rows.itertuples(index=False):
            if split not in SPLITS or assigned.setdefault(serial, split) != split:
                raise CheckHistory(f"{path}: {serial} is assigned to {split}, against what was written before.")
    return assigned


def append_assignments(folder: Path, table: pd.DataFrame) -> Path | None:
    """Write down the serials of `table` (`serial`, `assigned`) that are not assigned yet; the new file, if any.

    It is there whole or not at all, and never in the place of another.

    Raises:
        CheckHistory: the table has a serial in two splits, or in none.
    """
    have = read_assignments(folder)
    new = table[["serial", "assigned"]].drop_duplicates().sort_values("serial")
    new = new[~new["serial"].isin(have)].rename(columns={"assigned": "split"})
    if new.empty:
        return None
    if (twice := new["serial"].duplicated()).any():
        raise CheckHistory(f"{new['serial'][twice].iloc[0]} would be in two splits; nothing is written.")
    if (strange := ~new["split"].isin(SPLITS)).any():
        serial, split = new[strange].iloc[0]
        raise CheckHistory(f"{serial} would be assigned to {split}, which is no split; nothing is written.")
    number = max((int(path.stem) for path in folder.glob("*.csv") if path.stem.isdigit()), default=-1) + 1
    path = folder / f"{number:04d}.csv"
    part = path.with_suffix(".part")
    files.write(part, new.to_csv(index=False))
    os.link(part, path)  # unlike a rename, refuses a name that is taken
    part.unlink()
    return path
