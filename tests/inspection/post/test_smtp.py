import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from inspection.post.mail import compose
from inspection.post.outbox import Delivery
from inspection.post.smtp import NotTaken, Server, knock
from tests.inspection.post.conftest import LETTER, MAIL, Post, content
from tests.ports import free_port


def test_a_mail_is_sent_encrypted_and_logged_in(post: Post, send: Callable[..., Delivery], tmp_path: Path) -> None:
    done = send()
    assert (done.sent, done.words) == (True, "Sent to quality@plant.invalid.")
    assert done.path.parent == tmp_path / "outbox" / "sent" and done.path.is_file()
    assert list((tmp_path / "outbox").glob("*.eml")) == []
    [got] = post.mails
    assert got["Subject"] == LETTER.subject
    assert got.get_body(("plain",)).get_content() == content(compose(LETTER, MAIL, "0"), "plain")


def test_a_server_without_encryption_can_be_asked_for(
    send: Callable[..., Delivery], keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Post(keys)
    server.controller = Controller(server, hostname="127.0.0.1", port=free_port())
    server.controller.start()
    monkeypatch.setenv("ANDON_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("ANDON_SMTP_PORT", str(server.controller.port))
    try:
        assert "offers no encryption" in send(1).words
        monkeypatch.setenv("ANDON_SMTP_STARTTLS", "0")
        assert send(2).sent
    finally:
        server.controller.stop()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PASSWORD", "hunter2", "does not accept the user name or password"),
        ("PASSWORD", "schlüssel", "letters beyond plain ASCII"),
        ("CA", "", "cannot prove who it is"),
        ("CA", "/nowhere.pem", "holds no certificates"),
        ("HOST", "no-such-host.invalid", "cannot be reached"),
        ("PORT", "smtp", "is no port"),
    ],
)
def test_what_goes_wrong_is_said_and_the_mail_kept(
    post: Post,
    send: Callable[..., Delivery],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    value: str,
    words: str,
) -> None:
    monkeypatch.setenv(f"ANDON_SMTP_{name}", value)
    done = send()
    assert not done.sent and done.path.parent.name == "outbox" and done.path.is_file()
    assert words in done.words and "is tried again" in done.words
    assert post.mails == []
    said = done.words + "".join(capfd.readouterr()) + repr(Server.of_environment())
    for secret in ("hunter2", "schlüssel", "secret"):
        assert secret not in said and secret.encode() not in done.path.read_bytes()


def test_a_server_that_says_nothing_is_not_waited_for_long(
    send: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspection.post.smtp.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("ANDON_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("ANDON_SMTP_PORT", str(silent.getsockname()[1]))
        done = send()
    assert not done.sent and "timed out" in done.words and done.path.is_file()


def test_a_refused_person_keeps_that_mail_alone(post: Post, send: Callable[..., Delivery]) -> None:
    done = send(1, to=("gone@plant.invalid",))
    assert not done.sent and "refuses gone@plant.invalid (5.1.1 nobody of that name)" in done.words
    done = send(2, to=("gone@plant.invalid", "quality@plant.invalid"))
    assert done.sent and "Sent to quality@plant.invalid." in done.words and "refuses gone@plant.invalid" in done.words
    done = send(3, subject="too big")
    assert not done.sent and "message too big" in done.words


def test_what_goes_wrong_after_a_mail_was_taken_does_not_send_it_twice(
    post: Post, send: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: Any) -> str:
        return "421 4.3.0 good bye, and too busy to say so"

    monkeypatch.setattr(post, "handle_QUIT", busy, raising=False)
    assert send(1).sent
    assert len(post.mails) == 1


def test_a_server_can_be_asked_whether_it_would_take_a_mail(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> str:
        server = Server.of_environment()
        assert server is not None
        return knock(server)

    assert asked().endswith("answers over TLS and knows andon.")
    monkeypatch.setenv("ANDON_SMTP_PASSWORD", "guessed")
    with pytest.raises(NotTaken, match="does not accept the user name or password"):
        asked()
    monkeypatch.setenv("ANDON_SMTP_PORT", str(free_port()))
    with pytest.raises(NotTaken, match="cannot be reached"):
        asked()
    assert post.mails == []
