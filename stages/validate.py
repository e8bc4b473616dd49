"""Table -> Great Expectations verdict on the data set."""

import json
from typing import Any

import pandas as pd

from inspection import contract
from inspection.errors import FixInput, in_words
from inspection.layout import Layout
from inspection.params import Validate, read_params, read_taxonomy
from inspection.tables import read_table


def thin_classes(table: pd.DataFrame, least: int) -> dict[str, int]:
    """Classes with fewer than `least` parts -> their parts."""
    parts = table.groupby("label")["serial"].nunique()
    return {str(name): int(count) for name, count in parts[parts < least].items()}


def summary(table: pd.DataFrame, verdict: contract.Verdict, settings: Validate) -> dict[str, Any]:
    """What the stage reports: the verdict, the counts, and what one should know before training."""
    return {
        "success": verdict.success,
        "images": len(table),
        "parts": int(table["serial"].nunique()),
        "images_by_class": {str(k): int(v) for k, v in table["label"].value_counts().sort_index().items()},
        "images_by_camera": {str(k): int(v) for k, v in table["camera"].value_counts().sort_index().items()},
        "thin_classes": thin_classes(table, settings.min_parts_per_class),
        "acceptable_images": int(table["acceptable"].sum()),
        "expectations": list(verdict.expectations),
        "broken_rows": dict(sorted(verdict.reasons.items())[:100]),
    }


def main() -> None:
    layout = Layout.find()
    settings = read_params(layout.params).validate_
    table, taxonomy = read_table(layout.snapshot), read_taxonomy(layout.taxonomy)
    missing = ~table["path"].map(lambda path: (layout.home / path).is_file()).astype(bool)
    verdict = contract.check_snapshot(table, taxonomy, missing, settings.max_missing_share)
    report = summary(table, verdict, settings)
    layout.reports.mkdir(exist_ok=True)
    (layout.reports / "validate.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if not verdict.success:
        image_id, reason = next(iter(sorted(verdict.reasons.items())), ("the table", "breaks its contract"))
        raise FixInput(f"The labelled images break their contract; first: {image_id[:12]}: {reason}.")
    if len(table) < settings.min_images:
        raise FixInput(f"{len(table)} labelled images are too few to train on; {settings.min_images} are needed.")
    if table["label"].nunique() < 2:
        raise FixInput(f"Every label is {table['label'].iloc[0]}; a model needs images of at least two classes.")
    for name, parts in report["thin_classes"].items():
        print(f"Class {name} has only {parts} part(s): what the model says of it is a guess.")
    print(f"{report['images']} images of {report['parts']} parts hold their contract")


if __name__ == "__main__":
    in_words(main)
