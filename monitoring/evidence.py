"""What shows an incident: pictures, suspect parts, pages for people, JSON for machines. On this disk only: all of it
can be made again from captures, references and the ledger."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import select

from inspection import clock, commissions, ledger
from inspection.catalog import Catalog, capture_table, image_table, look_table, score_table, stored
from inspection.images import levels_of
from inspection.incidents import Incident
from inspection.layout import Layout
from inspection.mail import Attachment, Picture
from inspection.params import Params
from monitoring import looking, pictures, reference, report
from monitoring.image_stats import NAMES

Held = tuple[commissions.Commission, reference.Reference]

RECENT = 60  # windows in a plot
PLAIN = {
    "gain": "brightness against the healthy picture",
    "gradient": "light on the dark side against the bright one",
    "colour": "red or blue against green",
    "clipped": "share of pixels that are black or white",
    "shift": "how far the picture has moved",
    "rotation": "how far the picture has turned",
    "blur": "blur that was added",
    "motion": "smear along one direction",
    "dead": "dead pixels",
    "hot": "hot pixels",
    "stuck": "stuck pixels",
    "dust": "specks of dust",
    "frozen": "pictures that are the same",
    "unknown": "share of the picture that has changed",
}


def write_window(layout: Layout, told: Mapping[str, Any]) -> Path:
    """One window as JSON."""
    return _write(layout.watched / "windows" / told["camera"] / f"{told['window']}.json", json.dumps(told, indent=2))


def write_day(layout: Layout, settings: Params, catalog: Catalog, camera: str, day: str) -> Path | None:
    """The page of one camera's day (UTC); None while the camera has no reference."""
    start = datetime.fromisoformat(day)
    now = _statistics(catalog, camera, start, start + timedelta(days=1))
    seen = [one for one in _windows(layout, camera) if one["last"][:10] >= day >= one["first"][:10]]
    path = layout.watched / "days" / day / f"{camera}.html"
    return _page(settings, catalog, _reference(layout, camera), now, seen, f"{camera} on {day}", path)


def gather(incident: Incident, layout: Layout, settings: Params, catalog: Catalog) -> tuple[Picture, ...]:
    """The pictures that show an incident; they, its page and its JSON are written to its folder too."""
    folder = layout.watched / "incidents" / incident.name
    camera = incident.cameras[0]
    rows = _captures_of(catalog, incident.window)
    held = _reference(layout, camera)
    shown = _pictures(incident, layout, settings, held, rows)
    for picture in shown:
        _write(folder / picture.name, picture.content)
    _write(folder / "incident.json", json.dumps(_plain(incident), indent=2, ensure_ascii=False))
    now = _statistics(catalog, camera, *_span(rows))
    seen = [one for one in _windows(layout, camera) if one["window"] == incident.window]
    title = f"{incident.name}: {incident.cause.replace('_', ' ')} on {camera}"
    _page(settings, catalog, held, now, seen, title, folder / "report.html")
    return shown


def suspects(incident: Incident, layout: Layout, catalog: Catalog) -> tuple[pd.DataFrame, Attachment]:
    """The suspect parts as a table, and as the CSV that goes with a mail and lies in the incident's folder."""
    found = suspect_parts(incident, catalog)
    csv = found.to_csv(index=False)
    _write(layout.watched / "incidents" / incident.name / "suspects.csv", csv)
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


def _pictures(
    incident: Incident, layout: Layout, settings: Params, held: Held | None, rows: pd.DataFrame
) -> tuple[Picture, ...]:
    """Before and after with the difference, and the size over time."""
    camera = incident.cameras[0]
    load = partial(levels_of, layout.home, settings.ingest.max_megapixels)
    finding, shown = incident.finding, []
    if held is not None and len(rows):
        window, _ = looking.gather(rows, load)
        healthy = held[1].expected(window)
        now = window.mean()
        if healthy is not None and now is not None and healthy.shape == now.shape:
            spots = [(spot["row"], spot["column"]) for spot in finding.get("spots", ())]
            words = f"{camera}: the mean picture when healthy, now, and the difference"
            shown.append(Picture("compared.png", words, pictures.compared(healthy, now, spots)))
    series = [one for one in _windows(layout, camera) if finding["statistic"] in one["values"]][-RECENT:]
    if series:
        content = pictures.over_time(
            [clock.parse(one["last"]) for one in series],
            [one["values"][finding["statistic"]] for one in series],
            finding["low"],
            finding["high"],
            f"{camera}: {PLAIN[finding['statistic']]}",
            finding["unit"],
            incident.onset,
        )
        shown.append(Picture("over-time.png", f"{camera}, window by window: {PLAIN[finding['statistic']]}", content))
    return tuple(shown)


def _page(
    settings: Params,
    catalog: Catalog,
    held: Held | None,
    now: pd.DataFrame,
    seen: Sequence[Mapping[str, Any]],
    title: str,
    path: Path,
) -> Path | None:
    """An Evidently page of `now` against the camera's reference, under our thresholds."""
    if held is None or now.empty:
        return None
    declared, reference_now = held
    until = declared.last + timedelta(milliseconds=1)
    healthy = _statistics(catalog, declared.camera, declared.first, until)
    size = settings.watch.window_images
    clean = [healthy.iloc[start : start + size] for start in range(0, len(healthy), size)]
    limits = report.thresholds([one for one in clean if len(one) >= settings.watch.min_images], healthy)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = report.write(healthy, now, limits, _sizes(reference_now, seen), title, path)
    _write(path.with_suffix(".json"), json.dumps(told, indent=2))
    return path


def _sizes(held: reference.Reference, seen: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float, float]]:
    """Statistic -> (the size furthest out in these windows, low, high)."""
    limits = held.limits
    sizes = {}
    for name, limit in limits.items():
        values = [one["values"][name] for one in seen if name in one["values"]]
        if values:
            middle = (limit.low + limit.high) / 2
            sizes[name] = (max(values, key=lambda value: abs(value - middle)), limit.low, limit.high)
    return sizes


def _reference(layout: Layout, camera: str) -> Held | None:
    """What holds for the camera now, read once for all that shows it; None while it is learning."""
    declared = commissions.current(ledger.read(layout)).get(camera)
    return None if declared is None else (declared, reference.load(declared.folder(layout), declared.digest))


def _statistics(catalog: Catalog, camera: str, since: datetime, until: datetime) -> pd.DataFrame:
    """One row per image with the statistics of `image_stats`, in the order of capture."""
    c, i = capture_table.c, image_table.c
    query = (
        select(*(i[name] for name in NAMES))
        .join(capture_table, c.image_id == i.image_id)
        .where(c.camera == camera, c.captured_at >= stored(since), c.captured_at < stored(until))
        .order_by(c.captured_at, c.capture_id)
    )
    return catalog.frame(query)


def _captures_of(catalog: Catalog, window: str) -> pd.DataFrame:
    query = select(capture_table).join(look_table, look_table.c.capture_id == capture_table.c.capture_id)
    return catalog.frame(query.where(look_table.c.window == window).order_by(capture_table.c.captured_at))


def _windows(layout: Layout, camera: str) -> list[Mapping[str, Any]]:
    """Every window of a camera as the ledger has it."""
    events = (event for event in ledger.read(layout) if event.kind == "watch")
    return [one for event in events for one in event.body["windows"] if one["camera"] == camera]


def _span(rows: pd.DataFrame) -> tuple[datetime, datetime]:
    if rows.empty:
        return clock.now(), clock.now()
    return rows["captured_at"].iloc[0], rows["captured_at"].iloc[-1] + timedelta(milliseconds=1)


def _plain(incident: Incident) -> dict[str, Any]:
    told = {**incident.__dict__, "onset": [clock.stamp(one) for one in incident.onset]}
    for name in ("opened", "closed"):
        told[name] = clock.stamp(told[name]) if told[name] else None
    return told


def _write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(part, path)
    return path
