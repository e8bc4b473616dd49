"""Images' stories: everything known about each, from the inbox to the last verdict."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Table, select

from andon import verdicts
from inspection import clock
from inspection.layout import Layout
from inspection.pictures import piece, returned
from inspection.records import incidents, ledger
from inspection.records.assignments import read_assignments
from inspection.records.catalog import Catalog
from inspection.records.database import among
from inspection.records.incidents import Incident
from inspection.records.labels import undone
from inspection.records.schema import image_table, label_table, score_table
from inspection.release import suspicion
from inspection.release.suspicion import Suspicion

DOUBTFUL = " (a time that daylight saving makes doubtful)"


def stories(layout: Layout, catalog: Catalog, captures: pd.DataFrame) -> list[dict[str, Any]]:
    """One for each image of `captures` (rows of the catalog), in their order: image, captures, labels, split, whether
    it waits for a word on its piece, incidents that make it suspect, verdicts (given when it came, in a test, today)
    and why there is none of today."""
    ids = [str(one) for one in captures["image_id"].unique()]
    about = {row["image_id"]: row for row in records(rows_of(catalog, image_table, ids))}
    gone = undone(ledger.read(layout))
    given = [
        {**row, "undone": f"by {gone[row['n']].by}: {gone[row['n']].body['why']}" if row["n"] in gone else ""}
        for row in records(rows_of(catalog, label_table, ids).sort_values("n"))
    ]
    assigned = read_assignments(layout.assignments).of(piece.of(captures))
    doubts = [(one, suspicion.of(one, layout, catalog)) for one in incidents.fold(ledger.read(layout))]
    scores = rows_of(catalog, score_table, ids)
    judged = dict(zip(scores["capture_id"], scores["package"], strict=True))
    given_then = verdicts.when_they_came(layout, scores[scores["capture_id"].isin(captures["capture_id"])])
    tested, (now, silent) = verdicts.of_test(layout, captures), verdicts.today(layout, captures)
    told = []
    for image_id in ids:
        own = captures[captures["image_id"] == image_id]
        story = {
            "image": about[image_id],
            "captures": records(own),
            "labels": [row for row in given if row["image_id"] == image_id],
            "split": assigned.get(piece.of(own).iloc[0]),
            "waits": bool(returned.waits(own["serial"]).iloc[0]),
            "incidents": _suspected(doubts, own, judged),
            "verdicts": [*given_then[image_id], *tested[image_id], *now[image_id]],
            "not_today": silent.get(image_id, ""),
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
            + taken_back(row)
        )
    said.append(f"used for  {used_for(told['split'], told['waits'])}")
    said += [f"suspect   {because_of(row)}" for row in told["incidents"]]
    if not any(row["what"] == verdicts.THEN for row in told["verdicts"]):
        said.append("verdict   none was given when it came")
    for row in told["verdicts"]:
        at = f"{row['at'][:19].replace('T', ' ')} UTC, " if row["at"] else ""
        said.append(f"verdict   {at}{row['what']}: {verdicts.in_words(row)}")
    return [*said, *([f"verdict   {verdicts.TODAY}: none, {told['not_today']}"] if told["not_today"] else [])]


def taken_back(label: Mapping[str, Any]) -> str:
    """Who took a label back, and why."""
    return f" (taken back {label['undone']})" if label["undone"] else ""


def used_for(split: str | None, waits: bool) -> str:
    """What an image or a piece teaches or tests; `waits`: nobody has said yet which piece it is."""
    if waits:
        return (
            "nothing yet: it waits, for its serial came again after a long gap and nobody has said whether it is the "
            "same piece or a new one (andon piece list)"
        )
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


def _suspected(
    doubts: Sequence[tuple[Incident, Suspicion]], captures: pd.DataFrame, judged: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The incidents that make one of its captures suspect, and what was done with the parts.

    Args:
        judged: capture -> the package that judged it.
    """
    times = [
        (str(row.camera), clock.parse(str(row.captured_at)), judged.get(str(row.capture_id)))
        for row in captures.itertuples(index=False)
    ]
    return [
        {
            "incident": one.name,
            "cause": one.cause.replace("_", " "),
            "camera": camera,
            "parts": one.parts,
            "parts_by": one.parts_by,
        }
        for one, doubt in doubts
        for camera in sorted({camera for camera, at, package in times if doubt.covers(camera, at, package)})
    ]
