"""Images' stories: everything known about each, from the inbox to the last verdict."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Table, select

from andon import verdicts
from inspection import clock
from inspection.layout import Layout
from inspection.records import incidents, ledger
from inspection.records.assignments import read_assignments
from inspection.records.catalog import Catalog
from inspection.records.database import among
from inspection.records.incidents import Incident
from inspection.records.schema import image_table, label_table

DOUBTFUL = " (a time that daylight saving makes doubtful)"


def stories(layout: Layout, catalog: Catalog, captures: pd.DataFrame) -> list[dict[str, Any]]:
    """One for each image of `captures` (rows of the catalog), in their order: image, captures, labels, split, incidents
    that make it suspect, and verdicts."""
    ids = [str(one) for one in captures["image_id"].unique()]
    about = {row["image_id"]: row for row in records(rows_of(catalog, image_table, ids))}
    given = records(rows_of(catalog, label_table, ids).sort_values("n"))
    assigned, opened = read_assignments(layout.assignments), incidents.fold(ledger.read(layout))
    said = verdicts.of_test_and_now(layout, captures)
    told = []
    for image_id in ids:
        own = captures[captures["image_id"] == image_id]
        story = {
            "image": about[image_id],
            "captures": records(own),
            "labels": [row for row in given if row["image_id"] == image_id],
            "split": assigned.get(str(own["serial"].iloc[0])),
            "incidents": _suspected(opened, own),
            "verdicts": said[image_id],
        }
        told.append(story)
    return told


def lines(told: dict[str, Any]) -> list[str]:
    """One of `stories` in sentences."""
    image = told["image"]
    said = [
        f"image     {image['image_id']}\n          {image['width']}×{image['height']} px, "
        f"{image['channels']} channel(s), {image['bit_depth']} bit {image['format']}, {image['bytes']} bytes; "
        f"brightness {image['brightness']:.1f} of 255, "
        f"contrast {image['contrast']:.1f}, noise {image['noise']:.2f}"
    ]
    for row in told["captures"]:
        said.append(
            f"captured  {row['captured_at'][:23]} UTC by {row['camera']} on line {row['line']}: "
            f"part {row['part']}, serial {row['serial']}" + DOUBTFUL * row["time_doubtful"] + "\n"
            f"taken in  {row['ingested_at'][:19]} UTC as {row['path']} (from {row['key']})"
        )
    for row in told["labels"]:
        said.append(
            f"labelled  {row['labelled_at'][:19]} UTC {row['label']} by {row['by']} under quality spec {row['spec']}"
        )
    said.append(f"used for  {used_for(told['split'])}")
    said += [f"suspect   {because_of(row)}" for row in told["incidents"]]
    said += [f"verdict   {verdicts.in_words(row)}" for row in told["verdicts"]]
    return said


def used_for(split: str | None) -> str:
    return split or "nothing yet: the part is not assigned to train, val or test"


def because_of(incident: dict[str, Any]) -> str:
    """What makes an image suspect, and what was done about it."""
    done = f"{incident['parts']}, said {incident['parts_by']}" if incident["parts"] else None
    return (
        f"because of {incident['incident']}, {incident['cause']} on {incident['camera']}; its parts: "
        f"{done or 'nobody has said what was done with them'}"
    )


def rows_of(catalog: Catalog, table: Table, image_ids: Sequence[str]) -> pd.DataFrame:
    """The rows of one of the catalog's tables that speak of these images."""
    with catalog.engine.connect() as connection:
        return pd.read_sql_query(select(table).where(among(connection, table.c.image_id, image_ids)), connection)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON holds them: times are text."""
    frame = frame.assign(**{name: frame[name].astype(str) for name in frame.select_dtypes("datetime")})
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def _suspected(opened: Sequence[Incident], captures: pd.DataFrame) -> list[dict[str, Any]]:
    """The incidents that one of its captures falls into, and what was done with the parts."""
    times = [(str(row.camera), clock.parse(str(row.captured_at))) for row in captures.itertuples(index=False)]
    return [
        {
            "incident": one.name,
            "cause": one.cause.replace("_", " "),
            "camera": camera,
            "parts": one.parts,
            "parts_by": one.parts_by,
        }
        for one in opened
        for camera in sorted({camera for camera, at in times if one.covers(camera, at)})
    ]
