import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from hypothesis import given
from hypothesis import strategies as st

from inspection import clock
from inspection.params import Mail
from inspection.post import mail
from inspection.post.mail import Attachment, Letter, Picture, Table
from plant.shot import png

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
MAIL = Mail(to=("quality@plant.invalid",), sender="Andon <andon@plant.invalid>", outbox="outbox", digest=False)


def _png(width: int) -> bytes:
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
        Picture("compared.png", "The mean picture before and now", _png(600), "It was 120 levels bright and is 106."),
        Picture("example.png", "A part seen in the new light", _png(128)),
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


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


# composing


def test_a_mail_has_text_page_pictures_and_attachments() -> None:
    with clock.at(NOON):
        got = parsed(mail.compose(LETTER, MAIL, "cam-1/lamp"))
    assert got.get_content_type() == "multipart/mixed"
    alternative, attachment = got.iter_parts()
    assert [part.get_content_type() for part in alternative.iter_parts()] == ["text/plain", "multipart/related"]
    assert (attachment.get_filename(), attachment.get_content_type()) == ("parts-to-label.csv", "text/csv")
    assert attachment.get_content() == "key,label\n" and attachment.get_content_charset() == "utf-8"
    assert (got["Subject"], got["To"], got["X-Andon-Key"]) == (LETTER.subject, "quality@plant.invalid", "cam-1/lamp")
    assert got["From"] == "Andon <andon@plant.invalid>"
    assert got["Date"].datetime == NOON
    assert not got.defects


def test_every_picture_of_the_page_is_in_the_mail() -> None:
    got = parsed(mail.compose(LETTER, MAIL, "k"))
    images = [tag for name, tag in Tags(content(got, "html")).tags if name == "img"]
    inside = {part["Content-ID"].strip("<>"): part for part in got.walk() if part["Content-ID"]}
    assert [image["src"] for image in images] == [f"cid:{name}" for name in inside]
    assert [part.get_content() for part in inside.values()] == [picture.content for picture in LETTER.pictures]
    assert [part.get_content_disposition() for part in inside.values()] == ["inline", "inline"]
    assert [part.get_filename() for part in inside.values()] == ["compared.png", "example.png"]
    assert [image["width"] for image in images] == ["600", "128"]


def test_nothing_is_lost_without_the_pictures() -> None:
    page = Tags(content(mail.compose(LETTER, MAIL, "k"), "html"))
    text = " ".join(content(mail.compose(LETTER, MAIL, "k"), "plain").split())
    said = [LETTER.headline, LETTER.summary, *LETTER.todo, *LETTER.reasons, LETTER.footer, "Problem"]
    said += [word for fact in LETTER.facts for word in fact] + [picture.caption for picture in LETTER.pictures]
    for words in said:
        assert words in page.words
        assert words in text
    alt = [tag["alt"] for name, tag in page.tags if name == "img"]
    assert alt == ["It was 120 levels bright and is 106.", "A part seen in the new light"]
    assert all(words in text for words in alt)


def test_the_page_holds_what_mail_programs_can_show() -> None:
    page = content(mail.compose(LETTER, MAIL, "k"), "html")
    names = {name for name, _ in Tags(page).tags}
    assert not names & {"script", "style", "link", "form", "iframe", "svg", "div"}
    assert "flex" not in page and "grid" not in page and "http" not in page
    assert 'width="640"' in page and "max-width:640px" in page
    assert len(page) < 20_000  # some programs cut a page at 100 kB


@pytest.mark.parametrize("tone", ["bad", "warn", "good", "info"])
def test_a_tone_is_a_colour_and_a_word(tone: mail.Tone) -> None:
    word, colour = mail.TONES[tone]
    message = mail.compose(letter(tone=tone), MAIL, "k")
    assert f'bgcolor="{colour}"' in content(message, "html") and word in Tags(content(message, "html")).words
    assert content(message, "plain").startswith(f"[{word}] ")
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (v / 255 for v in bytes.fromhex(colour[1:]))
    ]
    assert 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05) > 4.5


def test_text_has_72_columns_and_facts_under_each_other() -> None:
    lines = content(mail.compose(LETTER, MAIL, "k"), "plain").splitlines()
    assert max(map(len, lines)) <= 72
    start = next(number for number, line in enumerate(lines) if line.startswith("Camera:"))
    assert lines[start : start + 3] == [
        "Camera:       cam-1, line A",
        "What changed: Light: 12 % darker, evenly over the whole picture, and on",
        "              all of the parts that pass it",
    ]


def test_a_table_is_one_in_the_page_and_has_columns_in_the_text() -> None:
    rows = (("cam-1", "72", "healthy"), ("press-4-left", "6", "light has changed, and " * 4 + "dust <on> the lens"))
    message = mail.compose(letter(table=Table(("Camera", "Pictures", "State"), rows)), MAIL, "k")
    page = Tags(content(message, "html"))
    assert [tag["scope"] for name, tag in page.tags if name == "th" and tag.get("scope") == "col"] == ["col"] * 3
    assert all(cell.strip() in " ".join(page.words.split()) for row in rows for cell in row)
    lines = content(message, "plain").splitlines()
    start = lines.index("Camera        Pictures  State")
    assert lines[start + 1 : start + 3] == [
        "cam-1         72        healthy",
        "press-4-left  6         light has changed, and light has changed, and",
    ]
    assert lines[start + 3].startswith(" " * 24 + "light") and max(map(len, lines)) <= 72


def test_a_long_name_in_a_table_leaves_room_for_the_state() -> None:
    table = Table(("Camera", "State"), (("a-camera-with-a-name-that-fills-" + "x" * 30, "healthy"), ("b", "dark")))
    lines = content(mail.compose(letter(table=table), MAIL, "k"), "plain").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("a-camera"))
    assert lines[start + 1 : start + 3] == [" " * 56 + "healthy", "b" + " " * 55 + "dark"]


def test_a_letter_of_words_alone_is_one_too() -> None:
    bare = letter(facts=(), todo=(), reasons=(), pictures=(), attachments=(), tone="good")
    got = parsed(mail.compose(bare, MAIL, "k"))
    assert got.get_content_type() == "multipart/alternative"
    assert "What to do" not in content(got, "html") and "What to do" not in content(got, "plain")


def test_the_same_state_gives_the_same_message_id() -> None:
    ids = [mail.compose(LETTER, MAIL, key)["Message-ID"] for key in ("lamp", "lamp", "dust")]
    assert ids[0] == ids[1] != ids[2]
    assert re.fullmatch(r"<[0-9a-f]{32}@plant\.invalid>", ids[0])


EVIL = "<script>alert(1)</script>\r\nBcc: thief@evil.invalid\r\n\r\n\"'&{{ 7*7 }}\u202e\udc80\x00"


def test_foreign_text_stays_text() -> None:
    evil = Letter(
        EVIL, EVIL, "bad", EVIL, ((EVIL, EVIL),), (EVIL,), (EVIL,), (Picture(f"../{EVIL}", EVIL, _png(9)),),
        (Attachment(f"/etc/{EVIL}", b"x", "text/csv"),), EVIL,
    )  # fmt: skip
    message = mail.compose(evil, MAIL, EVIL)
    got = parsed(message)
    assert not re.search(rb"^(Bcc|thief)", message.as_bytes(), re.MULTILINE)
    assert (got["Bcc"], got["To"]) == (None, "quality@plant.invalid")
    page = Tags(content(message, "html"))
    assert "script" not in {name for name, _ in page.tags}
    assert "49" not in page.words and "{{ 7*7 }}" in page.words
    assert "\u202e" not in page.words and "\u202e" not in content(message, "plain")
    assert "\n" not in got["Subject"]
    names = [part.get_filename() for part in got.walk() if part.get_filename()]
    assert len(names) == 2 and not any(re.search(r'[/\\<>":]|^\.', name) for name in names)


@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=200))
def test_any_text_makes_a_mail_that_can_be_read(subject: str, label: str, value: str) -> None:
    message = mail.compose(letter(subject=subject, facts=((label, value),), pictures=()), MAIL, "k")
    got = parsed(message)
    assert got["To"] == "quality@plant.invalid" and not got["X-Andon-Key"].defects
    lines = content(message, "plain").splitlines()
    assert all(len(line) <= 72 or len(line.split()[-1]) > 40 for line in lines)
    assert mail._clean(value) in Tags(content(message, "html")).words
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", mail.slug(subject)) and len(mail.slug(subject)) <= 60


# the outbox


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "STARTTLS", "USER", "PASSWORD", "CA"):
        monkeypatch.delenv(f"ANDON_SMTP_{name}", raising=False)


def test_without_a_server_the_outbox_keeps_the_mail(tmp_path: Path) -> None:
    message = mail.compose(LETTER, MAIL, "lamp")
    with clock.at(NOON):
        done = mail.deliver(tmp_path, message, MAIL)
    assert done.path.parent == tmp_path / "outbox"
    name = r"2026-11-02T120000Z-camera-cam-1-the-light-is-12-darker-since-monday-[0-9a-f]{10}\.eml"
    assert re.fullmatch(name, done.path.name)
    assert not done.sent
    assert "ANDON_SMTP_HOST" in done.words and done.path.name in done.words
    assert done.path.read_bytes() == message.as_bytes()
    assert mail.resend(tmp_path, MAIL) == []
    assert mail.waiting(tmp_path, MAIL) == mail.Waiting(1, NOON, "")  # where it is meant to be read


def test_a_state_that_is_told_again_after_a_crash_is_kept_once(tmp_path: Path) -> None:
    paths = {mail.deliver(tmp_path, mail.compose(LETTER, MAIL, "lamp"), MAIL).path for _ in range(2)}
    assert [*paths] == list((tmp_path / "outbox").glob("*.eml"))
    assert list((tmp_path / "outbox").glob(".*")) == []


def test_two_mails_of_one_second_are_two_files(tmp_path: Path) -> None:
    with clock.at(NOON):
        paths = {mail.deliver(tmp_path, mail.compose(LETTER, MAIL, str(n)), MAIL).path for n in range(3)}
    assert len(paths) == 3 == len(list((tmp_path / "outbox").iterdir()))


def test_a_full_disk_leaves_no_half_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inspection.post.mail.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        mail.deliver(tmp_path, mail.compose(LETTER, MAIL, "lamp"), MAIL)
    assert list((tmp_path / "outbox").glob("*.eml")) == []


# sending


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
def send(tmp_path: Path) -> Callable[..., mail.Delivery]:
    """Deliver a letter `number` seconds after noon."""

    def deliver(number: int = 0, to: tuple[str, ...] = MAIL.to, **changes: Any) -> mail.Delivery:
        settings = MAIL.model_copy(update={"to": to})
        with clock.at(NOON + timedelta(seconds=number)):
            return mail.deliver(tmp_path, mail.compose(letter(**changes), settings, str(number)), settings)

    return deliver


def test_a_mail_is_sent_encrypted_and_logged_in(post: Post, send: Callable[..., mail.Delivery], tmp_path: Path) -> None:
    done = send()
    assert (done.sent, done.words) == (True, "Sent to quality@plant.invalid.")
    assert done.path.parent == tmp_path / "outbox" / "sent" and done.path.is_file()
    assert list((tmp_path / "outbox").glob("*.eml")) == []
    [got] = post.mails
    assert got["Subject"] == LETTER.subject
    assert got.get_body(("plain",)).get_content() == content(mail.compose(LETTER, MAIL, "0"), "plain")


def test_a_server_without_encryption_can_be_asked_for(
    send: Callable[..., mail.Delivery], keys: Path, monkeypatch: pytest.MonkeyPatch
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
    send: Callable[..., mail.Delivery],
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
    said = done.words + "".join(capfd.readouterr()) + repr(mail.Server.of_environment())
    for secret in ("hunter2", "schlüssel", "secret"):
        assert secret not in said and secret.encode() not in done.path.read_bytes()


def test_a_server_that_says_nothing_is_not_waited_for_long(
    send: Callable[..., mail.Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspection.post.mail.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("ANDON_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("ANDON_SMTP_PORT", str(silent.getsockname()[1]))
        done = send()
    assert not done.sent and "timed out" in done.words and done.path.is_file()


def test_a_refused_person_keeps_that_mail_alone(post: Post, send: Callable[..., mail.Delivery]) -> None:
    done = send(1, to=("gone@plant.invalid",))
    assert not done.sent and "refuses gone@plant.invalid (5.1.1 nobody of that name)" in done.words
    done = send(2, to=("gone@plant.invalid", "quality@plant.invalid"))
    assert done.sent and "Sent to quality@plant.invalid." in done.words and "refuses gone@plant.invalid" in done.words
    done = send(3, subject="too big")
    assert not done.sent and "message too big" in done.words


def test_what_waits_is_sent_later_oldest_first(
    post: Post, send: Callable[..., mail.Delivery], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = str(post.controller.port)
    monkeypatch.setenv("ANDON_SMTP_PORT", str(free_port()))
    assert [send(3, subject="b").sent, send(1, to=("gone@plant.invalid",)).sent, send(2, subject="c").sent] == [
        False
    ] * 3
    (tmp_path / "outbox" / "0000-notes.eml").write_bytes(b"not a mail")
    [given_up] = mail.resend(tmp_path, MAIL)[1:]
    assert "cannot be reached" in given_up.words  # and the two after it were not tried
    monkeypatch.setenv("ANDON_SMTP_PORT", port)
    done = mail.resend(tmp_path, MAIL)
    assert [delivery.sent for delivery in done] == [False, False, True, True]
    assert [got["Subject"] for got in post.mails] == ["c", "b"]
    assert len(list((tmp_path / "outbox" / "sent").iterdir())) == 2
    assert len(list((tmp_path / "outbox").glob("*.eml"))) == 2


def test_a_mail_that_was_sent_before_the_crash_is_not_sent_again(
    post: Post, send: Callable[..., mail.Delivery], tmp_path: Path
) -> None:
    first, again = send(1), send(1)
    assert (first.sent, again.sent, again.path) == (True, True, first.path)
    assert len(post.mails) == 1
    assert mail.waiting(tmp_path, MAIL) == mail.Waiting(0, None, "")


def test_what_goes_wrong_after_a_mail_was_taken_does_not_send_it_twice(
    post: Post, send: Callable[..., mail.Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: Any) -> str:
        return "421 4.3.0 good bye, and too busy to say so"

    monkeypatch.setattr(post, "handle_QUIT", busy, raising=False)
    assert send(1).sent
    assert len(post.mails) == 1


def test_a_server_that_is_away_rests_longer_each_time_and_at_once_no_more_when_the_settings_change(
    post: Post, send: Callable[..., mail.Delivery], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = str(post.controller.port)
    monkeypatch.setenv("ANDON_SMTP_PORT", str(free_port()))
    tried = []
    for minute in range(60):
        with clock.at(NOON + timedelta(minutes=minute)):
            tried += [minute] * len(mail.resend(tmp_path, MAIL)) if minute else [0] * (not send(0).sent)
    assert tried == [0, 1, 3, 7, 15, 30, 45]
    with clock.at(NOON + timedelta(minutes=50)):
        waiting = mail.waiting(tmp_path, MAIL)
        assert (waiting.count, waiting.since) == (1, NOON)
        assert "1 mail waits for the mail server since 2026-11-02 12:00 UTC." in waiting.words
        assert "cannot be reached" in waiting.words and "after 13:00 UTC" in waiting.words
        assert "after 13:00 UTC" in send(50 * 60).words
        monkeypatch.setenv("ANDON_SMTP_PORT", port)
        assert [done.sent for done in mail.resend(tmp_path, MAIL)] == [True, True]
        assert mail.waiting(tmp_path, MAIL).count == 0
    assert [path.name for path in (tmp_path / "outbox").glob(".*")] == []


@pytest.mark.parametrize("note", ["", "{", "[]", '{"server": 1}'])
def test_a_damaged_note_on_the_server_keeps_no_mail_back(
    post: Post, send: Callable[..., mail.Delivery], tmp_path: Path, note: str
) -> None:
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / mail.TROUBLE).write_text(note)
    assert send(1).sent


def test_a_clock_that_was_set_back_keeps_no_mail_back(
    post: Post, send: Callable[..., mail.Delivery], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    with monkeypatch.context() as patched:
        patched.setattr("inspection.post.mail._talk", refuse)
        assert not any(send(number).sent for number in (10, 11, 12))
    with clock.at(NOON - timedelta(days=1)):
        assert [done.sent for done in mail.resend(tmp_path, MAIL)] == [True] * 3
