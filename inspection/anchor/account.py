"""The account that a plant is written under."""

import os
import sys

_due: list[bool] = []  # filled while it is still to be said


def is_root() -> bool:
    """Whether this process may do everything on this computer."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def words() -> str:
    """What is to be said of it, "" where nothing is."""
    if not is_root():
        return ""
    return (
        "This runs as root: whatever goes wrong here may change the whole computer, and the plant's own account cannot "
        "write what root has written. Run it as the account that the plant belongs to (docs/production.md)."
    )


def arm() -> None:
    """From here on this process says it before its first effect: a command does, a stage or a test does not."""
    _due.append(True)


def tell() -> None:
    """Say it on the error stream, once, where it is still to be said."""
    if _due and (said := words()):
        print(said, file=sys.stderr, flush=True)
    _due.clear()
