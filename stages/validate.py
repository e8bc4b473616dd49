"""Table -> Great Expectations verdict on the data set, its near-duplicates, and what to know before training."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from inspection import files, fingerprint
from inspection.errors import FetchData, FixInput
from inspection.intake import contract
from inspection.intake.images import read
from inspection.intake.likeness import Alike, Floats, alike, thumbnail
from inspection.intake.suite import Verdict
from inspection.layout import Layout
from inspection.model.shortcuts import Finding, absent, crossed, crowded, days_of, forms, giveaways
from inspection.params import Validate, read_params
from inspection.records.batches import MANIFEST, read_columns
from inspection.tables import read_table, write_table
from inspection.taxonomy import read_taxonomy

SHOWN = 24  # pairs, and conflicting pictures, on the page
LISTED = 200  # rows in the report
PICTURE = 200  # pixels, the longer side on the page
ASIDE = {
    "conflict": ("bear a label that contradicts another one of the same part", "decide: `andon label conflicts`"),
    "stale": ("were labelled before the quality spec changed their class", "look at them again: `andon label stale`"),
    "held": ("are in a batch that is held back", "release or discard the batch: `andon batch list`"),
    "discarded": ("are in a batch that was discarded", ""),
    "class": ("bear a label that taxonomy.yaml no longer declares", "label them again, or declare the class"),
    "excluded": ("were taken while their camera had a fault", "rule on the incident"),
}


def thin_classes(table: pd.DataFrame, least: int) -> dict[str, int]:
    """Classes with fewer than `least` parts -> their parts."""
    parts = table.groupby("label")["serial"].nunique()
    return {str(name): int(count) for name, count in parts[parts < least].items()}


def captured_twice(table: pd.DataFrame) -> list[Finding]:
    """Pictures that came under several serials, byte for byte."""
    count = len(_twice(table))
    text = f"{count} image(s) came under more than one serial, byte for byte; each stands with its first one."
    todo = "Look whether the camera repeated a picture or a file was copied, and exclude what is wrong."
    return [Finding("exact duplicates", text, todo)] if count else []


def _twice(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["serials"].str.len() > 1].assign(serials=lambda rows: rows["serials"].map(", ".join))


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
        parts = pd.unique(pd.concat([pairs["serial_a"], pairs["serial_b"]]))
        text = f"{len(pairs)} pair(s) of pictures make {len(parts)} parts look like other parts taken again."
        todo = "Nothing to do: such parts are kept on one side of the split. Look at the pairs if there are many."
        told.append(Finding("near-duplicates", text, todo))
    return told


def _by_parts(pairs: pd.DataFrame) -> pd.DataFrame:
    """The first pair of each two parts."""
    parts = pairs[["serial_a", "serial_b"]]
    return pairs[~pd.DataFrame({"low": parts.min(axis=1), "high": parts.max(axis=1)}).duplicated()]


def set_aside(aside: pd.DataFrame) -> list[Finding]:
    """How many labelled images are not trained on, by reason."""
    told = []
    for reason, count in aside["reason"].value_counts().sort_index().items():
        words, todo = ASIDE.get(str(reason), (f"are marked {reason}", ""))
        told.append(Finding("set aside", f"{count} labelled image(s) {words}; they are not trained on.", todo))
    return told


def labelled_pairs(table: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """`pairs` with label, serial and path of both, and whether the labels `agree`; those that do not come first."""
    rows = table.set_index("image_id")[["label", "serial", "path"]]
    pairs = pairs.join(rows.add_suffix("_a"), on="a").join(rows.add_suffix("_b"), on="b")
    pairs = pairs.assign(agree=(pairs["label_a"] == pairs["label_b"]).astype(bool))
    return pairs.sort_values(["agree", "correlation", "a", "b"], ascending=[True, False, True, True], ignore_index=True)


def findings(
    table: pd.DataFrame, aside: pd.DataFrame, pairs: pd.DataFrame, warnings: Sequence[str], settings: Validate
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
        *(Finding("near-duplicates", words, "") for words in warnings),
    ]


def summary(
    table: pd.DataFrame, aside: pd.DataFrame, verdict: Verdict, found: Alike, settings: Validate
) -> dict[str, Any]:
    """What the stage reports: the verdict, the counts, and what one should know before training."""
    pairs = labelled_pairs(table, found.pairs)
    conflicts = aside[aside["reason"] == "conflict"].sort_values(["serial", "captured_at", "image_id"])
    return {
        "success": verdict.success,
        "images": len(table),
        "parts": int(table["serial"].nunique()),
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
        "findings": [asdict(one) for one in findings(table, aside, pairs, found.warnings, settings)],
        "near_duplicates": {
            "pairs": len(pairs),
            "conflicting": int((~pairs["agree"]).sum()),
            "compared": _rows(found.bars.astype(object).where(found.bars.notna(), None)),
            "strongest": _rows(_by_parts(pairs).head(LISTED)),  # of each two parts
        },
        "exact_duplicates": _rows(_twice(table)[["image_id", "serial", "label", "serials"]].head(LISTED)),
        "set_aside": _counts(aside, aside["reason"], "images"),
        "conflicts": _rows(conflicts[["serial", "camera", "image_id", "label", "path"]].head(LISTED)),
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
    return templates.get_template("dataset.html.j2").render(report=report, picture=picture, shown=SHOWN)


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
    groups = table.groupby(by.astype(str))
    counted = groups.size() if unit == "images" else groups["serial"].nunique()
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


def _refuse(table: pd.DataFrame, verdict: Verdict, settings: Validate) -> None:
    if not verdict.success:
        image_id, reason = next(iter(sorted(verdict.reasons.items())), ("the table", "breaks its contract"))
        of = "".join(f" of batch {batch}" for batch in table.loc[table["image_id"] == image_id, "batch"].head(1))
        raise FixInput(f"The labelled images break their contract; first: {image_id[:12]}{of}: {reason}.")
    if len(table) < settings.min_images:
        raise FixInput(f"{len(table)} labelled images are too few to train on; {settings.min_images} are needed.")
    if table["label"].nunique() < 2:
        raise FixInput(f"Every label is {table['label'].iloc[0]}; a model needs images of at least two classes.")


def main() -> None:
    layout = Layout.find()
    params = read_params(layout.params)
    settings = params.validate_
    table, aside, taxonomy = read_table(layout.snapshot), read_table(layout.set_aside), read_taxonomy(layout.taxonomy)
    missing = ~table["path"].map(lambda path: (layout.home / path).is_file()).astype(bool)
    verdict = contract.check_snapshot(table, taxonomy, missing)
    spans = dict(zip(table["path"], zip(table["black"], table["white"], strict=True), strict=True))

    def levels(path: str) -> Floats:
        return read(layout.home / path, params.ingest.max_megapixels).levels(spans.get(path))

    found = alike(table, thumbnails(table, layout.home, levels) if verdict.success else {}, settings)
    report = summary(table, aside, verdict, found, settings)
    layout.reports.mkdir(exist_ok=True)
    files.write(layout.reports / "validate.json", json.dumps(report, indent=2) + "\n")
    files.write(layout.reports / "dataset.html", page(report, partial(_picture, levels)))
    write_table(found.pairs, layout.alike)
    _refuse(table, verdict, settings)
    for one in report["findings"]:
        print(f"{one['text']} {one['todo']}".rstrip())
    print(f"{report['images']} images of {report['parts']} parts hold their contract; more in reports/dataset.html")


if __name__ == "__main__":
    fingerprint.run("validate", main)
