"""The parts that an incident makes suspect."""

import pandas as pd
from sqlalchemy import select

from inspection import files
from inspection.layout import Layout
from inspection.post.letter import Attachment
from inspection.records.catalog import Catalog
from inspection.records.incidents import Incident
from inspection.records.schema import capture_table, score_table


def suspects(incident: Incident, layout: Layout, catalog: Catalog) -> tuple[pd.DataFrame, Attachment]:
    """The suspect parts as a table, and as the CSV that goes with a mail and lies in the incident's folder."""
    found = suspect_parts(incident, catalog)
    csv = found.to_csv(index=False)
    files.write(layout.watched / "incidents" / incident.name / "suspects.csv", csv)
    return found, Attachment(f"{incident.name}-suspect-parts.csv", csv.encode(), "text/csv")


def suspect_parts(incident: Incident, catalog: Catalog) -> pd.DataFrame:
    """The captures of the incident's cameras since it may have begun, until it was over, with what was said of them."""
    c, s = capture_table.c, score_table.c
    query = (
        select(
            c.serial, c.part, c.camera, c.captured_at, s.reject, s.label, s.reject_probability, s.threshold, s.version
        )
        .join(score_table, s.capture_id == c.capture_id, isouter=True)
        .where(c.camera.in_(incident.cameras), c.captured_at > incident.onset[0].replace(tzinfo=None))
        .order_by(c.captured_at, c.capture_id)
    )
    if incident.closed is not None:
        query = query.where(c.captured_at <= incident.closed.replace(tzinfo=None))
    found = catalog.frame(query)
    words = found["reject"].map({True: "reject", False: "accept"}).fillna("not judged")
    found = found.assign(captured_at=found["captured_at"].astype(str).str[:19] + "Z", reject=words)
    return found.rename(
        columns={"captured_at": "captured_at_utc", "reject": "verdict", "label": "class", "version": "model"}
    )
