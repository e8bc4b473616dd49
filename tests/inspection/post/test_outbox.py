import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from inspection import clock
from inspection.post import outbox
from inspection.post.mail import compose
from tests.inspection.post.conftest import LETTER, MAIL, NOON, Post
from tests.ports import free_port


def test_without_a_server_the_outbox_keeps_the_mail(tmp_path: Path) -> None:
    message = compose(LETTER, MAIL, "lamp")
    with clock.at(NOON):
        done = outbox.deliver(tmp_path, message, MAIL)
    assert done.path.parent == tmp_path / "outbox"
    name = r"2026-11-02T120000Z-camera-cam-1-the-light-is-12-darker-since-monday-[0-9a-f]{10}\.eml"
    assert re.fullmatch(name, done.path.name)
    assert not done.sent
    assert "ANDON_SMTP_HOST" in done.words and done.path.name in done.words
    assert done.path.read_bytes() == message.as_bytes()
    assert outbox.resend(tmp_path, MAIL) == []
    assert outbox.waiting(tmp_path, MAIL) == outbox.Waiting(1, NOON, "")  # where it is meant to be read


def test_a_state_that_is_told_again_after_a_crash_is_kept_once(tmp_path: Path) -> None:
    paths = {outbox.deliver(tmp_path, compose(LETTER, MAIL, "lamp"), MAIL).path for _ in range(2)}
    assert [*paths] == list((tmp_path / "outbox").glob("*.eml"))
    assert list((tmp_path / "outbox").glob(".*")) == []


def test_two_mails_of_one_second_are_two_files(tmp_path: Path) -> None:
    with clock.at(NOON):
        paths = {outbox.deliver(tmp_path, compose(LETTER, MAIL, str(n)), MAIL).path for n in range(3)}
    assert len(paths) == 3 == len(list((tmp_path / "outbox").iterdir()))


def test_a_full_disk_leaves_no_half_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        outbox.deliver(tmp_path, compose(LETTER, MAIL, "lamp"), MAIL)
    assert list((tmp_path / "outbox").glob("*.eml")) == []


def test_what_waits_is_sent_later_oldest_first(
    post: Post, send: Callable[..., outbox.Delivery], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = str(post.controller.port)
    monkeypatch.setenv("ANDON_SMTP_PORT", str(free_port()))
    assert [send(3, subject="b").sent, send(1, to=("gone@plant.invalid",)).sent, send(2, subject="c").sent] == [
        False
    ] * 3
    (tmp_path / "outbox" / "0000-notes.eml").write_bytes(b"not a mail")
    [given_up] = outbox.resend(tmp_path, MAIL)[1:]
    assert "cannot be reached" in given_up.words  # and the two after it were not tried
    monkeypatch.setenv("ANDON_SMTP_PORT", port)
    done = outbox.resend(tmp_path, MAIL)
    assert [delivery.sent for delivery in done] == [False, False, True, True]
    assert [got["Subject"] for got in post.mails] == ["c", "b"]
    assert len(list((tmp_path / "outbox" / "sent").iterdir())) == 2
    assert len(list((tmp_path / "outbox").glob("*.eml"))) == 2


def test_a_mail_that_was_sent_before_the_crash_is_not_sent_again(
    post: Post, send: Callable[..., outbox.Delivery], tmp_path: Path
) -> None:
    first, again = send(1), send(1)
    assert (first.sent, again.sent, again.path) == (True, True, first.path)
    assert len(post.mails) == 1
    assert outbox.waiting(tmp_path, MAIL) == outbox.Waiting(0, None, "")


def test_a_server_that_is_away_rests_longer_each_time_and_at_once_no_more_when_the_settings_change(
    post: Post, send: Callable[..., outbox.Delivery], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = str(post.controller.port)
    monkeypatch.setenv("ANDON_SMTP_PORT", str(free_port()))
    tried = []
    for minute in range(60):
        with clock.at(NOON + timedelta(minutes=minute)):
            tried += [minute] * len(outbox.resend(tmp_path, MAIL)) if minute else [0] * (not send(0).sent)
    assert tried == [0, 1, 3, 7, 15, 30, 45]
    with clock.at(NOON + timedelta(minutes=50)):
        waiting = outbox.waiting(tmp_path, MAIL)
        assert (waiting.count, waiting.since) == (1, NOON)
        assert "1 mail waits for the mail server since 2026-11-02 12:00 UTC." in waiting.words
        assert "cannot be reached" in waiting.words and "after 13:00 UTC" in waiting.words
        assert "after 13:00 UTC" in send(50 * 60).words
        monkeypatch.setenv("ANDON_SMTP_PORT", port)
        assert [done.sent for done in outbox.resend(tmp_path, MAIL)] == [True, True]
        assert outbox.waiting(tmp_path, MAIL).count == 0
    assert [path.name for path in (tmp_path / "outbox").glob(".*")] == []


@pytest.mark.parametrize("note", ["", "{", "[]", '{"server": 1}'])
def test_a_damaged_note_on_the_server_keeps_no_mail_back(
    post: Post, send: Callable[..., outbox.Delivery], tmp_path: Path, note: str
) -> None:
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / outbox.TROUBLE).write_text(note)
    assert send(1).sent


def test_a_clock_that_was_set_back_keeps_no_mail_back(
    post: Post, send: Callable[..., outbox.Delivery], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    with monkeypatch.context() as patched:
        patched.setattr("inspection.post.smtp._conversation", refuse)
        assert not any(send(number).sent for number in (10, 11, 12))
    with clock.at(NOON - timedelta(days=1)):
        assert [done.sent for done in outbox.resend(tmp_path, MAIL)] == [True] * 3
