"""The package, from files, on test -> metrics, slices, one row per image; the champion's rows beside them."""

import json
from dataclasses import asdict
from typing import Any

import pandas as pd

from inspection import fingerprint
from inspection.layout import Layout
from inspection.model import metrics
from inspection.model.champion import champion_package, read_champion
from inspection.model.package import Card, Package, package_hash
from inspection.model.scoring import score, test_set
from inspection.params import Params, read_params
from inspection.progress import progress
from inspection.tables import read_table, write_table


def report(rows: pd.DataFrame, card: Card, settings: Params) -> dict[str, Any]:
    """Headline figures with their interval, recall by class, slices; `rows` is a scored test set."""
    verdict, classes = settings.verdict, sorted(rows["label"].unique())
    figures = metrics.figures(rows, classes, verdict.part, verdict.cost_escape, verdict.cost_false_reject)
    low, high = metrics.interval(rows, classes)
    return {
        **figures,
        "balanced_accuracy_low": low,
        "balanced_accuracy_high": high,
        "recall": {name: asdict(one) for name, one in metrics.recall_by_class(rows, classes).items()},
        "slices": metrics.slices(rows, verdict.part, settings.evaluate.min_slice),
        "unknown_classes": sorted(set(classes) - set(card.classes)),
        "notes": _notes(figures),
        "meaning": {name: {"better": better, "unit": unit} for name, (better, unit) in metrics.MEANING.items()},
    }


def headline(full: dict[str, Any]) -> dict[str, Any]:
    """The plain numbers for `dvc metrics show`."""
    return {name: value for name, value in full.items() if isinstance(value, int | float | str)}


def _notes(figures: dict[str, Any]) -> list[str]:
    notes = []
    if not figures["good_parts"]:
        notes.append("There are no good parts in the test set: false rejects do not apply.")
    if not figures["defective_parts"]:
        notes.append("There are no defective parts in the test set: escapes do not apply.")
    return notes


def main() -> None:
    layout = Layout.find()
    settings = read_params(layout.params)
    table, test_hash = test_set(read_table(layout.split))
    package, champion = Package(layout.candidate), read_champion(layout.champion)
    packages = [package, *([Package(champion_package(layout, champion))] if champion.package else [])]
    with progress("evaluating", len(table)) as advance:
        rows, *others = score(packages, table, layout, settings.ingest.max_megapixels, advance)
    full = {"test_set": test_hash, "package": package_hash(layout.candidate), **report(rows, package.card, settings)}
    for name, content in (("metrics", headline(full)), ("evaluation", full)):
        (layout.reports / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    rows[["label", "predicted"]].to_csv(layout.reports / "confusion.csv", index=False)
    write_table(rows, layout.reports / "predictions.parquet")
    write_table(others[0] if others else rows[:0], layout.reports / "champion.parquet")
    print(
        f"test: balanced accuracy {full['balanced_accuracy']:.3f} (95 % {full['balanced_accuracy_low']:.3f} to "
        f"{full['balanced_accuracy_high']:.3f}), macro-F1 {full['macro_f1']:.3f}; parts: {full['escapes']} of "
        f"{full['defective_parts']} defective ones passed, {full['false_rejects']} of {full['good_parts']} "
        "good ones rejected"
    )


if __name__ == "__main__":
    fingerprint.run("evaluate", main)
