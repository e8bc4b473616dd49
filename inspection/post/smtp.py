"""The mail server that the environment names, and what it says to a mail, in words."""

import os
import smtplib
import ssl
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from email.utils import getaddresses, parseaddr

from inspection.outside.credentials import masked
from inspection.post.letter import clean

TIMEOUT = 10  # seconds, until a server answers at all ...
PATIENCE = 120  # ... and until it has taken a mail: one that is given up too early arrives twice


@dataclass(frozen=True)
class Server:
    """The mail server that the environment names."""

    host: str
    port: str
    starttls: bool
    user: str
    password: str = field(repr=False)
    ca: str
    wrong: str = ""

    @classmethod
    def of_environment(cls) -> "Server | None":
        """What ANDON_SMTP_HOST, _PORT, _STARTTLS, _USER, _PASSWORD and _CA say; None without a host."""
        values = {name: os.environ.get(f"ANDON_SMTP_{name}", "") for name in ("HOST", "PORT", "USER", "PASSWORD", "CA")}
        if not values["HOST"]:
            return None
        starttls = os.environ.get("ANDON_SMTP_STARTTLS", "1") != "0"
        host = values["HOST"].rpartition("@")[2]  # what stands before it may be a password, and is kept nowhere
        wrong = (
            "ANDON_SMTP_HOST is more than a name: write the host alone there, and whoever logs in into ANDON_SMTP_USER "
            "and ANDON_SMTP_PASSWORD."
        )
        is_name = host == values["HOST"] and "/" not in host
        port = values["PORT"] or "587"
        return cls(host, port, starttls, values["USER"], values["PASSWORD"], values["CA"], "" if is_name else wrong)


class NotTaken(Exception):
    """The mail was not taken; the message says why. `away`: nor would the server take another one now."""

    def __init__(self, words: str, away: bool) -> None:
        super().__init__(words)
        self.away = away


def send(content: bytes, server: Server) -> str:
    """Hand the mail to the server; the words for it.

    Raises:
        NotTaken: with the reason in words.
    """
    message = BytesParser(policy=policy.SMTP).parsebytes(content, headersonly=True)
    sender = parseaddr(str(message["From"] or ""))[1]
    to = [address for _, address in getaddresses([str(value) for value in message.get_all("To", [])]) if address]
    if not sender or not to:
        raise NotTaken("This is no mail: it says neither from whom nor to whom, or only one of them.", away=False)
    where = f"The mail server {server.host}:{server.port}"
    with _in_words(where), _conversation(server) as smtp:
        refused = smtp.sendmail(sender, to, content)
    words = f"Sent to {', '.join(address for address in to if address not in refused)}."
    return f"{words} {where} refuses {_refusals(refused)}." if refused else words


def knock(server: Server) -> str:
    """Greet the server, encrypt and log in as for a mail, and send none; the words for it.

    Raises:
        NotTaken: with the reason in words.
    """
    where = f"The mail server {server.host}:{server.port}"
    with _in_words(where), _conversation(server) as smtp:
        smtp.noop()
    how = "over TLS" if server.starttls else "without encryption"
    return f"{where} answers {how}" + (f" and knows {server.user}." if server.user else ", without a login.")


@contextmanager
def _in_words(where: str) -> Iterator[None]:
    """What goes wrong within is NotTaken."""
    try:
        yield
    except (OSError, UnicodeError) as error:  # what smtplib raises is an OSError
        words, away = _why(error)
        raise NotTaken(f"{where} {words}", away) from None


def _why(error: OSError | UnicodeError) -> tuple[str, bool]:
    """What went wrong, as the rest of a sentence about the server; and whether another mail would fare no better."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return "does not accept the user name or password (ANDON_SMTP_USER, ANDON_SMTP_PASSWORD).", True
        case smtplib.SMTPRecipientsRefused():
            return f"refuses {_refusals(error.recipients)}.", False
        case smtplib.SMTPSenderRefused() | smtplib.SMTPDataError():
            return f"refuses this mail: {_reply(error.smtp_error)}.", False
        case smtplib.SMTPNotSupportedError():
            asked = "which the settings ask for (ANDON_SMTP_STARTTLS, ANDON_SMTP_USER)"
            return f"offers no encryption or no login, {asked}.", True
        case ssl.SSLCertVerificationError():
            remedy = "ANDON_SMTP_CA may name the file of your own authority."
            return f"cannot prove who it is: {error.verify_message}. {remedy}", True
        case UnicodeError():
            return "cannot be given an address, user name or password with letters beyond plain ASCII.", False
        case smtplib.SMTPResponseException():
            return f"sends mails away: {_reply(error.smtp_error)}.", True
        case smtplib.SMTPException():
            return f"does not answer as it should ({_reply(str(error))}).", True
    return masked(f"cannot be reached ({error.strerror or error})."), True


def _context(server: Server) -> ssl.SSLContext:
    if not server.port.isdecimal() or not 0 < int(server.port) < 65536:
        raise NotTaken(f"ANDON_SMTP_PORT is {server.port!r}, which is no port.", away=True)
    try:
        return ssl.create_default_context(cafile=server.ca or None)
    except OSError:
        raise NotTaken(f"ANDON_SMTP_CA names {server.ca}, which holds no certificates.", away=True) from None


@contextmanager
def _conversation(server: Server) -> Iterator[smtplib.SMTP]:
    """With the server, encrypted and logged in as the settings say. What goes wrong after it took the mail does not
    count."""
    if server.wrong:
        raise NotTaken(server.wrong, away=True)
    context = _context(server)
    smtp = smtplib.SMTP(server.host, int(server.port), timeout=TIMEOUT)
    try:
        if server.starttls:
            smtp.starttls(context=context)
        if server.user:
            smtp.login(server.user, server.password)
        if smtp.sock is not None:
            smtp.sock.settimeout(PATIENCE)
        yield smtp
    finally:
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def _refusals(replies: dict[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{address} ({_reply(reply)})" for address, (_, reply) in replies.items())


def _reply(words: bytes | str) -> str:
    """The server's own sentence, short and on one line."""
    text = masked(words.decode("utf-8", "replace") if isinstance(words, bytes) else words)
    return textwrap.shorten(clean(text), 160, placeholder=" ...").rstrip(".")
