"""The cut -> the labelled table that this training run stands on, and what is set aside from it, with the reason."""

import hashlib
from collections.abc import Mapping, Sequence

import pandas as pd
import pyarrow as pa

from inspection import fingerprint
from inspection.cameras import Camera, read_cameras
from inspection.chain import Event
from inspection.errors import CheckHistory, FetchData, FixInput
from inspection.layout import Layout
from inspection.records import batches, ledger
from inspection.records.cut import Cut, read_cut
from inspection.records.labels import Label, conflicts, standing
from inspection.tables import write_table
from inspection.taxonomy import Taxonomy, read_taxonomy

SHOT = ("format", "width", "height", "bit_depth", "black", "white")
READ = ("capture_id", "image_id", "line", "camera", "part", "serial", "captured_at", "path", "batch", *SHOT)
COLUMNS = ("image_id", "label", "acceptable", *READ[2:], "serials")
SET_ASIDE = ("image_id", "label", "serial", "camera", "captured_at", "path", "batch", "reason")


def labelled(
    captures: pd.DataFrame, labels: Mapping[str, Label], states: Mapping[str, str], taxonomy: Taxonomy
) -> pd.DataFrame:
    """One row per labelled image, by image_id: its capture, `label`, `acceptable`, whether the label is `stale`, the
    `state` of its batch, and the `serials` under which its bytes were captured, sorted. An image captured twice stands
    with its first capture in a usable batch.

    Args:
        captures: the manifests of every batch in the cut; columns READ.
        states: batch -> its state, as `batches.states` gives it.
    """
    columns = ("image_id", "label", "stale")
    given = pd.DataFrame([(one.image_id, one.label, one.stale) for one in labels.values()], columns=columns)
    table = captures.merge(given.astype({"image_id": "str", "label": "str", "stale": bool}), on="image_id")
    table = table.assign(state=table["batch"].map(states).astype("str"))
    table = table.assign(usable=table["state"].isin(batches.USABLE))
    again = table["image_id"].duplicated(keep=False)
    twice = table[again].sort_values(["usable", "captured_at", "capture_id"], ascending=[False, True, True])
    several = twice.groupby("image_id")["serial"].agg(lambda them: sorted(set(them)))
    table = pd.concat([table[~again], twice.drop_duplicates("image_id")]).sort_values("image_id", ignore_index=True)
    passing = [name for name, defect in taxonomy.classes.items() if defect.acceptable]
    own = zip(table["image_id"], table["serial"], strict=True)
    serials = pd.Series([several.get(image, [serial]) for image, serial in own], table.index, object)
    return table.assign(serials=serials, acceptable=table["label"].isin(passing))


def reasons(table: pd.DataFrame, cut: Cut, taxonomy: Taxonomy, cameras: Mapping[str, Camera]) -> pd.Series:
    """Why each row of `labelled` is set aside, or "": the first of these that holds.

    "held" or "discarded", its batch; "class", its label is no longer declared; "stale"; "excluded" by the cut;
    "conflict", labels of one part differ among what is left, though its camera sees one side of it.
    """
    why = table["state"].mask(table["usable"], "")
    for reason, holds in {
        "class": ~table["label"].isin(taxonomy.classes),
        "stale": table["stale"],
        "excluded": table["image_id"].isin(cut.exclusions),
    }.items():
        why = why.mask(holds & (why == ""), reason)
    return why.mask(why.index.isin(conflicts(table[why == ""], cameras).index), "conflict")


def read_captures(events: Sequence[Event], layout: Layout) -> pd.DataFrame:
    """Every capture of the batches that the events name; columns READ.

    Raises:
        FetchData: a batch is not on this disk.
        CheckHistory: a manifest is not the one that was accepted.
    """
    none = pa.schema([batches.SCHEMA.field(name) for name in READ]).empty_table()
    tables = [_manifest(event, layout) for event in events if event.kind == "batch"]
    table = pa.concat_tables([none, *tables], promote_options="default").combine_chunks()
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


def _manifest(event: Event, layout: Layout) -> pa.Table:
    """One file read once, for its hash and its columns: 0.6 ms; memory maps and pyarrow.dataset take longer."""
    folder = layout.batches / event.body["partition"] / event.body["batch"]
    path = folder / batches.MANIFEST
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FetchData(f"Batch {folder.name} is not on this disk: run `dvc pull {folder.parent}.dvc`.") from None
    if hashlib.sha256(content).hexdigest() != event.body["manifest"]:
        raise CheckHistory(f"{path} was changed after it was accepted: run `dvc checkout`.")
    return batches.read_columns(pa.BufferReader(content), READ)


def main() -> None:
    layout = Layout.find()
    cut, taxonomy, cameras = read_cut(layout.cut), read_taxonomy(layout.taxonomy), read_cameras(layout.cameras)
    events = ledger.read(layout, upto=cut.head) if cut.events else []
    table = labelled(read_captures(events, layout), standing(events), batches.states(events), taxonomy)
    why = reasons(table, cut, taxonomy, cameras)
    aside, table = table.assign(reason=why)[why != ""], table[why == ""]
    told = ", ".join(f"{count} {reason}" for reason, count in aside["reason"].value_counts().sort_index().items())
    if table.empty and aside.empty:
        raise FixInput(
            "No labelled images yet, so there is nothing to train on. Take images in with `andon ingest`, "
            "labels with `andon label import CSV`, then run `andon retrain`."
        )
    if table.empty:
        raise FixInput(
            f"No labelled image may be used: {told}. `andon label stale` and `andon label conflicts` list what "
            "people have to look at again."
        )
    write_table(table[list(COLUMNS)].reset_index(drop=True), layout.snapshot)
    write_table(aside[list(SET_ASIDE)].reset_index(drop=True), layout.set_aside)
    print(f"{len(table)} labelled images of {table['serial'].nunique()} parts in {table['label'].nunique()} classes")
    if told:
        print(f"set aside: {told}")


if __name__ == "__main__":
    fingerprint.run("snapshot", main)
