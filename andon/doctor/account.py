"""Who runs it."""

import re
from collections.abc import Iterator

import psutil

from andon.doctor.answer import Answer, well, wrong
from inspection.anchor import account
from inspection.layout import Layout
from inspection.params import Params

OWN = "Run server, worker and commands as an account of their own, such as andon: docs/production.md has the units."

STARTED = re.compile(r"\bprefect (server|worker) start\b")  # with `prefect` or `python -m prefect`


def ask(layout: Layout, settings: Params) -> Iterator[Answer]:
    """Whoever runs this command, and the Prefect server and workers of this computer."""
    if account.is_root():
        yield wrong("This command runs as root; so does whatever it starts.", OWN)
    by_root = sorted({words for words, user in _prefects() if user == 0})
    for words in by_root:
        yield wrong(f"`{words}` runs as root: each program that a deployment names is run as root, too.", OWN)
    if not account.is_root() and not by_root:
        yield well("Nothing of it runs as root.")


def _prefects() -> Iterator[tuple[str, int]]:
    """Prefect's servers and workers on this computer: in words, and the number of the account."""
    for one in psutil.process_iter(["cmdline", "uids"]):
        line, uids = " ".join(one.info["cmdline"] or []), one.info["uids"]
        if uids and (found := STARTED.search(line)):
            yield f"prefect {found[1]} start", uids.effective
