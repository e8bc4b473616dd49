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
from inspection.pictures import piece, returned, sides
from inspection.records import batches, incidents, ledger
from inspection.records.labels import Label, standing
from inspection.records.ledger import Cut, read_cut
from inspection.release.aside import about, in_words, set_aside
from inspection.tables import write_table
from inspection.taxonomy import Taxonomy, read_taxonomy

SHOT = ("format", "width", "height", "bit_depth", "black", "white")
READ = ("capture_id", "image_id", "line", "camera", "part", "serial", "captured_at", "path", "batch", *SHOT)
COLUMNS = ("image_id", "label", "acceptable", *READ[2:], "pieces")
SET_ASIDE = (
    "image_id",
    "label",
    "acceptable",
    "part",
    "serial",
    "camera",
    "captured_at",
    "path",
    "batch",
    "reason",
    "of",
)


def labelled(
    captures: pd.DataFrame, labels: Mapping[str, Label], states: Mapping[str, str], taxonomy: Taxonomy
) -> pd.DataFrame:
    """One row per labelled image, by image_id: its capture, `label`, `acceptable`, whether the label is `stale`, the
    `state` of its batch, and the `pieces` as which its bytes were captured, sorted. An image captured twice stands with
    its first capture in a usable batch.

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
    several = piece.of(twice).groupby(twice["image_id"]).agg(lambda them: sorted(set(them)))
    table = pd.concat([table[~again], twice.drop_duplicates("image_id")]).sort_values("image_id", ignore_index=True)
    passing = [name for name, defect in taxonomy.classes.items() if defect.acceptable]
    own = zip(table["image_id"], piece.of(table), strict=True)
    pieces = pd.Series([several.get(image, [one]) for image, one in own], table.index, object)
    return table.assign(pieces=pieces, acceptable=table["label"].isin(passing))


def reasons(table: pd.DataFrame, cut: Cut, taxonomy: Taxonomy, cameras: Mapping[str, Camera]) -> pd.Series:
    """Why each row of `labelled` is set aside, or "", by `set_aside`; "excluded" is what the cut excludes."""
    return set_aside(table, table["image_id"].isin(cut.exclusions), taxonomy, cameras)


def read_captures(events: Sequence[Event], layout: Layout) -> pd.DataFrame:
    """Every capture of the batches that the events name, with the serials that tell pieces apart; columns READ.

    Raises:
        FetchData: a batch is not on this disk.
        CheckHistory: a manifest is not the one that was accepted.
    """
    none = pa.schema([batches.SCHEMA.field(name) for name in READ]).empty_table()
    tables = [_manifest(event, layout) for event in events if event.kind == "batch"]
    table = pa.concat_tables([none, *tables], promote_options="default").combine_chunks()
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return returned.applied(frame, returned.fold(events))


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
    of = about(table, why, incidents.held_back(incidents.fold(events), table))
    aside, table = table.assign(reason=why, of=of)[why != ""], table[why == ""]
    told = ", ".join(f"{count} {reason}" for reason, count in aside["reason"].value_counts().sort_index().items())
    judged = pd.concat([table, aside[aside["reason"] == "conflict"]])
    advice = sides.contradicted(judged, judged[len(table) :], cameras).values()
    if table.empty and aside.empty:
        raise FixInput(
            "No labelled images yet, so there is nothing to train on. Take images in with `andon ingest`, "
            "labels with `andon label import CSV`, then run `andon retrain`."
        )
    if table.empty:
        raise FixInput(
            f"No labelled image may be used: {told}. {in_words(aside)}. {' '.join(advice)}".rstrip(),
            "Take one of these ways back, or label more images, then run `andon retrain`.",
        )
    write_table(table[list(COLUMNS)].reset_index(drop=True), layout.snapshot)
    write_table(aside[list(SET_ASIDE)].reset_index(drop=True), layout.set_aside)
    print(f"{len(table)} labelled images of {piece.of(table).nunique()} parts in {table['label'].nunique()} classes")
    if told:
        print("\n".join((f"set aside: {told}", *advice)))


if __name__ == "__main__":
    fingerprint.run("snapshot", main)
