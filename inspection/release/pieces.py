"""What people say of serials that came again long after: the same piece, a new one, or nothing any more."""

from typing import Any

from inspection import clock, git, lock
from inspection.anchor import writing
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.pictures import returned
from inspection.pictures.returned import NEW, SAME, WAITS, Return
from inspection.records import ledger

STEPS = {SAME: (WAITS, NEW), NEW: (WAITS, SAME), WAITS: (SAME, NEW)}  # what may be said of what


def every(layout: Layout) -> list[Return]:
    """All serials that came again, the newest first."""
    found = [one for some in returned.fold(ledger.read(layout)).values() for one in some]
    return sorted(found, key=lambda one: (one.since, one.part, one.serial), reverse=True)


def rule(layout: Layout, serials: list[str], part: str, what: str, by: str) -> list[Return]:
    """Put on record that these serials are the same piece as before, or a new one; or, `waits`, that nobody knows.
    Those of whom it is said already stay; what was changed.

    Args:
        part: a kind of part; "" where only one kind bears the serial.

    Raises:
        FixInput: nobody's name, a serial that did not come again, or one that two kinds bear.
    """
    writing.require(layout)
    if not by.strip():
        raise FixInput("That needs a person's name: add --by NAME.")
    with lock.hold(layout, lock.WRITE, "a word on pieces"):
        known = every(layout)
        chosen = [one for serial in serials for one in _of(serial, part, known)]
        changed = [one for one in dict.fromkeys(chosen) if one.state in STEPS[what]]
        if changed:
            ledger.append(layout, "piece", by, [_body(one, what) for one in changed])
            git.commit(layout.home, ledger.files(layout)[-2:], f"Pieces: {len(changed)} {what} by {by}")
    return changed


def _of(serial: str, part: str, known: list[Return]) -> list[Return]:
    """The returns of one serial that a word may mean: those that wait, or else its last one."""
    mine = [one for one in known if one.serial == returned.borne(serial) and part in ("", one.part)]
    if not mine:
        raise FixInput(f"No serial {serial!r} came again after a long gap; `andon piece list` names those that did.")
    if len(kinds := sorted({one.part for one in mine})) > 1:
        raise FixInput(f"Several kinds of part bear {serial!r} ({', '.join(kinds)}): add --part.")
    return [one for one in mine if one.state == WAITS] or mine[:1]


def _body(one: Return, what: str) -> dict[str, Any]:
    return {"part": one.part, "serial": one.serial, "since": clock.stamp(one.since), "what": what}
