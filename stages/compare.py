"""Candidate and champion on the same test, now -> decision.json with reasons."""

import json
from dataclasses import replace
from typing import Any

import pandas as pd

from inspection import metrics
from inspection.champion import champion_package, read_champion
from inspection.errors import in_words
from inspection.layout import Layout
from inspection.package import Package, package_hash
from inspection.params import Params, read_params
from inspection.promotion import Scores, decide
from inspection.scoring import test_hash
from inspection.tables import read_table


def scores(rows: pd.DataFrame, test_set: str, package: Package, settings: Params) -> Scores:
    """What the gate needs to know of one package; the figures run over the classes of the test set."""
    verdict = settings.verdict
    classes = sorted(rows["label"].unique())
    recalls = metrics.recall_by_class(rows, [name for name in classes if name in package.card.classes])
    return Scores(
        test_set,
        metrics.figures(rows, classes, verdict.part, verdict.cost_escape, verdict.cost_false_reject),
        {name: (one.hits, one.n) for name, one in recalls.items()},
    )


def changes(candidate: pd.DataFrame, champion: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Class -> (images that only the champion calls right, images that only the candidate does), same rows in both."""
    new, old = (rows["label"].eq(rows["predicted"]) for rows in (candidate, champion))
    return {
        str(name): (int((old & ~new)[mask].sum()), int((new & ~old)[mask].sum()))
        for name in candidate["label"].unique()
        for mask in [candidate["label"] == name]
    }


def side(name: str | None, package: Package, judged: Scores) -> dict[str, Any]:
    """One side of the comparison, for the record."""
    recalls = {label: {"right": right, "images": n} for label, (right, n) in judged.recalls.items()}
    return {"version": name, "package": package_hash(package.folder), "figures": judged.figures, "recall": recalls}


def main() -> None:
    layout = Layout.find()
    settings = read_params(layout.params)
    champion = read_champion(layout.champion)
    packages = [Package(layout.candidate)]
    scored = [read_table(layout.reports / "predictions.parquet")]
    if champion.package:
        packages.append(Package(champion_package(layout, champion)))
        scored.append(read_table(layout.reports / "champion.parquet"))
    judged = [scores(rows, test_hash(rows), package, settings) for rows, package in zip(scored, packages, strict=True)]
    if len(scored) > 1:
        judged[0] = replace(judged[0], changes=changes(scored[0], scored[1]))
    decision = decide(judged[0], judged[1] if len(judged) > 1 else None, settings.promotion)
    record = {
        "promote": decision.promote,
        "reasons": decision.reasons,
        "objections": decision.objections,
        "test_set": {"hash": judged[0].test_set, "images": len(scored[0]), "parts": int(scored[0]["serial"].nunique())},
        "candidate": side(None, packages[0], judged[0]),
        "champion": side(champion.version, packages[1], judged[1]) if len(judged) > 1 else None,
    }
    (layout.reports / "decision.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print("The candidate may be put before a person." if decision.promote else "The candidate is refused.")
    for line in (*decision.objections, *decision.reasons):
        print(f"  {'✗' if line in decision.objections else '✓'} {line}")


if __name__ == "__main__":
    in_words(main)
