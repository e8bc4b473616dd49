"""Labels that people gave to images: from a CSV into the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import select

from inspection import clock, git, ledger, lock
from inspection.catalog import capture_table, latest_labels, open_catalog
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.params import Taxonomy, read_taxonomy

COLUMNS = ("key", "label")


@dataclass(frozen=True)
class Imported:
    """What became of a CSV: labels taken, rows that said what was known already, rows refused (line, reason)."""

    taken: int
    known: int
    refused: tuple[tuple[int, str], ...]


def import_labels(layout: Layout, path: Path, by: str) -> Imported:
    """Write the labels of a CSV to the ledger and commit it; bad rows are refused one by one.

    Args:
        path: columns `key` (the file's name in the inbox, or its image_id) and `label`; perhaps `by` and `labelled_at`.
        by: who gave the labels, where the CSV does not say.

    Raises:
        FixInput: the file is no such CSV.
    """
    git.require_identity(layout.home)
    rows, taxonomy = _read(path), read_taxonomy(layout.taxonomy)
    catalog = open_catalog(layout)
    images = _images(catalog.frame(select(capture_table.c.key, capture_table.c.image_id)))
    have = dict(catalog.frame(latest_labels()).itertuples(index=False))
    catalog.close()
    fresh: list[tuple[str, dict[str, Any]]] = []  # author and event, in the order of the CSV: the last one counts
    refused: list[tuple[int, str]] = []
    known = 0
    for line, row in rows:
        try:
            event = _event(row, images, taxonomy)
        except FixInput as error:
            refused.append((line, str(error)))
            continue
        if have.get(event["image_id"]) == event["label"]:
            known += 1
            continue
        have[event["image_id"]] = event["label"]
        fresh.append((row.get("by") or by, event))
    with lock.hold(layout, lock.WRITE, f"importing labels from {path.name}"):
        for author, some in groupby(fresh, key=lambda one: one[0]):
            ledger.append(layout, "label", author, [event for _, event in some])
        git.commit(layout.home, ledger.files(layout), f"Labels: {len(fresh)} from {path.name}")
    open_catalog(layout).close()
    return Imported(len(fresh), known, tuple(refused))


def export_labels(layout: Layout) -> pd.DataFrame:
    """Every image's label now: `key`, `label`, `by`, `labelled_at`, `image_id`."""
    from inspection.catalog import label_table

    catalog = open_catalog(layout)
    query = (
        select(
            capture_table.c.key,
            label_table.c.label,
            label_table.c.by,
            label_table.c.labelled_at,
            label_table.c.image_id,
        )
        .join(label_table, label_table.c.image_id == capture_table.c.image_id)
        .where(label_table.c.latest)
        .order_by(capture_table.c.key)
    )
    frame = catalog.frame(query)
    catalog.close()
    return frame


def _read(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows that are not empty, each with its line in the file."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False)
    except OSError as error:
        raise FixInput(f"{path} cannot be read ({error.strerror}); give the path of a CSV.") from None
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise FixInput(f"{path} is not a CSV in UTF-8 ({str(error).splitlines()[0]}); export it again.") from None
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise FixInput(
            f"{path}: column {', '.join(missing)} is missing; it has {', '.join(map(str, frame.columns))}. "
            "A label CSV needs the columns key and label, with commas between them."
        )
    rows = [{str(k): "" if pd.isna(v) else str(v).strip() for k, v in row.items()} for row in frame.to_dict("records")]
    return [(line, row) for line, row in enumerate(rows, start=2) if any(row.values())]


def _images(captures: pd.DataFrame) -> dict[str, str]:
    """Key or image_id -> image_id; a key that cameras used again stands for its latest image."""
    by_key = dict(zip(captures["key"], captures["image_id"], strict=True))
    return {**by_key, **{image_id: image_id for image_id in captures["image_id"]}}


def _event(row: Mapping[str, str], images: Mapping[str, str], taxonomy: Taxonomy) -> dict[str, Any]:
    if row["key"] not in images:
        raise FixInput(f"no image {row['key']!r} was taken in; check the name, or run `andon ingest` first")
    if row["label"] not in taxonomy.classes:
        raise FixInput(
            f"{row['key']}: label {row['label']!r} is not declared; did you mean {taxonomy.nearest(row['label'])!r}? "
            f"Otherwise declare it: `andon class add {row['label'] or 'NAME'} --by NAME`"
        )
    labelled_at = row.get("labelled_at") or clock.stamp(clock.now())
    try:
        moment: datetime = clock.parse(labelled_at)
    except ValueError:
        raise FixInput(
            f"{row['key']}: labelled_at {labelled_at!r} is not a time; write it like 2026-11-02T06:15:12"
        ) from None
    return {
        "image_id": images[row["key"]],
        "label": row["label"],
        "labelled_at": clock.stamp(moment),
        "spec": taxonomy.spec,
    }
