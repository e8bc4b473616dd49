"""Label sheets: CSV files that people fill in, from and to the ledger's labels."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, select

from inspection import clock, git, lock
from inspection.anchor import writing
from inspection.cameras import read_cameras
from inspection.chain import Event
from inspection.errors import FixInput
from inspection.intake import spreadsheet
from inspection.intake.spreadsheet import Refusals, as_key, shown
from inspection.layout import Layout
from inspection.outside.quoted import quoted, typed
from inspection.pictures import sides
from inspection.records import labels, ledger
from inspection.records.catalog import Catalog, open_catalog, usable_batches
from inspection.records.classes import alike
from inspection.records.schema import capture_table, label_table
from inspection.records.spec import Spec, fold
from inspection.taxonomy import Taxonomy, read_taxonomy

COLUMNS = ("key", "label")
KNOWN = (*COLUMNS, "by", "labelled_at", "spec")
MOST_BYTES = 256 * 2**20
MOST_ASKED = 100  # classes that nobody declared for which a likely one is sought
AHEAD = timedelta(minutes=10)  # that the clock of whoever labelled may be ahead
_CHUNK = 5_000  # values in one question to the catalog; SQLite takes 32,766


@dataclass(frozen=True)
class Imported:
    """What became of a sheet: labels taken, rows that said what was known already, the first lines refused (line,
    reason), rows without a label yet, how many lines were refused in all, and what is to be said of the file."""

    taken: int
    known: int
    refused: tuple[tuple[int, str], ...]
    empty: int = 0
    refusals: int = 0
    words: tuple[str, ...] = ()


def import_labels(layout: Layout, path: Path, by: str) -> Imported:
    """Write the labels of a CSV to the ledger and commit it; bad lines are refused one by one, and so are lines that
    give one picture different labels; rows whose label is not filled in are left for later. A row that repeats a stale
    label counts as given anew.

    Args:
        path: columns `key` (the file's name in the inbox, or its image_id) and `label`; perhaps `by`, `labelled_at`
            and `spec`, the version of the quality spec that the label was given under (default: the one in force).
        by: who gave the labels, where the CSV does not say.

    Raises:
        FixInput: the file is no such CSV.
    """
    writing.require(layout)
    sheet = _read(path)
    catalog = open_catalog(layout)
    images = _images(catalog, {name for one in sheet.rows for name in (one.row["key"], as_key(one.row["key"]))})
    catalog.close()
    name = shown(path.name)
    with lock.hold(layout, lock.WRITE, f"importing labels from {name}"):
        fresh, known = _judged(sheet, _desk(layout, images), by)
        for author, some in groupby(sorted(fresh, key=_author), key=_author):
            ledger.append(layout, "label", author, [event for _, event in some])
        git.commit(layout.home, ledger.files(layout), f"Labels: {len(fresh)} from {name}")
    open_catalog(layout).close()
    refused = sheet.refused
    return Imported(len(fresh), known, tuple(refused.first), sheet.empty, refused.count, sheet.words)


def export_labels(layout: Layout) -> pd.DataFrame:
    """Every image's label now: `key`, `label`, `by`, `labelled_at`, `image_id`, `spec`."""
    catalog = open_catalog(layout)
    rows = _labelled(catalog)
    catalog.close()
    return rows.sort_values("key", ignore_index=True)[["key", "label", "by", "labelled_at", "image_id", "spec"]]


def undo_labels(layout: Layout, names: Sequence[str], by: str, why: str) -> list[tuple[str, str, str | None]]:
    """Take back the label that was given last to each of these images, so that the one before stands again, if there
    is one; nothing is deleted. Name, the label that goes, and the one that stands then.

    Raises:
        FixInput: no such image, one without a label, nobody's name, or no reason.
    """
    writing.require(layout)
    if not by.strip() or not why.strip():
        raise FixInput("Taking a label back needs a person and a reason: add --by NAME --why TEXT.")
    catalog = open_catalog(layout)
    images = _images(catalog, [form for name in names for form in (name, as_key(name))])
    catalog.close()
    found = {name: images.get(name) or images.get(as_key(name), "") for name in names}
    with lock.hold(layout, lock.WRITE, "taking labels back"):
        given = labels.standing(_about(layout, set(found.values())))
        for name, image_id in found.items():
            if image_id not in given:
                why_not = "has no label" if image_id else "was not taken in; check the name"
                raise FixInput(f"The image {quoted(name)} {why_not}. Nothing was taken back.")
        bodies = [{"image_id": one, "undone": given[one].n, "why": why} for one in dict.fromkeys(found.values())]
        ledger.append(layout, "label-undo", by, bodies)
        git.commit(layout.home, ledger.files(layout)[-2:], f"Labels: {len(bodies)} taken back by {by}")
        now = labels.standing(_about(layout, set(found.values())))
    open_catalog(layout).close()
    return [(name, given[one].label, now[one].label if one in now else None) for name, one in found.items()]


def _about(layout: Layout, images: Set[str]) -> list[Event]:
    """The events that decide which labels these images bear."""
    return [event for event in ledger.read(layout) if event.kind != "label" or event.body["image_id"] in images]


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
    `acceptable`, `by`, `camera`, `part`, `serial`, `on_verdict`, `image_id`, `path`."""
    found = labels.conflicts(_in_use(layout), read_cameras(layout.cameras))
    columns = ["key", "label", "acceptable", "by", "camera", "part", "serial", "on_verdict", "image_id", "path"]
    return found.sort_values(["camera", "serial", "part", "key"], ignore_index=True)[columns]


def conflicts_in_words(layout: Layout) -> list[str]:
    """What may have made labels contradict each other, and which setting to write where; of each camera."""
    rows, cameras = _in_use(layout), read_cameras(layout.cameras)
    return list(sides.contradicted(rows, labels.conflicts(rows, cameras), cameras).values())


def _in_use(layout: Layout) -> pd.DataFrame:
    """The labelled images that could be trained on, each with its first capture and whether it is `acceptable`."""
    catalog = open_catalog(layout)
    in_use = capture_table.c.batch.in_(usable_batches())
    rows = _labelled(catalog, ~label_table.c.stale, in_use).drop_duplicates("image_id")
    catalog.close()
    acceptable = {name: defect.acceptable for name, defect in read_taxonomy(layout.taxonomy).classes.items()}
    rows = rows[rows["label"].isin(acceptable)]
    return rows.assign(acceptable=rows["label"].map(acceptable).astype(bool))


Row = Mapping[str, str]  # column -> value
Fresh = tuple[str, dict[str, Any]]  # author, event


@dataclass(frozen=True, slots=True)
class _Filled:
    """A row with a label, and its line in the file."""

    line: int
    row: Row


@dataclass(frozen=True)
class _Sheet:
    """What was read of a label sheet."""

    rows: list[_Filled]
    empty: int
    refused: Refusals
    words: tuple[str, ...]


@dataclass(frozen=True)
class _Desk:
    """What a sheet's rows are held against: name -> image_id, image_id -> the label that stands, classes, versions."""

    images: Mapping[str, str]
    standing: Mapping[str, labels.Label]
    taxonomy: Taxonomy
    spec: Spec
    renamings: Sequence[labels.Renaming]
    likely: dict[str, str] = field(default_factory=dict)  # what nobody declared -> the class that it may mean

    def image(self, key: str) -> str | None:
        """The image that a row is about."""
        return self.images.get(key) or self.images.get(as_key(key))

    def hint(self, label: str) -> str:
        """What a label that nobody declared may mean; a file of other things costs no minutes."""
        if label not in self.likely and len(self.likely) < MOST_ASKED:
            now = labels.called_now(label, self.renamings)
            likely = now if now in self.taxonomy.classes else alike(label, self.taxonomy)
            self.likely[label] = f"did you mean {likely!r}? Otherwise declare"
        return self.likely.get(label, "declare")


def _desk(layout: Layout, images: Mapping[str, str]) -> _Desk:
    events, taxonomy = ledger.read(layout), read_taxonomy(layout.taxonomy)
    standing = labels.standing(_about(layout, set(images.values())))
    return _Desk(images, standing, taxonomy, fold(events, taxonomy), labels.renamings(events))


def _judged(sheet: _Sheet, desk: _Desk, by: str) -> tuple[list[Fresh], int]:
    """The labels that are new, and how many rows say what is known; the others are refused."""
    sound: defaultdict[str, list[tuple[_Filled, dict[str, Any]]]] = defaultdict(list)
    for one in sheet.rows:
        try:
            event = _event(one.row, desk)
        except FixInput as error:
            sheet.refused.add(one.line, str(error))
        else:
            sound[event["image_id"]].append((one, event))
    fresh: list[Fresh] = []
    known = 0
    for image_id, said in sound.items():
        if words := _contradiction(said):
            for one, _ in said:
                sheet.refused.add(one.line, f"{shown(one.row['key'])}: {words}")
            continue
        taken = False
        for one, event in said:
            if taken or _known(event, desk.standing.get(image_id)):
                known += 1
            elif desk.spec.outdates(event["label"], event["spec"]):
                sheet.refused.add(one.line, _outdated(one.row, desk.spec))
            else:
                fresh.append((one.row.get("by") or by, event))
                taken = True
    return fresh, known


def _outdated(row: Row, spec: Spec) -> str:
    label, since = row["label"], spec.changed[row["label"]]
    return f"{shown(row['key'])}: {shown(label)} means something else since spec {since}; look at the image again"


def _contradiction(said: Sequence[tuple[_Filled, Mapping[str, Any]]]) -> str:
    """How the rows of one image contradict each other; "" if they do not."""
    (first, event), *others = said
    for other, differing in others:
        if differing["label"] != event["label"]:
            one, two = (
                f"{shown(row['label'])} in line {at}" for at, row in ((first.line, event), (other.line, differing))
            )
            return f"this sheet gives the picture different labels ({one}, {two}); leave one of them"
    return ""


def _known(event: Mapping[str, Any], label: labels.Label | None) -> bool:
    if label is None or label.label != event["label"]:
        return False
    return not label.stale or label.spec == event["spec"]


def _author(one: Fresh) -> str:
    """One write per author."""
    return one[0]


def _read(path: Path) -> _Sheet:
    """The rows that have a label; raises FixInput when the file is no label sheet."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise FixInput(f"{path} has more than {MOST_BYTES >> 20} MB; split it.")
        said = spreadsheet.read(path.read_bytes(), KNOWN)
    except OSError as error:
        raise FixInput(f"{path} cannot be read ({error.strerror}); give the path of a CSV.") from None
    except FixInput as error:
        raise FixInput(f"{path}: {error}.") from None
    if missing := [name for name in COLUMNS if name not in said.columns]:
        raise FixInput(
            f"{path}: column {', '.join(missing)} is missing; it has {', '.join(said.columns)[:200] or 'none'}. "
            "A label CSV names the columns key and label in its first line."
        )
    rows, empty, refused = list[_Filled](), 0, Refusals()
    for line in said.lines:
        if line.wrong:
            refused.add(line.number, line.wrong)
        elif line.cells["label"]:
            rows.append(_Filled(line.number, line.cells))
        else:
            empty += 1
    return _Sheet(rows, empty, refused, said.words)


def _labelled(catalog: Catalog, *where: ColumnElement[bool]) -> pd.DataFrame:
    """The labels that stand, each beside every capture of its image, the first one first."""
    c, one = capture_table.c, label_table.c
    label = (one.image_id, one.label, one.by, one.labelled_at, one.spec)
    query = select(*label, c.key, c.camera, c.part, c.serial, c.captured_at, c.path).join(
        capture_table, one.image_id == c.image_id
    )
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
    """The body of the event that a row asks for; raises FixInput when it cannot be taken."""
    name, label, image_id = shown(row["key"]), row["label"], desk.image(row["key"])
    if image_id is None:
        raise FixInput(f"no image {quoted(row['key'])} was taken in; check the name, or run `andon ingest` first")
    if label not in desk.taxonomy.classes:
        command = f"`andon class add {typed(label, 'CLASS')} --by NAME`"
        raise FixInput(f"{name}: label {quoted(label)} is not declared; {desk.hint(label)} it: {command}")
    version = row.get("spec") or desk.spec.current
    if version not in desk.spec.versions:
        there = ", ".join(desk.spec.versions)
        raise FixInput(f"{name}: {quoted(version)} is no version of the quality spec; there are {there}")
    return {
        "image_id": image_id,
        "label": label,
        "labelled_at": clock.stamp(_labelled_at(row)),
        "spec": version,
    }


def _labelled_at(row: Row) -> datetime:
    text, name = row.get("labelled_at"), shown(row["key"])
    if not text:
        return clock.now()
    try:
        moment = clock.parse(text)
    except ValueError:
        raise FixInput(f"{name}: labelled_at {quoted(text)} is not a time; write it like 2026-11-02T06:15:12") from None
    if moment > clock.now() + AHEAD:
        raise FixInput(f"{name}: labelled_at {quoted(text)} lies in the future; check the date and the time zone")
    return moment
