"""The last hashes of the record, as a day's mail tells them and a tag of git keeps them: whoever changes a line later
changes every hash behind it, but not the mails that people have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inspection import chain, git
from inspection.anchor import points
from inspection.chain import Event
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.ledger import Head

DIGEST = "digest/"  # + the day: the key of a day's mail


@dataclass(frozen=True)
class Heads:
    """How far the ledger and the history of releases go."""

    ledger: Head
    history: Head

    @property
    def in_words(self) -> str:
        """For the foot of a mail: each short, to compare by eye, and whole."""
        return (
            f"So far the record goes today: {_told('ledger', self.ledger)}; {_told('releases', self.history)}. Keep "
            "this mail: whoever changes a line of the record later changes these hashes too."
        )

    def as_json(self) -> dict[str, Any]:
        """What a mail's event keeps of it."""
        return {"ledger": vars(self.ledger), "history": vars(self.history)}


def _told(name: str, head: Head) -> str:
    return f"{name}, line {head.events}: {head.digest[:12]} ({head.digest})"


def of_plant(layout: Layout) -> Heads:
    """How far the record goes now."""
    return Heads(ledger.head(layout), ledger.head_of(list(chain.read([layout.history]))))


def tag_last_day(layout: Layout, events: Sequence[Event]) -> str | None:
    """Tag the last commit with the heads that the last day's mail told, unless that day has its tag; its name then.

    The caller has committed that mail's event and holds the write lock. A run that was killed before it came here is
    made good by the next one, also of a later day: each day behind the newest tag gets its own.
    """
    told = [one.body for one in events if one.kind == "mail" and one.body["key"].startswith(DIGEST)]
    days = {body["key"].removeprefix(DIGEST): body for body in told if "heads" in body}
    tagged = git.run(layout.home, "for-each-ref", "--format=%(refname)", points.TAGS.rstrip("/")).splitlines()
    newest = max((ref.removeprefix(points.TAGS) for ref in tagged), default="")
    name = None
    for day in sorted(days):
        if day > newest and (day == max(days) or newest):
            name = f"{points.TAGS.removeprefix('refs/tags/')}{day}"
            git.run(layout.home, "tag", "--annotate", "--message", _message(days[day]), name)
    return name


def _message(told: Mapping[str, Any]) -> str:
    lines = (f"{name} {head['events']} {head['digest']}" for name, head in told["heads"].items())
    return "\n".join([f"Heads of the record, as told on {told['key'].removeprefix(DIGEST)}", "", *lines])
