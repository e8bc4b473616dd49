"""Mails through a real Postfix that asks for STARTTLS and a login, and delivers into a folder."""

import html
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from inspection.post import outbox
from inspection.post.daily_letter import of_digest
from inspection.post.incident_letters import of_incident
from inspection.post.letter import Attachment, Letter, Picture, as_drill
from inspection.post.mail import compose
from monitoring.telling import pictures, plots
from monitoring.telling.plots import Bounds, Course
from tests.inspection.post.conftest import LETTER, MAIL, NOON, certificate
from tests.inspection.post.reading import ZONE, incident
from tests.inspection.post.test_daily_letter import DARK, DAY, WELL
from tests.ports import free_port

pytestmark = pytest.mark.services

PACKAGES = ("postfix", "sasl2-bin", "libsasl2-modules")
MAIN = """\
compatibility_level = 3.6
queue_directory = @DIR@/spool
data_directory = @DIR@/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination =
alias_maps =
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:catchall/
virtual_mailbox_base = @DIR@/mail
virtual_uid_maps = static:995
virtual_gid_maps = static:994
virtual_transport = virtual
smtpd_tls_cert_file = @DIR@/etc/cert.pem
smtpd_tls_key_file = @DIR@/etc/key.pem
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = localhost
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
    check_recipient_access inline:{gone@plant.invalid=REJECT}, permit_sasl_authenticated, reject
cyrus_sasl_config_path = @DIR@/etc/sasl
maillog_file = @DIR@/mail.log
maillog_file_prefixes = @DIR@
"""
MASTER = """\
127.0.0.1:@PORT@ inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
SASL = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: @DIR@/sasldb2\nmech_list: PLAIN LOGIN\n"


class Postfix(NamedTuple):
    folder: Path
    port: int

    def delivered(self, message: EmailMessage) -> EmailMessage:
        """That mail as it lies in the mailbox, once it is there; it is there once."""
        new = self.folder / "mail" / "catchall" / "new"
        for _ in range(100):
            paths = list(new.iterdir()) if new.is_dir() else []
            found = [BytesParser(policy=policy.default).parsebytes(path.read_bytes()) for path in paths]
            mine = [got for got in found if got["Message-ID"] == message["Message-ID"]]
            if mine:
                assert len(mine) == 1
                return mine[0]
            time.sleep(0.1)
        raise AssertionError(f"{message['Subject']} did not arrive in ten seconds")


def _install() -> None:
    """Postfix and its password file's tool, or skip."""
    if os.geteuid() != 0:
        pytest.skip("Postfix is only started by root")
    if shutil.which("postfix") and shutil.which("saslpasswd2"):
        return
    if not shutil.which("apt-get"):
        pytest.skip("no Postfix, and no apt-get to install it")
    surroundings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if shutil.which("debconf-set-selections"):  # installs it without starting a server of its own
        answer = "postfix postfix/main_mailer_type select No configuration\n"
        subprocess.run(["debconf-set-selections"], input=answer, text=True, check=False)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    try:
        done = subprocess.run(command, env=surroundings, capture_output=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("installing Postfix took more than five minutes")
    if done.returncode:
        pytest.skip(f"Postfix cannot be installed: {done.stderr.decode(errors='replace')[-200:]}")


def _set_up(folder: Path, port: int) -> None:
    folder.chmod(0o755)
    for name in ("etc/sasl", "spool", "data", "mail"):
        (folder / name).mkdir(parents=True)
    for name, text in (("main.cf", MAIN), ("master.cf", MASTER), ("sasl/smtpd.conf", SASL)):
        (folder / "etc" / name).write_text(text.replace("@DIR@", str(folder)).replace("@PORT@", str(port)))
    certificate(folder / "etc")
    command = ["saslpasswd2", "-f", str(folder / "sasldb2"), "-c", "-p", "-u", "localhost", "andon"]
    subprocess.run(command, input="secret", text=True, check=True)
    shutil.chown(folder / "data", "postfix")
    shutil.chown(folder / "sasldb2", "postfix")
    os.chown(folder / "mail", 995, 994)


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    _install()
    folder, port = Path(tempfile.mkdtemp(prefix="andon-postfix-")), free_port()  # pytest's folders are closed to it
    _set_up(folder, port)
    log = (folder / "start.log").open("wb")
    server = subprocess.Popen(["postfix", "-c", str(folder / "etc"), "start-fg"], stdout=log, stderr=log)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, (folder / "start.log").read_text()[-1000:]
                time.sleep(0.1)
        yield Postfix(folder, port)
    finally:
        pid = folder / "spool" / "pid" / "master.pid"  # of the child that outlives `server`
        os.kill(int(pid.read_text()) if pid.is_file() else server.pid, signal.SIGTERM)
        server.wait(20)
        log.close()
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def settings(postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HOST": "localhost",
        "PORT": str(postfix.port),
        "USER": "andon@localhost",
        "PASSWORD": "secret",
        "CA": str(postfix.folder / "etc" / "cert.pem"),
    }.items():
        monkeypatch.setenv(f"ANDON_SMTP_{name}", value)
    monkeypatch.delenv("ANDON_SMTP_STARTTLS", raising=False)


def test_a_mail_arrives_as_it_was_composed(postfix: Postfix, tmp_path: Path) -> None:
    message = compose(LETTER, MAIL, "lamp")
    done = outbox.deliver(tmp_path, message, MAIL)
    assert done.sent, done.words
    assert done.path == tmp_path / "outbox" / "sent" / done.path.name
    got = postfix.delivered(message)
    assert got["Subject"] == LETTER.subject
    assert "ESMTPSA" in got["Received"]  # encrypted and logged in
    kept = BytesParser(policy=policy.default).parsebytes(done.path.read_bytes())
    for kind in ("plain", "html"):
        assert got.get_body((kind,)).get_content().splitlines() == kept.get_body((kind,)).get_content().splitlines()
    pictures = [part.get_content() for part in got.walk() if part.get_content_type() == "image/png"]
    assert pictures == [picture.content for picture in LETTER.pictures]
    assert [part.get_content() for part in got.iter_attachments()] == ["key,label\n"]


def shown() -> tuple[Picture, ...]:
    """Pictures as an incident has them."""
    healthy = np.random.default_rng(1).uniform(60, 180, (96, 128, 1)).astype(np.float32)
    dark = healthy * np.float32(0.88)
    course = Course("Brightness", "relative", [NOON], [-0.12], [Bounds(-0.1, -0.05, 0.05, 0.1)])
    compared = pictures.compared(healthy, dark, [(9, 40)])
    return (
        Picture("compared.png", "cam-1: before, now, difference", compared, "Darker."),
        Picture("over-time.png", "cam-1, window by window", plots.over_time(course), "The last measured -0.12."),
        Picture("examples.png", "cam-1: a part before and now", pictures.examples([healthy, dark], ["before", "now"])),
    )


def told(kind: str) -> Letter:
    """What people are told, of each kind that has more than words."""
    csv = "serial,part,verdict\n" + "".join(f"Größe-{number},bracket,accept\n" for number in range(300))
    attached = Attachment("I-0001-suspect-parts.csv", csv.encode(), "text/csv")
    escapes = {"value": 0.07, "low": 0.03, "high": 0.12, "parts": 48}
    one = incident(action="repair", estimate={"escapes": escapes, "false_rejects": None, "how": "rehearsed"})
    letter = of_incident(one, ZONE, 300, None, shown(), (attached,))
    if kind == "digest":
        return of_digest(DAY, (WELL, DARK), ("Look at the held batch b-9.",), "v1.0.0 judged 141 pictures.")
    return as_drill(letter) if kind == "drill" else letter


@pytest.mark.parametrize("kind", ["incident", "digest", "drill"])
def test_what_people_are_told_arrives_whole(postfix: Postfix, tmp_path: Path, kind: str) -> None:
    letter = told(kind)
    message = compose(letter, MAIL, f"whole/{kind}")
    done = outbox.deliver(tmp_path, message, MAIL)
    assert done.sent, done.words
    got = postfix.delivered(message)
    subject = got["Subject"].strip()  # a folded line begins with a blank
    assert subject == letter.subject and subject.startswith("DRILL") == (kind == "drill")
    text = " ".join(got.get_body(("plain",)).get_content().split())
    page = got.get_body(("html",)).get_content()
    shown = html.unescape(re.sub(r"</?span[^>]*>", "", page))  # a span keeps a camera's name on one line
    cells = [cell for row in (letter.table.rows if letter.table else ()) for cell in row]
    seen = [word for picture in letter.pictures for word in (picture.caption, picture.seen)]
    facts = [word for fact in letter.facts for word in fact]
    for words in (letter.headline, letter.summary, *letter.todo, *facts, *cells, *seen):
        assert words in text and words in shown
    images = {part["Content-ID"].strip("<>"): part for part in got.walk() if part.get_content_type() == "image/png"}
    assert [part.get_content() for part in images.values()] == [picture.content for picture in letter.pictures]
    assert all(f'src="cid:{name}"' in page for name in images)
    files = {part.get_filename(): part.get_content().encode() for part in got.iter_attachments()}
    assert files == {one.name: one.content for one in letter.attachments}


def test_a_wrong_password_keeps_the_mail_until_it_is_right(
    postfix: Postfix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDON_SMTP_PASSWORD", "guessed")
    message = compose(LETTER, MAIL, "wrong password")
    done = outbox.deliver(tmp_path, message, MAIL)
    assert not done.sent
    assert "user name or password" in done.words
    assert done.path.parent == tmp_path / "outbox"
    monkeypatch.setenv("ANDON_SMTP_PASSWORD", "secret")
    [again] = outbox.resend(tmp_path, MAIL)
    assert again.sent, again.words
    assert postfix.delivered(message)["Subject"] == LETTER.subject


def test_a_certificate_of_an_unknown_authority_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANDON_SMTP_CA")
    done = outbox.deliver(tmp_path, compose(LETTER, MAIL, "stranger"), MAIL)
    assert not done.sent
    assert "cannot prove who it is" in done.words


def test_a_refused_person_leaves_the_mail_and_the_others_go_on(tmp_path: Path) -> None:
    gone = MAIL.model_copy(update={"to": ("gone@plant.invalid",)})
    done = outbox.deliver(tmp_path, compose(LETTER, gone, "gone"), gone)
    assert not done.sent
    assert "gone@plant.invalid" in done.words
    both = MAIL.model_copy(update={"to": ("gone@plant.invalid", "quality@plant.invalid")})
    done = outbox.deliver(tmp_path, compose(LETTER, both, "both"), both)
    assert done.sent
    assert "Sent to quality@plant.invalid" in done.words and "refuses gone@plant.invalid" in done.words
