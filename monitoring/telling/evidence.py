"""What shows an incident: pictures, a page for people, JSON for machines. On this disk only: all of it can be made
again from captures, references and the ledger."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import inf
from typing import Any

import pandas as pd
from sqlalchemy import case, func, select

from inspection import clock
from inspection.errors import FetchData, FixInput
from inspection.layout import Layout
from inspection.params import Params
from inspection.pictures.images import levels_of
from inspection.post.letter import Picture
from inspection.records.catalog import Catalog, latest_labels
from inspection.records.commissions import Commission
from inspection.records.incidents import Incident
from inspection.records.schema import capture_table, score_table, stored
from monitoring.judgement import looking, reference
from monitoring.telling import dossier, pages, pictures, plots
from monitoring.telling.courses import PLAIN, RECENT, courses
from monitoring.telling.scene import Scene

CLOSE = 48  # px, the least width of a close-up
GRAIN = ("noise", "smoothed")  # statistics that are seen close up on a calm ground
EDGES = ("blur", "motion", "sharpened", "blocks")  # ... and those that are seen at an edge
IN_LEVELS = ("dead", "hot", "stuck", "noise")  # statistics whose difference is shown in grey levels, not per cent
WITHOUT_PLACE = (  # ... and those that no mean picture shows
    *("novelty", "mix", "defects", "frozen", "flicker"),
    *("noise", "smoothed", "sharpened", "blocks", "coarse", "torn"),
)


def gather(incident: Incident, layout: Layout, settings: Params, catalog: Catalog) -> tuple[Picture, ...]:
    """The pictures that show an incident; they, how it was measured and its JSON are written to its folder too."""
    folder = layout.watched / "incidents" / incident.name
    scene = Scene.of(layout, incident.cameras[0], incident.window)
    rows = looking.captures_of(catalog, incident.window)
    shown = _pictures(incident, layout, settings, catalog, scene, rows)
    dossier.keep(incident, layout, shown)
    now = pages.statistics(catalog, scene.camera, *_span(rows))
    seen = [one for one in scene.windows if one["window"] == incident.window]
    also = ", ".join(cause.replace("_", " ") for cause in incident.also)
    title = f"{incident.name}: {incident.cause.replace('_', ' ')} on {scene.camera}"
    title += f" (also seen, probably because of it: {also})" if also else ""
    every = [*((one.caption, one.content) for one in shown), *pages.every_statistic(layout, scene, scene.windows)]
    page = pages.Page(title, folder / "report.html", every, confirmed=True)
    pages.write_page(page, scene, now, seen, settings, catalog)
    return shown


def _pictures(
    incident: Incident, layout: Layout, settings: Params, catalog: Catalog, scene: Scene, rows: pd.DataFrame
) -> tuple[Picture, ...]:
    """Before and after with the difference, the size over time, and a part before and now: those that can be had."""
    load = partial(levels_of, layout.home, settings.ingest.max_megapixels)
    found = (
        _compared(incident, scene, rows, load),
        _over_time(incident, layout, scene),
        _example(incident, catalog, scene, rows, load),
    )
    return tuple(one for one in found if one is not None)


def _compared(
    incident: Incident, scene: Scene, rows: pd.DataFrame, load: Callable[[Any], looking.Levels]
) -> Picture | None:
    """The mean picture when healthy, now, and the difference."""
    name = incident.finding["statistic"]
    if scene.held is None or rows.empty or name in WITHOUT_PLACE:
        return None
    window, _ = looking.gather(rows, load)
    healthy, now = scene.held[1].expected(window), window.mean()
    if healthy is None or now is None or healthy.shape != now.shape:
        return None
    spots = [(max(spot["row"], 0), max(spot["column"], 0)) for spot in incident.finding.get("spots", ())]
    content = pictures.compared(healthy, now, spots, unit="grey levels" if name in IN_LEVELS else "%")
    seen = f"On average it was {healthy.mean():.0f} of 255 levels bright and is {now.mean():.0f}."
    return Picture(
        "compared.png", f"{scene.camera}: the mean picture when healthy, now, and the difference", content, seen
    )


def _over_time(incident: Incident, layout: Layout, scene: Scene) -> Picture | None:
    """The statistic of the incident from window to window."""
    name = incident.finding["statistic"]
    found = courses(layout, scene, [one for one in scene.windows if name in one["values"]][-RECENT:], [name])
    if not found:
        return None
    [course] = found
    caption = f"{scene.camera}, window by window: {PLAIN[name]}"
    low, high = course.bounds[-1].low, course.bounds[-1].high
    unit = course.unit if course.unit == "%" else f" {course.unit}"
    healthy = f"{low:.2g} to {high:.2g}" if low > -inf else f"below {high:.2g}"
    last = f"{course.values[-1]:.3g}{unit.removesuffix('s') if course.values[-1] == 1 and course.whole else unit}"
    seen = (
        f"The last of {len(course.values)} windows measured {last}; healthy is {healthy}{unit if unit == '%' else ''}."
    )
    return Picture("over-time.png", caption, plots.over_time(course, incident.onset, scene.story), seen)


def _example(
    incident: Incident, catalog: Catalog, scene: Scene, rows: pd.DataFrame, load: Callable[[Any], looking.Levels]
) -> Picture | None:
    """A part before and another of the same kind now; a close-up of the first spot where there is one, or of
    an edge or a calm ground where these show it."""
    if scene.held is None or rows.empty:
        return None
    declared, known = scene.held
    now = _typical(catalog, rows, known)
    before = _healthy_capture(catalog, declared, str(now["part"]), scene.good)
    try:
        shown = [load(row) for row in (before, now) if row is not None]
    except (FetchData, FixInput):
        return None  # the mail goes without it; ingest and watch say what is missing
    what = "a part"
    if (place := _place(incident, shown)) is not None:
        (row, column), across = place
        shown = [pictures.close_up(image, (row, column), across) for image in shown]
        what = f"close-up of row {row}, column {column}, {across} pixels across: {what}"
    if incident.finding["statistic"] in GRAIN:
        shown, what = pictures.stretched(shown), f"with more contrast, {what}"
    names = ("before", "now")[-len(shown) :]
    moments = (looking.utc(row["captured_at"]).astimezone(scene.zone) for row in (before, now) if row is not None)
    titles = [f"{name}: {moment:%a %d %b, %H:%M}" for name, moment in zip(names, moments, strict=True)]
    caption = f"{scene.camera}: {what} {'before and another now' if before is not None else 'now'}"
    seen = f"Now: part {now['serial']} ({now['part']})."
    return Picture("examples.png", caption, pictures.examples(shown, titles), seen)


def _place(incident: Incident, shown: Sequence[looking.Levels]) -> tuple[tuple[int, int], int] | None:
    """What to look at closely: (row, column) and so many pixels across; None: the whole picture."""
    spots, height, width = incident.finding.get("spots", ()), *shown[0].shape[:2]
    if len({image.shape for image in shown}) > 1:
        return None
    if not spots:
        fine = incident.finding["statistic"] in (*GRAIN, *EDGES) and min(height, width) > CLOSE
        return (pictures.busiest(shown[0], CLOSE, calm=incident.finding["statistic"] in GRAIN), CLOSE) if fine else None
    across = CLOSE if spots[0].get("shape") else max(CLOSE, round(6 * spots[0]["size"]))
    spot = (max(int(spots[0]["row"]), 0), max(int(spots[0]["column"]), 0))
    return (spot, across) if across < max(height, width) else None


def _typical(catalog: Catalog, rows: pd.DataFrame, known: reference.Reference) -> pd.Series:
    """The capture to show: of a part that the reference does not know, if there is one; else one that was accepted, so
    that a defect does not distract; the last of them."""
    s = score_table.c
    accepted = catalog.frame(select(s.capture_id).where(s.capture_id.in_(list(rows["capture_id"])), ~s.reject))
    strange = ~rows["part"].isin(list(known.parts))
    calm = rows["capture_id"].isin(accepted["capture_id"])
    return next(some for some in (rows[strange], rows[calm], rows) if len(some)).iloc[-1]


def _healthy_capture(catalog: Catalog, declared: Commission, part: str, good: Sequence[str]) -> pd.Series | None:
    """The last capture that the reference was made of: of this part, labelled good, accepted, if there is one."""
    c, rejected, labels = capture_table.c, func.coalesce(score_table.c.reject, False), latest_labels().subquery()
    defect = case((labels.c.label.is_(None), 1), (labels.c.label.in_(good), 0), else_=2)
    query = (
        select(capture_table)
        .join(score_table, score_table.c.capture_id == c.capture_id, isouter=True)
        .join(labels, labels.c.image_id == c.image_id, isouter=True)
        .where(c.camera == declared.camera, c.captured_at >= stored(declared.first))
        .where(c.captured_at <= stored(declared.last))
        .order_by((c.part == part).desc(), defect, rejected, c.captured_at.desc(), c.capture_id)
        .limit(1)
    )
    found = catalog.frame(query)
    return None if found.empty else found.iloc[0]


def _span(rows: pd.DataFrame) -> tuple[datetime, datetime]:
    if rows.empty:
        return clock.now(), clock.now()
    return rows["captured_at"].iloc[0], rows["captured_at"].iloc[-1] + timedelta(milliseconds=1)
