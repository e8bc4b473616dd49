"""Which plant this is, and the mark by which its remote and its backups are known.

A disk that is not mounted leaves an empty folder at its place. So a mark is written there once, git records that it
was, and whatever lies there without it is not the place.
"""

import json
import secrets

from inspection import files, git, lock
from inspection.anchor import writing
from inspection.errors import CheckHistory
from inspection.layout import Layout
from inspection.outside import documents
from inspection.record import Record

MARK = "andon-plant.json"  # the file at the remote, or in a backup


class Identity(Record):
    """A plant's id, and whether a mark with it was written to the remote."""

    plant: str
    marked: bool = False


def read(layout: Layout) -> Identity | None:
    """As the last commit has it; None: the plant has no id yet.

    Raises:
        CheckHistory: the committed file is damaged.
    """
    kept = git.committed(layout.identity)
    if kept is None:
        return None
    try:
        return Identity.model_validate_json(kept)
    except ValueError:
        raise CheckHistory(
            "data/plant.json, which says which plant this is, is damaged in the last commit.",
            "Restore it from an earlier one (`git log -- data/plant.json`, `git restore --source=COMMIT`) and commit.",
        ) from None


def settled(layout: Layout) -> Identity:
    """As `read`; a plant that has no id gets one, committed."""
    return read(layout) or _note(layout, Identity(plant=secrets.token_hex(16)), "The plant's id, for its remote")


def note_marked(layout: Layout) -> None:
    """Record that the remote bears the mark."""
    now = settled(layout)
    if not now.marked:
        _note(layout, Identity(plant=now.plant, marked=True), "The remote bears the plant's mark")


def mark(plant: str) -> bytes:
    """What is written at a place that belongs to the plant."""
    what = "This place belongs to one plant of Andon. Leave this file: without it nothing more is sent here."
    return (json.dumps({"plant": plant, "what": what}, indent=1) + "\n").encode()


def marked_by(content: bytes) -> str:
    """The plant that a mark names; "" for one that cannot be read."""
    try:
        return str(documents.json_of(content)["plant"])
    except (ValueError, KeyError, TypeError):
        return ""


def _note(layout: Layout, identity: Identity, words: str) -> Identity:
    with lock.hold(layout, lock.WRITE, "recording which plant this is"):
        for refusal in writing.refusals(layout):  # a history that was put back may lack the id that there is
            raise refusal
        files.write(layout.identity, identity.model_dump_json(indent=1) + "\n")
        git.commit(layout.home, [layout.identity], words)
    return identity
