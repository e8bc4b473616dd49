"""A folder of labelled pictures as the rows that training stands on, in folds that share no part."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from inspection.pictures import piece

FOLDS = 5


@dataclass(frozen=True)
class Fold:
    """One fifth as test, a fifth of the rest as validation."""

    number: int
    train: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame


def read(data: Path, serial_column: str | None, order_column: str | None) -> pd.DataFrame:
    """One row per picture with the columns that training reads; exact duplicates are one part, as are the pictures
    that share their `serial_column`."""
    table = pd.read_csv(data / "metadata.csv")
    digests = [hashlib.sha256((data / name).read_bytes()).hexdigest() for name in table["file"]]
    order = table[order_column] if order_column else pd.Series(range(len(table)))
    return pd.DataFrame(
        {
            "image_id": digests,
            "path": table["file"],
            "label": table["label"].astype(str),
            "serial": table[serial_column].astype(str) if serial_column else digests,
            "camera": "cam",
            "part": table["part"].astype(str) if "part" in table else "part",
            "line": "A",
            "black": 0,
            "white": 255,
            "captured_at": pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(order.rank(), unit="min"),
        }
    )


def folds(table: pd.DataFrame, seed: int = 0) -> Iterator[Fold]:
    """Five folds, grouped by part and stratified by class."""
    outer = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (rest, test) in enumerate(outer.split(table, table["label"], piece.of(table))):
        some = table.iloc[rest]
        inner = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
        train, val = next(inner.split(some, some["label"], piece.of(some)))
        yield Fold(number, some.iloc[train], some.iloc[val], table.iloc[test])


def macro_f1(labels: np.ndarray, called: np.ndarray, classes: int) -> float:
    """Mean over the classes that occur of 2 TP / (2 TP + FP + FN)."""
    scores = [
        2 * ((labels == one) & (called == one)).sum() / ((labels == one).sum() + (called == one).sum())
        for one in range(classes)
        if (labels == one).any()
    ]
    return float(np.mean(scores))
