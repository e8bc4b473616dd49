"""A person declares clean windows -> a new version of the cameras' references."""

import shutil
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import select

from flows.tasks import push, track
from inspection import clock, commissions, git, incidents, ledger, lock
from inspection.catalog import Catalog, capture_table, open_catalog, stored
from inspection.errors import FixInput
from inspection.images import levels_of
from inspection.layout import Layout
from inspection.params import Params, read_cameras, read_params
from inspection.progress import progress
from monitoring import reference
from monitoring.looking import utc


@flow(name="commission")
def commission(
    cameras: list[str], since: datetime, until: datetime, by: str, root: Path | None = None
) -> list[dict[str, Any]]:
    """Declare the cameras healthy from `since` to `until`; one new reference each.

    Returns:
        For each camera: camera, version, images, windows, first, last, parts, provisional, closed (incidents).
    """
    layout = Layout.find(root)
    settings = read_params(layout.params)
    git.require_identity(layout.home)
    refuse(layout, cameras, since, until, by)
    catalog = open_catalog(layout)
    with lock.hold(layout, "watch", "making references"):
        clean = {camera: clean_captures(catalog, camera, since, until) for camera in cameras}
        learned = [(learn(layout, settings, camera, rows), rows) for camera, rows in clean.items()]
        made = [record(layout, one, rows, by) for one, rows in learned]
        push(layout)
    catalog.close()
    return made


def refuse(layout: Layout, cameras: list[str], since: datetime, until: datetime, by: str) -> None:
    """Raises FixInput for a camera that is not declared, a time that runs backwards, or nobody's name."""
    declared = read_cameras(layout.cameras)
    if unknown := [name for name in cameras if name not in declared]:
        raise FixInput(f"Camera {', '.join(unknown)} is not in cameras.yaml; it declares {', '.join(declared)}.")
    if since >= until:
        raise FixInput(f"--from {since:%Y-%m-%d %H:%M} is not before --to {until:%Y-%m-%d %H:%M}.")
    if not by.strip():
        raise FixInput("A reference needs a person who declares it: add --by NAME.")


def folder(layout: Layout, camera: str, version: str) -> Path:
    return layout.references / camera / version


def clean_captures(catalog: Catalog, camera: str, since: datetime, until: datetime) -> pd.DataFrame:
    """The camera's captures in the interval, in order."""
    c = capture_table.c
    query = select(capture_table).where(
        c.camera == camera, c.captured_at >= stored(since), c.captured_at < stored(until)
    )
    return catalog.frame(query.order_by(c.captured_at, c.capture_id))


@task(name="learn", cache_policy=NO_CACHE)
def learn(layout: Layout, settings: Params, camera: str, rows: pd.DataFrame) -> reference.Reference:
    """The reference that these captures make."""
    if rows.empty:
        raise FixInput(
            f"{camera} has no captures in that interval; `andon catalog query --camera {camera}` lists them."
        )
    learning = reference.Learning(camera, settings.health, settings.watch)
    load = partial(levels_of, layout.home, settings.ingest.max_megapixels)
    with progress(f"learning {camera}", len(rows)) as advance:
        for row in rows.itertuples(index=False):
            learning.add(load(row), str(row.part), utc(row.captured_at), str(row.image_id))
            advance(1)
    earlier = commissions.fold(ledger.read(layout)).get(camera, [])
    return learning.finish(f"v{len(earlier) + 1}")


@task(name="record", cache_policy=NO_CACHE)
def record(layout: Layout, made: reference.Reference, rows: pd.DataFrame, by: str) -> dict[str, Any]:
    """Keep the reference under DVC, name it in the ledger, close what it answers."""
    target = folder(layout, made.camera, made.version)
    part = target.with_name(f".{target.name}.part")
    for left_over in (part, target):  # of a run that was killed: the ledger does not know them
        shutil.rmtree(left_over, ignore_errors=True)
    digest = reference.save(made, part)
    part.rename(target)
    body = {
        "camera": made.camera,
        "version": made.version,
        "digest": digest,
        "first": clock.stamp(utc(rows["captured_at"].iloc[0])),
        "last": clock.stamp(utc(rows["captured_at"].iloc[-1])),
        "images": len(rows),
        "windows": len(made.clean),
    }
    with lock.hold(layout, lock.WRITE, f"recording reference {made.version} of {made.camera}"):
        tracked = track(layout, target)
        ledger.append(layout, "reference", by, [body])
        closed = answered(layout)
        ledger.append(layout, "incident", by, closed)
        git.commit(layout.home, [*tracked, *ledger.files(layout)], f"Reference {made.version} of {made.camera} by {by}")
    provisional = any(limit.provisional for limit in made.limits.values())
    names = [event["incident"] for event in closed]
    return {**body, "parts": sorted(made.parts), "provisional": provisional, "closed": names, "by": by}


def answered(layout: Layout) -> list[dict[str, Any]]:
    """Events that close the incidents all of whose cameras have clean windows since: this is how they look now."""
    events = ledger.read(layout)
    now = commissions.current(events)
    return [
        {
            "incident": one.name,
            "what": "closed",
            "why": "new references: this is how healthy pictures look from now on",
            "over": clock.stamp(max(now[camera].first for camera in one.cameras)),
        }
        for one in incidents.fold(events)
        if one.open and all(camera in now and now[camera].first > one.onset[0] for camera in one.cameras)
    ]
