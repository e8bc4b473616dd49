"""Inbox -> validated batches under DVC, rows in the catalog.

Killed anywhere, the next run finishes the job: a file leaves the inbox only when its batch is in the ledger, and
whatever lies in staging belongs to nobody yet.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows import batch
from flows.batch import finish, publish, record
from flows.remote import push
from flows.tasks import begin, deployed, whole
from inspection import clock, git, lock
from inspection.anchor import writing
from inspection.cameras import Camera, dim, read_cameras
from inspection.errors import AndonError, CheckHistory, FixSettings
from inspection.intake import arrivals, staging
from inspection.intake.arrivals import Arrived
from inspection.intake.dropped import Dropped
from inspection.intake.folder import Folder
from inspection.intake.foreign import refuse_foreign
from inspection.intake.inbox import Inbox, open_inbox
from inspection.intake.reading import Reader, Seen
from inspection.intake.returning import Returning
from inspection.intake.staging import Staged
from inspection.layout import Layout
from inspection.model.package import sight_on_line
from inspection.network.features import Features
from inspection.outside.quoted import quoted
from inspection.params import Params, read_params
from inspection.pictures.returned import AGAIN
from inspection.progress import progress
from inspection.records import ledger, quarantine
from inspection.records.catalog import Catalog, open_catalog
from inspection.scale.engine import Engine, Here, engine
from inspection.scale.taking import Taking, taken
from inspection.scale.work import Tools
from monitoring.camera.image_stats import image_stats

LISTED = 20  # entries that stay in the inbox
MOST_LETTERS = 120  # of a path on a screen
OWN = ("data", "models", "releases", "approvals", "reports", ".git", ".dvc", ".andon", ".remote")


@flow(name="ingest")
def ingest(source: str | None = None, root: Path | None = None) -> dict[str, Any]:
    """Take in what the cameras dropped, and what comes back from quarantine; a second run changes nothing.

    Args:
        source: a folder or s3://bucket/prefix; default: ingest.inbox in params.yaml, the only one that a deployment's
            run takes.

    Returns:
        batches: their names; held: batch -> why a person has to look at it; accepted, refused, known, waiting:
        files; refused_before: how many of the known ones are in quarantine; reasons: of the refusals; sheets: what is
        to be said of them; unread: sheet -> which of its lines are refused; pushed: "" or why the remote did not take
        it; notes: what to look at; apart: what stays in the inbox, and why.
    """
    layout = begin(root)
    settings, cameras = read_params(layout.params), read_cameras(layout.cameras)
    refuse_undeclared(source, settings)
    box = open_inbox(source or settings.ingest.inbox, layout.home, settings.ingest)
    if isinstance(box, Folder):
        refuse_own_folder(box.path, layout)
    writing.require(layout)
    done: list[Staged] = []
    with lock.hold(layout, "ingest", "an ingest"):
        git.clear_dead_locks(layout.home)
        catalog = open_catalog(layout)
        finish(layout, catalog)
        refuse_a_clock_that_went_back(layout, settings)
        arrived = look_in(box, settings.ingest)
        if not is_own_inbox(box, layout, settings):
            refuse_foreign(box, arrived, cameras, settings.ingest)
        again = quarantine.begin(layout, catalog)
        if again:
            box = Returning(box, again, partial(leave, layout, catalog, again))
            arrived = look_in(box, settings.ingest)
        reader = Reader(box, arrived.sheets, cameras, settings.ingest, image_stats)
        for files in arrived.portions(settings.batches.partition_images):
            staged = stage(whole(reader), whole(files), layout, settings, catalog, whole(again))
            judge(whole(staged), layout, settings, cameras, catalog.newest(cameras))
            batch.look_back(staged, layout, settings, catalog)
            publish(whole(staged), layout, settings, catalog)
            record(layout)
            clear(box, whole(staged))
            done.append(staged)
        if arrived.sheets.sheets or arrived.bad:
            staged = stage_sheets(box, whole(arrived), layout, settings, catalog, whole(again))
            publish(whole(staged), layout, settings, catalog)
            clear(box, whole(staged))
            done.append(staged)
        quarantine.finish(layout, catalog)
        why = push(layout)
        catalog.close()
    if trouble := next((one.trouble for one in done if one.trouble), None):
        raise trouble
    return _result(done, arrived, why) | {"notes": _notes(done, cameras, settings)}


def _notes(done: Sequence[Staged], cameras: Mapping[str, Camera], settings: Params) -> list[str]:
    """What people should look at, in sentences."""
    notes = [*dim((one.highest for one in done), cameras), *(words for one in done for words in _beside(one))]
    if again := [body for one in done for body in one.verdict.get(AGAIN, ())]:
        notes.append(
            f"{len(again)} serials came again after more than pieces.max_gap = {settings.pieces.max_gap:g} days (such "
            f"as {again[0]['serial']} of {again[0]['part']}); what is theirs since waits for a word: andon piece list"
        )
    return notes


def _beside(staged: Staged) -> Iterator[str]:
    """Of pictures that came while another of their name was taken in, and whose name is taken again, in sentences."""
    for key in staged.aside:
        yield (
            f"{quoted(_short(key), 120)} came under a name that was just being taken in, and the name is used again by "
            "now: it waits there, and the next ingest takes it in first."
        )


def refuse_undeclared(source: str | None, settings: Params) -> None:
    """Raises FixSettings in a deployment's run for another source than the plant's own: whoever reaches Prefect may
    have typed it, and what is ingested leaves its folder."""
    if source is not None and source != settings.ingest.inbox and deployed():
        raise FixSettings(
            f"Through Prefect only the plant's own inbox is taken in, {settings.ingest.inbox} (ingest.inbox in "
            f"params.yaml), and not {source}: nothing was touched.",
            "In the plant's folder run `andon ingest --inbox` with the other one.",
        )


def refuse_own_folder(folder: Path, layout: Layout) -> None:
    """What is ingested leaves its folder: raises FixSettings for one that holds the plant or is a part of it."""
    folder, home = folder.resolve(), layout.home.resolve()
    inside = folder.relative_to(home) if folder.is_relative_to(home) else None
    if home.is_relative_to(folder) or (inside and (inside.parts[0] in OWN or git.is_tracked(home, folder))):
        raise FixSettings(f"{folder} belongs to the plant itself: cameras must drop into a folder of their own.")


def is_own_inbox(box: Inbox, layout: Layout, settings: Params) -> bool:
    """Whether it is the folder within the plant that params.yaml names: that one was made to be an inbox."""
    own = (layout.home / settings.ingest.inbox).resolve()
    return isinstance(box, Folder) and own == box.path.resolve() and own.is_relative_to(layout.home.resolve())


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


def leave(layout: Layout, catalog: Catalog, again: Mapping[str, tuple[str, Path]], safe: Sequence[str]) -> None:
    """Take out of quarantine what came back and is safe elsewhere."""
    quarantine.leave(layout, catalog, {one: str(again[one][1].relative_to(layout.home)) for one in safe})


def without(seen: Seen, again: Collection[str]) -> dict[str, Set[str]]:
    """What was taken in or refused before, less what is looked at again."""
    return {key: captures - set(again) for key, captures in seen.items()}


@task(name="stage", cache_policy=NO_CACHE)
def stage(
    reader: Reader, files: Sequence[Dropped], layout: Layout, settings: Params, catalog: Catalog, again: Collection[str]
) -> Staged:
    """Read every new file once: the network looks at the same pixels as the statistics."""
    staged = batch.begin(layout)
    keys = [file.key for file in files]
    seen = without(catalog.refused_or_taken(keys), again)
    staged.turned_down = catalog.refused(keys)
    sight = sight_on_line(layout, settings)
    features = Features(layout, settings, sight.frozen_blocks)
    taking = Taking(reader, sight.masks, staged.accepted, seen)
    with (
        _engine(reader.box, layout, settings, features) as where,
        progress("taking in", len(files)) as advance,
        closing(taken(where, taking, files)) as reads,
    ):
        for read in reads:
            advance(1)
            staged.take(read)
    features.close()
    staged.keep(reader.sheets)
    return staged


def _engine(box: Inbox, layout: Layout, settings: Params, features: Features) -> AbstractContextManager[Engine]:
    """What comes back from quarantine lies on this disk only, so this computer looks at it."""
    if isinstance(box, Returning):
        return nullcontext(Here(Tools(features, layout.staging)))
    return engine(layout, settings, features, layout.staging)


@task(name="stage-sheets", cache_policy=NO_CACHE)
def stage_sheets(
    box: Inbox, arrived: Arrived, layout: Layout, settings: Params, catalog: Catalog, again: Collection[str]
) -> Staged:
    """The sheets whose images are all here, or are waited for no more, may leave the inbox. What a batch used of them
    lies beside it; those that are of no use go to quarantine."""
    staged = batch.begin(layout)
    images = {key for sheet in arrived.sheets.sheets for key in sheet.rows}
    own = {sheet.file.key for sheet in arrived.sheets.sheets} | {file.key for file, _ in arrived.bad}
    seen = {
        **without(catalog.refused_or_taken(sorted(own)), again),
        **catalog.refused_or_taken(sorted(images - own)),
    }
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
        names = {file.key for file in staged.leaving}
        staged.aside += [file.key for file in stayed if file.key not in names]


def _result(done: Sequence[Staged], arrived: Arrived, why: str) -> dict[str, Any]:
    return {
        "batches": [one.name for one in done if one.captures],
        "held": {one.name: one.held for one in done if one.held and one.captures},
        "accepted": sum(len(one.captures) for one in done),
        "refused": sum(len(one.refusals) for one in done),
        "known": sum(one.known for one in done),
        "refused_before": sum(one.refused_before for one in done),
        "waiting": len(arrived.waiting) + sum(len(one.waiting) for one in done),
        "reasons": {row["key"]: row["reason"] for one in done for row in one.refusals},
        "sheets": arrived.words,
        "unread": arrived.unread,
        "apart": dict(arrived.apart),
        "pushed": why,
    }


def summary(result: dict[str, Any]) -> Sequence[str]:
    """The result in sentences; files that are refused for the same reason are told once."""
    counts = f"{result['accepted']} images taken in, {result['refused']} refused, {result['known']} known already"
    lines = [f"{counts}, {result['waiting']} left for the next run." if result["waiting"] else f"{counts}."]
    if before := result["refused_before"]:
        lines.append(f"  {before} of the known ones were refused before: andon quarantine list, then retry or discard")
    for name, reasons in result["held"].items():
        lines += [f"Batch {name} is held: {reason}" for reason in reasons]
        lines.append(f"  Look at it, then: andon batch release (or discard) {name} --by NAME --why TEXT")
    lines += result["notes"]
    if apart := result["apart"]:
        lines.append(f"{len(apart)} entries of the inbox cannot be taken from where they are, and stay there:")
        lines += [f"  {quoted(_short(key), 120)}: {why}" for key, why in list(apart.items())[:LISTED]]
    sheets = {key: told for key, told in result["sheets"].items() if key not in result["reasons"]}
    lines += [f"  {quoted(_short(key), 120)}: {'; '.join(told)}" for key, told in sheets.items()]
    alike: dict[str, list[str]] = {}
    for key, reason in sorted(result["reasons"].items()):
        if reason in result["unread"].get(key, ""):
            continue  # told at the end
        alike.setdefault(reason, []).append(_short(key))
    lines += [
        f"  {quoted(keys[0], 120)}: {reason}"
        if len(keys) == 1
        else f"  {len(keys)} × {reason} (such as {quoted(keys[0], 120)})"
        for reason, keys in alike.items()
    ]
    if result["refused"]:
        lines.append(
            "  Refused files are kept: andon quarantine list; once the cause is mended: andon quarantine retry"
        )
    if unread := result["unread"]:
        lines.append(
            "Lines of sidecars are refused, and nothing of what they say is known. Correct them, drop it again:"
        )
        lines += [f"  {quoted(_short(key), 120)}: {words}" for key, words in unread.items()]
    return lines


def _short(key: str) -> str:
    """A path that fits on a screen."""
    return key if len(key) < MOST_LETTERS else key[:60] + "…" + key[-50:]
