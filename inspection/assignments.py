"""Who is in train, val and test: written once, never moved."""

from pathlib import Path

import pandas as pd

from inspection.errors import CheckHistory

SPLITS = ("train", "val", "test")


def read_assignments(folder: Path) -> dict[str, str]:
    """Serial -> split, from every file in the folder.

    Raises:
        CheckHistory: a serial stands in two splits, or a split is unknown.
    """
    assigned: dict[str, str] = {}
    for path in sorted(folder.glob("*.csv")):
        for serial, split in pd.read_csv(path, dtype=str, keep_default_na=False).itertuples(index=False):
            if split not in SPLITS or assigned.setdefault(serial, split) != split:
                raise CheckHistory(f"{path}: {serial} is assigned to {split}, against what was written before.")
    return assigned


def append_assignments(folder: Path, table: pd.DataFrame) -> Path | None:
    """Write down the serials of `table` (`serial`, `split`) that are not assigned yet; the new file, if any.

    Raises:
        CheckHistory: the table has a serial in two splits.
    """
    have = read_assignments(folder)
    new = table[["serial", "split"]].drop_duplicates().sort_values("serial")
    new = new[~new["serial"].isin(have)]
    if new.empty:
        return None
    if new["serial"].duplicated().any():
        raise CheckHistory(
            f"{new['serial'][new['serial'].duplicated()].iloc[0]} would be in two splits; nothing is written."
        )
    number = max((int(path.stem) for path in folder.glob("*.csv") if path.stem.isdigit()), default=-1) + 1
    path = folder / f"{number:04d}.csv"
    with path.open("x", encoding="utf-8", newline="") as file:
        new.to_csv(file, index=False)
    return path
