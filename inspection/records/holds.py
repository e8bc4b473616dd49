"""Batches that a person has to look at: hold, release, discard. Nothing is deleted; a ruling says what may be used."""

from dataclasses import dataclass

from inspection import git, lock
from inspection.anchor import writing
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.batches import ACCEPTED, DISCARDED, HELD, RELEASED

FROM = {HELD: (ACCEPTED, RELEASED, DISCARDED), RELEASED: (HELD,), DISCARDED: (HELD,)}  # what may become what


@dataclass(frozen=True)
class Held:
    """A batch with its state, its images, when it came, and why it was held (by the contract or by a person)."""

    batch: str
    state: str
    captures: int
    at: str
    why: tuple[str, ...]
    by: str


def every(layout: Layout) -> list[Held]:
    """All batches, oldest first. A ruling on one that never came has no effect (ledger.strays)."""
    found: dict[str, Held] = {}
    for event in ledger.read(layout):
        if event.kind == "batch":
            why = tuple(event.body.get("held", ()))
            name = event.body["batch"]
            found[name] = Held(name, HELD if why else ACCEPTED, event.body["captures"], event.at, why, event.by)
        elif event.kind == "batch-ruling" and event.body["batch"] in found:
            old = found[event.body["batch"]]
            found[old.batch] = Held(old.batch, event.body["what"], old.captures, old.at, (event.body["why"],), event.by)
    return list(found.values())


def rule(layout: Layout, batch: str, what: str, by: str, why: str) -> None:
    """Write a ruling to the ledger and commit it.

    Args:
        what: held, released or discarded.

    Raises:
        FixInput: no such batch, nobody's name, no reason, or a state from which this is no step.
    """
    writing.require(layout)
    if not by.strip() or not why.strip():
        raise FixInput("A ruling on a batch needs a person and a reason: add --by NAME --why TEXT.")
    with lock.hold(layout, lock.WRITE, f"ruling on batch {batch}"):
        now = next((one.state for one in every(layout) if one.batch == batch), None)
        if now is None:
            raise FixInput(f"No batch {batch!r} was taken in; `andon batch list` names them.")
        if now == what:
            raise FixInput(f"Batch {batch} is {what} already.")
        if now not in FROM[what]:
            raise FixInput(f"Batch {batch} is {now}: hold it first (andon batch hold {batch} --by NAME --why TEXT).")
        ledger.append(layout, "batch-ruling", by, [{"batch": batch, "what": what, "why": why}])
        git.commit(layout.home, ledger.files(layout)[-2:], f"Batch {batch}: {what} by {by}")
