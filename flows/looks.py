"""New captures -> the live model's verdicts; windows that are due -> how their cameras look; both kept and recorded."""

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from functools import partial

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import exists, select

from flows.remote import push
from flows.versions import track
from inspection import clock, git, lock
from inspection.cameras import read_cameras
from inspection.errors import Unforeseen, attempt
from inspection.layout import Layout
from inspection.model.package import Package, intact, sight_on_line
from inspection.network.features import Features
from inspection.params import Params
from inspection.pictures.images import levels_of
from inspection.progress import progress
from inspection.records import alarms, commissions, incidents, ledger, verdicts
from inspection.records.catalog import Catalog, usable_batches
from inspection.records.schema import capture_table, look_table
from inspection.release import registry
from inspection.release.registry import Release
from inspection.scale.engine import engine
from inspection.scale.work import Tools
from monitoring.content.learning import with_verdicts
from monitoring.content.parts import Shown
from monitoring.judgement import looking, reference
from monitoring.judgement.climb import Climb, climbs
from monitoring.judgement.looking import Look
from monitoring.judgement.reference import Reference
from monitoring.judgement.windows import Due, Held, Judging, judged
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


def finish(layout: Layout) -> None:
    """Commit what a run, or the making of a reference, had told the ledger and not git when it was killed."""
    with lock.hold(layout, lock.WRITE, "recording what was left over"):
        pointers = [*layout.ledger.glob("*/watch.dvc"), *layout.references.glob("*.dvc")]
        beside = sorted({one.with_name(".gitignore") for one in pointers})
        git.commit(layout.home, [*pointers, *beside, *ledger.files(layout)], "Watch: what was left over")


def new_batches(layout: Layout, catalog: Catalog, batch: str | None) -> list[str]:
    """Batches that no run has judged yet and that no person has to look at first."""
    before = {name for event in ledger.read(layout) if event.kind == "watch" for name in event.body["batches"]}
    there = catalog.frame(usable_batches())["batch"]
    return sorted(name for name in there if name not in before and batch in (None, name))


@task(name="score", cache_policy=NO_CACHE)
def score(
    layout: Layout, settings: Params, catalog: Catalog, new: list[str]
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The live model's verdict on each capture of the `new` batches, the batches that are done with, and notes. While
    none is live there are no verdicts; while the line is not what was released no batch is done with: it stays open
    until a later watch can judge it."""
    nothing = verdicts.empty(verdicts.SCORES)
    line = registry.on_line(layout)
    if line is None:
        if (wrong := registry.difference(layout)) is not None:
            return nothing, [], [_unjudged(new, wrong)]
        return nothing, new, ["No model is on the line yet, so there are no verdicts."]
    rows = catalog.frame(select(capture_table).where(capture_table.c.batch.in_(new)))
    if rows.empty:
        return nothing, new, []
    features = Features(layout, settings, sight_on_line(layout, settings).frozen_blocks)
    load = partial(levels_of, layout.home, settings.ingest.max_megapixels)
    said = looking.scores(rows, Package(line.folder), line.release, features, load)
    features.close()
    if not intact(line.folder, line.release.package):
        return nothing, [], [_unjudged(new, f"releases/{line.release.package[:12]} was changed meanwhile")]
    return said, new, []


def _unjudged(new: list[str], why: str) -> str:
    waits = "The new batch waits" if len(new) == 1 else f"{len(new)} new batches wait"
    return f"No verdicts: {why}. {waits} for the next watch." if new else f"No verdicts: {why}."


@task(name="look", cache_policy=NO_CACHE)
def look(layout: Layout, settings: Params, catalog: Catalog, fresh: pd.DataFrame) -> list[Look]:
    """Every window that is due, measured against its camera's reference, here or by the workers of `scale.dask`; the
    catalog lacks the `fresh` verdicts."""
    c = capture_table.c
    seen = exists().where(look_table.c.capture_id == c.capture_id)
    query = select(capture_table).where(c.batch.in_(usable_batches()), ~seen)
    windows: dict[str, list[pd.DataFrame]] = {}
    for rows in looking.windows(catalog.frame(query), settings.watch):
        windows.setdefault(str(rows["camera"].iloc[0]), []).append(rows)
    if not windows:
        return []
    sight, looks = sight_on_line(layout, settings), list[Look]()
    features = Features(layout, settings, sight.frozen_blocks)

    def show(rows: pd.DataFrame) -> Shown | Unforeseen | None:
        said = pd.concat([looking.said_of(rows, catalog), fresh[["capture_id", "package", "reject"]]])
        rule = settings.verdict.part
        return attempt(partial(looking.content_of, rows, said, features, sight.masks, rule))

    scale = {name: camera.mm_per_px for name, camera in read_cameras(layout.cameras).items()}
    held, made = references(layout, settings, catalog, set(windows)), commissions.current(ledger.read(layout))
    due = [_due(layout, some, show, scale.get(name), held.get(name), made.get(name)) for name, some in windows.items()]
    judging, tools = Judging(layout.home, settings), Tools(features, layout.staging)
    with (
        engine(layout, settings, features, layout.staging) as where,
        progress("looking", sum(map(len, windows.values()))) as advance,
        closing(judged(where, judging, due, tools)) as found,
    ):
        for some in found:
            looks += some
            advance(len(some))
    features.close()
    return looks


def _due(
    layout: Layout,
    windows: list[pd.DataFrame],
    show: Callable[[pd.DataFrame], Shown | Unforeseen | None],
    mm_per_px: float | None,
    held: Reference | None,
    made: commissions.Commission | None,
) -> Due:
    """A camera's windows with what only the flow knows of them: catalog, ledger, and its own store of features."""
    if held is None or made is None:
        return Due(windows, [None] * len(windows), mm_per_px=mm_per_px)
    lies = Held.of(held, made.folder(layout), made.digest)
    shown = [show(rows) if held.content is not None else None for rows in windows]
    return Due(windows, shown, lies, slow_changes(layout, made.camera, held), mm_per_px)


def references(layout: Layout, settings: Params, catalog: Catalog, cameras: set[str]) -> dict[str, Reference]:
    """Camera -> what it is measured against now; one that is learning is left out."""
    current = commissions.current(ledger.read(layout))
    held = {
        camera: reference.load(one.folder(layout), one.digest) for camera, one in current.items() if camera in cameras
    }
    line = registry.on_line(layout)
    if line is None:
        return held
    known = {
        camera: attempt(partial(with_live_model, one, layout, settings, catalog, line.release))
        for camera, one in held.items()
    }  # where that fails, the camera's windows say that the rate of rejections is not known
    return {camera: held[camera] if isinstance(one, Unforeseen) else one for camera, one in known.items()}


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
