"""Python's search for reference cycles, kept off what stays.

Imports make half a million objects that live as long as the process. To look through them while they are made, and once
more at the end, was 2.8 of the 6.7 s of a process that only imports torch, timm and scikit-learn (docs/LOG.md).
"""

import atexit
import gc


def rest() -> None:
    """Do not look until `settle`: for as long as there are only imports."""
    gc.disable()


def settle() -> None:
    """Look again, but not through what there is by now: it stays. Without a `rest` before, nothing happens."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


atexit.register(gc.freeze)
