"""A password or key in an address is found, never shown, never kept, wherever somebody gives it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from andon.show import as_text
from inspection import backlog, chain, errors, git
from inspection.errors import FixInput, FixSettings
from inspection.intake.inbox import open_inbox
from inspection.layout import Layout
from inspection.outside.credentials import held, instead, masked
from inspection.params import read_params
from inspection.post import secrets, smtp
from inspection.post.letter import clean
from inspection.post.smtp import NotTaken, Server
from inspection.record import mapping
from inspection.records import ledger
from tests.conftest import ROOT, set_params

GIVEN = {  # what somebody gives -> what may be shown of it
    "s3://AKIA:wJalr/XUt+nF@bucket/x": "s3://***@bucket/x",
    "s3://AKIA:12/abc@bucket": "s3://***@bucket",
    "s3://AKIA@bucket": "s3://***@bucket",
    "https://user:tok@host/x.git fatal": "https://***@host/x.git fatal",
    "https://ghp_abc@github.com/x": "https://***@github.com/x",
    "http://u:p@ss@h:80/x?token=abc&y=1": "http://***@h:80/x?token=***&y=1",
    "tls://me:secret@10.0.0.1:8786": "tls://***@10.0.0.1:8786",
    "postgresql://a:b@h/d": "postgresql://***@h/d",
    "https://blob/x?sv=1&sig=abc%3D": "https://blob/x?sv=1&sig=***",
    "AccountName=a;AccountKey=abc;End": "AccountName=a;AccountKey=***;End",
}
PLAIN = (
    *("ssh://git@host/x", "http://host:8080/@scope/x", "tcp://127.0.0.1:8786", "tcp://[::1]:8786", "s3://bucket/a:b@c"),
    *("a@b.de", "/mnt/nas/a@b", "postgresql://USER:PASSWORD@HOST:5432/DATABASE", "s3://bucket/prefix"),
    "postgresql://andon:***@h/d",
)


@pytest.mark.parametrize("given", GIVEN)
def test_it_is_found_and_masked(given: str) -> None:
    assert masked(given) == GIVEN[given]
    assert held(given) and not held(masked(given))


@pytest.mark.parametrize("given", PLAIN)
def test_an_address_without_one_stays(given: str) -> None:
    assert masked(given) == given


@pytest.mark.parametrize("text", ["a." * 100_000 + " x://", "://" * 50_000, "x://a:" * 30_000, "?key" * 50_000 + "="])
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    masked(text)
    assert time.process_time() - began < 5


def test_each_scheme_has_its_place() -> None:
    assert instead("s3://a:b@c") == "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    assert instead("TLS://a:b@c:1").startswith("ANDON_DASK_CERT")


@pytest.mark.parametrize(
    ("name", "value"), [("ingest__inbox", "s3://AKIA:hush@b"), ("scale__dask", "tls://a:hush@h:1")]
)
def test_settings_with_one_are_refused_without_repeating_it(tiny: Layout, name: str, value: str) -> None:
    set_params(tiny, **{name: value})
    with pytest.raises(FixSettings) as refusal:
        read_params(tiny.params)
    words = str(refusal.value)
    assert f"`{name.replace('__', '.')}`" in words and instead(value) in words and "hush" not in words


def test_so_are_cameras(tmp_path: Path) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text("cam-1: {line: 'https://a:hush@b'}\n")
    with pytest.raises(FixSettings, match=r"cam-1\.line") as refusal:
        mapping(path)
    assert "hush" not in str(refusal.value)


def test_an_inbox_is_refused_before_it_is_asked(tiny: Layout) -> None:
    with pytest.raises(FixSettings, match="AWS_SECRET_ACCESS_KEY") as refusal:
        open_inbox("s3://AKIA:hu/sh@bucket", tiny.home, read_params(tiny.params).ingest)
    assert "sh@" not in str(refusal.value)


def test_an_argument_is_refused_before_anything_begins(tiny: Layout) -> None:
    command = [sys.executable, "-m", "andon", "ingest", "--inbox", "s3://AKIA:hush@bucket"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tiny.root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "AWS_SECRET_ACCESS_KEY" in done.stderr and "hush" not in done.stderr + done.stdout
    assert not (tiny.state / "prefect").exists()


def test_words_of_libraries_lose_it() -> None:
    said = "Could not connect to the endpoint URL: https://me:hush@s3.host/bucket"
    assert "hush" not in str(FixSettings(said, said)) + errors.printable(said) + clean(said) + as_text({"why": said})

    def work() -> None:
        raise RuntimeError(said)

    assert "hush" not in str(errors.attempt(work))


def test_a_traceback_loses_it() -> None:
    code = (
        "from inspection.errors import in_words\n"
        "def main(): raise RuntimeError('cannot reach https://me:' + 'hush@host')\n"
        "in_words(main)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "https://***@host" in done.stderr and "hush@" not in done.stderr.splitlines()[-1]


def test_git_and_its_remotes(tiny: Layout) -> None:
    git.run(tiny.home, "remote", "add", "away", "https://me:hush@127.0.0.1:1/x.git")
    with pytest.raises(FixSettings) as refusal:
        git.run(tiny.home, "fetch", "https://me:hush@127.0.0.1:1/x.git")
    assert "hush" not in str(refusal.value)


def test_why_a_push_failed_is_kept_and_told_without_it(tiny: Layout) -> None:
    backlog.note(tiny, ["a/b"])
    backlog.failed(tiny, "no answer from https://me:hush@host")
    assert "hush" not in (tiny.state / "backlog.json").read_text()
    raw = json.loads((tiny.state / "backlog.json").read_text())
    (tiny.state / "backlog.json").write_text(json.dumps({**raw, "why": "no answer from https://me:hush@host"}))
    assert "https://***@host" in backlog.words(backlog.read(tiny))


def test_the_record_takes_none(tiny: Layout) -> None:
    with pytest.raises(FixInput, match="`why`") as refusal:
        ledger.append(tiny, "note", "Ines", [{"why": "see https://me:hush@host"}])
    assert "hush" not in str(refusal.value)
    assert not ledger.read(tiny)


def test_a_mail_server_with_one_in_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDON_SMTP_HOST", "smtp://me:hush@mail.host")
    server = Server.of_environment()
    assert server is not None and "hush" not in repr(server)
    with pytest.raises(NotTaken, match="ANDON_SMTP_PASSWORD") as refusal:
        smtp.send(b"From: a@b.c\r\nTo: d@e.f\r\n\r\n", server)
    assert "hush" not in str(refusal.value)


def test_an_old_plant_that_keeps_one_is_told_where(tiny: Layout) -> None:
    assert not list(secrets.words(tiny))
    path = tiny.ledger / "2026-11" / "events.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{}\n{"source": "s3://AKIA:hush@bucket"}\n')
    config = tiny.home / ".dvc" / "config"
    config.write_text(f"{config.read_text()}    secret_access_key = hush\n")
    told = list(secrets.words(tiny))
    assert len(told) == 2 and "line 2" in told[1] and "dvc remote modify" in told[0]
    assert "hush" not in "".join(told)


def test_a_chain_with_none_is_as_before(tmp_path: Path) -> None:
    written = chain.append(tmp_path / "c.jsonl", None, "a", "b", [{"why": "see s3://bucket/x"}])
    assert list(chain.read([tmp_path / "c.jsonl"])) == written
