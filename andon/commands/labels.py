"""`label`: labels that people gave to images."""

from pathlib import Path
from typing import Annotated

import typer

from andon.options import By, Json, Why
from andon.show import emit, table
from andon.surroundings import plant
from inspection import files
from inspection.errors import FixInput

app = typer.Typer(no_args_is_help=True, help="Labels that people gave to images.")


@app.command("import")
def label_import(
    csv: Path,
    by: Annotated[str, typer.Option(help="Who labelled, where the CSV does not say.")] = "",
    json: Json = False,
) -> None:
    """Take in labels: a CSV with the columns key and label (perhaps by, labelled_at and spec)."""
    from dataclasses import asdict

    from inspection.anchor import writing
    from inspection.records.sheets import import_labels

    layout = plant()
    done = import_labels(layout, csv, by or writing.require(layout))
    words = [
        f"{done.taken} labels taken in, {done.known} known already, {done.refusals} refused"
        + (f", {done.empty} not filled in yet." if done.empty else "."),
        *(f"  {csv.name}: {one}." for one in done.words),
        *(f"  {csv.name}, line {line}: {reason}" for line, reason in done.refused),
    ]
    if more := done.refusals - len(done.refused):
        words.append(f"  and {more:,} more lines are refused; correct these first, then import it again.")
    emit(asdict(done), json, words)
    if done.refusals:
        raise typer.Exit(1)


@app.command("undo")
def label_undo(
    names: Annotated[list[str], typer.Argument(help="Images: their names in the inbox, or image_ids.")],
    by: By,
    why: Why,
    json: Json = False,
) -> None:
    """Take the label back that was given last to each of these images; the one before stands again."""
    from inspection.records.sheets import undo_labels

    done = undo_labels(plant(), names, by, why)
    told = [{"key": key, "undone": label, "label": now} for key, label, now in done]
    words = [
        f"{key}: {label} is taken back; {f'{now} stands again' if now else 'no label'}." for key, label, now in done
    ]
    emit(told, json, words)


@app.command("export")
def label_export(csv: Path, json: Json = False) -> None:
    """Write every image's label to a CSV."""
    from inspection.records.sheets import export_labels

    frame = export_labels(plant())
    files.write(csv, files.as_sheet(frame))
    emit({"labels": len(frame), "file": str(csv)}, json, [f"{len(frame)} labels written to {csv}."])


@app.command("spec")
def label_spec(
    version: Annotated[str, typer.Argument(help="The new version of the quality spec.")],
    by: By,
    names: Annotated[str, typer.Option("--classes", help="Classes whose meaning changes: a,b")] = "",
    every: Annotated[bool | None, typer.Option("--all-classes/--no-classes", help="Every class, or none.")] = None,
    why: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    json: Json = False,
) -> None:
    """Put a new version of the quality spec in force; labels of the classes that it changes have to be given anew."""
    from inspection.records.spec import revise
    from inspection.taxonomy import read_taxonomy

    layout = plant()
    if bool(names) == (every is not None):
        raise FixInput("Say which classes mean something else now: --classes a,b, --all-classes or --no-classes.")
    some = list(read_taxonomy(layout.taxonomy).classes) if every else [n.strip() for n in names.split(",") if n.strip()]
    stale = revise(layout, version, some, by, why)
    words = [f"Quality spec {version} is in force. {stale} images have a stale label" + (":" if stale else ".")]
    hint = ["  `andon label stale --out CSV` lists them; fill in the labels and run `andon label import CSV`."]
    emit({"spec": version, "classes": some, "by": by, "stale": stale}, json, words + hint * bool(stale))


@app.command("stale")
def label_stale(
    out: Annotated[Path | None, typer.Option(help="Write them to this CSV, to be filled in and imported.")] = None,
    json: Json = False,
) -> None:
    """The images whose label a new quality spec has made stale."""
    from inspection.records.sheets import stale_labels

    frame = stale_labels(plant())
    if out is None:
        columns = {"key": "image", "was": "stale label", "camera": "camera", "part": "part", "serial": "serial"}
        table(frame.to_dict("records"), columns, json, "No label is stale.")
        return
    files.write(out, files.as_sheet(frame))
    words = f"{len(frame)} images written to {out}: fill in the column label, then run `andon label import {out}`."
    emit({"images": len(frame), "file": str(out)}, json, [words])


@app.command("conflicts")
def label_conflicts(json: Json = False) -> None:
    """Images of one part whose labels cannot all be right; they are not used until they are labelled anew."""
    from inspection.records.sheets import conflicting_labels, conflicts_in_words

    columns = {"key": "image", "label": "label", "by": "by", "camera": "camera", "part": "part", "serial": "serial"}
    columns["differ"] = "differ"
    rows = conflicting_labels(plant()).to_dict("records")
    told = [{**row, "differ": "on the verdict" if row["on_verdict"] else "on the defect"} for row in rows]
    table(rows if json else told, columns, json, "No labels contradict each other.")
    if told and not json:
        print("\n".join(conflicts_in_words(plant())))
