"""Telling people: one mail for each change of state. The ledger knows which were written, so a run that was killed
before its mail is made good by whichever flow comes next."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from zoneinfo import ZoneInfo

from prefect import task
from prefect.cache_policies import NO_CACHE

from inspection import approval, git, incidents, ledger, letters, lock, mail, registry, requests
from inspection.catalog import Catalog, open_catalog
from inspection.layout import Layout
from inspection.mail import Letter
from inspection.params import Params, read_cameras
from monitoring import evidence

Untold = tuple[str, Callable[[], Letter]]  # the key of a state, and how to put it into words


@task(name="tell", cache_policy=NO_CACHE)
def tell(layout: Layout, settings: Params, catalog: Catalog) -> list[str]:
    """Write a mail for every state that nobody was told of, then try the ones that wait; the subjects."""
    subjects = []
    with lock.hold(layout, "mail", "writing mails"):
        mail.resend(layout.home, settings.mail)
        told = {event.body["key"] for event in ledger.read(layout) if event.kind == "mail"}
        for key, words in _states(layout, settings, catalog):
            if key in told:
                continue
            letter = words()
            done = mail.deliver(layout.home, mail.compose(letter, settings.mail, key), settings.mail)
            path = str(done.path.relative_to(layout.home))
            body = {"key": key, "subject": letter.subject, "path": path, "sent": done.sent, "words": done.words}
            ledger.append(layout, "mail", "Andon", [body])
            subjects.append(letter.subject)
        with lock.hold(layout, lock.WRITE, "recording mails"):
            git.commit(layout.home, ledger.files(layout), f"Mails: {len(subjects)}")
    return subjects


def announce(layout: Layout, settings: Params) -> list[str]:
    """As `tell`, for a flow that has no catalog open."""
    catalog = open_catalog(layout)
    subjects: list[str] = tell(layout, settings, catalog)
    catalog.close()
    return subjects


def _states(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[Untold]:
    """Every state that somebody has to know of."""
    events = ledger.read(layout)
    zones = {name: camera.zone for name, camera in read_cameras(layout.cameras).items()}
    standings = {one.request.incident: one for one in requests.standings(layout, catalog, settings)}
    for incident in incidents.fold(events):
        if incident.action:
            zone = zones.get(incident.cameras[0], ZoneInfo("UTC"))
            words = partial(_incident, incident, zone, standings.get(incident.name), layout, settings, catalog)
            yield incident.state_key, words
    zone = next(iter(zones.values()), ZoneInfo("UTC"))
    for candidate in approval.requests(layout)[-1:]:
        if approval.state(layout, candidate) in ("waiting for approval", "refused by the gate"):
            yield f"candidate/{candidate.version}", partial(_candidate, candidate, layout, zone)
    for number, release in list(enumerate(registry.history(layout), 1))[-1:]:
        yield f"release/{number}/{release.version}", partial(letters.of_release, release, zone)


def _incident(
    incident: incidents.Incident,
    zone: ZoneInfo,
    request: requests.Standing | None,
    layout: Layout,
    settings: Params,
    catalog: Catalog,
) -> Letter:
    suspects, attached = evidence.suspects(incident, layout, catalog)
    parts = int(suspects["serial"].nunique())
    if not incident.open:
        return letters.of_recovery(incident, zone, parts, [attached])
    pictures = evidence.gather(incident, layout, settings, catalog)
    return letters.of_incident(incident, zone, parts, request, pictures, [attached])


def _candidate(candidate: approval.Request, layout: Layout, zone: ZoneInfo) -> Letter:
    """With the figures of the model it was compared with, on the same parts."""
    decision = json.loads((layout.reports / "decision.json").read_text(encoding="utf-8"))
    champion = decision["champion"] if decision["candidate"]["package"] == candidate.package else None
    live = registry.live(layout)
    return letters.of_candidate(candidate, live.version if live else None, champion and champion["figures"], zone)
