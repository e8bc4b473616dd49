"""A letter, and a mail server in this process that takes it."""

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from inspection import clock
from inspection.params import Mail
from inspection.post import outbox
from inspection.post.letter import Attachment, Letter, Picture
from inspection.post.mail import compose
from plant.shot import png
from tests.ports import free_port

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
MAIL = Mail(to=("quality@plant.invalid",), sender="Andon <andon@plant.invalid>", outbox="outbox", digest=False)


def grey(width: int) -> bytes:
    import numpy as np

    return png(np.full((20, width), 90, np.uint8))


LETTER = Letter(
    subject="Camera cam-1: the light is 12 % darker – since Monday",
    headline="The light at camera cam-1 is 12 % darker",
    tone="bad",
    summary="The lamp of camera cam-1 on line A got darker on Monday. Please have it looked at today.",
    facts=(
        ("Camera", "cam-1, line A"),
        ("What changed", "Light: 12 % darker, evenly over the whole picture, and on all of the parts that pass it"),
    ),
    todo=("Have a technician clean or replace the lamp of cam-1.", "Label the attached parts."),
    reasons=("The mean brightness is 0.88 times that of the reference; 0.95 to 1.05 is allowed.",),
    pictures=(
        Picture("compared.png", "The mean picture before and now", grey(600), "It was 120 levels bright and is 106."),
        Picture("example.png", "A part seen in the new light", grey(128)),
    ),
    attachments=(Attachment("parts-to-label.csv", b"key,label\n", "text/csv"),),
    footer="Andon sends this once per incident.",
)


def letter(**changes: Any) -> Letter:
    return Letter(**{**vars(LETTER), **changes})


def parsed(message: EmailMessage) -> EmailMessage:
    """The mail as the one who gets it sees it."""
    return BytesParser(policy=policy.default).parsebytes(message.as_bytes())


def content(message: EmailMessage, kind: str) -> str:
    return parsed(message).get_body((kind,)).get_content()


def certificate(folder: Path) -> Path:
    """cert.pem, which key.pem has signed itself, for localhost."""
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "30"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*new, *names, *files], check=True, capture_output=True)
    return folder / "cert.pem"


class Post:
    """A mail server in this process: asks for STARTTLS and a login, refuses whoever is gone."""

    def __init__(self, folder: Path) -> None:
        import ssl

        self.mails: list[EmailMessage] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.controller = Controller(
            self,
            hostname="127.0.0.1",
            port=free_port(),
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=self.known,
        )

    def known(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"andon", b"secret")
        return AuthResult(success=right, handled=False)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("gone"):
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        got = BytesParser(policy=policy.default).parsebytes(envelope.content)
        if "too big" in got["Subject"]:
            return "552 5.3.4 message too big"
        self.mails.append(got)
        return "250 OK"


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "STARTTLS", "USER", "PASSWORD", "CA"):
        monkeypatch.delenv(f"ANDON_SMTP_{name}", raising=False)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    certificate(folder)
    return folder


@pytest.fixture
def post(keys: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """The server runs and the environment names it."""
    server = Post(keys)
    server.controller.start()
    for name, value in {
        "HOST": "localhost",
        "PORT": str(server.controller.port),
        "USER": "andon",
        "PASSWORD": "secret",
        "CA": str(keys / "cert.pem"),
    }.items():
        monkeypatch.setenv(f"ANDON_SMTP_{name}", value)
    yield server
    server.controller.stop()


@pytest.fixture
def send(tmp_path: Path) -> Callable[..., outbox.Delivery]:
    """Deliver a letter `number` seconds after noon."""

    def deliver(number: int = 0, to: tuple[str, ...] = MAIL.to, **changes: Any) -> outbox.Delivery:
        settings = MAIL.model_copy(update={"to": to})
        with clock.at(NOON + timedelta(seconds=number)):
            return outbox.deliver(tmp_path, compose(letter(**changes), settings, str(number)), settings)

    return deliver
