"""What new windows make of the incidents, and pictures that do not come; and labels of what was estimated of them."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from inspection import clock, git, lock
from inspection.cameras import read_cameras
from inspection.chain import Event
from inspection.intake import pace
from inspection.layout import Layout
from inspection.params import Params
from inspection.records import absence, alarms, incidents, ledger
from inspection.records.catalog import Catalog
from monitoring.cost import weighing


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
        new = alarms.glances(e for e in events if e.kind == "watch" and e.body["run"] in late)
        before = alarms.glances(e for e in events if e.kind == "watch" and e.body["run"] not in late)
        known = incidents.fold(events)
        changes = alarms.follow(known, before, new, settings.watch)
        for one in changes:
            known = incidents.fold_one(known, one, clock.now())
        changes += absence.unjudged(known, before, new, settings.watch)
        ledger.append(layout, "incident", "watch", [*changes, {"what": "followed", "run": runs[-1]}])
        git.commit(layout.home, ledger.files(layout), _words(changes))
    return [one for one in changes if one["what"] != "updated"]


@task(name="listen", cache_policy=NO_CACHE)
def listen(layout: Layout, settings: Params, catalog: Catalog) -> list[dict[str, Any]]:
    """What cameras from which pictures should have come and did not make of the incidents; also when nothing is new."""
    cameras, now = read_cameras(layout.cameras), clock.now()
    came = catalog.arrivals(now - pace.HISTORY)
    found = (pace.silence(pace.expected(one, came.get(one.name)), came.get(one.name), now) for one in cameras.values())
    quiet, last = {one.camera: one for one in found if one}, {name: one.last for name, one in came.items()}
    with lock.hold(layout, lock.WRITE, "listening for cameras"):
        known = incidents.fold(ledger.read(layout))
        changes = absence.silent(known, cameras, quiet, last, now, settings.watch)
        if changes:
            ledger.append(layout, "incident", "watch", changes)
            git.commit(layout.home, ledger.files(layout), _words(changes))
    return changes


def _words(changes: list[dict[str, Any]]) -> str:
    return "Incidents: " + (", ".join(f"{one['incident']} {one['what']}" for one in changes) or "nothing new")


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
