"""Table -> Great Expectations verdict on the data set, its near-duplicates, and what to know before training."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, hypergeom

from inspection import files, fingerprint
from inspection.errors import FetchData, FixInput
from inspection.intake import contract
from inspection.intake.images import read
from inspection.intake.likeness import Alike, Floats, alike, thumbnail
from inspection.intake.suite import Verdict
from inspection.layout import Layout
from inspection.params import Validate, read_params
from inspection.records.batches import MANIFEST, read_columns
from inspection.tables import read_table, write_table
from inspection.taxonomy import read_taxonomy

LEAST_EXPECTED = 5.0  # parts: where fewer would be expected, their absence says nothing
CHANCE = 0.001  # of a cell of format × class as full as it is, times the number of cells
LEAST_LINK = 0.3  # Cramér's V below which a file's form says little of its class
FEW_SIZES = 8  # more sizes than these are taken by quarters of their area
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


@dataclass(frozen=True)
class Finding:
    """One thing to know before training: what it is about, what was found, and what to do."""

    about: str
    text: str
    todo: str


def thin_classes(table: pd.DataFrame, least: int) -> dict[str, int]:
    """Classes with fewer than `least` parts -> their parts."""
    parts = table.groupby("label")["serial"].nunique()
    return {str(name): int(count) for name, count in parts[parts < least].items()}


def absent(table: pd.DataFrame) -> list[Finding]:
    """Classes of which a camera saw no part, though by its share of the parts 5 or more would be expected."""
    seen = _crossed(table, table["camera"])
    expected = np.outer(seen.sum(1), seen.sum(0)) / max(int(seen.to_numpy().sum()), 1)
    return [
        Finding(
            "camera",
            f"{camera} has shown no part of class {label}; {expected[i, j]:.0f} would be expected among its "
            f"{int(seen[camera].sum())} parts.",
            "If the class can occur there, label some; until then a model may learn the camera instead of the defect.",
        )
        for i, label in enumerate(seen.index)
        for j, camera in enumerate(seen.columns)
        if seen.iloc[i, j] == 0 and expected[i, j] >= LEAST_EXPECTED
    ]


def crowded(table: pd.DataFrame) -> list[Finding]:
    """Classes whose parts, 5 or more, are all of one day, where chance alone would spread them."""
    seen = _crossed(table, _days(table))
    share = seen.sum() / max(int(seen.to_numpy().sum()), 1)
    told = []
    for label, row in seen.iterrows():
        parts, days = int(row.sum()), row[row > 0].index
        expected = float((1 - (1 - share) ** parts).sum())
        if len(days) == 1 and parts >= LEAST_EXPECTED and float((share**parts).sum()) < CHANCE:
            text = (
                f"All {parts} parts of class {label} are of one day, {days[0]}; {expected:.0f} of {seen.shape[1]} days"
            )
            todo = "Label some of other days; until then a model may learn that day's light instead of the defect."
            told.append(Finding("day", f"{text} would be expected.", todo))
    return told


def giveaways(table: pd.DataFrame) -> list[Finding]:
    """Forms of files (format, size, bit depth) that tell a camera's classes apart.

    Cramér's V without its bias (Bergsma, J. Korean Stat. Soc. 42 (2013)); a cell's chance is hypergeometric (Fisher).
    """
    told = []
    for camera, rows in table.groupby("camera", sort=True):
        for about, form in _forms(rows).items():
            seen = _crossed(rows, form)
            if min(seen.shape) < 2 or (link := _cramers_v(seen)) < LEAST_LINK:
                continue
            label, kind, chance, expected = _fullest(seen)
            if chance < CHANCE:
                text = (
                    f"{camera}: {int(seen.loc[label, kind])} of {int(seen[kind].sum())} parts with {about} {kind} are "
                    f"of class {label}; {expected:.0f} would be expected (Cramér's V {link:.2f})."
                )
                todo = "Export all classes alike; until then a model may learn the file instead of the defect."
                told.append(Finding(about, text, todo))
    return told


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
        "images_by_day": _counts(table, _days(table), "images"),
        "parts_by_day": _counts(table, _days(table), "parts"),
        "parts_by_class_and_camera": _table(_crossed(table, table["camera"])),
        "parts_by_class_and_form": {about: _table(_crossed(table, form)) for about, form in _forms(table).items()},
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


def _crossed(table: pd.DataFrame, by: pd.Series) -> pd.DataFrame:
    """Parts by class (rows) and `by` (columns)."""
    frame = pd.DataFrame({"serial": table["serial"], "label": table["label"].astype(str), "by": by.astype(str)})
    frame = frame.drop_duplicates()
    return pd.crosstab(frame["label"], frame["by"])


def _forms(table: pd.DataFrame) -> dict[str, pd.Series]:
    """What a file's form tells: format, bit depth and size (by quarters of the area where there are many sizes)."""
    size = table["width"].astype(str) + "×" + table["height"].astype(str) + " px"
    if size.nunique() > FEW_SIZES:
        area = table["width"] * table["height"]
        edges = [0, *sorted(set(area.quantile([0.25, 0.5, 0.75, 1])))]
        size = pd.cut(area, edges, labels=[f"up to {edge:,.0f} px²" for edge in edges[1:]])
    return {"format": table["format"], "bit depth": table["bit_depth"], "size": size}


def _cramers_v(seen: pd.DataFrame) -> float:
    total, (height, width) = seen.to_numpy().sum(), seen.shape
    over = (height - 1) * (width - 1) / (total - 1)
    phi2 = max(0.0, chi2_contingency(seen, correction=False).statistic / total - over)
    side = min(height - (height - 1) ** 2 / (total - 1), width - (width - 1) ** 2 / (total - 1)) - 1
    return float(np.sqrt(phi2 / side)) if side > 0 else 0.0


def _fullest(seen: pd.DataFrame) -> tuple[str, str, float, float]:
    """The cell that is least likely to be so full: its row, column, chance (times the number of cells) and the count
    that would be expected."""
    cells = seen.to_numpy()
    total, rows, columns = cells.sum(), cells.sum(1)[:, None], cells.sum(0)[None, :]
    chance = hypergeom.sf(cells - 1, total, rows, columns)
    i, j = np.unravel_index(np.argmin(chance), chance.shape)
    expected = rows[i, 0] * columns[0, j] / total
    return str(seen.index[i]), str(seen.columns[j]), float(chance[i, j] * cells.size), float(expected)


def _days(table: pd.DataFrame) -> pd.Series:
    return table["captured_at"].dt.strftime("%Y-%m-%d")


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
