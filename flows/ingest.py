"""Inbox -> validated batches under DVC, rows in the catalog.

Killed anywhere, the next run finishes the job: a file leaves the inbox only when its batch is in the ledger, and
whatever lies in staging belongs to nobody yet.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows import batch
from flows.batch import finish, publish, record
from flows.remote import push
from flows.tasks import whole
from inspection import clock, git, lock
from inspection.cameras import read_cameras
from inspection.errors import AndonError, CheckHistory, FixInput, FixSettings
from inspection.intake import arrivals, staging
from inspection.intake.arrivals import Arrived
from inspection.intake.dropped import Dropped
from inspection.intake.folder import Folder
from inspection.intake.inbox import Inbox, open_inbox
from inspection.intake.reading import Reader, Result
from inspection.intake.staging import Staged
from inspection.layout import Layout
from inspection.model.package import sight_on_line
from inspection.network.features import Features, shown
from inspection.network.masks import Masks
from inspection.network.views import PLAIN
from inspection.params import Params, read_params
from inspection.progress import progress
from inspection.records import ledger
from inspection.records.catalog import Catalog, open_catalog
from monitoring.camera.image_stats import image_stats

OWN = ("data", "models", "releases", "approvals", "reports", ".git", ".dvc", ".andon", ".remote")


@flow(name="ingest")
def ingest(source: str | None = None, root: Path | None = None) -> dict[str, Any]:
    """Take in what the cameras dropped; a second run changes nothing.

    Args:
        source: a folder or s3://bucket/prefix; default: ingest.inbox in params.yaml.

    Returns:
        batches: their names; held: batch -> why a person has to look at it; accepted, refused, known, waiting:
        files; reasons: of the refusals; pushed: "" or why the remote did not take it.
    """
    layout = Layout.find(root)
    settings, cameras = read_params(layout.params), read_cameras(layout.cameras)
    box = open_inbox(source or settings.ingest.inbox, layout.home, settings.ingest)
    if isinstance(box, Folder):
        refuse_own_folder(box.path, layout)
    git.require_identity(layout.home)
    done: list[Staged] = []
    with lock.hold(layout, "ingest", "an ingest"):
        git.clear_dead_locks(layout.home)
        catalog = open_catalog(layout)
        finish(layout, catalog)
        refuse_a_clock_that_went_back(layout, settings)
        arrived = look_in(box, settings.ingest)
        reader = Reader(box, arrived.sheets, cameras, settings.ingest, image_stats)
        for files in arrived.portions(settings.batches.partition_images):
            staged = stage(whole(reader), whole(files), layout, settings, catalog)
            judge(whole(staged), layout, settings, cameras)
            publish(whole(staged), layout, settings, catalog)
            record(layout)
            clear(box, whole(staged))
            done.append(staged)
        if arrived.sheets.sheets or arrived.bad:
            staged = stage_sheets(box, whole(arrived), layout, settings, catalog)
            publish(whole(staged), layout, settings, catalog)
            clear(box, whole(staged))
            done.append(staged)
        why = push(layout)
        catalog.close()
    if trouble := next((one.trouble for one in done if one.trouble), None):
        raise trouble
    return _result(done, arrived, why)


def refuse_own_folder(folder: Path, layout: Layout) -> None:
    """What is ingested leaves its folder: raises FixSettings for one that holds the plant or is a part of it."""
    folder, home = folder.resolve(), layout.home.resolve()
    inside = folder.relative_to(home) if folder.is_relative_to(home) else None
    if home.is_relative_to(folder) or (inside and (inside.parts[0] in OWN or git.is_tracked(home, folder))):
        raise FixSettings(f"{folder} belongs to the plant itself: cameras must drop into a folder of their own.")


def refuse_a_clock_that_went_back(layout: Layout, settings: Params) -> None:
    """Raises CheckHistory when it is earlier now than at the last batch: all that comes would lie in the future."""
    last = next((event.at for event in reversed(ledger.read(layout)) if event.kind == "batch"), None)
    if last and clock.now() < clock.parse(last) - timedelta(minutes=settings.ingest.max_future):
        raise CheckHistory(
            f"This computer's clock says {clock.now():%Y-%m-%d %H:%M} UTC, but the last batch was taken in at "
            f"{last[:16].replace('T', ' ')} UTC: set the clock. Nothing was touched."
        )


look_in = task(name="look-in", cache_policy=NO_CACHE)(arrivals.look_in)
judge = task(name="judge", cache_policy=NO_CACHE)(staging.judge)


@task(name="stage", cache_policy=NO_CACHE)
def stage(reader: Reader, files: Sequence[Dropped], layout: Layout, settings: Params, catalog: Catalog) -> Staged:
    """Read every new file once: the network looks at the same pixels as the statistics."""
    staged = batch.begin(layout)
    seen = catalog.refused_or_taken([file.key for file in files])
    sight = sight_on_line(layout, settings)
    features = Features(layout, settings, sight.frozen_blocks)
    with progress("taking in", len(files)) as advance, closing(reader.read(files, staged.accepted, seen)) as results:
        features.add(_taken(staged, results, sight.masks, advance))
    features.close()
    staged.keep(reader.sheets)
    return staged


def _taken(staged: Staged, results: Iterable[Result], masks: Masks, advance: Callable[[int], None]) -> Iterator[Any]:
    """Put each file where it belongs, and pass the pictures on to the features; one that does not fit its mask is the
    contract's business, and that of whoever uses it."""
    for read, levels in results:
        advance(1)
        staged.take(read)
        if read.capture is None or levels is None:
            continue
        place = (read.capture["camera"], read.capture["part"])
        name = shown(read.image_id, read.capture["black"], read.capture["white"], masks.name(*place))
        try:
            visible = masks.applied(levels, *place)
        except FixInput:
            continue
        yield name, (PLAIN,), lambda visible=visible: visible


@task(name="stage-sheets", cache_policy=NO_CACHE)
def stage_sheets(box: Inbox, arrived: Arrived, layout: Layout, settings: Params, catalog: Catalog) -> Staged:
    """The sheets whose images are all here, or are waited for no more, may leave the inbox. What a batch used of them
    lies beside it; those that are of no use go to quarantine."""
    staged = batch.begin(layout)
    named = {key for sheet in arrived.sheets.sheets for key in (sheet.file.key, *sheet.rows)}
    seen = catalog.refused_or_taken(sorted(named | {file.key for file, _ in arrived.bad}))
    wait = timedelta(minutes=settings.ingest.sidecar_wait)
    for read in arrived.read_sheets(box, staged.accepted, seen, wait):
        staged.take(read)
    staged.known = 0  # sheets are no images that came twice
    return staged


@task(name="clear", cache_policy=NO_CACHE)
def clear(box: Inbox, staged: Staged) -> None:
    """Empty the inbox of what is safe elsewhere; what was written again since stays. An inbox that cannot be emptied
    is said when all else is done."""
    try:
        stayed = box.remove(staged.leaving)
    except AndonError as error:
        staged.trouble = error
    else:
        staged.waiting += [file.key for file in stayed]


def _result(done: Sequence[Staged], arrived: Arrived, why: str) -> dict[str, Any]:
    return {
        "batches": [one.name for one in done if one.captures],
        "held": {one.name: one.held for one in done if one.held and one.captures},
        "accepted": sum(len(one.captures) for one in done),
        "refused": sum(len(one.refusals) for one in done),
        "known": sum(one.known for one in done),
        "waiting": len(arrived.waiting) + sum(len(one.waiting) for one in done),
        "reasons": {row["key"]: row["reason"] for one in done for row in one.refusals},
        "pushed": why,
    }


def summary(result: dict[str, Any]) -> Sequence[str]:
    """The result in sentences."""
    counts = f"{result['accepted']} images taken in, {result['refused']} refused, {result['known']} known already"
    lines = [f"{counts}, {result['waiting']} left for the next run." if result["waiting"] else f"{counts}."]
    for name, reasons in result["held"].items():
        lines += [f"Batch {name} is held: {reason}" for reason in reasons]
        lines.append(f"  Look at it, then: andon batch release (or discard) {name} --by NAME --why TEXT")
    return [*lines, *(f"  {key!r}: {reason}" for key, reason in sorted(result["reasons"].items()))]
