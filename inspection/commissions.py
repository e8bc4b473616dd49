"""Which reference a camera is measured against, and who declared it: a fold of the ledger's events."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from inspection import clock
from inspection.chain import Event
from inspection.layout import Layout


@dataclass(frozen=True)
class Commission:
    """Clean windows that a person declared; the reference made of them is named by `digest`."""

    camera: str
    version: str  # v1, v2 ...
    digest: str
    first: datetime
    last: datetime
    images: int
    windows: int
    by: str
    at: datetime

    def folder(self, layout: Layout) -> Path:
        return layout.references / self.camera / self.version


def fold(events: Iterable[Event]) -> dict[str, list[Commission]]:
    """Camera -> its commissions, oldest first; the last one holds."""
    found: dict[str, list[Commission]] = {}
    for event in events:
        if event.kind == "reference":
            found.setdefault(event.body["camera"], []).append(_commission(event))
    return found


def current(events: Iterable[Event]) -> dict[str, Commission]:
    """Camera -> the commission that holds now; a camera that is not in it is still learning."""
    return {camera: every[-1] for camera, every in fold(events).items()}


def _commission(event: Event) -> Commission:
    body = event.body
    return Commission(
        camera=body["camera"],
        version=body["version"],
        digest=body["digest"],
        first=clock.parse(body["first"]),
        last=clock.parse(body["last"]),
        images=body["images"],
        windows=body["windows"],
        by=event.by,
        at=clock.parse(event.at),
    )
