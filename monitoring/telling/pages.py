"""A camera's windows and days for people and machines: pages and JSON. On this disk only: all of it can be made again
from captures, references and the ledger."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import select

from inspection import files
from inspection.layout import Layout
from inspection.params import Params
from inspection.records import alarms
from inspection.records.catalog import Catalog
from inspection.records.schema import capture_table, image_table, stored
from monitoring.camera.image_stats import NAMES
from monitoring.telling import plots, report
from monitoring.telling.courses import PLAIN, RECENT, courses
from monitoring.telling.scene import Scene


@dataclass(frozen=True)
class Page:
    """A page: its title and file, the pictures on it with their captions, and whether other windows have confirmed what
    its own only suspect."""

    title: str
    path: Path
    pictures: Sequence[tuple[str, bytes]]
    confirmed: bool = False


def write_window(layout: Layout, told: Mapping[str, Any]) -> Path:
    """One window as JSON."""
    path = layout.watched / "windows" / told["camera"] / f"{told['window']}.json"
    return files.write(path, json.dumps(told, indent=2))


def write_day(layout: Layout, settings: Params, catalog: Catalog, camera: str, day: str) -> Path | None:
    """The page of one camera's day (UTC); None while the camera has no reference."""
    start = datetime.fromisoformat(day)
    now = statistics(catalog, camera, start, start + timedelta(days=1))
    scene = Scene.of(layout, camera)
    seen = [one for one in scene.windows if one["last"][:10] >= day >= one["first"][:10]]
    path = layout.watched / "days" / day / f"{camera}.html"
    before = [one for one in scene.windows if one["first"][:10] <= day]
    page = Page(f"{camera} on {day}", path, every_statistic(layout, scene, before))
    return write_page(page, scene, now, seen, settings, catalog)


def every_statistic(layout: Layout, scene: Scene, windows: Sequence[Mapping[str, Any]]) -> list[tuple[str, bytes]]:
    """All sizes over the latest of these windows as a picture with its caption; none where nothing was measured."""
    found = courses(layout, scene, windows[-RECENT:])
    return [("Every statistic, window by window", plots.multiples(found, scene.camera, scene.story))] if found else []


def write_page(
    page: Page,
    scene: Scene,
    now: pd.DataFrame,
    seen: Sequence[Mapping[str, Any]],
    settings: Params,
    catalog: Catalog,
) -> Path | None:
    """An Evidently page of the images `now` and the windows `seen` against the camera's reference, under our limits;
    None while the camera has no reference."""
    if scene.held is None or now.empty:
        return None
    declared, held = scene.held
    until = declared.last + timedelta(milliseconds=1)
    healthy = statistics(catalog, declared.camera, declared.first, until)
    size = settings.watch.window_images
    clean = [healthy.iloc[start : start + size] for start in range(0, len(healthy), size)]
    columns = report.thresholds([one for one in clean if len(one) >= settings.watch.min_images], healthy)
    judged = [one for one in seen if one["reference"] == declared.version and one["state"] in alarms.JUDGED]
    page.path.parent.mkdir(parents=True, exist_ok=True)
    sizes = report.sizes(judged, held.limits, PLAIN)
    told = report.write(healthy, now, columns, sizes, page.title, page.path, page.pictures, page.confirmed)
    files.write(page.path.with_suffix(".json"), json.dumps(told, indent=2))
    return page.path


def statistics(catalog: Catalog, camera: str, since: datetime, until: datetime) -> pd.DataFrame:
    """One row per image with the statistics of `image_stats`, in the order of capture."""
    c, i = capture_table.c, image_table.c
    query = (
        select(*(i[name] for name in NAMES))
        .join(capture_table, c.image_id == i.image_id)
        .where(c.camera == camera, c.captured_at >= stored(since), c.captured_at < stored(until))
        .order_by(c.captured_at, c.capture_id)
    )
    return catalog.frame(query)
