"""Candidate and champion on the same test, now -> decision.json with reasons."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from inspection import fingerprint
from inspection.layout import Layout
from inspection.model import metrics
from inspection.model.champion import champion_package, read_champion
from inspection.model.package import Package, package_hash
from inspection.model.scoring import test_hash
from inspection.params import Params, read_params
from inspection.pictures import piece
from inspection.records.labels import Renaming, in_cut, learned_as
from inspection.release.promotion import Scores, decide
from inspection.tables import read_table


@dataclass(frozen=True, eq=False)
class Side:
    """A package with its verdict on every test image.

    Attributes:
        version: None of a candidate.
        package: its hash.
        rows: as `scoring.score` gives them.
    """

    version: str | None
    package: str
    classes: Sequence[str]
    rows: pd.DataFrame


def compare(candidate: Side, champion: Side | None, settings: Params) -> dict[str, Any]:
    """The decision with its reasons, what was forgotten by slice, and how both sides did, for the record.

    Raises:
        ValueError: the two were not tried on the same images, in the same order.
    """
    known = champion.classes if champion else None
    new = scores(candidate, settings, known)
    old = scores(champion, settings, known) if champion else None
    decision = decide(new, old, settings.promotion)
    return {
        **asdict(decision),
        "test_set": {"hash": new.test_set, "images": len(new.rows), "parts": int(piece.of(new.rows).nunique())},
        "candidate": _side(candidate, new),
        "champion": _side(champion, old) if champion and old else None,
    }


def scores(side: Side, settings: Params, known: Sequence[str] | None = None) -> Scores:
    """What the gate needs to know of one package; the figures run over the classes of the test set, and over those that
    are `known` to the champion (None: to all)."""
    verdict = settings.verdict

    def figures(rows: pd.DataFrame) -> dict[str, Any]:
        classes = sorted(rows["label"].unique())
        return metrics.figures(rows, classes, verdict.part, verdict.cost_escape, verdict.cost_false_reject)

    rows = side.rows
    own = piece.of(rows)
    news = own[~rows["label"].isin(known)] if known is not None else ()
    full, old = figures(rows), rows[~own.isin(news)]
    return Scores(test_hash(rows), full, figures(old) if 0 < len(old) < len(rows) else full, side.classes, rows)


def _side(side: Side, judged: Scores) -> dict[str, Any]:
    recalls = {label: {"right": right, "images": n} for label, (right, n) in judged.recalls.items()}
    return {"version": side.version, "package": side.package, "figures": judged.figures, "recall": recalls}


def _read(version: str | None, folder: Path, rows: Path, names: Sequence[Renaming] = ()) -> Side:
    """One side, its classes under the `names` that they have now: those that a model learned may be older."""
    table, now = read_table(rows), learned_as(Package(folder).card.classes, names)
    table = table.assign(predicted=[now.get(str(name), str(name)) for name in table["predicted"]])
    return Side(version, package_hash(folder), list(now.values()), table)


def main() -> None:
    layout = Layout.find()
    settings = read_params(layout.params)
    known, champion = read_champion(layout.champion), None
    candidate = _read(None, layout.candidate, layout.reports / "predictions.parquet")
    if known.package:
        champion = _read(
            known.version, champion_package(layout, known), layout.reports / "champion.parquet", in_cut(layout)
        )
    record = compare(candidate, champion, settings)
    (layout.reports / "decision.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print("The candidate may be put before a person." if record["promote"] else "The candidate is refused.")
    for mark, name in (("✗", "objections"), ("✓", "reasons")):
        for line in record[name]:
            print(f"  {mark} {line}")


if __name__ == "__main__":
    fingerprint.run("compare", main)
