"""Table -> Great Expectations verdict on the data set, its near-duplicates, and what to know before training."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from inspection import files, fingerprint
from inspection.cameras import Camera, read_cameras
from inspection.errors import FetchData, FixInput
from inspection.intake import contract
from inspection.intake.likeness import PLAIN, Alike, Floats, alike, thumbnail
from inspection.intake.suite import Verdict
from inspection.layout import Layout
from inspection.model.shortcuts import Finding, absent, crossed, crowded, days_of, forms, giveaways
from inspection.outside.quoted import quoted, typed
from inspection.params import Validate, read_params
from inspection.pictures import piece, sides
from inspection.pictures.images import read
from inspection.records.batches import MANIFEST, read_columns
from inspection.release.aside import counted, in_words
from inspection.tables import read_table, write_table
from inspection.taxonomy import read_taxonomy

SHOWN = 24  # pairs, and conflicting pictures, on the page
LISTED = 200  # rows in the report
PICTURE = 200  # pixels, the longer side on the page
TURNED = {
    PLAIN: "",
    "flip_x": " with the right one mirrored left to right",
    "flip_y": " with the right one mirrored top to bottom",
    "turn_180": " with the right one turned by half",
    "turn_90": " with the right one turned a quarter to the left",
    "turn_270": " with the right one turned a quarter to the right",
    "diagonal": " with the right one mirrored along a diagonal",
    "other_diagonal": " with the right one mirrored along the other diagonal",
}


def thin_classes(table: pd.DataFrame, least: int) -> dict[str, int]:
    """Classes with fewer than `least` parts -> their parts."""
    parts = piece.of(table).groupby(table["label"]).nunique()
    return {str(name): int(count) for name, count in parts[parts < least].items()}


def captured_twice(table: pd.DataFrame) -> list[Finding]:
    """Pictures that came as several parts, byte for byte."""
    count = len(_twice(table))
    text = (
        f"{count} image(s) came under more than one serial or kind of part, byte for byte; each stands with its first "
        "one."
    )
    todo = "Look whether the camera repeated a picture or a file was copied, and exclude what is wrong."
    return [Finding("exact duplicates", text, todo)] if count else []


def _twice(table: pd.DataFrame) -> pd.DataFrame:
    several = table[table["pieces"].str.len() > 1]
    return several.assign(piece=piece.of(several), pieces=several["pieces"].map(", ".join))


def near_duplicates(pairs: pd.DataFrame) -> list[Finding]:
    """What `labelled_pairs` come to."""
    told = []
    if count := int((~pairs["agree"]).sum()):
        text = (
            f"{count} pair(s) of near-duplicates, of {len(_by_parts(pairs[~pairs['agree']]))} pair(s) of parts, bear "
            "different labels: at least one label of each is likely to be wrong."
        )
        told.append(Finding("near-duplicates", text, "Look at the pictures below and label them again."))
    if len(pairs):
        parts = pd.unique(pd.concat([pairs["piece_a"], pairs["piece_b"]]))
        turned = int((pairs["turn"] != PLAIN).sum())
        also = f" {turned} of them only when one picture is turned or mirrored." if turned else ""
        text = f"{len(pairs)} pair(s) of pictures make {len(parts)} parts look like other parts taken again.{also}"
        todo = "Nothing to do: such parts are kept on one side of the split. Look at the pairs if there are many."
        told.append(Finding("near-duplicates", text, todo))
    return told


def _by_parts(pairs: pd.DataFrame) -> pd.DataFrame:
    """The first pair of each two parts."""
    parts = pairs[["piece_a", "piece_b"]]
    return pairs[~pd.DataFrame({"low": parts.min(axis=1), "high": parts.max(axis=1)}).duplicated()]


def set_aside(aside: pd.DataFrame) -> list[Finding]:
    """How many labelled images are not trained on, by reason."""
    told = []
    for name, count in aside.loc[aside["reason"] == "class", "label"].value_counts().sort_index().items():
        told_of = f"bear class {quoted(name)}, which is not declared any more; they are not trained on."
        text, old = f"{count} labelled image(s) {told_of}", typed(str(name), "OLD")
        todo = f"Rename it: `andon class rename {old} NEW --by NAME`, or declare it again: `andon class add`."
        told.append(Finding("set aside", text, todo))
    for count, words, back in counted(aside[aside["reason"] != "class"]):
        text = f"{count} labelled image(s) {words}; they are not trained on."
        told.append(Finding("set aside", text, f"What brings them back: {back}."))
    return told


def of_sides(table: pd.DataFrame, aside: pd.DataFrame, cameras: Mapping[str, Camera]) -> list[Finding]:
    """Cameras that may photograph, or are taken to photograph, several sides of a part."""
    conflicts = aside[aside["reason"] == "conflict"]
    judged = pd.concat([table, conflicts], ignore_index=True)
    told = {**sides.taken_for_granted(judged, cameras), **sides.contradicted(judged, conflicts, cameras)}
    return [Finding("sides", words, "") for _, words in sorted(told.items())]


def labelled_pairs(table: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """`pairs` with label, piece and path of both, and whether the labels `agree`; those that do not come first."""
    rows = table.assign(piece=piece.of(table)).set_index("image_id")[["label", "piece", "path"]]
    pairs = pairs.join(rows.add_suffix("_a"), on="a").join(rows.add_suffix("_b"), on="b")
    pairs = pairs.assign(agree=(pairs["label_a"] == pairs["label_b"]).astype(bool))
    return pairs.sort_values(["agree", "correlation", "a", "b"], ascending=[True, False, True, True], ignore_index=True)


def findings(
    table: pd.DataFrame,
    aside: pd.DataFrame,
    pairs: pd.DataFrame,
    warnings: Sequence[str],
    settings: Validate,
    cameras: Mapping[str, Camera],
) -> list[Finding]:
    """All of them, what is most likely to mislead a model first.

    Args:
        pairs: as `labelled_pairs` gives them.
        warnings: of the search for near-duplicates.
    """
    few = f"a class needs at least {settings.min_parts_per_class}"
    thin = thin_classes(table, settings.min_parts_per_class)
    return [
        *near_duplicates(pairs),
        *giveaways(table),
        *absent(table),
        *crowded(table),
        *captured_twice(table),
        *(Finding("class", f"Class {k} has {n} part(s); {few}.", "Label more parts of it.") for k, n in thin.items()),
        *set_aside(aside),
        *of_sides(table, aside, cameras),
        *(Finding("near-duplicates", words, "") for words in warnings),
    ]


def summary(
    table: pd.DataFrame,
    aside: pd.DataFrame,
    verdict: Verdict,
    found: Alike,
    settings: Validate,
    cameras: Mapping[str, Camera],
) -> dict[str, Any]:
    """What the stage reports: the verdict, the counts, and what one should know before training."""
    pairs = labelled_pairs(table, found.pairs)
    conflicts = aside[aside["reason"] == "conflict"].sort_values(["serial", "part", "captured_at", "image_id"])
    conflicts = conflicts.assign(piece=piece.of(conflicts))
    return {
        "success": verdict.success,
        "images": len(table),
        "parts": int(piece.of(table).nunique()),
        "images_by_class": _counts(table, table["label"], "images"),
        "parts_by_class": _counts(table, table["label"], "parts"),
        "images_by_camera": _counts(table, table["camera"], "images"),
        "parts_by_camera": _counts(table, table["camera"], "parts"),
        "images_by_day": _counts(table, days_of(table), "images"),
        "parts_by_day": _counts(table, days_of(table), "parts"),
        "parts_by_class_and_camera": _table(crossed(table, table["camera"])),
        "parts_by_class_and_form": {about: _table(crossed(table, form)) for about, form in forms(table).items()},
        "thin_classes": thin_classes(table, settings.min_parts_per_class),
        "acceptable_images": int(table["acceptable"].sum()),
        "findings": [asdict(one) for one in findings(table, aside, pairs, found.warnings, settings, cameras)],
        "near_duplicates": {
            "pairs": len(pairs),
            "conflicting": int((~pairs["agree"]).sum()),
            "turned": int((pairs["turn"] != PLAIN).sum()),
            "compared": _rows(found.bars.astype(object).where(found.bars.notna(), None)),
            "strongest": _rows(_by_parts(pairs).head(LISTED)),  # of each two parts
        },
        "exact_duplicates": _rows(_twice(table)[["image_id", "piece", "label", "pieces"]].head(LISTED)),
        "set_aside": _counts(aside, aside["reason"], "images"),
        "conflicts": _rows(conflicts[["piece", "camera", "image_id", "label", "path"]].head(LISTED)),
        "expectations": list(verdict.expectations),
        "broken_rows": dict(sorted(verdict.reasons.items())[:100]),
    }


def page(report: Mapping[str, Any], picture: Callable[[str], str]) -> str:
    """The report as one HTML page that needs no other file.

    Args:
        picture: an image's path -> a data URI, or "" where its file is missing.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("stages", "templates")
    templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return templates.get_template("dataset.html.j2").render(report=report, picture=picture, shown=SHOWN, turned=TURNED)


def thumbnails(table: pd.DataFrame, home: Path, levels: Callable[[str], Floats]) -> dict[str, bytes]:
    """Thumbnail by image_id, from the manifests; made from the file where a manifest of an older version has none.
    Images whose file is missing then have none."""
    paths = dict(zip(table["image_id"], table["path"], strict=True))
    kept: dict[str, bytes] = {}
    for folder in sorted({(home / path).parent for path in paths.values()}):
        if (folder / MANIFEST).is_file():
            rows = read_columns(folder / MANIFEST, ("image_id", "thumbnail")).to_pydict()
            kept.update(zip(rows["image_id"], rows["thumbnail"], strict=True))
    found = {image_id: kept[image_id] for image_id in paths if kept.get(image_id)}
    for image_id in sorted(paths.keys() - found.keys()):
        try:
            found[image_id] = thumbnail(levels(paths[image_id]))
        except FetchData:
            continue
    return found


def _counts(table: pd.DataFrame, by: pd.Series, unit: str) -> dict[str, int]:
    by = by.astype(str)
    counted = table.groupby(by).size() if unit == "images" else piece.of(table).groupby(by).nunique()
    return {str(name): int(count) for name, count in counted.sort_index().items()}


def _table(seen: pd.DataFrame) -> dict[str, dict[str, int]]:
    return {str(k): {str(name): int(n) for name, n in row.items()} for k, row in seen.to_dict("index").items()}


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _picture(levels: Callable[[str], Floats], path: str) -> str:
    try:
        full = levels(path)
    except FetchData:
        return ""
    scale = PICTURE / max(full.shape[:2])
    size = (max(1, round(full.shape[1] * scale)), max(1, round(full.shape[0] * scale)))
    small = cv2.resize(full, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    order = small[..., ::-1] if small.ndim == 3 else small  # OpenCV writes blue first
    content = cv2.imencode(".png", np.rint(order).astype(np.uint8))[1].tobytes()
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _refuse(table: pd.DataFrame, aside: pd.DataFrame, verdict: Verdict, settings: Validate) -> None:
    if not verdict.success:
        image_id, reason = next(iter(sorted(verdict.reasons.items())), ("the table", "breaks its contract"))
        of = "".join(f" of batch {batch}" for batch in table.loc[table["image_id"] == image_id, "batch"].head(1))
        raise FixInput(f"The labelled images break their contract; first: {image_id[:12]}{of}: {reason}.")
    more = f" {in_words(aside)}." if len(aside) else ""
    if len(table) < settings.min_images:
        raise FixInput(f"{len(table)} labelled images are too few to train on; {settings.min_images} are needed.{more}")
    if table["label"].nunique() < 2:
        raise FixInput(f"Every label is {table['label'].iloc[0]}; a model needs images of at least two classes.{more}")


def main() -> None:
    layout = Layout.find()
    params = read_params(layout.params)
    settings, cameras = params.validate_, read_cameras(layout.cameras)
    table, aside, taxonomy = read_table(layout.snapshot), read_table(layout.set_aside), read_taxonomy(layout.taxonomy)
    missing = ~table["path"].map(lambda path: (layout.home / path).is_file()).astype(bool)
    verdict = contract.check_snapshot(table, taxonomy, missing)
    spans = dict(zip(table["path"], zip(table["black"], table["white"], strict=True), strict=True))

    def levels(path: str) -> Floats:
        return read(layout.home / path, params.ingest.max_megapixels, known=True).levels(spans.get(path))

    copies = thumbnails(table, layout.home, levels) if verdict.success else {}
    found = alike(table, copies, settings, cameras)
    report = summary(table, aside, verdict, found, settings, cameras)
    layout.reports.mkdir(exist_ok=True)
    files.write(layout.reports / "validate.json", json.dumps(report, indent=2) + "\n")
    files.write(layout.reports / "dataset.html", page(report, cache(partial(_picture, levels))))
    write_table(found.pairs, layout.alike)
    _refuse(table, aside, verdict, settings)
    for one in report["findings"]:
        print(f"{one['text']} {one['todo']}".rstrip())
    print(f"{report['images']} images of {report['parts']} parts hold their contract; more in reports/dataset.html")


if __name__ == "__main__":
    fingerprint.run("validate", main)
