"""Each question on a plant where its answer is known; what is asked of the Prefect server stands in test_server."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from andon.doctor import account, clock, disk, everything, mail, record, remote, runs, secrets, versions
from andon.doctor.answer import Answer, unknown, well, wrong
from inspection import backlog, git
from inspection import clock as time
from inspection.anchor import account as own
from inspection.anchor import identity
from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.params import Params, read_params
from inspection.post import smtp
from inspection.post.outbox import Waiting
from inspection.records import ledger
from tests.conftest import set_params
from tests.inspection.world import add_batch, key, picture

Check = Callable[[Layout, Params], Iterator[Answer]]
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def asked(check: Check, layout: Layout) -> list[Answer]:
    return list(check(layout, read_params(layout.params)))


def found(check: Check, layout: Layout) -> list[Answer]:
    return [one for one in asked(check, layout) if one.state == "wrong"]


def states(check: Check, layout: Layout) -> list[str]:
    return [one.state for one in asked(check, layout)]


def batch(layout: Layout, name: str, at: datetime) -> None:
    """An accepted batch of one picture of 0.1 MB."""
    add_batch(layout, name, {key(1): picture(1)})
    [path] = (layout.batches / "2026-11-01" / name).rglob("*.png")
    path.write_bytes(bytes(100_000))
    with time.at(at):
        ledger.append(layout, "batch", "ingest", [{"batch": name, "partition": "2026-11-01"}])


# account
def test_root_is_named(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "_prefects", lambda: iter([("prefect worker start", 0), ("prefect server start", 7)]))
    monkeypatch.setattr(own, "is_root", lambda: False)
    [one] = found(account.ask, tiny)
    assert "`prefect worker start` runs as root" in one.words
    monkeypatch.setattr(own, "is_root", lambda: True)
    assert len(found(account.ask, tiny)) == 2
    monkeypatch.setattr(account, "_prefects", lambda: iter([("prefect worker start", 7)]))
    monkeypatch.setattr(own, "is_root", lambda: False)
    assert states(account.ask, tiny) == ["well"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("/opt/andon/bin/python /opt/andon/bin/prefect worker start --pool andon", "worker"),
        ("python -m prefect server start", "server"),
        ("vim prefect worker starting", None),
        ("prefect deploy --all", None),
    ],
)
def test_a_worker_is_known_by_its_command_line(line: str, kind: str | None) -> None:
    known = account.STARTED.search(line)
    assert (known[1] if known else None) == kind


# clock
def test_a_clock_behind_the_record_is_found(tiny: Layout) -> None:
    last = datetime.now(UTC) + timedelta(hours=3)
    with time.at(last):
        ledger.append(tiny, "class", "Ines", [{"name": "dent"}])
    one = found(clock.ask, tiny)[0]
    assert "the newest record is later" in one.words and one.since == f"{last:%Y-%m-%d %H:%M} UTC"
    with time.at(last + timedelta(minutes=1)):
        assert asked(clock.ask, tiny)[0].state == "well"


def test_a_clock_that_stands_still_is_found(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDON_NOW", "2030-01-01T00:00:00")
    assert "ANDON_NOW stands still" in found(clock.ask, tiny)[0].words


@pytest.mark.parametrize(("said", "state"), [("yes\n", "well"), ("no\n", "wrong"), (None, "unknown")])
def test_whether_a_time_server_keeps_it_right(
    tiny: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, state: str
) -> None:
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "git").symlink_to(str(shutil.which("git")))
    (folder / "timedatectl").write_text(f"#!/bin/sh\necho {said}" if said else "#!/bin/sh\nexit 1\n")
    (folder / "timedatectl").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert asked(clock.ask, tiny)[-1].state == state


# disk
def free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": count}))


def test_too_little_room_is_found(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, disk.FLOOR - 1)
    [one] = found(disk.ask, tiny)
    assert "a retrain and what waits in the inbox take about 1.0 GB" in one.words
    free(monkeypatch, 2 * disk.FLOOR)
    assert states(disk.ask, tiny) == ["well", "unknown"]


def test_the_days_that_are_left_are_counted(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(6):
        batch(tiny, f"b{day}", NOON + timedelta(days=day))  # 0.1 MB a day, twice
    free(monkeypatch, disk.FLOOR + 2_000_000)
    with time.at(NOON + timedelta(days=6)):
        [one] = found(disk.ask, tiny)
        assert "Pictures take 0.2 MB a day" in one.words and "in about 9 days" in one.words
        free(monkeypatch, disk.FLOOR + 100_000_000)
        assert states(disk.ask, tiny) == ["well", "well"]


# git
def test_what_git_refuses_is_found(tiny: Layout) -> None:
    assert states(record.ask, tiny) == ["well"]
    git.run(tiny.home, "checkout", "--quiet", "--detach")
    assert found(record.ask, tiny)


# mail
def test_an_address_of_nobody_is_found_and_no_server_is_not_well(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANDON_SMTP_HOST", raising=False)
    assert states(mail.ask, tiny) == ["wrong", "unknown"]
    set_params(tiny, mail__to=["lena@plant.example"])
    assert states(mail.ask, tiny) == ["unknown"]


def test_a_server_that_refuses_and_mails_that_wait_are_found(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    set_params(tiny, mail__to=["lena@plant.example"])
    monkeypatch.setenv("ANDON_SMTP_HOST", "post.example")
    monkeypatch.setattr(smtp, "knock", lambda _: "It answers over TLS.")
    assert asked(mail.ask, tiny) == [well("It answers over TLS.")]

    def away(_: smtp.Server) -> str:
        raise smtp.NotTaken("It cannot be reached.", away=True)

    monkeypatch.setattr(smtp, "knock", away)
    monkeypatch.setattr("inspection.post.outbox.waiting", lambda *_: Waiting(2, NOON, "2 mails wait."))
    words = [(one.words, one.since) for one in found(mail.ask, tiny)]
    assert words == [("It cannot be reached.", ""), ("2 mails wait.", "2026-11-02 12:00 UTC")]


# remote
def test_a_remote_that_is_gone_is_found(tiny: Layout) -> None:
    [one] = asked(remote.ask, tiny)
    assert one.state == "unknown" and "nothing was sent to it so far" in one.words
    batch(tiny, "b1", NOON)
    assert "is not there" in found(remote.ask, tiny)[0].words
    (tiny.home / ".remote" / "files" / "md5").mkdir(parents=True)
    assert states(remote.ask, tiny) == ["well"]


def test_an_empty_folder_in_the_place_of_the_remote_is_found(tiny: Layout) -> None:
    (tiny.home / ".remote" / "files" / "md5").mkdir(parents=True)
    identity.note_marked(tiny)
    [one] = found(remote.ask, tiny)
    assert "does not bear the mark of this plant" in one.words and "Mount it" in one.remedy
    mine = identity.read(tiny)
    assert mine is not None
    (tiny.home / ".remote" / identity.MARK).write_bytes(identity.mark(mine.plant))
    assert states(remote.ask, tiny) == ["well"]


def test_what_waits_for_longer_than_a_day_is_found(tiny: Layout) -> None:
    (tiny.home / ".remote" / "files" / "md5").mkdir(parents=True)
    with time.at(NOON):
        backlog.note(tiny, ["data/batches/p/b1"])
        assert states(remote.ask, tiny) == ["well", "well"]
    with time.at(NOON + timedelta(hours=25)):
        [one] = found(remote.ask, tiny)
    assert one.since == "2026-11-02 12:00 UTC" and "andon push" in one.remedy


def test_an_address_that_does_not_answer_is_found(tiny: Layout) -> None:
    for line in (
        ["remote", "add", "--default", "far", "s3://bucket/dvc"],
        ["remote", "modify", "far", "endpointurl", "http://127.0.0.1:9"],
    ):
        subprocess.run(["dvc", *line], cwd=tiny.home, check=True, capture_output=True, env=with_venv())
    assert "127.0.0.1:9 does not answer" in found(remote.ask, tiny)[0].words


def with_venv() -> dict[str, str]:
    import sys

    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


# runs
def test_files_that_no_ingest_took_in_are_found(tiny: Layout, fill: Callable[..., Sequence[Any]]) -> None:
    fill(1)
    dropped = [path for path in (tiny.home / "inbox").rglob("*.*") if path.is_file()]
    for path in dropped:
        os.utime(path)
    assert states(runs.ask, tiny) == ["well", "well"]
    long_ago = datetime.now().timestamp() - 7200
    for path in dropped:
        os.utime(path, (long_ago, long_ago))
    [one] = found(runs.ask, tiny)
    assert "files wait in the inbox for more than 1 h" in one.words and "andon ingest" in one.remedy


def test_batches_that_no_watch_has_judged_are_found(tiny: Layout) -> None:
    batch(tiny, "b1", NOON)
    with time.at(NOON + timedelta(minutes=100)):
        assert states(runs.ask, tiny) == ["well", "well"]
    with time.at(NOON + timedelta(minutes=130)):
        [one] = found(runs.ask, tiny)
        assert one.since == "2026-11-02 12:00 UTC" and "andon watch" in one.remedy
        ledger.append(tiny, "watch", "watch", [{"run": "r", "batches": ["b1"], "windows": []}])
        assert states(runs.ask, tiny) == ["well", "well"]


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [
        ({"cron": "*/15 * * * *"}, 1),
        ({"cron": "5-59/15 * * * *"}, 2),
        ({"cron": "10 * * * *"}, 2),
        ({"cron": "0 */4 * * *"}, 8),
        ({"cron": "0 6-22/4 * * *"}, 48),
        ({"cron": "30 2 * * *"}, 48),
        ({"cron": "30 2 * * 1"}, 336),
        ({"interval": 7200}, 4),
    ],
)
def test_it_waits_for_twice_what_the_schedule_says(tiny: Layout, schedule: dict[str, Any], hours: float) -> None:
    told = {"deployments": [{"entrypoint": "flows.ingest.ingest", "schedules": [schedule]}]}
    (tiny.root / "prefect.yaml").write_text(yaml.safe_dump(told))
    assert runs.patience(tiny, "ingest") == timedelta(hours=hours)


def test_a_schedule_that_cannot_be_read_is_told(tiny: Layout) -> None:
    for text in ("deployments: [", "deployments: 3", "- one"):
        (tiny.root / "prefect.yaml").write_text(text)
        with pytest.raises(FixSettings, match=r"git restore prefect\.yaml"):
            runs.patience(tiny, "ingest")


# secrets
def test_secrets_that_others_read_are_found(tiny: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "PLACES", ())
    assert states(secrets.ask, tiny) == ["well"]
    key, local = tmp_path / "key.pem", tiny.home / ".dvc" / "config.local"
    key.write_text("key")
    local.write_text("['remote \"s3\"']\n    secret_access_key = hidden\n")
    for path in (key, local):
        path.chmod(0o644)
    monkeypatch.setenv("ANDON_DASK_KEY", str(key))
    remedies = {one.remedy for one in found(secrets.ask, tiny)}
    assert remedies == {f"Run `chmod 600 {key}`.", f"Run `chmod 600 {local}`."}
    assert not [one for one in asked(secrets.ask, tiny) if "hidden" in one.words + one.remedy]
    for path in (key, local):
        path.chmod(0o600)
    assert states(secrets.ask, tiny) == ["well"]
    key.unlink()
    assert states(secrets.ask, tiny) == ["unknown"]


def test_secrets_in_git_and_a_plant_that_all_may_write_are_found(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "PLACES", ())
    with (tiny.home / ".dvc" / "config").open("a") as file:
        file.write("['remote \"s3\"']\n    access_key_id = AKIA\n")
    tiny.home.chmod(0o777)
    kept, open_ = found(secrets.ask, tiny)
    assert "git keeps it" in kept.words and "AKIA" not in kept.words
    assert "chmod o-w" in open_.remedy


# versions
def test_libraries_that_do_not_go_together_are_found(tiny: Layout) -> None:
    pins = tiny.root / "constraints.txt"
    pins.write_text("numpy==0.1\nNot-Installed==3\npsutil==" + __import__("psutil").__version__ + "\n")
    [one] = found(versions.ask, tiny)
    assert "numpy" in one.words and "instead of 0.1" in one.words and "pip install" in one.remedy
    pins.write_text("Not-Installed==3\n")
    assert states(versions.ask, tiny) == ["well", "well"]
    pins.unlink()
    assert states(versions.ask, tiny) == ["unknown", "well"]


def test_a_plant_of_another_andon_is_found(tiny: Layout) -> None:
    tiny.stages.write_text(tiny.stages.read_text().replace('"andon": "', '"andon": "9'))
    [one] = found(versions.ask, tiny)
    assert "This plant belongs to Andon 9" in one.words and "pip install" in one.remedy


# all of it
def test_a_refusal_is_wrong_and_what_cannot_be_asked_is_unknown(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> Iterator[Answer]:
        yield well("So far.")
        raise FixSettings("It is broken: run `andon mend`.")

    def away(*_: object) -> Iterator[Answer]:
        raise PermissionError(13, "Permission denied", "/etc/secret")
        yield

    monkeypatch.setattr(everything, "QUESTIONS", {"one": ("one", refuses), "two": ("two", away)})
    told: list[str] = []
    one, two = everything.ask(tiny, read_params(tiny.params), told.append)
    assert one.answers == (well("So far."), wrong("It is broken.", "Run `andon mend`."))
    assert [each.state for each in two.answers] == [unknown("").state] and told == ["one", "two"]
