"""Telling people: one mail for each change of state, and one a day. The ledger knows which were written, so a run that
was killed before its mail is made good by whichever flow comes next."""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from prefect import task
from prefect.cache_policies import NO_CACHE

from inspection import clock, git, lock
from inspection.cameras import Camera, read_cameras
from inspection.chain import Event
from inspection.errors import Unforeseen, attempt
from inspection.layout import Layout
from inspection.params import Params
from inspection.post import checks, compared, mail, outbox
from inspection.post.camera_letters import of_outdated, of_reference, of_renewal
from inspection.post.daily_letter import of_digest
from inspection.post.incident_letters import of_check, ruling, settling
from inspection.post.letter import Letter
from inspection.post.model_letters import of_candidate, of_release
from inspection.post.wording import counted
from inspection.records import commissions, holds, incidents, ledger
from inspection.records.batches import HELD
from inspection.records.catalog import Catalog, open_catalog
from inspection.release import approval, aside, heads, registry, requests, suspicion
from monitoring.telling import dossier, evidence
from monitoring.telling.day import days, said
from monitoring.telling.suspects import suspects

Untold = tuple[str, Callable[[], Letter]]  # the key of a state, and how to put it into words


@task(name="tell", cache_policy=NO_CACHE)
def tell(layout: Layout, settings: Params, catalog: Catalog, digest: bool | int | None = None) -> list[str]:
    """Write a mail for every state that nobody was told of, then try the ones that wait; the subjects. The
    incidents' pages say the same afterwards.

    Args:
        digest: whether to write of the last day that is over, or the hour (of the first camera) from which to.
    """
    subjects = []
    with lock.hold(layout, "mail", "writing mails"):
        outbox.resend(layout.home, settings.mail)
        told = ledger.told(layout)
        for key, words in _states(layout, settings, catalog, told, settings.mail.digest if digest is None else digest):
            if key in told:
                continue
            letter = words()
            done = outbox.deliver(layout.home, mail.compose(letter, settings.mail, key), settings.mail)
            path = str(done.path.relative_to(layout.home))
            body = {"key": key, "subject": letter.subject, "path": path, "sent": done.sent, "words": done.words}
            if key.startswith(heads.DIGEST):
                body["heads"] = heads.of_plant(layout).as_json()  # for the day's tag
            ledger.append(layout, "mail", "Andon", [body])
            subjects.append(letter.subject)
        dossier.renew(layout, catalog)
        with lock.hold(layout, lock.WRITE, "recording mails"):
            git.commit(layout.home, ledger.files(layout), f"Mails: {len(subjects)}")
            heads.tag_last_day(layout, ledger.read(layout))
    return subjects


def announce(layout: Layout, settings: Params) -> list[str]:
    """As `tell`, for a flow that has no catalog open."""
    catalog = open_catalog(layout)
    subjects: list[str] = tell(layout, settings, catalog)
    catalog.close()
    return subjects


def day_over(zone: ZoneInfo, digest: bool | int) -> date:
    """The last day that is over in `zone`; with an hour, a day counts as over from that hour of the next one."""
    hour = 0 if isinstance(digest, bool) else digest
    local = clock.now().astimezone(zone).replace(tzinfo=None)
    return (local - timedelta(hours=hour)).date() - timedelta(days=1)


def _states(layout: Layout, settings: Params, catalog: Catalog, told: Set[str], digest: bool | int) -> Iterator[Untold]:
    """Every state that somebody has to know of; `told`: keys of those that were written of."""
    events = ledger.read(layout)
    cameras = read_cameras(layout.cameras)
    zone = next((camera.zone for camera in cameras.values()), ZoneInfo("UTC"))
    standings = {one.request.incident: one for one in requests.standings(layout, catalog, settings)}
    for incident in incidents.fold(events):
        if incident.action:
            local = cameras[incident.cameras[0]].zone if incident.cameras[0] in cameras else zone
            again = any(key.startswith(f"incident/{incident.name}/") for key in told)
            asked = standings.get(incident.name)
            words = partial(incident_letter, incident, local, asked, layout, settings, catalog, again)
            yield incident.state_key, words
        if incident.check.get("verdict") == "too low":
            yield f"check/{incident.name}/{incident.grew}", partial(_check, incident, layout, catalog)
    yield from _renewals(events, cameras)
    for name, kept in commissions.outdated(events).items():
        if name in cameras:
            yield kept.state_key, partial(of_outdated, kept, cameras[name].line, cameras[name].zone)
    for candidate in approval.requests(layout)[-1:]:
        if approval.state(layout, candidate) in ("waiting for approval", "refused by the gate"):
            yield f"candidate/{candidate.version}", partial(_candidate, candidate, layout, catalog, zone)
    if (key := registry.state_key(layout)) and key not in told and (line := registry.on_line(layout)):
        yield key, partial(of_release, line.release, zone)  # where there is no line, nobody can say what is on it
    if digest is not False and (watched := _watched_since(events, zone)):
        day = day_over(zone, digest)
        if day >= watched:
            yield f"{heads.DIGEST}{day}", partial(_digest, day, zone, layout, settings, catalog)


def _watched_since(events: Sequence[Event], zone: ZoneInfo) -> date | None:
    """The day on which the first reference was made."""
    first = min((every[0].at for every in commissions.fold(events).values()), default=None)
    return first and first.astimezone(zone).date()


def incident_letter(
    incident: incidents.Incident,
    zone: ZoneInfo,
    request: requests.Standing | None,
    layout: Layout,
    settings: Params,
    catalog: Catalog,
    again: bool = False,
) -> Letter:
    if not incident.open:
        return dossier.letter(incident, zone, request, layout, catalog, (), again)
    drawn = attempt(partial(evidence.gather, incident, layout, settings, catalog))
    if not isinstance(drawn, Unforeseen):
        return dossier.letter(incident, zone, request, layout, catalog, drawn, again)
    letter = dossier.letter(incident, zone, request, layout, catalog, (), again)  # what is not judged may not be drawn
    why = f"its pictures could not be drawn ({drawn.words}): report it to whoever maintains Andon"
    return replace(letter, reasons=(*letter.reasons, why))


def _check(incident: incidents.Incident, layout: Layout, catalog: Catalog) -> Letter:
    return of_check(incident, [suspects(incident, layout, catalog).attached])


def _renewals(events: Sequence[Event], cameras: dict[str, Camera]) -> Iterator[Untold]:
    """The last planned change of each camera: announced, held up, or over with a new reference."""
    made = commissions.fold(events)
    for name, every in commissions.renewals(events).items():
        if name not in cameras or every[-1].ended == commissions.AGAIN:
            continue
        renewal, camera = every[-1], cameras[name]
        if renewal.learning:
            yield renewal.state_key, partial(of_renewal, renewal, camera.line, camera.zone)
        else:
            [reference] = [one for one in made[name] if one.version == renewal.ended]
            yield renewal.state_key, partial(of_reference, reference, camera.line, camera.zone)


def _candidate(candidate: approval.Request, layout: Layout, catalog: Catalog, zone: ZoneInfo) -> Letter:
    """With the figures of the model it was compared with, on the same parts; of one that was refused, with the labelled
    images that it could not learn from."""
    champion = approval.compared(layout, candidate)
    live = registry.live(layout)
    kept = "" if candidate.promote else aside.in_words(aside.sorted_out(layout, catalog))
    return of_candidate(candidate, live.version if live else None, champion and champion["figures"], kept, zone)


def _digest(day: date, zone: ZoneInfo, layout: Layout, settings: Params, catalog: Catalog) -> Letter:
    found, cameras = checks.ask(layout, settings, catalog), days(layout, catalog, day, zone)
    model = _on_line(layout, any(one.name == "line" for one in found))
    judged = said(catalog, day, zone)
    for version, (accepted, rejected) in judged.items():
        model += f" Pictures judged by {version}: {accepted} accepted, {rejected} rejected."
    silent = sum(one.images for one in cameras) - sum(map(sum, judged.values()))
    if judged and silent > 0:
        model += f" {silent} of the day's pictures have no verdict."
    wrong = [f"{one.words[:1].upper()}{one.words[1:]}." for one in found]
    waits, ends = list(_waits(layout, settings, catalog)), heads.of_plant(layout).in_words
    if same := compared.said(layout):
        model += f" {same}"
    return of_digest(day, cameras, waits, model, wrong, ends)


def _on_line(layout: Layout, wrong: bool) -> str:
    """Which model judges, in a sentence; one that is not what was released is not said to."""
    live = registry.live(layout)
    if wrong:
        released = f"Model {live.version} was released, but the line is not" if live else "The line is not"
        return f"{released} what the record says, so new pictures wait for their verdicts."
    return f"Model {live.version} is on the line." if live else "No model is on the line yet."


def _waits(layout: Layout, settings: Params, catalog: Catalog) -> Iterator[str]:
    """What waits for a person, each with what to do."""
    for one in approval.requests(layout):
        if approval.state(layout, one) in ("waiting for approval", "approval expired"):
            name = one.version
            yield f"Decide on model {name}: andon show {name}, then andon approve {name} --by NAME."
    for standing in requests.standings(layout, catalog, settings):
        asked = standing.request
        if standing.lacks:
            yield (
                f"Have pictures labelled ({asked.why}): {standing.labels} of {asked.labels} are, "
                f"of {standing.parts} of {asked.parts} parts.{aside.behind(standing.aside)}"
            )
    for batch in holds.every(layout):
        if batch.state == HELD:
            yield f"Look at the held batch {batch.batch} ({'; '.join(batch.why)}): andon batch list."
    for incident in incidents.fold(ledger.read(layout)):
        if not incident.open and (waiting := suspicion.waiting(incident, layout, catalog)):
            so_far = "" if suspicion.of(incident, layout, catalog).complete else " so far"
            yield (
                f"Look through the suspect parts of {incident.name} ({counted(waiting, 'part')}{so_far}) and say "
                f"what was done with them: {settling(incident)}."
            )
        if not incident.open and incident.action == "repair" and incident.marks and not incident.ruling:
            yield f"Say whether the pictures of {incident.name} may be used for training: {ruling(incident)}."
    if words := outbox.waiting(layout.home, settings.mail).words:
        yield words
