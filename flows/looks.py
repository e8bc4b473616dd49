"""New captures -> the live model's verdicts; windows that are due -> how their cameras look; both kept and recorded."""

import os
import shutil
from functools import partial

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import exists, select

from flows.remote import push
from flows.versions import track
from inspection import clock, git, lock
from inspection.cameras import read_cameras
from inspection.intake.images import levels_of
from inspection.layout import Layout
from inspection.model.package import Package, sight_on_line
from inspection.network.features import Features
from inspection.params import Params
from inspection.progress import progress
from inspection.records import alarms, commissions, incidents, ledger, verdicts
from inspection.records.catalog import Catalog, usable_batches
from inspection.records.schema import capture_table, look_table
from inspection.release import registry
from inspection.release.registry import Release
from monitoring.content.learning import with_verdicts
from monitoring.judgement import looking, reference
from monitoring.judgement.climb import Climb, climbs
from monitoring.judgement.looking import Look
from monitoring.judgement.reference import Reference
from monitoring.telling.courses import CAUSES

FEWEST = 4  # healthy windows judged by a new model, before the rate of its rejections is judged


def clear(layout: Layout) -> None:
    """Remove the files of a run that was killed before the ledger named it."""
    believed = {event.body["run"] for event in ledger.read(layout) if event.kind == "watch"}
    for run in layout.ledger.glob("*/watch/*"):
        if run.name not in believed:
            shutil.rmtree(run)
            pointer = run.parent.with_name("watch.dvc")
            if not pointer.exists():
                continue
            if git.is_tracked(layout.home, pointer):
                git.run(layout.home, "restore", "--", str(pointer.relative_to(layout.home)))
            else:
                pointer.unlink(missing_ok=True)


def new_batches(layout: Layout, catalog: Catalog, batch: str | None) -> list[str]:
    """Batches that no run has judged yet and that no person has to look at first."""
    before = {name for event in ledger.read(layout) if event.kind == "watch" for name in event.body["batches"]}
    there = catalog.frame(usable_batches())["batch"]
    return sorted(name for name in there if name not in before and batch in (None, name))


@task(name="score", cache_policy=NO_CACHE)
def score(layout: Layout, settings: Params, catalog: Catalog, new: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """The live model's verdict on each capture of the `new` batches; none, with the reason, while none is live."""
    nothing = verdicts.empty(verdicts.SCORES)
    live, wrong = registry.live(layout), registry.difference(layout)
    if live is None:
        return nothing, ["No model is on the line yet, so there are no verdicts."]
    if wrong is not None:
        return nothing, [f"No verdicts: {wrong}."]
    rows = catalog.frame(select(capture_table).where(capture_table.c.batch.in_(new)))
    if rows.empty:
        return nothing, []
    package = Package(layout.live)
    features = Features(layout, settings, sight_on_line(layout, settings).frozen_blocks)
    load = partial(levels_of, layout.home, settings.ingest.max_megapixels)
    said = looking.scores(rows, package, live, features, load)
    features.close()
    return said, []


@task(name="look", cache_policy=NO_CACHE)
def look(layout: Layout, settings: Params, catalog: Catalog, fresh: pd.DataFrame) -> list[Look]:
    """Every window that is due, measured against its camera's reference; the catalog lacks the `fresh` verdicts."""
    c = capture_table.c
    seen = exists().where(look_table.c.capture_id == c.capture_id)
    query = select(capture_table).where(c.batch.in_(usable_batches()), ~seen)
    due = list(looking.windows(catalog.frame(query), settings.watch))
    load = partial(levels_of, layout.home, settings.ingest.max_megapixels)
    held = references(layout, settings, catalog, {str(rows["camera"].iloc[0]) for rows in due})
    scale = {name: camera.mm_per_px for name, camera in read_cameras(layout.cameras).items()}
    sums = {camera: slow_changes(layout, camera, one) for camera, one in held.items()}
    sight, looks = sight_on_line(layout, settings), []
    features = Features(layout, settings, sight.frozen_blocks)
    with progress("looking", len(due)) as advance:
        for rows in due:
            camera = str(rows["camera"].iloc[0])
            shown = None
            if camera in held and held[camera].content is not None:
                said = pd.concat([looking.said_of(rows, catalog), fresh[["capture_id", "package", "reject"]]])
                shown = looking.content_of(rows, said, features, sight.masks, settings.verdict.part)
            one = looking.look(rows, held.get(camera), settings, load, sums.get(camera), scale.get(camera), shown)
            if camera in held:
                values = [one.verdict.measurement.values]
                sums[camera] = climbs(values, held[camera].limits, sums[camera])
            looks.append(one)
            advance(1)
    features.close()
    return looks


def references(layout: Layout, settings: Params, catalog: Catalog, cameras: set[str]) -> dict[str, Reference]:
    """Camera -> what it is measured against now; one that is learning is left out."""
    current = commissions.current(ledger.read(layout))
    held = {
        camera: reference.load(one.folder(layout), one.digest) for camera, one in current.items() if camera in cameras
    }
    live = registry.live(layout)
    if live is None:
        return held
    return {camera: with_live_model(one, layout, settings, catalog, live) for camera, one in held.items()}


def with_live_model(held: Reference, layout: Layout, settings: Params, catalog: Catalog, live: Release) -> Reference:
    """A reference that knows how often the live model rejects healthy parts: from its first healthy windows that this
    model judged when they came, for the reference's own pictures may have trained it."""
    if held.content is None or held.content.model == live.package:
        return held
    healthy = [
        one["window"]
        for one in alarms.windows(ledger.read(layout), held.camera)
        if (one["reference"], one["state"]) == (held.version, "healthy") and clock.parse(one["first"]) >= live.at
    ]
    sight, judged = sight_on_line(layout, settings), []
    features = Features(layout, settings, sight.frozen_blocks)
    for name in healthy:
        rows = looking.captures_of(catalog, name)
        shown = looking.content_of(rows, looking.said_of(rows, catalog), features, sight.masks, settings.verdict.part)
        if shown is not None and shown.model == live.package:
            judged.append(shown)
        if len(judged) == settings.health.min_clean_windows:
            break
    features.close()
    if len(judged) < FEWEST:
        return held
    return held.with_content(with_verdicts(held.content, judged), settings.health)


def slow_changes(layout: Layout, camera: str, held: Reference) -> dict[str, Climb]:
    """The CUSUMs of the camera's windows against this reference, of each statistic since the last incident of its cause
    was over: what was mended does not add up any more."""
    events = ledger.read(layout)
    past = [one for one in alarms.windows(events, camera) if one["reference"] == held.version]
    ended = incidents.ended(incidents.fold(events), camera)
    start = {name: clock.stamp(ended[cause]) for name, cause in CAUSES.items() if cause in ended}
    values = (
        {name: value for name, value in one["values"].items() if one["last"] > start.get(name, "")}
        for one in sorted(past, key=lambda one: one["last"])
    )
    return climbs(values, held.limits)


@task(name="record", cache_policy=NO_CACHE)
def record(layout: Layout, rows: pd.DataFrame, looks: list[Look], new: list[str]) -> None:
    """Keep verdicts and windows: files first, then the one event that makes them believed, then git and DVC."""
    before = sum(event.kind == "watch" for event in ledger.read(layout))
    run = verdicts.folder(layout, f"{clock.now():%Y-%m}") / f"{clock.now():%Y%m%dT%H%M%S}-{before:05d}"
    part = run.with_name(f".{run.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    tables = {verdicts.SCORES: rows, verdicts.LOOKS: looking.membership(looks)}
    digests = verdicts.write(tables, part)
    os.replace(part, run)
    told = [one.as_json() for one in looks]
    body = {"run": run.name, "batches": new, "files": digests, "scored": len(rows), "windows": told}
    with lock.hold(layout, lock.WRITE, "recording verdicts"):
        tracked = track(layout, run)
        ledger.append(layout, "watch", "watch", [body])
        git.commit(layout.home, [*tracked, *ledger.files(layout)], f"Watch: {len(rows)} verdicts, {len(looks)} windows")
    push(layout)
