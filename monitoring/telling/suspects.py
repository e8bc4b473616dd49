"""The parts that an incident makes suspect."""

from dataclasses import dataclass

import pandas as pd
from sqlalchemy import select

from inspection import files
from inspection.layout import Layout
from inspection.pictures import piece
from inspection.post.letter import Attachment
from inspection.records.catalog import Catalog
from inspection.records.incidents import Incident
from inspection.records.schema import capture_table, score_table
from inspection.release import suspicion


@dataclass(frozen=True)
class Suspects:
    """The list of an incident: so many parts, those that nobody has spoken of, whether none is added any more, and the
    CSV that goes with a mail."""

    parts: int
    waiting: int
    complete: bool
    attached: Attachment


def suspects(incident: Incident, layout: Layout, catalog: Catalog) -> Suspects:
    """The suspect parts as they stand now; the CSV lies in the incident's folder, too."""
    doubt = suspicion.of(incident, layout, catalog)
    found = suspect_parts(doubt, catalog)
    csv = files.as_sheet(found)
    files.write(layout.watched / "incidents" / incident.name / "suspects.csv", csv)
    attached = Attachment(f"{incident.name}-suspect-parts.csv", csv.encode(), "text/csv")
    waiting = suspicion.waiting(incident, layout, catalog)
    return Suspects(int(piece.of(found).nunique()), waiting, doubt.complete, attached)


def suspect_parts(doubt: suspicion.Suspicion, catalog: Catalog) -> pd.DataFrame:
    """The suspect captures with what was said of them."""
    c, s = capture_table.c, score_table.c
    query = (
        select(
            c.serial, c.part, c.camera, c.captured_at, s.reject, s.label, s.reject_probability, s.threshold, s.version
        )
        .join(score_table, s.capture_id == c.capture_id, isouter=True)
        .where(doubt.captures)
        .order_by(c.captured_at, c.capture_id)
    )
    found = catalog.frame(query)
    words = found["reject"].map({True: "reject", False: "accept"}).fillna("not judged")
    found = found.assign(captured_at=found["captured_at"].astype(str).str[:19] + "Z", reject=words)
    return found.rename(
        columns={"captured_at": "captured_at_utc", "reject": "verdict", "label": "class", "version": "model"}
    )
