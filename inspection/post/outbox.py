"""Mails on their way: kept in a folder, sent where the environment names a server.

A mail is kept before it is sent and has the same Message-ID and file name whenever its state is told again, so that a
run that was killed neither loses it nor sends it twice.
"""

import json
import os
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import Any

from inspection import clock, files
from inspection.outside import documents
from inspection.params import Mail
from inspection.post.smtp import NotTaken, Server, send

LONGEST_REST = timedelta(minutes=15)  # between two tries of a server that is away
TROUBLE = ".server.json"  # in the outbox: how often the server was away in a row, when last, and why


@dataclass(frozen=True)
class Delivery:
    """Where the mail lies now, whether a server took it, and that in words."""

    path: Path
    sent: bool
    words: str


@dataclass(frozen=True)
class Waiting:
    """Mails in the outbox: how many, since when, and why in words; "" where there are none, or no server that could
    have taken them, for then the outbox is where they are read."""

    count: int
    since: datetime | None
    words: str


def deliver(layout_home: Path, message: EmailMessage, mail: Mail) -> Delivery:
    """Put the mail into the outbox and, where ANDON_SMTP_HOST names a server, send it; once for each Message-ID.

    A server that is away or refuses the mail is no error: the mail waits in the outbox, and `words` say why.
    """
    outbox = layout_home / mail.outbox
    path = _kept(outbox, message) or _keep(outbox, message)
    if path.parent != outbox:
        return Delivery(path, True, "It was sent before.")
    server = Server.of_environment()
    if server is None:
        return Delivery(path, False, f"No mail server is set (ANDON_SMTP_HOST), so the mail is kept as {_named(path)}.")
    if rest := _rest(outbox, server):
        return Delivery(path, False, f"{rest} The mail waits as {_named(path)}.")
    return _try(path, server)[0]


def resend(layout_home: Path, mail: Mail) -> list[Delivery]:
    """Try what waits in the outbox again, oldest first, until the server is away; nothing without a server, or while
    one that was away rests."""
    server, outbox = Server.of_environment(), layout_home / mail.outbox
    if server is None or _rest(outbox, server):
        return []
    done = []
    for path in _waiting(outbox):
        delivery, away = _try(path, server)
        done.append(delivery)
        if away:
            break
    return done


def waiting(layout_home: Path, mail: Mail) -> Waiting:
    """What lies in the outbox and has not been sent."""
    outbox = layout_home / mail.outbox
    paths = _waiting(outbox)
    if not paths:
        return Waiting(0, None, "")
    since = min(_since(path) for path in paths)
    server = Server.of_environment()
    if server is None:
        return Waiting(len(paths), since, "")
    said = f"{len(paths)} {'mail waits' if len(paths) == 1 else 'mails wait'} for the mail server"
    why = _rest(outbox, server) or _trouble(outbox, server).get("words") or "The next run tries again."
    return Waiting(len(paths), since, f"{said} since {since:%Y-%m-%d %H:%M} UTC. {why}")


def _try(path: Path, server: Server) -> tuple[Delivery, bool]:
    """Send the mail in `path` and put it beside the other sent ones; and whether the server is away."""
    outbox = path.parent
    try:
        words = send(path.read_bytes(), server)
    except NotTaken as refusal:
        if refusal.away:
            _note(outbox, server, str(refusal))
        return Delivery(path, False, f"{refusal} The mail waits as {_named(path)} and is tried again."), refusal.away
    sent = outbox / "sent" / path.name
    sent.parent.mkdir(exist_ok=True)
    os.replace(path, sent)
    (outbox / TROUBLE).unlink(missing_ok=True)
    return Delivery(sent, True, words), False


def _rest(outbox: Path, server: Server) -> str:
    """Why the server is left alone for now, "" when it may be tried: it rests for 0, 2, 4, 8, then 15 minutes."""
    trouble = _trouble(outbox, server)
    if trouble.get("times", 0) < 2:
        return ""
    last = clock.parse(trouble["last"])
    until = last + min(timedelta(minutes=2 ** min(trouble["times"] - 1, 10)), LONGEST_REST)
    return f"{trouble['words']} It is tried again after {until:%H:%M} UTC." if last <= clock.now() < until else ""


def _trouble(outbox: Path, server: Server) -> dict[str, Any]:
    """What is noted of this server; nothing once the settings name another one."""
    try:
        noted = documents.json_file(outbox / TROUBLE)
    except (FileNotFoundError, ValueError):
        return {}
    return noted if isinstance(noted, dict) and noted.get("server") == repr(server) else {}


def _note(outbox: Path, server: Server, words: str) -> None:
    times = _trouble(outbox, server).get("times", 0) + 1
    body = {"server": repr(server), "times": times, "last": clock.stamp(clock.now()), "words": words}
    files.write(outbox / TROUBLE, json.dumps(body))


def _keep(outbox: Path, message: EmailMessage) -> Path:
    """Write the mail whole or not at all, under a name that tells its Message-ID from all others."""
    path = outbox / f"{clock.now():%Y-%m-%dT%H%M%SZ}-{slug(str(message['Subject'] or ''))}{_mark(message)}"
    return files.write(path, message.as_bytes())


def _kept(outbox: Path, message: EmailMessage) -> Path | None:
    """Where the mail with this Message-ID lies already, sent or not."""
    return next((path for folder in (outbox / "sent", outbox) for path in folder.glob(f"*{_mark(message)}")), None)


def _mark(message: EmailMessage) -> str:
    """How the name of the mail's file ends."""
    return f"-{sha256(str(message['Message-ID']).encode()).hexdigest()[:10]}.eml"


def _since(path: Path) -> datetime:
    """When the mail was kept: the clock's time in its name; of a foreign file, the machine's."""
    with suppress(ValueError):
        return datetime.strptime(path.name[:18], "%Y-%m-%dT%H%M%SZ").replace(tzinfo=UTC)
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _waiting(outbox: Path) -> list[Path]:
    """The mails that were not sent, oldest first."""
    return sorted(outbox.glob("*.eml"), key=lambda path: (path.name[:18], path.stat().st_mtime_ns))


def _named(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def slug(text: str) -> str:
    """`text` as a part of a file name: at most 60 of a-z, 0-9 and single hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "mail"
