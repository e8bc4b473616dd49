"""New captures -> verdicts of the live model, camera health -> incidents, what to do about them, reports and mails.

Each step leaves its result in the ledger and begins with what the ledger lacks, so a run that was killed anywhere is
finished by the next.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import exists, select

from flows.commission import renew_due
from flows.mails import tell
from flows.tasks import push, track
from inspection import clock, git, lock
from inspection.cameras import read_cameras
from inspection.chain import Event
from inspection.intake.images import levels_of
from inspection.layout import Layout
from inspection.model.package import Package, sight_on_line
from inspection.network.features import Features
from inspection.params import Params, read_params
from inspection.post import mail
from inspection.progress import progress
from inspection.records import commissions, incidents, ledger, verdicts
from inspection.records.batches import USABLE
from inspection.records.catalog import Catalog, batch_table, capture_table, look_table, open_catalog, refresh
from inspection.records.incidents import Incident
from inspection.release import registry, requests
from inspection.release.registry import Release
from monitoring.content.learning import with_verdicts
from monitoring.cost import weighing
from monitoring.cost.routing import Action, Cost, route
from monitoring.judgement import looking, reference
from monitoring.judgement.climb import Climb, climbs
from monitoring.judgement.looking import Look
from monitoring.judgement.reference import Reference
from monitoring.telling import pages
from monitoring.telling.courses import CAUSES

FEWEST = 4  # healthy windows judged by a new model, before the rate of its rejections is judged


@flow(name="watch")
def watch(batch: str | None = None, root: Path | None = None) -> dict[str, Any]:
    """Judge the captures that were not judged yet, look at each camera's windows, and say what has changed.

    Args:
        batch: only this one; default: every batch that came since the last run.

    Returns:
        scored: captures; windows: as JSON; incidents: what opened, joined, grew or closed; requests: names of those
        opened; renewals: references made for a planned change, or why not; mails: subjects; notes: in words.
    """
    layout = Layout.find(root)
    settings = read_params(layout.params)
    git.require_identity(layout.home)
    with lock.hold(layout, "watch", "a watch"):
        catalog = open_catalog(layout)
        clear(layout)
        new = new_batches(layout, catalog, batch)
        rows, notes = score(layout, settings, catalog, new)
        looks = look(layout, settings, catalog, rows)
        if len(new) or looks:
            record(layout, rows, looks, new)
            refresh(catalog, layout)
        report_days(layout, settings, catalog, looks)
        changes = follow(layout, settings)
        asked = decide(layout, settings, catalog)
        check(layout, settings, catalog)
        renewals = renew_due(layout, settings, catalog)
        mails = tell(layout, settings, catalog)
        notes += [words] if (words := mail.waiting(layout.home, settings.mail).words) else []
        catalog.close()
    return {
        "scored": len(rows),
        "windows": [one.as_json() for one in looks],
        "incidents": changes,
        "requests": asked,
        "renewals": renewals,
        "mails": mails,
        "notes": notes,
    }


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
    b = batch_table.c
    there = catalog.frame(select(b.batch).where(b.state.in_(USABLE)))["batch"]
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
    c, b = capture_table.c, batch_table.c
    query = (
        select(capture_table)
        .join(batch_table, b.batch == c.batch)
        .where(b.state.in_(USABLE), ~exists().where(look_table.c.capture_id == c.capture_id))
    )
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
        for one in incidents.windows(ledger.read(layout), held.camera)
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
    past = [one for one in incidents.windows(events, camera) if one["reference"] == held.version]
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


@task(name="report-days", cache_policy=NO_CACHE)
def report_days(layout: Layout, settings: Params, catalog: Catalog, looks: list[Look]) -> None:
    """Each window as JSON and each camera's day as a page, for people."""
    for one in looks:
        pages.write_window(layout, one.as_json())
    for day, camera in sorted({(str(day), str(one.rows["camera"].iloc[0])) for one in looks for day in one.days}):
        pages.write_day(layout, settings, catalog, camera, day)


@task(name="follow", cache_policy=NO_CACHE)
def follow(layout: Layout, settings: Params) -> list[dict[str, Any]]:
    """What the windows of the runs since the last follow-up make of the incidents, but for sizes that only changed."""
    with lock.hold(layout, lock.WRITE, "following incidents"):
        events = ledger.read(layout)
        runs = [event.body["run"] for event in events if event.kind == "watch"]
        followed = [e.body["run"] for e in events if e.kind == "incident" and e.body["what"] == "followed"]
        if not runs or (followed and followed[-1] == runs[-1]):
            return []
        start = runs.index(followed[-1]) + 1 if followed else 0
        late = set(runs[start:])
        new = incidents.glances(e for e in events if e.kind == "watch" and e.body["run"] in late)
        before = incidents.glances(e for e in events if e.kind == "watch" and e.body["run"] not in late)
        changes = incidents.follow(incidents.fold(events), before, new, settings.watch)
        ledger.append(layout, "incident", "watch", [*changes, {"what": "followed", "run": runs[-1]}])
        git.commit(layout.home, ledger.files(layout), _words(changes))
    return [one for one in changes if one["what"] != "updated"]


@task(name="decide", cache_policy=NO_CACHE)
def decide(layout: Layout, settings: Params, catalog: Catalog) -> list[str]:
    """For each open incident what to do about it, and the request that follows from it; the requests' names."""
    events = ledger.read(layout)
    answered = [one.request.name for one in requests.standings(layout, catalog, settings) if one.met]
    package = on_the_line(layout)
    opened: list[str] = []
    for incident in incidents.fold(events):
        every = requests.fold(ledger.read(layout))
        if not _undecided(incident, every, answered, package, settings):
            continue
        routed = weigh(layout, settings, catalog, incident, package)
        with lock.hold(layout, lock.WRITE, f"deciding on {incident.name}"):
            opened += _record_decision(layout, settings, incident, routed)
    _drop_idle_requests(layout)
    return opened


@task(name="check", cache_policy=NO_CACHE)
def check(layout: Layout, settings: Params, catalog: Catalog) -> None:
    """What was estimated of each incident against the labels that came since: first when they suffice, again whenever
    they are twice as many."""
    events = ledger.read(layout)
    labelled = max((event.n for event in events if event.kind == "label"), default=0)
    touched = {event.body["incident"]: event.n for event in events if _weighs(event)}
    told = []
    for incident in incidents.fold(events):
        if labelled < touched.get(incident.name, labelled + 1):
            continue  # nothing was labelled since
        found = weighing.checked(incident, layout, catalog, settings.verdict.part)
        if found and found.seen.parts >= 2 * incident.check.get("seen", {}).get("parts", 0):
            told.append({"incident": incident.name, "what": "checked", "check": found.as_json()})
    if not told:
        return
    with lock.hold(layout, lock.WRITE, "checking estimates"):
        ledger.append(layout, "incident", "watch", told)
        git.commit(layout.home, ledger.files(layout), f"Estimates checked: {len(told)}")


def _weighs(event: Event) -> bool:
    return event.kind == "incident" and event.body["what"] in ("routed", "checked")


def on_the_line(layout: Layout) -> Package | None:
    """The live release's package; None before the first release and while the disk is not what the history says."""
    return Package(layout.live) if registry.live(layout) and registry.difference(layout) is None else None


@dataclass(frozen=True)
class Routed:
    """What is to be done about an incident, and what it costs as far as that is known."""

    action: Action
    cost: Cost | None
    estimate: Mapping[str, Any]  # of what passes because of it
    model: str  # the package that it is of; "": none is on the line

    @property
    def body(self) -> dict[str, Any]:
        """As the ledger's event has it."""
        return {
            "what": "routed",
            "action": self.action.kind,
            "reasons": list(self.action.reasons),
            "cost": self.cost.as_json() if self.cost else None,
            "estimate": dict(self.estimate),
            "package": self.model,
        }


def weigh(layout: Layout, settings: Params, catalog: Catalog, incident: Incident, package: Package | None) -> Routed:
    """What an incident costs the live `package`, and what to do about it."""
    cost, estimate = None, dict[str, Any]()
    if package is not None:
        others = [one for one in incidents.fold(ledger.read(layout)) if one.open and one.name != incident.name]
        beside = [one for one in others if set(one.cameras) & set(incident.cameras)]
        cost, said = weighing.weigh(incident, layout, settings, catalog, package, beside)
        cost, estimate = cost if _asks_cost(incident, settings) else None, said.as_json()
    live = registry.live(layout) if package else None
    action = route(incident.cause, cost, package is not None, settings.routing, settings.requests)
    return Routed(action, cost, estimate, live.package if live else "")


def _asks_cost(incident: Incident, settings: Params) -> bool:
    return getattr(settings.routing, incident.cause) in ("cost", "label")


def _drop_idle_requests(layout: Layout) -> None:
    """Answer what was asked for a change that is over by itself, for there is nothing left to learn, and labels that
    were to tell the cost of one that a person closed."""
    with lock.hold(layout, lock.WRITE, "answering requests"):
        events = ledger.read(layout)
        over = {one.name: one.recovered for one in incidents.fold(events) if not one.open}
        mine = [one for one in requests.fold(events) if one.open and one.incident in over]
        idle = [one for one in mine if over[one.incident] or one.kind == "label"]
        ledger.append(layout, "request", "watch", [requests.answer(one.name, "the change is over") for one in idle])
        git.commit(layout.home, ledger.files(layout), f"Requests: {len(idle)} of changes that are over")


def _undecided(
    incident: Incident,
    every: list[requests.Request],
    answered: list[str],
    package: Package | None,
    settings: Params,
) -> bool:
    """Whether an incident has no action yet, or what its action waited for has come."""
    if not incident.action:
        return True
    if not incident.open:
        return False
    if incident.action == "watch" and incident.grew > incident.weighed:
        return True
    if incident.action == "watch" and not incident.cost and package is not None:
        return _asks_cost(incident, settings)  # there was no model yet
    return any(one.incident == incident.name and one.kind == "label" and one.name in answered for one in every)


def _record_decision(layout: Layout, settings: Params, incident: Incident, routed: Routed) -> list[str]:
    kind = routed.action.kind
    ledger.append(layout, "incident", "watch", [{"incident": incident.name, **routed.body}])
    known = requests.fold(ledger.read(layout))
    mine = [one for one in known if one.open and one.incident == incident.name and one.kind == "label"]
    have = max((one.labels for one in mine), default=0)
    asked = [requests.answer(one.name, f"{incident.name}: {kind}", have=one.labels) for one in mine]
    ledger.append(layout, "request", "watch", asked)
    known = requests.fold(ledger.read(layout))
    wanted = _wish(settings, incident, kind, known, have) if incident.open else None
    ledger.append(layout, "request", "watch", [wanted] if wanted else [])
    git.commit(layout.home, ledger.files(layout), f"{incident.name}: {kind}")
    return [wanted["request"]] if wanted else []


def _wish(
    settings: Params, incident: Incident, kind: str, known: list[requests.Request], have: int
) -> dict[str, Any] | None:
    """The request that an action opens, if it opens one; `have` labels did not suffice before."""
    about = {
        "incident": incident.name,
        "cameras": list(incident.cameras),
        "since": clock.stamp(incident.onset[1]),
    }
    why = f"{incident.cause.replace('_', ' ')} on {' and '.join(incident.cameras)} ({incident.name})"
    if kind == "retrain":
        needs = {**about, "labels": settings.requests.labels, "parts": settings.requests.parts}
        return requests.wish(known, "retrain", why, needs)
    if kind == "label":
        least = settings.routing.min_parts + have
        return requests.wish(known, "label", why, {**about, "labels": least, "parts": least})
    return None


def _words(changes: list[dict[str, Any]]) -> str:
    return "Incidents: " + (", ".join(f"{one['incident']} {one['what']}" for one in changes) or "nothing new")


def summary(result: dict[str, Any]) -> list[str]:
    """The result in sentences."""
    counts = f"Captures judged: {result['scored']}. Windows looked at: {len(result['windows'])}."
    lines = [counts, *result["notes"]]
    for one in result["windows"]:
        said = "; ".join(finding["words"] for finding in one["findings"]) or "; ".join(one["notes"])
        lines.append(f"  {one['camera']} {one['last'][:16].replace('T', ' ')} UTC: {one['state']} {said}".rstrip())
    lines += [f"{one['incident']} {one['what']}" for one in result["incidents"]]
    lines += [renewed(one) for one in result["renewals"]]
    return [*lines, *(f"Mail: {subject}" for subject in result["mails"])]


def renewed(told: Mapping[str, Any]) -> str:
    """What became of a planned change, in a sentence."""
    made = told.get("made")
    if made is None:
        return f"{told['camera']} goes on learning: {told['refused']}"
    return f"{told['camera']}: reference {made['version']} of {made['images']} images, because of: {made['reason']}"
