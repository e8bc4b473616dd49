"""The quality spec: its versions, and whose labels a new one makes stale. The ledger is the authority; the version in
taxonomy.yaml follows it."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from inspection import git, lock
from inspection.anchor import writing
from inspection.chain import Event
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.outside import documents
from inspection.records import ledger
from inspection.records.classes import alike, edited, require_committed
from inspection.records.labels import move, standing
from inspection.taxonomy import Taxonomy, read_taxonomy

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")


@dataclass(frozen=True)
class Spec:
    """The versions known, oldest first, and for each class the version that changed its meaning last."""

    versions: tuple[str, ...]
    changed: Mapping[str, str]

    @property
    def current(self) -> str:
        return self.versions[-1]

    def outdates(self, label: str, version: str) -> bool:
        """Whether `label` means something else since `version`."""
        return label in self.changed and self.versions.index(version) < self.versions.index(self.changed[label])


def fold(events: Sequence[Event], taxonomy: Taxonomy) -> Spec:
    """The spec as "spec" events and taxonomy.yaml tell it."""
    told = [event.body for event in events if event.kind == "spec"]
    named = [*(body[key] for body in told for key in ("before", "spec") if key in body), taxonomy.spec]
    first = [defect.since for defect in taxonomy.classes.values() if defect.since not in named]
    changed: dict[str, str] = {}
    for event in events:
        if event.kind == "spec":
            changed.update(dict.fromkeys(event.body["classes"], event.body["spec"]))
        elif event.kind == "class-rename":
            move(changed, event.body["old"], event.body["new"])
    return Spec(tuple(dict.fromkeys([*first, *named])), changed)


def revise(layout: Layout, version: str, classes: Sequence[str], by: str, why: str = "") -> int:
    """Put a new version of the quality spec in force, which changes what `classes` mean, and commit it; how many
    images have a stale label now. Run again after it was cut short, it finishes and adds nothing.

    Raises:
        FixInput: the version is no name or is not new, a class is not declared, or nobody stands behind it.
    """
    writing.require(layout)
    with lock.hold(layout, lock.WRITE, f"putting quality spec {version} in force"):
        if read_taxonomy(layout.taxonomy).spec != version:
            require_committed(layout)
        event = _begun(layout, version)
        if event is None:
            event = _begin(layout, version, classes, by, why)
        elif set(event.body["classes"]) != set(classes):
            told = ",".join(event.body["classes"]) or "none"
            raise FixInput(f"Spec {version} is on record already with classes {told}, by {event.by}: give the same.")
        part = edited(layout.taxonomy, lambda content: content.update(spec=DoubleQuotedScalarString(version)))
        os.replace(part, layout.taxonomy)
        words = f"Quality spec {version} put in force by {event.by}"
        git.commit(layout.home, [layout.taxonomy, *ledger.files(layout)], words)
    return sum(label.stale for label in standing(ledger.read(layout)).values())


def _begun(layout: Layout, version: str) -> Event | None:
    """The event of a revision that was cut short before its commit."""
    told = [event for event in ledger.read(layout) if event.kind == "spec"]
    if not told or told[-1].body["spec"] != version:
        return None
    committed = documents.yaml_of(git.run(layout.home, "show", "HEAD:./taxonomy.yaml"))["spec"]
    return told[-1] if committed in {event.body.get("before") for event in told} else None


def _begin(layout: Layout, version: str, classes: Sequence[str], by: str, why: str) -> Event:
    """Check what is asked for and write it to the ledger."""
    taxonomy = read_taxonomy(layout.taxonomy)
    spec = fold(ledger.read(layout), taxonomy)
    if not _VERSION.match(version):
        raise FixInput(f"{version!r} is no version: use letters, digits and . _ - such as 2 or 2026-11.")
    if version in spec.versions:
        stands = "is in force already" if version == spec.current else f"came before {spec.current}, which is in force"
        raise FixInput(f"Spec {version} {stands}: give the new version a name of its own.")
    if not by.strip():
        raise FixInput("A new spec needs a person who puts it in force: add --by NAME.")
    for name in classes:
        if name not in taxonomy.classes:
            raise FixInput(f"Class {name!r} is not declared; did you mean {alike(name, taxonomy)!r}?")
    body = {"spec": version, "before": spec.current, "classes": list(dict.fromkeys(classes)), "why": why}
    return ledger.append(layout, "spec", by, [body])[0]
