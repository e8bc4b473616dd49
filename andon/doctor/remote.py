"""Whether the remote can be reached, and what waits for it."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from andon.doctor.answer import Answer, unknown, well, wrong
from inspection import backlog, clock
from inspection.layout import Layout
from inspection.params import Params
from inspection.records import ledger

PATIENCE = 5  # seconds until an address answers
OLD = timedelta(days=1)
SEND = "Run `andon push`: it says why it cannot."
SAFE = "accepted pictures and models lie on this disk alone"


def ask(layout: Layout, settings: Params) -> Iterator[Answer]:
    """Both; a remote that nothing was sent to yet is not there yet."""
    waiting = backlog.read(layout)
    if waiting.waiting:
        since = clock.parse(waiting.waiting[0].since)
        words = f"{backlog.words(waiting)}: {SAFE}."
        old = clock.now() - since > OLD
        yield wrong(words, SEND, f"{since:%Y-%m-%d %H:%M} UTC") if old else well(f"{backlog.words(waiting)}, not long.")
    yield _reached(layout)


def _reached(layout: Layout) -> Answer:
    """What DVC says of the default remote."""
    from flows.remote import not_ours
    from flows.sending import Remote
    from flows.versions import repository

    try:
        with repository(layout.home) as repo:
            store = repo.cloud.get_remote_odb(None, "push")
            settings = repo.config["remote"].get(repo.config["core"].get("remote"), {})
            if words := _silent(str(settings.get("endpointurl") or "")):
                return wrong(f"The remote cannot be reached: {words}.", SEND)
            there, remote = store.fs.exists(store.path), Remote(repo)
            if refusal := not_ours(layout, remote, remote.mark()):  # an empty folder may lie where a disk was
                return wrong(*refusal.parts())
    except Exception as error:  # noqa: BLE001  each kind of remote raises its own
        return wrong(f"The remote cannot be reached: {error or type(error).__name__}.", "Run `dvc remote list`.")
    if there:
        return well(f"The remote {remote.name} is there.")
    if not any(one.kind == "batch" for one in ledger.read(layout)):
        return unknown(f"The remote {remote.name} is not there yet: nothing was sent to it so far.")
    return wrong(f"The remote {remote.name} is not there: {SAFE}.", "Mount it, or look at `dvc remote list`.")


def _silent(address: str) -> str:
    """Why nobody answers at an address, "" where somebody does or it names no computer."""
    found = urlsplit(address)
    if not found.hostname:
        return ""
    try:
        port = found.port or (443 if found.scheme == "https" else 80)
        socket.create_connection((found.hostname, port), PATIENCE).close()
    except OSError as error:
        return f"{address} does not answer ({error.strerror or error})"
    return ""
