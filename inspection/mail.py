"""Messages to people: composed as a mail, kept in an outbox, sent when there is a server."""

import os
import re
import smtplib
import ssl
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, getaddresses, parseaddr
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from inspection import clock
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
TIMEOUT = 10  # seconds


@dataclass(frozen=True)
class Picture:
    """`name` is safe as a file name, `content` a PNG; the caption says in words what the picture shows."""

    name: str
    caption: str
    content: bytes


@dataclass(frozen=True)
class Attachment:
    """`kind` is the media type, such as text/csv."""

    name: str
    content: bytes
    kind: str


@dataclass(frozen=True)
class Letter:
    """What a person is told. `facts` are (label, value), `todo` is in order, `reasons` say why Andon says so."""

    subject: str
    headline: str
    tone: Tone
    summary: str
    facts: tuple[tuple[str, str], ...]
    todo: tuple[str, ...]
    reasons: tuple[str, ...]
    pictures: tuple[Picture, ...]
    attachments: tuple[Attachment, ...]
    footer: str


@dataclass(frozen=True)
class Delivery:
    """Where the mail lies now, whether a server took it, and that in words."""

    path: Path
    sent: bool
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
    """Put the mail into the outbox and, where ANDON_SMTP_HOST names a server, send it.

    A server that is away or refuses the mail is no error: the mail waits in the outbox, and `words` say why.
    """
    path = _keep(layout_home / mail.outbox, message)
    server = Server.of_environment()
    if server is None:
        return Delivery(path, False, f"No mail server is set (ANDON_SMTP_HOST), so the mail is kept as {_named(path)}.")
    return _try(path, server)[0]


def resend(layout_home: Path, mail: Mail) -> list[Delivery]:
    """Try what waits in the outbox again, oldest first, until the server is away; nothing without a server."""
    server = Server.of_environment()
    if server is None:
        return []
    done = []
    waiting = (layout_home / mail.outbox).glob("*.eml")
    for path in sorted(waiting, key=lambda path: (path.name[:18], path.stat().st_mtime_ns)):
        delivery, away = _try(path, server)
        done.append(delivery)
        if away:
            break
    return done


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
        pictures=tuple(replace(p, name=_file_name(p.name), caption=_clean(p.caption)) for p in letter.pictures),
        attachments=tuple(replace(a, name=_file_name(a.name)) for a in letter.attachments),
        footer=_clean(letter.footer),
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


def _attach(message: EmailMessage, letter: Letter, cids: Sequence[str]) -> None:
    page = message.get_body(("html",))
    assert isinstance(page, EmailMessage)
    for picture, cid in zip(letter.pictures, cids, strict=True):
        page.add_related(picture.content, "image", "png", cid=f"<{cid}>", disposition="inline", filename=picture.name)
    for attachment in letter.attachments:
        main, _, sub = attachment.kind.partition("/")
        message.add_attachment(attachment.content, main, sub, filename=attachment.name)


# the outbox


def _keep(outbox: Path, message: EmailMessage) -> Path:
    """Write the mail whole or not at all, under a name that no other mail has."""
    outbox.mkdir(parents=True, exist_ok=True)
    name = f"{clock.now():%Y-%m-%dT%H%M%SZ}-{slug(str(message['Subject'] or ''))}"
    part = outbox / f".{name}-{os.getpid()}.part"
    with part.open("wb") as file:
        file.write(message.as_bytes())
        file.flush()
        os.fsync(file.fileno())
    number = 1
    while True:
        path = outbox / (f"{name}.eml" if number == 1 else f"{name}-{number}.eml")
        try:
            os.link(part, path)  # unlike a rename, refuses a name that is taken
        except FileExistsError:
            number += 1
        else:
            part.unlink()
            return path


def _named(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def slug(text: str) -> str:
    """`text` as a part of a file name: at most 60 of a-z, 0-9 and single hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "mail"


# sending


def _try(path: Path, server: Server) -> tuple[Delivery, bool]:
    """Send the mail in `path` and put it beside the other sent ones; and whether the server is away."""
    try:
        words = _send(path.read_bytes(), server)
    except _NotTaken as refusal:
        return Delivery(path, False, f"{refusal} The mail waits as {_named(path)} and is tried again."), refusal.away
    sent = path.parent / "sent" / path.name
    sent.parent.mkdir(exist_ok=True)
    os.replace(path, sent)
    return Delivery(sent, True, words), False


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
    """The conversation with the server; address -> reply for those it refused while it took others."""
    with smtplib.SMTP(server.host, int(server.port), timeout=TIMEOUT) as smtp:
        if server.starttls:
            smtp.starttls(context=context)
        if server.user:
            smtp.login(server.user, server.password)
        return smtp.sendmail(sender, to, content)


def _refusals(replies: dict[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{address} ({_reply(reply)})" for address, (_, reply) in replies.items())


def _reply(words: bytes | str) -> str:
    """The server's own sentence, short and on one line."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return textwrap.shorten(_clean(text), 160, placeholder=" ...").rstrip(".")
