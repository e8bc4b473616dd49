"""What is to be done about each incident, and the request for labels that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from inspection import clock, git, lock
from inspection.layout import Layout
from inspection.model.package import Package
from inspection.params import Params
from inspection.records import incidents, ledger
from inspection.records.catalog import Catalog
from inspection.records.incidents import Incident
from inspection.release import registry, requests
from monitoring.cost import weighing
from monitoring.cost.routing import Action, Cost, route

ABSENT = {  # why a camera without pictures, or without any that can be judged, has to be mended
    "silent": "no picture comes, so there is nothing to judge and nothing to learn",
    "unjudged": "nobody knows whether these pictures are good, so they train nothing until a person rules on them",
}
STRICT = ("repair", "retrain", "label", "watch")  # from what asks most of people


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


@task(name="decide", cache_policy=NO_CACHE)
def decide(layout: Layout, settings: Params, catalog: Catalog) -> list[str]:
    """For each open incident what to do about it, and the request that follows from it; the requests' names."""
    events = ledger.read(layout)
    answered = [one.request.name for one in requests.standings(layout, catalog, settings) if one.met]
    package = on_the_line(layout)
    opened: list[str] = []
    for incident in incidents.fold(events):
        every = requests.fold(ledger.read(layout))
        told = package is not None and _labels_tell_more(layout, settings, catalog, incident)
        if not told and not _undecided(incident, every, answered, package, settings):
            continue
        routed = weigh(layout, settings, catalog, incident, package)
        if incident.action == "retrain" and told:  # that is under way, whatever more labels say
            routed = replace(routed, action=Action("retrain", incident.reasons))
        with lock.hold(layout, lock.WRITE, f"deciding on {incident.name}"):
            opened += _record_decision(layout, settings, incident, routed)
    _drop_idle_requests(layout)
    return opened


def on_the_line(layout: Layout) -> Package | None:
    """The live release's package; None before the first release and while the disk is not what the history says."""
    line = registry.on_line(layout)
    return Package(line.folder) if line else None


def weigh(layout: Layout, settings: Params, catalog: Catalog, incident: Incident, package: Package | None) -> Routed:
    """What an incident costs the live `package`, and what to do about it."""
    cost, estimate = None, dict[str, Any]()
    if package is not None and incident.cause not in incidents.ABSENT:
        others = [one for one in incidents.fold(ledger.read(layout)) if one.open and one.name != incident.name]
        beside = [one for one in others if set(one.cameras) & set(incident.cameras)]
        cost, said = weighing.weigh(incident, layout, settings, catalog, package, beside)
        cost, estimate = cost if _asks_cost(incident, settings) else None, said.as_json()
    live = registry.live(layout) if package else None
    action = _strictest(incident, cost, package is not None, settings)
    return Routed(action, cost, estimate, live.package if live else "")


def _strictest(incident: Incident, cost: Cost | None, live: bool, settings: Params) -> Action:
    """What the cause asks for, or more where one that it explains asks for more: that may be a fault of its own after
    all, and its pictures shall not be learned. Other parts have a cost of their own, which no rehearsal knows."""
    way = getattr(settings.routing, incident.cause)
    if way == "repair" and incident.cause in ABSENT:
        return Action("repair", (ABSENT[incident.cause],))
    found = []
    for cause in incident.causes:
        own = cause != incident.cause and getattr(settings.routing, cause) == "label"
        known = None if own and cost and cost.how == "rehearsed" else cost
        action = route(cause, known, live, settings.routing, settings.requests)
        more = (
            f"{cause.replace('_', ' ')} was seen with it, which asks for more than {incident.cause.replace('_', ' ')}"
        )
        found.append(action if cause == incident.cause else Action(action.kind, (more, *action.reasons)))
    return min(found, key=lambda one: STRICT.index(one.kind))


def _asks_cost(incident: Incident, settings: Params) -> bool:
    return any(getattr(settings.routing, cause) in ("cost", "label") for cause in incident.causes)


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
    more = {getattr(settings.routing, cause) for cause in incident.causes if cause not in incident.decided}
    if ("repair" in more and incident.action != "repair") or (more - {"watch"} and incident.action == "watch"):
        return True  # of one that is over too: its pictures are kept out, or not
    if not incident.open:
        return False
    if incident.action == "watch" and incident.grew > incident.weighed:
        return True
    if incident.action == "watch" and not incident.cost and package is not None:
        return _asks_cost(incident, settings)  # there was no model yet
    return any(one.incident == incident.name and one.kind == "label" and one.name in answered for one in every)


def _labels_tell_more(layout: Layout, settings: Params, catalog: Catalog, incident: Incident) -> bool:
    """Whether enough parts were labelled since an open incident began to count what it costs, or twice as many as were
    counted before."""
    if not incident.open or not incident.action:
        return False
    rates = [incident.estimate.get(name) for name in ("escapes", "false_rejects")]
    counted = sum(one["parts"] for one in rates if one) if incident.estimate.get("how") == "seen" else 0
    return weighing.labelled_since(incident, layout, catalog) >= max(2 * counted, settings.routing.min_parts)


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
