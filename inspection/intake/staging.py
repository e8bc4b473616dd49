"""A batch in the making: what is accepted and what is refused so far, in a folder that belongs to nobody yet."""

import hashlib
import os
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from inspection import clock
from inspection.cameras import Camera
from inspection.errors import AndonError
from inspection.intake import contract, pages
from inspection.intake.dropped import Dropped, capture_id
from inspection.intake.reading import Read
from inspection.intake.rules import Earliest
from inspection.intake.sidecar import Sidecars
from inspection.layout import Layout
from inspection.params import Params

SHEETS = "sidecars"  # folder in a batch


@dataclass
class Staged:
    """Files and rows of what is accepted and of what is refused, and the files that may leave the inbox for it."""

    name: str
    accepted: Path
    refused: Path
    captures: list[Read] = field(default_factory=list)
    refusals: list[dict[str, str]] = field(default_factory=list)
    leaving: list[Dropped] = field(default_factory=list)  # accepted, refused or known; each with what was read of it
    known: int = 0  # files that were taken or refused before
    turned_down: Set[str] = frozenset()  # captures that were refused before
    refused_before: int = 0  # files that were known because of that
    waiting: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)  # of these those that wait beside a name that was used again
    verdict: Mapping[str, Any] = field(default_factory=dict)  # the contract's, as JSON
    trouble: AndonError | None = None  # with emptying the inbox

    @classmethod
    def begin(cls, staging: Path, name: str) -> "Staged":
        """An empty one, with its folders."""
        staged = cls(name, staging / name, staging / f"{name}.refused")
        for path in (staged.accepted, staged.refused):
            path.mkdir(parents=True)
        return staged

    @property
    def held(self) -> list[str]:
        """Why a person has to look at it."""
        return list(self.verdict.get("held", ()))

    @property
    def highest(self) -> dict[str, int]:
        """Camera -> the highest value that its captures store."""
        found: dict[str, int] = {}
        for read in self.captures:
            name = read.capture["camera"] if read.capture else ""
            found[name] = max(found.get(name, 0), read.highest)
        return found

    def take(self, read: Read) -> None:
        """Put a file where it belongs."""
        if not (read.capture or read.reason or read.known):
            self.waiting.append(read.file.key)
            return
        self.leaving.append(replace(read.file, digest=read.image_id))
        if read.capture:
            self.captures.append(read)
        elif read.reason:
            self.refuse(read, read.reason)
        else:
            self.known += 1
            self.refused_before += capture_id(read.file.key, read.image_id) in self.turned_down

    def refuse(self, read: Read, reason: str) -> None:
        """Move a file's bytes to those for the quarantine, under a safe name, and say why. Whatever is refused comes by
        here: what is no image, too large, wrongly named or against the contract, and sheets."""
        capture = capture_id(read.file.key, read.image_id)
        path = self.refused / f"{capture[:24]}.refused"
        os.replace(read.path, path)
        self.refusals.append(
            {
                "capture_id": capture,
                "key": read.file.key,
                "path": f"data/quarantine/{self.name}/{path.name}",
                "reason": reason,
                "refused_at": clock.stamp(clock.now()),
            }
        )

    def keep(self, sheets: Sidecars) -> None:
        """Put the sheets that said something of this batch beside its images, so that it can be shown a year later."""
        rows = [sheets.row(read.file.key) for read in self.captures] if sheets.sheets else []
        used = {row.source for row in rows if row is not None}
        for sheet in (one for one in sheets.sheets if one.file.key in used):
            path = self.accepted / SHEETS / f"{hashlib.sha256(sheet.content).hexdigest()[:24]}.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(sheet.content)


def judge(
    staged: Staged,
    layout: Layout,
    settings: Params,
    cameras: Mapping[str, Camera],
    newest: Mapping[str, tuple[datetime, datetime]] = MappingProxyType({}),
) -> None:
    """Hold the captures to the contract: refuse those that break it, or hold the whole batch for a person.

    Args:
        newest: camera -> when its newest picture was captured, and when that was taken in.

    Raises:
        FixSettings: a rule cannot be applied to these captures.
    """
    if not staged.captures and not staged.refusals:
        return
    not_after = clock.now() + timedelta(minutes=settings.ingest.max_future)
    before = {row["key"]: row["reason"] for row in staged.refusals}
    rows = pd.DataFrame([read.capture for read in staged.captures] or {"key": [], "capture_id": []})
    not_before = {name: Earliest.of(clock.now(), newest.get(name), settings.ingest.max_past) for name in cameras}
    said = contract.judge(rows, before, cameras, not_after, settings.contract, not_before)
    sound = []
    for read in staged.captures:
        if reason := said.reasons.get(capture_id(read.file.key, read.image_id)):
            staged.refuse(read, reason)
        else:
            sound.append(read)
    staged.captures = sound
    staged.verdict = {"batch": staged.name, **said.as_json()}
    pages.write_docs(layout.contract, staged.name, said)
