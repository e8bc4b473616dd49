"""Messages to people: composed as a mail, kept in an outbox, sent when there is a server.

A mail is kept before it is sent and has the same Message-ID and file name whenever its state is told again, so that a
run that was killed neither loses it nor sends it twice.
"""

import json
import os
import re
import smtplib
import ssl
import textwrap
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, getaddresses, parseaddr
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from inspection import clock, files
from inspection.params import Mail

if TYPE_CHECKING:
    from jinja2 import Environment

Tone = Literal["bad", "warn", "good", "info"]

TONES: dict[Tone, tuple[str, str]] = {  # word, colour of the bar: white text on each has a contrast above 4.5
    "bad": ("Problem", "#a8201a"),
    "warn": ("Please look", "#8a5300"),
    "good": ("All is well", "#1b6b3a"),
    "info": ("For your information", "#1f5a99"),
}
COLUMNS = 72  # of the plain text
PICTURE_WIDTH = 600  # pixels: the letter's 640 without its margins
TIMEOUT = 10  # seconds, until a server answers at all ...
PATIENCE = 120  # ... and until it has taken a mail: one that is given up too early arrives twice
LONGEST_REST = timedelta(minutes=15)  # between two tries of a server that is away
TROUBLE = ".server.json"  # in the outbox: how often the server was away in a row, when last, and why


@dataclass(frozen=True)
class Picture:
    """`name` is safe as a file name, `content` a PNG; `caption` says what is shown, `seen` what can be seen there, for
    whoever has pictures switched off."""

    name: str
    caption: str
    content: bytes
    seen: str = ""


@dataclass(frozen=True)
class Attachment:
    """`kind` is the media type, such as text/csv."""

    name: str
    content: bytes
    kind: str


@dataclass(frozen=True)
class Table:
    """Rows under their head; the first column names the row, the last one has room for a sentence."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Letter:
    """What a person is told. `facts` are (label, value), `todo` is in order, `reasons` say why Andon says so."""

    subject: str
    headline: str
    tone: Tone
    summary: str
    facts: tuple[tuple[str, str], ...]
    todo: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    footer: str = ""
    table: Table | None = None


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


@dataclass(frozen=True)
class Server:
    """The mail server that the environment names."""

    host: str
    port: str
    starttls: bool
    user: str
    password: str = field(repr=False)
    ca: str

    @classmethod
    def of_environment(cls) -> "Server | None":
        """What ANDON_SMTP_HOST, _PORT, _STARTTLS, _USER, _PASSWORD and _CA say; None without a host."""
        values = {name: os.environ.get(f"ANDON_SMTP_{name}", "") for name in ("HOST", "PORT", "USER", "PASSWORD", "CA")}
        if not values["HOST"]:
            return None
        starttls = os.environ.get("ANDON_SMTP_STARTTLS", "1") != "0"
        return cls(values["HOST"], values["PORT"] or "587", starttls, values["USER"], values["PASSWORD"], values["CA"])


class _NotTaken(Exception):
    """The mail was not taken; the message says why. `away`: nor would the server take another one now."""

    def __init__(self, words: str, away: bool) -> None:
        super().__init__(words)
        self.away = away


def compose(letter: Letter, mail: Mail, key: str) -> EmailMessage:
    """The mail that says `letter`: plain text, the same as HTML with its pictures inside, then the attachments.

    The same `key` gives the same Message-ID, by which mail programs know a mail that came twice.
    """
    letter = _cleaned(letter)
    name = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    domain = parseaddr(mail.sender)[1].rpartition("@")[2] or "andon.invalid"
    message = EmailMessage(policy=policy.SMTP)
    message["Subject"] = letter.subject
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.to)
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = f"<{name}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # keeps out-of-office replies away
    message["X-Andon-Key"] = _clean(key)
    cids = [f"{number}.{name}@{domain}" for number in range(1, len(letter.pictures) + 1)]
    message.set_content(_text(letter), cte="quoted-printable")
    message.add_alternative(_html(letter, cids), subtype="html", cte="quoted-printable")
    _attach(message, letter, cids)
    return message


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


# composing


def _clean(text: str) -> str:
    """`text` on one line, without control characters and those that turn the direction of writing."""
    shown = (" " if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} else c for c in text)
    return " ".join(
        "".join(c for c in shown if c not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069").split()
    )


def _cleaned(letter: Letter) -> Letter:
    def many(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(_clean(text) for text in texts)

    return replace(
        letter,
        subject=_clean(letter.subject),
        headline=_clean(letter.headline),
        summary=_clean(letter.summary),
        facts=tuple((_clean(label), _clean(value)) for label, value in letter.facts),
        todo=many(letter.todo),
        reasons=many(letter.reasons),
        pictures=tuple(
            replace(p, name=_file_name(p.name), caption=_clean(p.caption), seen=_clean(p.seen)) for p in letter.pictures
        ),
        attachments=tuple(replace(a, name=_file_name(a.name)) for a in letter.attachments),
        footer=_clean(letter.footer),
        table=letter.table and Table(many(letter.table.head), tuple(many(row) for row in letter.table.rows)),
    )


def _file_name(name: str) -> str:
    return re.sub(r'[\\/:*?"<>|]+', "-", _clean(name)).lstrip(".") or "file"


def _html(letter: Letter, cids: Sequence[str]) -> str:
    word, colour = TONES[letter.tone]
    widths = [min(_width(picture.content), PICTURE_WIDTH) for picture in letter.pictures]
    pictures = list(zip(letter.pictures, cids, widths, strict=True))
    return (
        _templates().get_template("letter.html.j2").render(letter=letter, word=word, colour=colour, pictures=pictures)
    )


def _width(content: bytes) -> int:
    """Pixels across, as the PNG's header says."""
    return int.from_bytes(content[16:20], "big") or PICTURE_WIDTH


def _text(letter: Letter) -> str:
    word = TONES[letter.tone][0]
    columns = min(max((len(label) for label, _ in letter.facts), default=0), 24) + 2
    return _templates().get_template("letter.txt.j2").render(letter=letter, word=word, columns=columns)


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["wrap"] = _wrap
    templates.filters["fact"] = _fact
    templates.filters["columns"] = _columns
    return templates


def _wrap(text: str, first: int = 0, rest: int = 0) -> str:
    """`text` on lines of 72 columns; `first` are taken on the first line, the others are indented by `rest`."""
    lines = textwrap.fill(
        text,
        COLUMNS,
        initial_indent=" " * first,
        subsequent_indent=" " * rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines[first:]


def _fact(label: str, value: str, columns: int) -> str:
    """The label, and the value from column `columns` on."""
    head = f"{label}:".ljust(columns)
    if len(head) > columns:
        return f"{_wrap(head.strip())}\n{' ' * columns}{_wrap(value, columns, columns)}"
    return (head + _wrap(value, columns, columns)).rstrip()


def _columns(table: Table) -> str:
    """The table with its columns under each other; the last one is wrapped."""
    lines = (table.head, *table.rows)
    widths = [max(len(line[place]) for line in lines) + 2 for place in range(len(table.head) - 1)]
    left = min(sum(widths), COLUMNS - 16)
    shown = []
    for line in lines:
        head = "".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)).rstrip()
        head = head.ljust(left) if len(head) < left else f"{_wrap(head)}\n{' ' * left}"
        shown.append((head + _wrap(line[-1], left, left)).rstrip())
    return "\n".join(shown)


def _attach(message: EmailMessage, letter: Letter, cids: Sequence[str]) -> None:
    page = message.get_body(("html",))
    assert isinstance(page, EmailMessage)
    for picture, cid in zip(letter.pictures, cids, strict=True):
        page.add_related(picture.content, "image", "png", cid=f"<{cid}>", disposition="inline", filename=picture.name)
    for attachment in letter.attachments:
        main, _, sub = attachment.kind.partition("/")
        charset = {"charset": "utf-8"} if main == "text" else {}
        message.add_attachment(attachment.content, main, sub, filename=attachment.name, params=charset)


# the outbox


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


# sending


def _try(path: Path, server: Server) -> tuple[Delivery, bool]:
    """Send the mail in `path` and put it beside the other sent ones; and whether the server is away."""
    outbox = path.parent
    try:
        words = _send(path.read_bytes(), server)
    except _NotTaken as refusal:
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
        noted = json.loads((outbox / TROUBLE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return noted if isinstance(noted, dict) and noted.get("server") == repr(server) else {}


def _note(outbox: Path, server: Server, words: str) -> None:
    times = _trouble(outbox, server).get("times", 0) + 1
    body = {"server": repr(server), "times": times, "last": clock.stamp(clock.now()), "words": words}
    files.write(outbox / TROUBLE, json.dumps(body))


def _send(content: bytes, server: Server) -> str:
    """Hand the mail to the server; the words for it.

    Raises:
        _NotTaken: with the reason in words.
    """
    message = BytesParser(policy=policy.SMTP).parsebytes(content, headersonly=True)
    sender = parseaddr(str(message["From"] or ""))[1]
    to = [address for _, address in getaddresses([str(value) for value in message.get_all("To", [])]) if address]
    if not sender or not to:
        raise _NotTaken("This is no mail: it says neither from whom nor to whom, or only one of them.", away=False)
    context = _context(server)
    where = f"The mail server {server.host}:{server.port}"
    try:
        refused = _talk(sender, to, content, server, context)
    except smtplib.SMTPAuthenticationError:
        words = "does not accept the user name or password (ANDON_SMTP_USER, ANDON_SMTP_PASSWORD)."
        raise _NotTaken(f"{where} {words}", away=True) from None
    except smtplib.SMTPRecipientsRefused as error:
        raise _NotTaken(f"{where} refuses {_refusals(error.recipients)}.", away=False) from None
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        raise _NotTaken(f"{where} refuses this mail: {_reply(error.smtp_error)}.", away=False) from None
    except smtplib.SMTPNotSupportedError:
        words = "offers no encryption or no login, which the settings ask for (ANDON_SMTP_STARTTLS, ANDON_SMTP_USER)."
        raise _NotTaken(f"{where} {words}", away=True) from None
    except ssl.SSLCertVerificationError as error:
        words = (
            f"cannot prove who it is: {error.verify_message}. ANDON_SMTP_CA may name the file of your own authority."
        )
        raise _NotTaken(f"{where} {words}", away=True) from None
    except UnicodeError:
        words = "cannot be given an address, user name or password with letters beyond plain ASCII."
        raise _NotTaken(f"{where} {words}", away=False) from None
    except smtplib.SMTPResponseException as error:
        raise _NotTaken(f"{where} sends mails away: {_reply(error.smtp_error)}.", away=True) from None
    except smtplib.SMTPException as error:
        raise _NotTaken(f"{where} does not answer as it should ({_reply(str(error))}).", away=True) from None
    except OSError as error:
        raise _NotTaken(f"{where} cannot be reached ({error.strerror or error}).", away=True) from None
    words = f"Sent to {', '.join(address for address in to if address not in refused)}."
    return f"{words} {where} refuses {_refusals(refused)}." if refused else words


def _context(server: Server) -> ssl.SSLContext:
    if not server.port.isdecimal() or not 0 < int(server.port) < 65536:
        raise _NotTaken(f"ANDON_SMTP_PORT is {server.port!r}, which is no port.", away=True)
    try:
        return ssl.create_default_context(cafile=server.ca or None)
    except OSError:
        raise _NotTaken(f"ANDON_SMTP_CA names {server.ca}, which holds no certificates.", away=True) from None


def _talk(
    sender: str, to: Sequence[str], content: bytes, server: Server, context: ssl.SSLContext
) -> dict[str, tuple[int, bytes]]:
    """The conversation with the server; address -> reply for those it refused while it took others.

    What goes wrong after it took the mail does not count.
    """
    smtp = smtplib.SMTP(server.host, int(server.port), timeout=TIMEOUT)
    try:
        if server.starttls:
            smtp.starttls(context=context)
        if server.user:
            smtp.login(server.user, server.password)
        if smtp.sock is not None:
            smtp.sock.settimeout(PATIENCE)
        return smtp.sendmail(sender, to, content)
    finally:
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def _refusals(replies: dict[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{address} ({_reply(reply)})" for address, (_, reply) in replies.items())


def _reply(words: bytes | str) -> str:
    """The server's own sentence, short and on one line."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return textwrap.shorten(_clean(text), 160, placeholder=" ...").rstrip(".")
