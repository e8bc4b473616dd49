"""Which reference a camera is measured against, who declared it, which planned changes are under way, and what
could not be made again by a better method: a fold of the ledger's events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from inspection import clock
from inspection.chain import Event
from inspection.layout import Layout

AGAIN = "announced again"
BY = "Andon"  # who makes a reference again


@dataclass(frozen=True)
class Commission:
    """Clean windows that a person declared; the reference made of them is named by `digest`. `by` is BY where a version
    was made again of the same pictures."""

    camera: str
    version: str  # v1, v2 ...
    digest: str
    first: datetime
    last: datetime
    images: int
    windows: int
    by: str
    at: datetime
    reason: str = ""

    def folder(self, layout: Layout) -> Path:
        return folder(layout, self.camera, self.version)


@dataclass(frozen=True)
class Renewal:
    """A planned change that a person announced. The camera is learning from `since` on, until `images` pictures make a
    new reference.

    Attributes:
        number: of the camera's renewals, from 1.
        refused: why the pictures so far made none, in words; `since` then starts behind them.
        ended: the version that it made, or AGAIN when another change was announced before; empty while it learns.
    """

    camera: str
    number: int
    reason: str
    by: str
    at: datetime
    since: datetime
    images: int
    refused: tuple[str, ...] = ()
    ended: str = ""

    @property
    def learning(self) -> bool:
        return not self.ended

    @property
    def state_key(self) -> str:
        """Another one for each state that people have to be told of."""
        state = self.ended or (f"refused-{len(self.refused)}" if self.refused else "announced")
        return f"renewal/{self.camera}/{self.number}/{state}"


@dataclass(frozen=True)
class Outdated:
    """A reference of an earlier method, which holds although it should have been made again by `method`: `why` not, in
    words. `final`: nobody tries again, else it is when its pictures are at hand."""

    camera: str
    version: str
    method: int
    why: str
    final: bool
    at: datetime

    @property
    def state_key(self) -> str:
        """Another one for each state that people have to be told of."""
        return f"outdated/{self.camera}/{self.version}/{self.method}/{'final' if self.final else 'waits'}"


def folder(layout: Layout, camera: str, version: str) -> Path:
    """Where a reference lies."""
    return layout.references / camera / version


def fold(events: Iterable[Event]) -> dict[str, list[Commission]]:
    """Camera -> its commissions, oldest first; the last one holds unless a renewal is under way."""
    found: dict[str, list[Commission]] = {}
    for event in events:
        if event.kind == "reference":
            found.setdefault(event.body["camera"], []).append(_commission(event))
    return found


def renewals(events: Iterable[Event]) -> dict[str, list[Renewal]]:
    """Camera -> its announced changes, oldest first."""
    found: dict[str, list[Renewal]] = {}
    for event in events:
        if event.kind not in ("renewal", "reference"):
            continue
        mine = found.setdefault(event.body["camera"], [])
        if event.kind == "reference" or event.body["what"] == "announced":
            _end(mine, event.body.get("version", AGAIN))
        if event.kind == "renewal" and event.body["what"] == "announced":
            mine.append(_announced(event, len(mine) + 1))
        elif event.kind == "renewal":
            since, why = clock.parse(event.body["since"]), event.body["why"]
            mine[-1] = replace(mine[-1], since=since, refused=(*mine[-1].refused, why))
    return {camera: every for camera, every in found.items() if every}


def under_way(events: Iterable[Event]) -> dict[str, Renewal]:
    """Camera -> the renewal that it is learning for."""
    return {camera: every[-1] for camera, every in renewals(events).items() if every[-1].learning}


def current(events: Sequence[Event]) -> dict[str, Commission]:
    """Camera -> the commission that holds now; a camera that is not in it is (again) learning."""
    learning = under_way(events)
    return {camera: every[-1] for camera, every in fold(events).items() if camera not in learning}


def outdated(events: Sequence[Event]) -> dict[str, Outdated]:
    """Camera -> its reference, where that holds now and could not be made again."""
    holds, found = current(events), {}
    for event in events:
        if event.kind == "outdated":
            facts = {name: event.body[name] for name in ("camera", "version", "method", "why", "final")}
            found[event.body["camera"]] = Outdated(**facts, at=clock.parse(event.at))
    return {camera: one for camera, one in found.items() if camera in holds and holds[camera].version == one.version}


def _end(mine: list[Renewal], ended: str) -> None:
    if mine and mine[-1].learning:
        mine[-1] = replace(mine[-1], ended=ended)


def _announced(event: Event, number: int) -> Renewal:
    body = event.body
    return Renewal(
        camera=body["camera"],
        number=number,
        reason=body["reason"],
        by=event.by,
        at=clock.parse(event.at),
        since=clock.parse(body["since"]),
        images=body["images"],
    )


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
        reason=body.get("reason", ""),
    )
