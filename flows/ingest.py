"""Inbox -> validated batches under DVC, rows in the catalog.

Killed anywhere, the next run finishes the job: a file leaves the inbox only when its batch is in the ledger, and
whatever lies in staging belongs to nobody yet.
"""

import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.remote import push
from flows.tasks import whole
from flows.versions import track
from inspection import clock, git, lock
from inspection.cameras import Camera, read_cameras
from inspection.errors import AndonError, CheckHistory, FixInput, FixSettings
from inspection.intake import contract, images, naming, sidecar
from inspection.intake.inbox import Dropped, Folder, Inbox, open_inbox
from inspection.intake.likeness import thumbnail
from inspection.intake.sidecar import Sheet, Sidecars
from inspection.layout import Layout
from inspection.model.package import sight_on_line
from inspection.network.features import Features, shown
from inspection.network.masks import Masks
from inspection.network.views import PLAIN
from inspection.params import Params, read_params
from inspection.progress import progress
from inspection.records import batches, ledger
from inspection.records.batches import QUARANTINE
from inspection.records.catalog import Catalog, open_catalog, refresh
from monitoring.camera.image_stats import image_stats

OWN = ("data", "models", "releases", "approvals", "reports", ".git", ".dvc", ".andon", ".remote")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
THREADS = len(os.sched_getaffinity(0))
AHEAD = 2 * THREADS + 4  # pictures decoded and not yet embedded: what bounds memory
SHEETS = "sidecars"  # folder in a batch


@dataclass(frozen=True)
class Arrived:
    """What lies in the inbox: images that may be taken, sheets that describe some, and what was left for later."""

    images: tuple[Dropped, ...]
    sheets: Sidecars
    bad: tuple[tuple[Dropped, bytes | None, str], ...]  # sheets that cannot be read: bytes (None: too many), reason
    waiting: tuple[str, ...]


@dataclass
class Staged:
    """A batch in the making: files and rows of what is accepted so far, rows of what is refused."""

    name: str
    accepted: Path
    refused: Path
    captures: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, str]] = field(default_factory=list)
    sources: list[Dropped] = field(default_factory=list)  # of both
    known: list[Dropped] = field(default_factory=list)  # taken or refused before
    waiting: list[str] = field(default_factory=list)
    held: tuple[str, ...] = ()
    trouble: AndonError | None = None  # with emptying the inbox


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
        arrived = look_in(box, settings)
        size = settings.batches.partition_images
        for some in (arrived.images[start : start + size] for start in range(0, len(arrived.images), size)):
            staged = stage(box, whole(some), whole(arrived.sheets), layout, settings, cameras, catalog)
            judge(whole(staged), layout, settings, cameras)
            publish(whole(staged), layout, settings, catalog)
            record(layout)
            clear(box, whole(staged))
            done.append(staged)
        if arrived.sheets.sheets or arrived.bad:
            done.append(file_sheets(box, whole(arrived), layout, settings, catalog))
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


@task(name="finish", cache_policy=NO_CACHE)
def finish(layout: Layout, catalog: Catalog) -> None:
    """Complete or clear what an interrupted ingest left."""
    shutil.rmtree(layout.staging, ignore_errors=True)
    refresh(catalog, layout)
    record.fn(layout)


@task(name="look-in", cache_policy=NO_CACHE)
def look_in(box: Inbox, settings: Params) -> Arrived:
    """What lies in the inbox. An image without a row waits for one while sidecars are used."""
    listing = box.list()
    described = [file for file in listing.files if sidecar.is_sheet(file.key, settings.ingest.sidecar)]
    sheets: list[Sheet] = []
    bad: list[tuple[Dropped, bytes | None, str]] = []
    for file, content in box.contents([file for file in described if file.size <= sidecar.MOST_BYTES]):
        try:
            if content is not None:
                sheets.append(sidecar.read(file, content))
        except FixInput as error:
            bad.append((file, content, str(error)))
    bad += [(file, None, "a sidecar may have 64 MB; split it") for file in described if file.size > sidecar.MOST_BYTES]
    rows = Sidecars(sheets)
    apart = set(described)
    pictures = [file for file in listing.files if file not in apart]
    early = {file.key for file in pictures if _waits(file, rows, settings)}
    images = tuple(file for file in pictures if file.key not in early)
    return Arrived(images, rows, tuple(bad), (*listing.unfinished, *sorted(early)))


def _waits(file: Dropped, rows: Sidecars, settings: Params) -> bool:
    old = clock.machine() - file.modified >= timedelta(minutes=settings.ingest.sidecar_wait)
    return bool(settings.ingest.sidecar) and not old and not rows.knows(file.key)


@task(name="stage", cache_policy=NO_CACHE)
def stage(
    box: Inbox,
    files: Sequence[Dropped],
    sheets: Sidecars,
    layout: Layout,
    settings: Params,
    cameras: dict[str, Camera],
    catalog: Catalog,
) -> Staged:
    """Read every new file once: identity, pixels, statistics, thumbnail and features come from the same bytes."""
    staged = _new(layout)
    reader = Reader(staged, sheets, settings, cameras, catalog, catalog.keys_known([f.key for f in files]))
    sight = sight_on_line(layout, settings)
    features = Features(layout, settings, sight.frozen_blocks)
    most = images.largest(settings.ingest.max_megapixels)
    small = [file for file in files if file.size <= most]
    with progress("taking in", len(small)) as advance, ThreadPoolExecutor(THREADS) as pool:
        features.add(_settle(staged, _ahead(pool, reader, box.contents(small)), sight.masks, advance))
    features.close()
    for file in (file for file in files if file.size > most):
        reason = (
            f"{file.size / 1e6:.0f} MB are more than an image of ingest.max_megapixels = "
            f"{settings.ingest.max_megapixels:g} can have ({most / 1e6:.0f} MB)"
        )
        _refuse_monster(staged, box, file, reason, catalog)
    _keep_sheets(staged, sheets)
    return staged


def _keep_sheets(staged: Staged, sheets: Sidecars) -> None:
    """Put the sheets that said something of this batch beside its images, so that it can be shown a year later."""
    rows = [sheets.row(capture["key"]) for capture in staged.captures] if sheets.sheets else []
    used = {row.source for row in rows if row is not None}
    for sheet in (one for one in sheets.sheets if one.file.key in used):
        path = staged.accepted / SHEETS / f"{hashlib.sha256(sheet.content).hexdigest()[:24]}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(sheet.content)


@dataclass(frozen=True)
class Read:
    """What became of one file: a capture with its pixels (none where they are more than its camera has, which the
    contract will refuse: preparing a picture of any size costs any memory), a reason, something known, or left for the
    next run."""

    file: Dropped
    image_id: str = ""
    capture: dict[str, Any] | None = None
    levels: Any = None
    reason: str = ""
    content: bytes = b""  # of what is refused
    known: bool = False


@dataclass(frozen=True)
class Reader:
    """One file -> `Read`; it writes accepted bytes into staging. Runs in several threads at once."""

    staged: Staged
    sheets: Sidecars
    settings: Params
    cameras: dict[str, Camera]
    catalog: Catalog
    keys: set[str]  # seen before, with these bytes or others

    def __call__(self, item: tuple[Dropped, bytes | None]) -> Read:
        file, content = item
        if content is None:
            return Read(file)
        image_id = hashlib.sha256(content).hexdigest()
        if file.key in self.keys and self.catalog.known([batches.capture_id(file.key, image_id)]):
            return Read(file, image_id, known=True)
        try:
            expression = naming.pattern(self.settings.ingest.key_pattern, not self.settings.ingest.sidecar)
            named = naming.named(file.key, expression, self.cameras, self.sheets.row(file.key))
            picture = images.decode(content, self.settings.ingest.max_megapixels)
        except FixInput as error:
            return Read(file, image_id, reason=str(error), content=content)
        levels = picture.levels(named.camera.span)
        capture = self._capture(file, image_id, named, picture, levels, len(content))
        (self.staged.accepted / capture["path"]).write_bytes(content)
        declared = picture.width <= named.camera.width and picture.height <= named.camera.height
        return Read(file, image_id, capture, levels if declared else None)

    def _capture(
        self, file: Dropped, image_id: str, named: naming.Named, picture: images.Picture, levels: Any, size: int
    ) -> dict[str, Any]:
        """A row of the manifest (`batches.SCHEMA`)."""
        capture = batches.capture_id(file.key, image_id)
        black, white = named.camera.span
        return {
            "capture_id": capture,
            "image_id": image_id,
            "batch": self.staged.name,
            "line": named.camera.line,
            "camera": named.camera.name,
            "part": named.part,
            "serial": named.serial,
            "captured_at": pd.Timestamp(named.captured_at),
            "time_doubtful": named.time_doubtful,
            "width": picture.width,
            "height": picture.height,
            "channels": picture.pixels.shape[2],
            "bit_depth": picture.bit_depth,
            "black": black,
            "white": white,
            "bytes": size,
            "path": f"{capture[:24]}{_suffix(file.key, picture.format)}",
            "ingested_at": pd.Timestamp(clock.now()),
            "key": file.key,
            "format": picture.format,
            **image_stats(levels),
            "thumbnail": thumbnail(levels),
        }


def _suffix(key: str, form: str) -> str:
    """That of the file if it is one of images, else its format's: a name in the inbox may end in anything."""
    suffix = Path(key).suffix.lower()
    return suffix if suffix in SUFFIXES else f".{form.lower()}"


def _ahead(pool: ThreadPoolExecutor, reader: Reader, items: Iterable[tuple[Dropped, bytes | None]]) -> Iterator[Read]:
    """What `reader` makes of the items, in order, a bounded number of them ahead of who asks."""
    pending: deque[Future[Read]] = deque()
    for item in items:
        pending.append(pool.submit(reader, item))
        if len(pending) >= AHEAD:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _settle(staged: Staged, results: Iterable[Read], masks: Masks, advance: Callable[[int], None]) -> Iterator[Any]:
    """Put each result where it belongs, and pass the pictures on to the features; one that does not fit its mask is
    the contract's business, and that of whoever uses it."""
    for one in results:
        advance(1)
        if one.known:
            staged.known.append(one.file)
        elif one.reason:
            staged.sources.append(one.file)
            _refuse(staged, one.file, one.image_id, one.reason, one.content)
        elif one.capture is None:
            staged.waiting.append(one.file.key)
        else:
            staged.sources.append(one.file)
            staged.captures.append(one.capture)
            if one.levels is None:
                continue
            place = (one.capture["camera"], one.capture["part"])
            name = shown(one.image_id, one.capture["black"], one.capture["white"], masks.name(*place))
            try:
                levels = masks.applied(one.levels, *place)
            except FixInput:
                continue
            yield name, (PLAIN,), lambda levels=levels: levels


@task(name="judge", cache_policy=NO_CACHE)
def judge(staged: Staged, layout: Layout, settings: Params, cameras: dict[str, Camera]) -> None:
    """Hold the captures to the contract; those that break it move to quarantine, or the whole batch is held."""
    if not staged.captures and not staged.refusals:
        return
    not_after = clock.now() + timedelta(minutes=settings.ingest.max_future)
    refused = {row["key"]: row["reason"] for row in staged.refusals}
    rows = pd.DataFrame(staged.captures, columns=batches.SCHEMA.names)
    verdict = contract.judge(rows, refused, cameras, not_after, settings.contract)
    by_key = {file.key: file for file in staged.sources}
    for row in [row for row in staged.captures if row["capture_id"] in verdict.reasons]:
        path = staged.accepted / row["path"]
        reason = verdict.reasons[row["capture_id"]]
        _refuse(staged, by_key[row["key"]], row["image_id"], reason, path.read_bytes())
        path.unlink()
    staged.captures = [row for row in staged.captures if row["capture_id"] not in verdict.reasons]
    staged.held = verdict.held
    told = json.dumps({"batch": staged.name, **verdict.as_json()}, indent=1, ensure_ascii=False) + "\n"
    (staged.accepted / batches.VERDICT).write_text(told, encoding="utf-8")
    contract.write_docs(layout.contract, staged.name, verdict)


@task(name="publish", cache_policy=NO_CACHE)
def publish(staged: Staged, layout: Layout, settings: Params, catalog: Catalog) -> None:
    """Put the accepted images into their partition, then the refused ones into quarantine: were these there alone, the
    next run would not count them, and take a batch that has to be held for a good one."""
    targets: list[tuple[Path, Path]] = []
    if staged.captures:
        month = f"{clock.now():%Y-%m}"
        limit = settings.batches.partition_images
        partition = batches.next_partition(month, catalog.images_by_partition(), len(staged.captures), limit)
        rows = pd.DataFrame(staged.captures)
        rows["path"] = f"data/batches/{partition}/{staged.name}/" + rows["path"]
        batches.write_manifest(rows, staged.accepted)
        targets.append((staged.accepted, layout.batches / partition / staged.name))
    if staged.refusals:
        lines = [json.dumps(row, ensure_ascii=False) for row in staged.refusals]
        (staged.refused / QUARANTINE).write_text("\n".join(lines) + "\n", encoding="utf-8")
        targets.append((staged.refused, layout.quarantine / staged.name))
    os.sync()  # once a batch: what is renamed below is on the disk
    for source, target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
        _make_durable(target.parent)
    shutil.rmtree(layout.staging, ignore_errors=True)
    refresh(catalog, layout)


def _make_durable(folder: Path) -> None:
    """What was renamed in `folder` stays so when the power fails."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@task(name="record", cache_policy=NO_CACHE)
def record(layout: Layout) -> None:
    """Bring every batch on the disk under DVC, into the ledger and into git."""
    recorded = {event.body["batch"] for event in ledger.read(layout) if event.kind == "batch"}
    new = batches.on_disk(layout, recorded)
    with lock.hold(layout, lock.WRITE, "recording a batch"):
        for folder in new:
            track(layout, folder)
            ledger.append(layout, "batch", "ingest", [_batch_event(folder)])
        tracked = [layout.batches / ".gitignore", *sorted(layout.batches.glob("*.dvc")), *ledger.files(layout)[-2:]]
        if git.changed(layout.home, [str(path.relative_to(layout.home)) for path in tracked]):
            git.commit(layout.home, tracked, f"Ingest: {', '.join(f.name for f in new) or 'what was left over'}")


@task(name="clear", cache_policy=NO_CACHE)
def clear(box: Inbox, staged: Staged) -> None:
    """Empty the inbox of what is safe elsewhere; what was written again since stays. An inbox that cannot be emptied
    is said when all else is done."""
    try:
        stayed = box.remove([*staged.sources, *staged.known])
    except AndonError as error:
        staged.trouble = error
    else:
        staged.waiting += [file.key for file in stayed]


@task(name="file-sheets", cache_policy=NO_CACHE)
def file_sheets(box: Inbox, arrived: Arrived, layout: Layout, settings: Params, catalog: Catalog) -> Staged:
    """Take the sheets whose images are all here, or are waited for no more, out of the inbox. What a batch used lies
    beside it; a sheet that cannot be read, or with rows that no image came for, goes to quarantine."""
    staged = _new(layout)
    taken = catalog.keys_known(sorted({key for sheet in arrived.sheets.sheets for key in sheet.rows}))
    wait = timedelta(minutes=settings.ingest.sidecar_wait)
    for sheet in arrived.sheets.sheets:
        if not sidecar.settled(sheet, taken, clock.machine(), wait):
            staged.waiting.append(sheet.file.key)
        elif lone := sidecar.without_image(sheet, taken):
            reason = f"no image came for {len(lone)} of its rows (first: line {lone[0]}) within ingest.sidecar_wait"
            _refuse_sheet(staged, sheet.file, reason, sheet.content, catalog)
        else:
            staged.known.append(sheet.file)
    for file, content, reason in arrived.bad:
        if content is None:
            _refuse_monster(staged, box, file, reason, catalog)
        else:
            _refuse_sheet(staged, file, reason, content, catalog)
    publish.fn(staged, layout, settings, catalog)
    clear.fn(box, staged)
    staged.known.clear()  # sheets are no images that came twice
    return staged


def _new(layout: Layout) -> Staged:
    """An empty batch in staging, named by time and a running number: batches sort by age even if a clock stands."""
    number = sum(event.kind == "batch" for event in ledger.read(layout))
    while _is_used(layout, name := f"{clock.now():%Y%m%dT%H%M%S}-{number:05d}"):
        number += 1
    staged = Staged(name, layout.staging / name, layout.staging / f"{name}.refused")
    for path in (staged.accepted, staged.refused):
        path.mkdir(parents=True)
    return staged


def _is_used(layout: Layout, name: str) -> bool:
    return (layout.quarantine / name).exists() or any(layout.batches.glob(f"*/{name}"))


def _batch_event(folder: Path) -> dict[str, Any]:
    verdict = json.loads((folder / batches.VERDICT).read_text(encoding="utf-8"))
    return {
        "batch": folder.name,
        "partition": folder.parent.name,
        "captures": len(batches.read_columns(folder / batches.MANIFEST, ["capture_id"])),
        "manifest": batches.digest(folder / batches.MANIFEST),
        **({"held": verdict["held"]} if verdict["held"] else {}),
    }


def _refuse(staged: Staged, file: Dropped, image_id: str, reason: str, content: bytes) -> None:
    """Keep the bytes under a safe name and say why they were refused."""
    path = staged.refused / f"{batches.capture_id(file.key, image_id)[:24]}.refused"
    path.write_bytes(content)
    _note_refusal(staged, file, image_id, reason)


def _refuse_sheet(staged: Staged, file: Dropped, reason: str, content: bytes, catalog: Catalog) -> None:
    """As `_refuse`, unless an ingest that was killed has refused it before it could leave the inbox."""
    image_id = hashlib.sha256(content).hexdigest()
    if catalog.known([batches.capture_id(file.key, image_id)]):
        staged.known.append(file)
    else:
        staged.sources.append(file)
        _refuse(staged, file, image_id, reason, content)


def _refuse_monster(staged: Staged, box: Inbox, file: Dropped, reason: str, catalog: Catalog) -> None:
    """Keep a file that is larger than any that is taken, without reading it into memory."""
    part = staged.refused / "monster.part"
    image_id = box.fetch(file, part)
    if image_id is None:
        staged.waiting.append(file.key)
        return
    if catalog.known([batches.capture_id(file.key, image_id)]):
        staged.known.append(file)
        part.unlink()
        return
    os.replace(part, staged.refused / f"{batches.capture_id(file.key, image_id)[:24]}.refused")
    staged.sources.append(file)
    _note_refusal(staged, file, image_id, reason)


def _note_refusal(staged: Staged, file: Dropped, image_id: str, reason: str) -> None:
    capture = batches.capture_id(file.key, image_id)
    staged.refusals.append(
        {
            "capture_id": capture,
            "key": file.key,
            "path": f"data/quarantine/{staged.name}/{capture[:24]}.refused",
            "reason": reason,
            "refused_at": clock.stamp(clock.now()),
        }
    )


def _result(done: Sequence[Staged], arrived: Arrived, why: str) -> dict[str, Any]:
    return {
        "batches": [one.name for one in done if one.captures],
        "held": {one.name: list(one.held) for one in done if one.held and one.captures},
        "accepted": sum(len(one.captures) for one in done),
        "refused": sum(len(one.refusals) for one in done),
        "known": sum(len(one.known) for one in done),
        "waiting": len(arrived.waiting) + sum(len(one.waiting) for one in done),
        "reasons": {row["key"]: row["reason"] for one in done for row in one.refusals},
        "pushed": why,
    }


def summary(result: dict[str, Any]) -> Sequence[str]:
    """The result in sentences."""
    counts = f"{result['accepted']} images taken in, {result['refused']} refused, {result['known']} known already"
    lines = [f"{counts}, {result['waiting']} left for the next run." if result["waiting"] else f"{counts}."]
    for batch, reasons in result["held"].items():
        lines += [f"Batch {batch} is held: {reason}" for reason in reasons]
        lines.append(f"  Look at it, then: andon batch release (or discard) {batch} --by NAME --why TEXT")
    return [*lines, *(f"  {key!r}: {reason}" for key, reason in sorted(result["reasons"].items()))]
