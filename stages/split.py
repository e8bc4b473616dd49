"""Table + assignments -> train / val / test: no part in two of them, nothing ever moves."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import pandas as pd

from inspection.assignments import SPLITS, read_assignments
from inspection.errors import in_words
from inspection.layout import Layout
from inspection.params import Split, read_params
from inspection.tables import read_table, write_table


def split(table: pd.DataFrame, assigned: Mapping[str, str], settings: Split) -> pd.DataFrame:
    """`table` with a column `split`. Serials that are assigned stay; each new one goes where its class, and
    within it its camera and part type, lacks most."""
    wanted = {
        "train": 1 - settings.val_share - settings.test_share,
        "val": settings.val_share,
        "test": settings.test_share,
    }
    strata = _strata(table)
    counts: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    placed = {serial: assigned[serial] for serial in strata if serial in assigned}
    for serial, place in placed.items():
        _count(counts, strata[serial], place)
    for serial in sorted(strata.keys() - placed.keys(), key=lambda serial: _order(serial, settings.seed)):
        place = max(SPLITS, key=lambda name: _lack(counts, strata[serial], name, wanted[name]))
        placed[serial] = place
        _count(counts, strata[serial], place)
    return table.assign(split=table["serial"].map(placed))


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Images and parts by split and class."""
    return {
        name: {
            "images": len(rows),
            "parts": int(rows["serial"].nunique()),
            "by_class": {str(k): int(v) for k, v in rows["label"].value_counts().sort_index().items()},
        }
        for name in SPLITS
        for rows in [table[table["split"] == name]]
    }


def _strata(table: pd.DataFrame) -> dict[str, tuple[str, str, str]]:
    """Serial -> (its rarest class, camera, part type)."""
    rarity = table["label"].value_counts()
    rarest = table.assign(rarity=table["label"].map(rarity)).sort_values(["rarity", "label", "image_id"])
    first = rarest.drop_duplicates("serial")
    keys = zip(first["label"], first["camera"], first["part"], strict=True)
    return dict(zip(first["serial"], keys, strict=True))


def _count(counts: dict[tuple[str, ...], Counter[str]], stratum: tuple[str, str, str], place: str) -> None:
    counts[stratum[:1]][place] += 1
    counts[stratum][place] += 1


def _lack(counts: dict[tuple[str, ...], Counter[str]], stratum: tuple[str, str, str], name: str, share: float) -> float:
    """By how many parts split `name` is short of its share, of the class and half as much of the stratum."""
    of_class, of_stratum = counts[stratum[:1]], counts[stratum]
    return (of_class.total() + 1) * share - of_class[name] + 0.5 * ((of_stratum.total() + 1) * share - of_stratum[name])


def _order(serial: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{serial}".encode()).hexdigest()


def main() -> None:
    layout = Layout.find()
    table = split(read_table(layout.snapshot), read_assignments(layout.assignments), read_params(layout.params).split)
    write_table(table, layout.split)
    report = summary(table)
    (layout.reports / "split.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(", ".join(f"{name}: {one['images']} images of {one['parts']} parts" for name, one in report.items()))


if __name__ == "__main__":
    in_words(main)
