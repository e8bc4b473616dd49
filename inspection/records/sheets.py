"""Label sheets: CSV files that people fill in, from and to the ledger's labels."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, select

from inspection import clock, git, lock
from inspection.cameras import read_cameras
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import labels, ledger
from inspection.records.catalog import Catalog, open_catalog, usable_batches
from inspection.records.classes import alike
from inspection.records.schema import capture_table, label_table
from inspection.records.spec import Spec, fold
from inspection.taxonomy import Taxonomy, read_taxonomy

COLUMNS = ("key", "label")
AHEAD = timedelta(minutes=10)  # that the clock of whoever labelled may be ahead
_CHUNK = 5_000  # values in one question to the catalog; SQLite takes 32,766


@dataclass(frozen=True)
class Imported:
    """What became of a sheet: labels taken, rows that said what was known already, rows refused (line, reason), rows
    without a label yet."""

    taken: int
    known: int
    refused: tuple[tuple[int, str], ...]
    empty: int = 0


def import_labels(layout: Layout, path: Path, by: str) -> Imported:
    """Write the labels of a CSV to the ledger and commit it; bad rows are refused one by one, rows whose label is
    not filled in are left for later. A row that repeats a stale label counts as given anew.

    Args:
        path: columns `key` (the file's name in the inbox, or its image_id) and `label`; perhaps `by`, `labelled_at`
            and `spec`, the version of the quality spec that the label was given under (default: the one in force).
        by: who gave the labels, where the CSV does not say.

    Raises:
        FixInput: the file is no such CSV.
    """
    git.require_identity(layout.home)
    rows = _read(path)
    filled = [(line, row) for line, row in rows if row["label"]]
    catalog = open_catalog(layout)
    images = _images(catalog, [row["key"] for _, row in filled])
    catalog.close()
    with lock.hold(layout, lock.WRITE, f"importing labels from {path.name}"):
        fresh, refused = _judged(filled, _desk(layout, images), by)
        for (_, author), some in groupby(sorted(fresh, key=_turn), key=_turn):
            ledger.append(layout, "label", author, [event for _, _, event in some])
        git.commit(layout.home, ledger.files(layout), f"Labels: {len(fresh)} from {path.name}")
    open_catalog(layout).close()
    known = len(filled) - len(fresh) - len(refused)
    return Imported(len(fresh), known, tuple(refused), len(rows) - len(filled))


def export_labels(layout: Layout) -> pd.DataFrame:
    """Every image's label now: `key`, `label`, `by`, `labelled_at`, `image_id`, `spec`."""
    catalog = open_catalog(layout)
    rows = _labelled(catalog)
    catalog.close()
    return rows.sort_values("key", ignore_index=True)[["key", "label", "by", "labelled_at", "image_id", "spec"]]


def stale_labels(layout: Layout) -> pd.DataFrame:
    """The images whose label is stale, as a sheet for import: `key`, an empty `label`, `was`, `camera`, `part`,
    `serial`, `path`. The key is the image_id where cameras used the file's name again for another image."""
    catalog = open_catalog(layout)
    rows = _labelled(catalog, label_table.c.stale).drop_duplicates("image_id")
    own = rows["key"].map(_images(catalog, rows["key"])) == rows["image_id"]
    catalog.close()
    rows = rows.assign(key=rows["key"].where(own, rows["image_id"]), label="", was=rows["label"])
    columns = ["key", "label", "was", "camera", "part", "serial", "path"]
    return rows.sort_values(["was", "key"], ignore_index=True)[columns]


def conflicting_labels(layout: Layout) -> pd.DataFrame:
    """The images that `labels.conflicts` names, of those that could otherwise be trained on: `key`, `label`,
    `acceptable`, `by`, `camera`, `serial`, `on_verdict`, `image_id`, `path`."""
    catalog = open_catalog(layout)
    in_use = capture_table.c.batch.in_(usable_batches())
    rows = _labelled(catalog, ~label_table.c.stale, in_use).drop_duplicates("image_id")
    catalog.close()
    acceptable = {name: defect.acceptable for name, defect in read_taxonomy(layout.taxonomy).classes.items()}
    rows = rows[rows["label"].isin(acceptable)]
    found = labels.conflicts(rows.assign(acceptable=rows["label"].map(acceptable)), read_cameras(layout.cameras))
    columns = ["key", "label", "acceptable", "by", "camera", "serial", "on_verdict", "image_id", "path"]
    return found.sort_values(["camera", "serial", "key"], ignore_index=True)[columns]


Row = dict[str, str]  # column -> value
Fresh = tuple[int, str, dict[str, Any]]  # how often the sheet named the image before, author, event


@dataclass(frozen=True)
class _Desk:
    """What a sheet's rows are held against: name -> image_id, image_id -> the label that stands, classes, versions."""

    images: Mapping[str, str]
    standing: Mapping[str, labels.Label]
    taxonomy: Taxonomy
    spec: Spec


def _desk(layout: Layout, images: Mapping[str, str]) -> _Desk:
    events, taxonomy, own = ledger.read(layout), read_taxonomy(layout.taxonomy), set(images.values())
    told = (event for event in events if event.kind != "label" or event.body["image_id"] in own)
    return _Desk(images, labels.standing(told), taxonomy, fold(events, taxonomy))


def _judged(rows: Iterable[tuple[int, Row]], desk: _Desk, by: str) -> tuple[list[Fresh], list[tuple[int, str]]]:
    """The labels that are new, and the lines that are refused with the reason."""
    fresh: list[Fresh] = []
    refused: list[tuple[int, str]] = []
    given: dict[str, str] = {}  # image_id -> the label that the sheet itself gave it last
    turns: Counter[str] = Counter()
    for line, row in rows:
        try:
            event = _event(row, desk)
            image_id, label = event["image_id"], event["label"]
            if given[image_id] == label if image_id in given else _known(event, desk.standing.get(image_id)):
                continue
            if desk.spec.outdates(label, event["spec"]):
                now = desk.spec.changed[label]
                raise FixInput(f"{row['key']}: {label} means something else since spec {now}; look at the image again")
        except FixInput as error:
            refused.append((line, str(error)))
            continue
        given[image_id] = label
        fresh.append((turns[image_id], row.get("by") or by, event))
        turns[image_id] += 1
    return fresh, refused


def _known(event: Mapping[str, Any], label: labels.Label | None) -> bool:
    if label is None or label.label != event["label"]:
        return False
    return not label.stale or label.spec == event["spec"]


def _turn(one: Fresh) -> tuple[int, str]:
    """One write per author; an image's labels stay in the sheet's order, so that its last one counts."""
    return one[:2]


def _read(path: Path) -> list[tuple[int, Row]]:
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


def _labelled(catalog: Catalog, *where: ColumnElement[bool]) -> pd.DataFrame:
    """The labels that stand, each beside every capture of its image, the first one first."""
    c, one = capture_table.c, label_table.c
    label = (one.image_id, one.label, one.by, one.labelled_at, one.spec)
    query = select(*label, c.key, c.camera, c.part, c.serial, c.path).join(capture_table, one.image_id == c.image_id)
    return catalog.frame(query.where(one.latest, *where).order_by(c.captured_at, c.capture_id))


def _images(catalog: Catalog, names: Iterable[str]) -> dict[str, str]:
    """Key or image_id -> image_id, of those `names` that were taken in; a key that cameras used again stands for its
    latest image."""
    c, names, found = capture_table.c, list(dict.fromkeys(names)), dict[str, str]()
    for start in range(0, len(names), _CHUNK):
        some = names[start : start + _CHUNK]
        by_key = select(c.key, c.image_id).where(c.key.in_(some)).order_by(c.batch, c.captured_at)
        found |= catalog.frame(by_key).set_index("key")["image_id"].to_dict()
        found |= {name: name for name in catalog.frame(select(c.image_id).where(c.image_id.in_(some)))["image_id"]}
    return found


def _event(row: Row, desk: _Desk) -> dict[str, Any]:
    """The body of the event that a row asks for."""
    if row["key"] not in desk.images:
        raise FixInput(f"no image {row['key']!r} was taken in; check the name, or run `andon ingest` first")
    if row["label"] not in desk.taxonomy.classes:
        likely = alike(row["label"], desk.taxonomy)
        raise FixInput(
            f"{row['key']}: label {row['label']!r} is not declared; did you mean {likely!r}? "
            f"Otherwise declare it: `andon class add {row['label']} --by NAME`"
        )
    version = row.get("spec") or desk.spec.current
    if version not in desk.spec.versions:
        raise FixInput(
            f"{row['key']}: {version!r} is no version of the quality spec; there are {', '.join(desk.spec.versions)}"
        )
    return {
        "image_id": desk.images[row["key"]],
        "label": row["label"],
        "labelled_at": clock.stamp(_labelled_at(row)),
        "spec": version,
    }


def _labelled_at(row: Row) -> datetime:
    text = row.get("labelled_at")
    if not text:
        return clock.now()
    try:
        moment = clock.parse(text)
    except ValueError:
        raise FixInput(f"{row['key']}: labelled_at {text!r} is not a time; write it like 2026-11-02T06:15:12") from None
    if moment > clock.now() + AHEAD:
        raise FixInput(f"{row['key']}: labelled_at {text!r} lies in the future; check the date and the time zone")
    return moment
