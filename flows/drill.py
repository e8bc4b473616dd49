"""Rehearse an alarm: a fault laid on a copy of a camera's last pictures, in a plant of its own, through the code of the
real watch. Of the real plant only the outbox is written to."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Table, insert, make_url, or_, select

from flows import decisions, mails
from flows.looks import look
from inspection import clock, lock
from inspection.cameras import Camera, read_cameras
from inspection.errors import FetchData, FixInput
from inspection.layout import Layout
from inspection.params import Params, read_params
from inspection.pictures.images import believed
from inspection.post import mail, outbox
from inspection.post.letter import as_drill
from inspection.post.outbox import Delivery
from inspection.record import nearest
from inspection.records import alarms, commissions, incidents, ledger, verdicts
from inspection.records.batches import ACCEPTED
from inspection.records.catalog import Catalog, open_catalog, usable_batches
from inspection.records.commissions import Commission
from inspection.records.database import Place
from inspection.records.incidents import Incident
from inspection.records.labels import renamings
from inspection.records.schema import (
    batch_table,
    capture_table,
    image_table,
    label_table,
    look_table,
    score_table,
    stored,
)
from monitoring.camera.image_stats import image_stats
from monitoring.camera.measurement import UNITS
from monitoring.judgement.drill import EXPECTED, Check, detected, named, routed, sized
from monitoring.judgement.looking import Look, membership, utc
from plant.faults import KINDS, Fault
from plant.replay import Replay
from plant.shot import Shot

SEED = 1  # of where the fault lies
BATCH = "drill"
NAME = "I-0000"  # of its incident: real ones count from 1


@dataclass(frozen=True)
class Plan:
    """A fault to be rehearsed on a camera: its size in the unit of its kind."""

    fault: str
    camera: Camera
    size: float

    @property
    def unit(self) -> str:
        statistic = EXPECTED[self.fault].statistic
        return (UNITS[statistic] if statistic else KINDS[self.fault].unit).split(";")[0].split(",")[0]


def drill(layout: Layout, fault: str, camera: str | None = None, size: float | None = None) -> list[dict[str, Any]]:
    """Rehearse a fault, or `all` of them; the outcome of each.

    Returns:
        For each: fault, camera, size, unit, windows, checks (what, expected, found, passed), passed, notes, mail (where
        it lies), folder (where its pages and pictures lie).

    Raises:
        FixInput: no such fault or camera, a size of 0, no reference, or fewer images than a window.
    """
    settings = read_params(layout.params)
    kinds = ([one for one in KINDS if _cameras(layout, one, camera)] or list(KINDS)) if fault == "all" else [fault]
    plans = [_plan(layout, one, camera, size) for one in kinds]
    home = Layout(layout.root, layout.state / "drills")
    with lock.hold(home, "drill", "a drill"):
        return [_run(layout, plan, settings, _empty(home, plan)) for plan in plans]


def _empty(home: Layout, plan: Plan) -> Layout:
    """The plant of one drill: the settings are the real ones, all else is its own."""
    folder = home.home / f"{plan.camera.name}-{plan.fault}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return Layout(home.root, folder)


# what can be rehearsed


def _plan(layout: Layout, fault: str, camera: str | None, size: float | None) -> Plan:
    declared = read_cameras(layout.cameras)
    if fault not in KINDS:
        raise FixInput(
            f"No fault {fault!r}: did you mean {nearest(fault, KINDS)!r}? There are {', '.join(KINDS)}, and all."
        )
    if camera is not None and camera not in declared:
        words = f"did you mean {nearest(camera, declared)!r}? cameras.yaml declares {', '.join(declared)}."
        raise FixInput(f"No camera {camera!r}: {words}")
    if size == 0:
        raise FixInput("--size 0 is no fault: give another, or leave it out.")
    if not (able := _cameras(layout, fault, camera)):
        raise FixInput(_unable(layout, camera))
    return Plan(fault, able[0], KINDS[fault].usual if size is None else size)


def _cameras(layout: Layout, fault: str, name: str | None) -> list[Camera]:
    """The cameras (or the one of that name) that have a reference, and colours if the fault is one of colour."""
    held = commissions.current(ledger.read(layout))
    return [
        camera
        for camera in read_cameras(layout.cameras).values()
        if camera.name in held and name in (None, camera.name) and (fault != "colour" or camera.mode == "RGB")
    ]


def _unable(layout: Layout, name: str | None) -> str:
    """Why a fault cannot be rehearsed on that camera, or on any."""
    if held := _cameras(layout, "", name):
        return f"{' and '.join(one.name for one in held)}: grey pictures have no colour that could change."
    return (
        f"{name or 'No camera'} has {'no' if name else 'a'} reference yet, so nothing can be told from it: "
        f"andon reference accept {name or 'CAMERA'} --from T --to T --by NAME."
    )


# one drill


def _run(layout: Layout, plan: Plan, settings: Params, scratch: Layout) -> dict[str, Any]:
    real = open_catalog(layout)
    rows = last_captures(layout, real, settings, plan.camera.name)
    notes = _notes(layout, settings, plan.camera.name, len(rows))
    catalog = stand_in(layout, scratch, real, plan.camera.name, rows)
    real.close()
    take_in(scratch, catalog, settings, rows, replayed(layout, scratch, rows, plan))
    here = settings.model_copy(update={"scale": settings.scale.model_copy(update={"dask": ""})})  # workers lack these
    looks = look.fn(scratch, here, catalog, verdicts.empty(verdicts.SCORES))
    opened = follow(scratch, settings, catalog, looks)
    windows = [one.as_json() for one in looks]
    checks = [
        detected(plan.fault, windows, settings.watch.confirm_windows),
        named(plan.fault, [one.cause for one in opened]),
        sized(plan.fault, plan.size, plan.unit, windows),
        Check("incident", "one at least", ", ".join(one.cause for one in opened) or "none", bool(opened)),
    ]
    delivery = None
    if opened:
        incident = decide(scratch, settings, catalog, _told_of(plan, opened))
        delivery = tell(layout, scratch, settings, catalog, incident)
        checks.append(routed(getattr(settings.routing, incident.cause), incident.action))
        checks.append(Check("mail", "in the outbox or sent", delivery.words, delivery.path.is_file()))
    catalog.close()
    shutil.rmtree(scratch.batches)  # the faulty pictures, and links to the real ones
    return {
        "fault": plan.fault,
        "camera": plan.camera.name,
        "size": plan.size,
        "unit": plan.unit,
        "windows": len(looks),
        "checks": [asdict(check) for check in checks],
        "passed": all(check.passed for check in checks),
        "notes": notes,
        "mail": str(delivery.path) if delivery else None,
        "folder": str(scratch.watched / "incidents" / NAME) if delivery else None,
    }


def last_captures(layout: Layout, real: Catalog, settings: Params, camera: str) -> pd.DataFrame:
    """The camera's last whole windows, as many as an incident needs, in the order of capture.

    Raises:
        FixInput: there are fewer images than a window. FetchData: an image is not on this disk.
    """
    c, size = capture_table.c, settings.watch.window_images
    query = (
        select(capture_table)
        .where(c.camera == camera, c.batch.in_(usable_batches()))
        .order_by(c.captured_at.desc(), c.capture_id)
        .limit(settings.watch.confirm_windows * size)
    )
    rows = real.frame(query)
    if len(rows) < size:
        raise FixInput(f"{camera} has {len(rows)} images so far; a drill takes a window of {size} of them.")
    rows = rows.head(len(rows) // size * size)
    if away := [path for path in rows["path"] if not (layout.home / path).is_file()]:
        raise FetchData(f"{len(away)} of the last images of {camera} are not on this disk: run `dvc pull`.")
    rows["captured_at"] = rows["captured_at"].dt.floor("ms")  # as a replay has it
    return rows.sort_values(["captured_at", "path"], ignore_index=True)


def _notes(layout: Layout, settings: Params, camera: str, images: int) -> list[str]:
    """What makes this drill's result doubtful."""
    standing = [one for one in incidents.fold(ledger.read(layout)) if one.open and camera in one.cameras]
    notes = [
        f"{one.name} ({one.cause.replace('_', ' ')}) is open on {camera}: its pictures show that too, so the result "
        "may be mixed."
        for one in standing
    ]
    windows, needed = images // settings.watch.window_images, settings.watch.confirm_windows
    if windows < needed:
        said = f"{windows} {'window' if windows == 1 else 'windows'}"
        notes.append(f"{camera} has pictures for {said} only; what takes {needed} to confirm is not found.")
    return notes


def stand_in(layout: Layout, scratch: Layout, real: Catalog, camera: str, rows: pd.DataFrame) -> Catalog:
    """The plant of the drill as the camera left it before `rows`: the references and models by links, the camera's
    windows so far, and a catalog of its captures that the reference was made of or that are labelled."""
    events = ledger.read(layout)
    held, first = commissions.current(events)[camera], rows["captured_at"].iloc[0]
    for name in ("references", "releases", "models"):
        (scratch.home / name).symlink_to(layout.home / name)
    scratch.batches.mkdir(parents=True)
    for partition in layout.batches.iterdir():
        (scratch.batches / partition.name).symlink_to(partition)
    layout.backbones.mkdir(parents=True, exist_ok=True)
    scratch.state.mkdir(exist_ok=True)
    scratch.backbones.symlink_to(layout.backbones)  # making one takes seconds
    declared = [one for one in events if one.kind == "reference" and one.body["camera"] == camera][-1]
    body = {name: value for name, value in declared.body.items() if name != "prev"}
    past = [window for window in alarms.windows(events, camera) if window["last"] < clock.stamp(utc(first))]
    ledger.append(scratch, "reference", declared.by, [body])
    ledger.append(scratch, "watch", "watch", [{"run": "past", "windows": past}])
    names = [{"old": one.old, "new": one.new} for one in renamings(events)]
    ledger.append(scratch, "class-rename", declared.by, names)  # the model may know classes by other names
    fresh = Catalog(Place(make_url(f"sqlite:///{scratch.catalog}")))
    _copy(real, fresh, held, first)
    verdicts = select(score_table).where(score_table.c.capture_id.in_(list(rows["capture_id"])))
    _put(fresh, score_table, real.frame(verdicts).to_dict("records"))
    return fresh


def _copy(real: Catalog, fresh: Catalog, held: Commission, until: pd.Timestamp) -> None:
    """The rows of the catalog on the captures that the reference was made of or that are labelled, of its camera."""
    c, labelled = capture_table.c, select(label_table.c.image_id)
    learned = c.captured_at.between(stored(held.first), stored(held.last))
    mine = select(capture_table).where(
        c.camera == held.camera,
        c.captured_at < until.to_pydatetime(),
        c.capture_id.in_(select(look_table.c.capture_id)),
        or_(learned, c.image_id.in_(labelled)),
    )
    ids = {name: select(mine.subquery().c[name]) for name in ("capture_id", "image_id", "batch")}
    keys = {batch_table: "batch", image_table: "image_id", label_table: "image_id"}
    with real.engine.connect() as source:
        for table in (batch_table, image_table, capture_table, label_table, look_table, score_table):
            key = keys.get(table, "capture_id")
            found = source.execute(select(table).where(table.c[key].in_(ids[key]))).mappings()
            _put(fresh, table, [dict(row) for row in found])


def _put(fresh: Catalog, table: Table, rows: Sequence[Mapping[Any, Any]]) -> None:
    if rows:
        with fresh.writing() as connection:
            connection.execute(insert(table), rows)


def replayed(layout: Layout, scratch: Layout, rows: pd.DataFrame, plan: Plan) -> Iterator[Shot]:
    """The captures with the fault on, from the first of them on."""
    table = rows[["line", "camera", "part", "serial"]].assign(
        file=[str(layout.home / path) for path in rows["path"]],
        label="-",
        captured_at=[clock.stamp(utc(at)) for at in rows["captured_at"]],
    )
    table.to_csv(scratch.home / "metadata.csv", index=False)
    since = utc(rows["captured_at"].iloc[0])
    fault = Fault(plan.fault, plan.size, plan.camera.name, since)
    replay = Replay(scratch.home, SEED, since.date(), faults=[fault])
    for day in replay.days:
        yield from replay.shots(day)


def take_in(scratch: Layout, catalog: Catalog, settings: Params, rows: pd.DataFrame, shots: Iterable[Shot]) -> None:
    """The faulty pictures of `rows` as captures of the drill's plant."""
    folder = scratch.batches / BATCH
    folder.mkdir()
    captures: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for row, shot in zip(rows.to_dict("records"), shots, strict=True):
        content = shot.content
        path = folder / f"{len(captures):05d}{Path(shot.key).suffix}"
        path.write_bytes(content)
        image = _image(content, (row["black"], row["white"]), settings)
        images.append(image)
        place = {"path": str(path.relative_to(scratch.home)), "batch": BATCH, "image_id": image["image_id"]}
        captures.append({**row, **place, "captured_at": utc(row["captured_at"]).replace(tzinfo=None)})
    batch = {"batch": BATCH, "partition": BATCH, "captures": len(captures), "manifest": "", "state": ACCEPTED}
    _put(catalog, batch_table, [batch])
    _put(catalog, image_table, list({one["image_id"]: one for one in images}.values()))
    _put(catalog, capture_table, captures)


def _image(content: bytes, span: tuple[int, int], settings: Params) -> dict[str, Any]:
    picture = believed(content, settings.ingest.max_megapixels)
    return {
        "image_id": sha256(content).hexdigest(),
        "width": picture.width,
        "height": picture.height,
        "channels": picture.pixels.shape[2],
        "bit_depth": picture.bit_depth,
        "bytes": len(content),
        "format": picture.format,
        "batch": BATCH,
        **image_stats(picture.levels(span)),
    }


def follow(scratch: Layout, settings: Params, catalog: Catalog, looks: list[Look]) -> list[Incident]:
    """The incidents that the windows make."""
    before = alarms.glances(ledger.read(scratch))
    windows = [one.as_json() for one in looks]
    ledger.append(scratch, "watch", "watch", [{"run": BATCH, "windows": windows}])
    _put(catalog, look_table, membership(looks).to_dict("records"))
    new = alarms.glances(ledger.read(scratch))[len(before) :]
    ledger.append(scratch, "incident", "watch", alarms.follow([], before, new, settings.watch))
    return incidents.fold(ledger.read(scratch))


def _told_of(plan: Plan, opened: Sequence[Incident]) -> Incident:
    """The incident that the mail is about: the fault's own, if it is among them."""
    right = EXPECTED[plan.fault].causes
    return min(opened, key=lambda one: right.index(one.cause) if one.cause in right else len(right))


def decide(scratch: Layout, settings: Params, catalog: Catalog, incident: Incident) -> Incident:
    """The incident with what is to be done about it, weighed on the model that is on the line."""
    weighed = decisions.weigh(scratch, settings, catalog, incident, decisions.on_the_line(scratch))
    ledger.append(scratch, "incident", "watch", [{"incident": incident.name, **weighed.body}])
    routed_one = next(one for one in incidents.fold(ledger.read(scratch)) if one.name == incident.name)
    return replace(routed_one, name=NAME)


def tell(layout: Layout, scratch: Layout, settings: Params, catalog: Catalog, incident: Incident) -> Delivery:
    """The mail that people would get, marked as a drill, by the way on which real ones go."""
    zone = read_cameras(layout.cameras)[incident.cameras[0]].zone
    letter = as_drill(mails.incident_letter(incident, zone, None, scratch, settings, catalog))
    key = f"drill/{incident.cameras[0]}/{incident.cause}/{clock.stamp(clock.now())}"
    return outbox.deliver(layout.home, mail.compose(letter, settings.mail, key), settings.mail)


def lines(told: Mapping[str, Any]) -> list[str]:
    """The outcome in sentences."""
    head = f"DRILL {told['fault']} {told['size']:g} {told['unit']} on {told['camera']}"
    return [
        f"{head}: {'passed' if told['passed'] else 'NOT passed'}",
        *(f"  beware: {words}" for words in told["notes"]),
        *(
            f"  {'✓' if one['passed'] else '✗'} {one['what']:<9} {one['found']}  (expected: {one['expected']})"
            for one in told["checks"]
        ),
        *([f"  pages and pictures: {told['folder']}"] if told["folder"] else []),
    ]
