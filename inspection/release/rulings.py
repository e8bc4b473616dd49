"""What people say of incidents: what becomes of the images, and what was done with the parts."""

from collections.abc import Callable, Mapping
from typing import Any

from inspection import git, lock
from inspection.anchor import writing
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.catalog import open_catalog
from inspection.records.incidents import Incident, find
from inspection.release import suspicion

PARTS = ("reinspected", "released", "scrapped", "none")  # what was done with the suspect parts


def rule(layout: Layout, name: str, by: str, images: str) -> Mapping[str, Any]:
    """A person says what becomes of the images that an incident has marked; the event.

    Raises:
        FixInput: no such incident, nobody's name, or `images` is neither use nor drop.
    """
    if images not in ("use", "drop"):
        raise FixInput(f"--images {images!r}: say use or drop.")
    return _say(layout, name, by, lambda _: {"what": "ruled", "images": images})


def close(layout: Layout, name: str, by: str, why: str, parts: str = "") -> Mapping[str, Any]:
    """A person closes an incident and says what was done with the suspect parts; the event. One that is over by itself
    takes the word on its parts alone.

    Raises:
        FixInput: no such incident, nobody's name, no reason, closed already, or parts were judged on its pictures and
            `parts` is none of PARTS.
    """
    choices = f"{', '.join(PARTS[:-1])} or {PARTS[-1]}"
    if not why.strip():
        raise FixInput(f"Closing {name} needs a reason: add --why TEXT.")
    if parts and parts not in PARTS:
        raise FixInput(f"--parts {parts!r}: say {choices}.")

    def event(incident: Incident) -> dict[str, Any]:
        if not incident.open and (not parts or (incident.parts and not _more(layout, incident))):
            raise FixInput(f"{name} is closed already: {incident.why_closed}.")
        if not parts and incident.marks and (judged := _judged(layout, incident)):
            raise FixInput(
                f"{judged} suspect parts of {name} were judged on such pictures: say what was done with them, "
                f"--parts {choices}."
            )
        return {"what": "closed" if incident.open else "settled", "why": why.strip(), "parts": parts or "none"}

    return _say(layout, name, by, event)


def _say(layout: Layout, name: str, by: str, event: Callable[[Incident], dict[str, Any]]) -> Mapping[str, Any]:
    """Write a person's word on an incident to the ledger and commit it."""
    writing.require(layout)
    if not by.strip():
        raise FixInput("That needs a person's name: add --by NAME.")
    with lock.hold(layout, lock.WRITE, f"ruling on {name}"):
        body = {"incident": name, **event(find(layout, name))}
        ledger.append(layout, "incident", by, [body])
        git.commit(layout.home, ledger.files(layout), f"{name}: {body['what']} by {by}")
    return body


def _more(layout: Layout, incident: Incident) -> bool:
    """Whether suspect parts have come since somebody spoke of them."""
    catalog = open_catalog(layout)
    more = suspicion.waiting(incident, layout, catalog) > 0
    catalog.close()
    return more


def _judged(layout: Layout, incident: Incident) -> int:
    """How many of its suspect parts a model has judged."""
    catalog = open_catalog(layout)
    count = suspicion.judged(incident, layout, catalog)
    catalog.close()
    return count
