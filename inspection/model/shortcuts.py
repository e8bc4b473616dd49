"""What a model might learn instead of the defect: a camera, a day, the form of a file."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, hypergeom

from inspection.pictures import piece

LEAST_EXPECTED = 5.0  # parts: where fewer would be expected, their absence says nothing
CHANCE = 0.001  # of a cell of format × class as full as it is, times the number of cells
LEAST_LINK = 0.3  # Cramér's V below which a file's form says little of its class
FEW_SIZES = 8  # more sizes than these are taken by quarters of their area


@dataclass(frozen=True)
class Finding:
    """One thing to know before training: what it is about, what was found, and what to do."""

    about: str
    text: str
    todo: str


def absent(table: pd.DataFrame) -> list[Finding]:
    """Classes of which a camera saw no part, though by its share of the parts 5 or more would be expected."""
    seen = crossed(table, table["camera"])
    expected = np.outer(seen.sum(1), seen.sum(0)) / max(int(seen.to_numpy().sum()), 1)
    return [
        Finding(
            "camera",
            f"{camera} has shown no part of class {label}; {expected[i, j]:.0f} would be expected among its "
            f"{int(seen[camera].sum())} parts.",
            "If the class can occur there, label some; until then a model may learn the camera instead of the defect.",
        )
        for i, label in enumerate(seen.index)
        for j, camera in enumerate(seen.columns)
        if seen.iloc[i, j] == 0 and expected[i, j] >= LEAST_EXPECTED
    ]


def crowded(table: pd.DataFrame) -> list[Finding]:
    """Classes whose parts, 5 or more, are all of one day, where chance alone would spread them."""
    seen = crossed(table, days_of(table))
    share = seen.sum() / max(int(seen.to_numpy().sum()), 1)
    told = []
    for label, row in seen.iterrows():
        parts, days = int(row.sum()), row[row > 0].index
        expected = float((1 - (1 - share) ** parts).sum())
        if len(days) == 1 and parts >= LEAST_EXPECTED and float((share**parts).sum()) < CHANCE:
            text = (
                f"All {parts} parts of class {label} are of one day, {days[0]}; {expected:.0f} of {seen.shape[1]} days"
            )
            todo = "Label some of other days; until then a model may learn that day's light instead of the defect."
            told.append(Finding("day", f"{text} would be expected.", todo))
    return told


def giveaways(table: pd.DataFrame) -> list[Finding]:
    """Forms of files (format, size, bit depth) that tell a camera's classes apart.

    Cramér's V without its bias (Bergsma, J. Korean Stat. Soc. 42 (2013)); a cell's chance is hypergeometric (Fisher).
    """
    told = []
    for camera, rows in table.groupby("camera", sort=True):
        for about, form in forms(rows).items():
            seen = crossed(rows, form)
            if min(seen.shape) < 2 or (link := _cramers_v(seen)) < LEAST_LINK:
                continue
            label, kind, chance, expected = _fullest(seen)
            if chance < CHANCE:
                text = (
                    f"{camera}: {int(seen.loc[label, kind])} of {int(seen[kind].sum())} parts with {about} {kind} are "
                    f"of class {label}; {expected:.0f} would be expected (Cramér's V {link:.2f})."
                )
                todo = "Export all classes alike; until then a model may learn the file instead of the defect."
                told.append(Finding(about, text, todo))
    return told


def crossed(table: pd.DataFrame, by: pd.Series) -> pd.DataFrame:
    """Parts by class (rows) and `by` (columns)."""
    frame = pd.DataFrame({"piece": piece.of(table), "label": table["label"].astype(str), "by": by.astype(str)})
    frame = frame.drop_duplicates()
    return pd.crosstab(frame["label"], frame["by"])


def forms(table: pd.DataFrame) -> dict[str, pd.Series]:
    """What a file's form tells: format, bit depth and size (by quarters of the area where there are many sizes)."""
    size = table["width"].astype(str) + "×" + table["height"].astype(str) + " px"
    if size.nunique() > FEW_SIZES:
        area = table["width"] * table["height"]
        edges = [0, *sorted(set(area.quantile([0.25, 0.5, 0.75, 1])))]
        size = pd.cut(area, edges, labels=[f"up to {edge:,.0f} px²" for edge in edges[1:]])
    return {"format": table["format"], "bit depth": table["bit_depth"], "size": size}


def _cramers_v(seen: pd.DataFrame) -> float:
    total, (height, width) = seen.to_numpy().sum(), seen.shape
    over = (height - 1) * (width - 1) / (total - 1)
    phi2 = max(0.0, chi2_contingency(seen, correction=False).statistic / total - over)
    side = min(height - (height - 1) ** 2 / (total - 1), width - (width - 1) ** 2 / (total - 1)) - 1
    return float(np.sqrt(phi2 / side)) if side > 0 else 0.0


def _fullest(seen: pd.DataFrame) -> tuple[str, str, float, float]:
    """The cell that is least likely to be so full: its row, column, chance (times the number of cells) and the count
    that would be expected."""
    cells = seen.to_numpy()
    total, rows, columns = cells.sum(), cells.sum(1)[:, None], cells.sum(0)[None, :]
    chance = hypergeom.sf(cells - 1, total, rows, columns)
    i, j = np.unravel_index(np.argmin(chance), chance.shape)
    expected = rows[i, 0] * columns[0, j] / total
    return str(seen.index[i]), str(seen.columns[j]), float(chance[i, j] * cells.size), float(expected)


def days_of(table: pd.DataFrame) -> pd.Series:
    """On which day (UTC) each picture was taken."""
    return table["captured_at"].dt.strftime("%Y-%m-%d")
