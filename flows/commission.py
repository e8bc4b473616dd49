"""A person declares clean windows, or announces a planned change -> a new version of the cameras' references."""

import shutil
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import select

from flows.mails import tell
from flows.reach import reach
from flows.remote import push
from flows.tasks import begin, refuse_deployed
from flows.versions import track
from inspection import clock, git, lock
from inspection.anchor import writing
from inspection.cameras import read_cameras
from inspection.errors import FixInput, Unforeseen, attempt
from inspection.layout import Layout
from inspection.model.package import sight_on_line
from inspection.network.features import Features
from inspection.params import Params, read_params
from inspection.pictures.images import levels_of
from inspection.progress import progress
from inspection.records import commissions, incidents, ledger
from inspection.records.catalog import Catalog, open_catalog, usable_batches
from inspection.records.commissions import Renewal
from inspection.records.schema import capture_table, stored
from monitoring.content.healthy import Content
from monitoring.content.learning import learn as learn_content
from monitoring.judgement import looking, reference
from monitoring.judgement.learning import Learning
from monitoring.judgement.looking import utc
from monitoring.judgement.renewal import disagreements
from monitoring.telling import dossier


@flow(name="commission")
def commission(
    cameras: list[str], since: datetime, until: datetime, by: str, root: Path | None = None
) -> list[dict[str, Any]]:
    """Declare the cameras healthy from `since` to `until`; one new reference each.

    Returns:
        For each camera: camera, version, images, windows, first, last, parts, provisional, closed (incidents), notes.
    """
    refuse_deployed("A reference", "andon reference accept CAMERA --from T --to T --by NAME")
    layout = begin(root)
    settings = read_params(layout.params)
    writing.require(layout)
    refuse(layout, cameras, since, until, by)
    catalog = open_catalog(layout)
    with lock.hold(layout, "watch", "making references"):
        clean = {camera: clean_captures(catalog, camera, since, until) for camera in cameras}
        learned = [(learn(layout, settings, catalog, camera, rows), rows) for camera, rows in clean.items()]
        made = [record(layout, one, rows, by) for one, rows in learned]
        for told, (one, _) in zip(made, learned, strict=True):
            told["notes"] += reach(one, settings.health)
        dossier.renew(layout, catalog)
        push(layout)
    catalog.close()
    return made


@flow(name="renew")
def renew(
    camera: str,
    reason: str,
    by: str,
    since: datetime | None = None,
    until: datetime | None = None,
    root: Path | None = None,
) -> dict[str, Any]:
    """Announce a planned change on a camera: from `since` (default: now) it is learning, and its open incidents are
    closed. With `until` the captures in between make the new reference at once; otherwise the watch makes it when
    enough have come.

    Returns:
        camera, reason, by, since, images (that it waits for), closed (incidents), made (as `commission`, or None),
        refused (why the captures make no reference, in words), mails (subjects).
    """
    refuse_deployed("A planned change", "andon reference renew CAMERA --reason TEXT --by NAME")
    layout = begin(root)
    settings = read_params(layout.params)
    writing.require(layout)
    start = since or clock.now()
    refuse(layout, [camera], start, until, by)
    if not reason.strip():
        raise FixInput("A planned change needs a reason: add --reason TEXT.")
    catalog = open_catalog(layout)
    with lock.hold(layout, "watch", f"renewing the reference of {camera}"):
        if until is not None:
            enough(layout, settings, camera, clean_captures(catalog, camera, start, until))
        told = announce(layout, settings, camera, reason.strip(), by, start)
        outcome = fulfil(layout, settings, catalog, camera, until) if until is not None else {}
        mails = tell(layout, settings, catalog)
    catalog.close()
    return {**told, "made": outcome.get("made"), "refused": outcome.get("refused", ""), "mails": mails}


def refuse(layout: Layout, cameras: list[str], since: datetime, until: datetime | None, by: str) -> None:
    """Raises FixInput for a camera that is not declared, a time that runs backwards, or nobody's name."""
    declared = read_cameras(layout.cameras)
    if unknown := [name for name in cameras if name not in declared]:
        raise FixInput(f"Camera {', '.join(unknown)} is not in cameras.yaml; it declares {', '.join(declared)}.")
    if until is not None and since >= until:
        raise FixInput(f"--from {since:%Y-%m-%d %H:%M} is not before --to {until:%Y-%m-%d %H:%M}.")
    if not by.strip():
        raise FixInput("A reference needs a person who declares it: add --by NAME.")


def clean_captures(
    catalog: Catalog, camera: str, since: datetime, until: datetime | None = None, images: int | None = None
) -> pd.DataFrame:
    """The camera's captures in the interval, in order, those of held and discarded batches left out; the first
    `images` of them."""
    c = capture_table.c
    query = (
        select(capture_table)
        .where(c.camera == camera, c.captured_at >= stored(since), c.batch.in_(usable_batches()))
        .order_by(c.captured_at, c.capture_id)
        .limit(images)
    )
    return catalog.frame(query if until is None else query.where(c.captured_at < stored(until)))


def enough(layout: Layout, settings: Params, camera: str, rows: pd.DataFrame) -> None:
    """Raises FixInput when these captures can make no reference."""
    if rows.empty:
        raise FixInput(
            f"{camera} has no captures in that interval; `andon catalog query --camera {camera}` lists them."
        )
    if len(rows) < settings.watch.min_images:
        raise FixInput(
            f"{camera}: a reference needs at least {settings.watch.min_images} images of the healthy camera; "
            f"there are {len(rows)}."
        )


def announce(layout: Layout, settings: Params, camera: str, reason: str, by: str, since: datetime) -> dict[str, Any]:
    """Write the announcement to the ledger and close the camera's open incidents with it."""
    images = settings.health.min_clean_windows * settings.watch.window_images
    body = {"camera": camera, "reason": reason, "since": clock.stamp(since), "images": images}
    with lock.hold(layout, lock.WRITE, f"announcing a change on {camera}"):
        over = [
            incidents.closing(one, f"planned change on {camera}: {reason}", max(since, one.onset[0]))
            for one in incidents.fold(ledger.read(layout))
            if one.open and camera in one.cameras
        ]
        ledger.append(layout, "renewal", by, [{**body, "what": "announced"}])
        ledger.append(layout, "incident", by, over)
        git.commit(layout.home, ledger.files(layout), f"Planned change on {camera}, announced by {by}")
    return {**body, "by": by, "closed": [event["incident"] for event in over]}


@task(name="renew-due", cache_policy=NO_CACHE)
def renew_due(layout: Layout, settings: Params, catalog: Catalog) -> list[dict[str, Any]]:
    """Fulfil each announced change for which enough images have come; what `fulfil` says of each."""
    due = [
        one.camera
        for one in commissions.under_way(ledger.read(layout)).values()
        if len(clean_captures(catalog, one.camera, one.since, images=one.images)) == one.images
    ]
    return [fulfil(layout, settings, catalog, camera) for camera in due]


def fulfil(
    layout: Layout, settings: Params, catalog: Catalog, camera: str, until: datetime | None = None
) -> dict[str, Any]:
    """Make the reference that a planned change waits for, of the captures until then or of the first that suffice.
    Captures that do not agree with each other, or that cannot be learned from, make none: that is written down and the
    camera goes on learning.

    Returns:
        camera, made (as `commission` has it) or refused (in words).
    """
    renewal = commissions.under_way(ledger.read(layout))[camera]
    rows = clean_captures(catalog, camera, renewal.since, until, None if until else renewal.images)
    made = attempt(partial(learn, layout, settings, catalog, camera, rows))
    if isinstance(made, Unforeseen):
        wrong = f"could not be learned from ({made.words}): report it to whoever maintains Andon"
        return {"camera": camera, "refused": _stay_learning(layout, renewal, rows, wrong)}
    if apart := disagreements(made, settings.health):
        wrong = f"do not agree with each other ({'; '.join(apart)}): finish the work on the camera"
        return {"camera": camera, "refused": _stay_learning(layout, renewal, rows, wrong)}
    kept = record(layout, made, rows, renewal.by, renewal.reason)
    kept["notes"] += reach(made, settings.health)
    push(layout)
    return {"camera": camera, "made": kept}


def _stay_learning(layout: Layout, renewal: Renewal, rows: pd.DataFrame, wrong: str) -> str:
    """Why these captures make no reference; those that come after them are tried next."""
    why = f"{len(rows)} pictures of {renewal.camera} since the change {wrong}; pictures from now on are tried next."
    since = clock.stamp(utc(rows["captured_at"].iloc[-1] + pd.Timedelta(microseconds=1)))
    body = {"camera": renewal.camera, "what": "refused", "why": why, "since": since}
    with lock.hold(layout, lock.WRITE, f"refusing pictures of {renewal.camera}"):
        ledger.append(layout, "renewal", "watch", [body])
        git.commit(layout.home, ledger.files(layout), f"Planned change on {renewal.camera}: pictures do not agree")
    return why


@task(name="learn", cache_policy=NO_CACHE)
def learn(layout: Layout, settings: Params, catalog: Catalog, camera: str, rows: pd.DataFrame) -> reference.Reference:
    """The reference that these captures make."""
    enough(layout, settings, camera, rows)
    learning, missing = Learning(camera, settings.health, settings.watch), []
    load = partial(levels_of, layout.home, settings.ingest.max_megapixels)
    with progress(f"learning {camera}", len(rows)) as advance:
        for row in rows.itertuples(index=False):
            advance(1)
            levels = looking.levels_or_why(load, row)
            if isinstance(levels, str):  # one image that cannot be read shall not stop the watch
                missing.append(levels)
                continue
            learning.add(levels, str(row.part), utc(row.captured_at), str(row.image_id))
    if len(rows) - len(missing) < settings.watch.min_images:
        raise FixInput(f"{camera}: {len(missing)} of {len(rows)} images cannot be read; the first: {missing[0]}")
    earlier = commissions.fold(ledger.read(layout)).get(camera, [])
    made = learning.finish(f"v{len(earlier) + 1}")
    return made.with_content(content(layout, settings, catalog, rows), settings.health)


def content(layout: Layout, settings: Params, catalog: Catalog, rows: pd.DataFrame) -> Content | None:
    """What these captures show, window by window, from the features that ingest kept and the verdicts they got."""
    sight = sight_on_line(layout, settings)
    features = Features(layout, settings, sight.frozen_blocks)
    size, rule = settings.watch.window_images, settings.verdict.part
    said = looking.said_of(rows, catalog)
    starts = range(0, len(rows), size)
    windows = [looking.content_of(rows[start : start + size], said, features, sight.masks, rule) for start in starts]
    features.close()
    return learn_content([one for one in windows if one is not None])


@task(name="record", cache_policy=NO_CACHE)
def record(
    layout: Layout, made: reference.Reference, rows: pd.DataFrame, by: str, reason: str = "", declared: bool = True
) -> dict[str, Any]:
    """Keep the reference under DVC, name it in the ledger, close what it answers: where a person `declared` it."""
    target = commissions.folder(layout, made.camera, made.version)
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
        "reason": reason,
    }
    with lock.hold(layout, lock.WRITE, f"recording reference {made.version} of {made.camera}"):
        tracked = track(layout, target)
        ledger.append(layout, "reference", by, [body])
        closed = answered(layout) if declared else []
        ledger.append(layout, "incident", by, closed)
        git.commit(layout.home, [*tracked, *ledger.files(layout)], f"Reference {made.version} of {made.camera} by {by}")
    provisional = made.provisional
    names = [event["incident"] for event in closed]
    told = {"parts": sorted(made.parts), "provisional": provisional, "closed": names, "by": by}
    return {**body, **told, "notes": _unmeasured(made)}


def _unmeasured(made: reference.Reference) -> list[str]:
    """The clean windows that say nothing of limits, in words."""
    without = [one for one in made.clean if not one.values]
    if not without:
        return []
    reason = " ".join(without[0].notes)
    return [f"{len(without)} of {len(made.clean)} windows count for nothing; the first: {reason}"]


def answered(layout: Layout) -> list[dict[str, Any]]:
    """Events that close the incidents all of whose cameras have clean windows since: this is how they look now."""
    events = ledger.read(layout)
    now, why = commissions.current(events), "new references: this is how healthy pictures look from now on"
    return [
        incidents.closing(one, why, max(now[camera].first for camera in one.cameras))
        for one in incidents.fold(events)
        if one.open and all(camera in now and now[camera].first > one.onset[0] for camera in one.cameras)
    ]
