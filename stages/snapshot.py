"""The cut -> the labelled table that this training run stands on."""

from collections.abc import Mapping, Sequence

import pandas as pd

from inspection import batches, ledger
from inspection.chain import Event
from inspection.cut import Cut, read_cut
from inspection.errors import CheckHistory, FixInput, in_words
from inspection.layout import Layout
from inspection.params import Taxonomy, read_taxonomy
from inspection.tables import write_table

COLUMNS = ("image_id", "label", "acceptable", "line", "camera", "part", "serial", "captured_at", "path", "batch")


def snapshot(captures: pd.DataFrame, labels: Mapping[str, str], cut: Cut, taxonomy: Taxonomy) -> pd.DataFrame:
    """One row per labelled image, by image_id; an image captured twice stands with its first capture.

    Args:
        captures: the manifests of every batch in the cut.
        labels: image_id -> its latest label.
    """
    table = captures.sort_values(["captured_at", "capture_id"]).drop_duplicates("image_id")
    table = table[table["image_id"].isin(labels) & ~table["image_id"].isin(cut.exclusions)]
    table = table.assign(label=table["image_id"].map(dict(labels)))
    table = table[table["label"].isin(taxonomy.classes)]
    acceptable = {name: defect.acceptable for name, defect in taxonomy.classes.items()}
    table = table.assign(acceptable=table["label"].map(acceptable).astype(bool))
    return table[list(COLUMNS)].sort_values("image_id").reset_index(drop=True)


def latest_labels(events: Sequence[Event]) -> dict[str, str]:
    """image_id -> the label it was given last."""
    return {e.body["image_id"]: e.body["label"] for e in events if e.kind == "label"}


def _captures(events: Sequence[Event], layout: Layout) -> pd.DataFrame:
    frames = []
    for event in (e for e in events if e.kind == "batch"):
        folder = layout.batches / event.body["partition"] / event.body["batch"]
        frames.append(batches.read_manifest(folder))
        if batches.digest(folder / batches.MANIFEST) != event.body["manifest"]:
            raise CheckHistory(f"{folder / batches.MANIFEST} was changed after it was accepted: run `dvc checkout`.")
    return batches.join(frames)


def main() -> None:
    layout = Layout.find()
    cut, taxonomy = read_cut(layout.cut), read_taxonomy(layout.taxonomy)
    events = ledger.read(layout, upto=cut.head) if cut.events else []
    table = snapshot(_captures(events, layout), latest_labels(events), cut, taxonomy)
    if table.empty:
        raise FixInput(
            "No labelled images yet, so there is nothing to train on. Take images in with `andon ingest`, "
            "labels with `andon label import CSV`, then run `andon retrain`."
        )
    write_table(table, layout.snapshot)
    print(f"{len(table)} labelled images of {table['serial'].nunique()} parts in {table['label'].nunique()} classes")


if __name__ == "__main__":
    in_words(main)
