"""A remote that is away, back, moved or another plant's: nothing is sent to the wrong place, nothing is called there
that is not."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tenacity import wait_none
from typer.testing import CliRunner

from andon.__main__ import app
from andon.plants.founding import Wishes, found
from flows import remote
from flows.remote import ask, push, push_everything
from flows.sending import Remote
from flows.versions import dvc, track
from inspection import backlog, git
from inspection.anchor import identity
from inspection.errors import CheckHistory
from inspection.layout import Layout
from tests.inspection.intake.test_bucket import camera, server  # noqa: F401  fixtures

TESS = ("Tess", "tess@andon.invalid")


@pytest.fixture
def tiny(tmp_path: Path) -> Layout:
    """An empty plant, without a network: none of this looks at pictures."""
    return found(tmp_path / "plant", Wishes("Tiny plant"), TESS)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait between two tries, and no server for the command."""
    monkeypatch.setattr(remote._send.retry, "wait", wait_none())  # type: ignore[attr-defined]
    monkeypatch.setattr("andon.commands.intake.prefect_at_home", lambda _: None)


def batch(layout: Layout, name: str) -> Path:
    """A batch of two files under DVC, committed; it waits."""
    folder = layout.batches / "2026-11-01" / name
    folder.mkdir(parents=True)
    for number in range(2):
        (folder / f"{number}.png").write_bytes(f"{name} {number}".encode())
    git.commit(layout.home, track(layout, folder), f"Ingest: {name}")
    return folder


def store(layout: Layout) -> Path:
    return layout.home / ".remote"


def held(layout: Layout) -> set[str]:
    """The objects at the remote."""
    return {path.parent.name + path.name for path in store(layout).glob("files/md5/??/*")}


def waiting(layout: Layout) -> list[str]:
    return [one.target.rpartition("/")[2] for one in backlog.read(layout).waiting]


@pytest.fixture
def plant(tiny: Layout) -> Layout:
    """A plant whose first batch is at its remote."""
    batch(tiny, "b1")
    assert push.fn(tiny) == ""
    return tiny


def test_the_first_push_marks_the_remote_and_git_records_it(plant: Layout) -> None:
    mine = identity.read(plant)
    assert mine is not None and mine.marked
    assert identity.marked_by((store(plant) / identity.MARK).read_bytes()) == mine.plant
    assert waiting(plant) == [] and len(held(plant)) == 3
    assert git.run(plant.home, "status", "--porcelain") == ""


def test_what_is_filled_under_the_mount_point_waits_and_arrives_when_the_disk_is_back(plant: Layout) -> None:
    away = store(plant).rename(plant.home / ".remote-away")
    batch(plant, "b2")
    why = push.fn(plant)
    assert "does not bear the mark" in why and "Mount it" in why and "andon push --new-remote" in why
    assert not store(plant).exists() and waiting(plant) == ["b2"]
    assert "does not bear the mark" in backlog.words(backlog.read(plant))
    store(plant).mkdir()  # the mount point itself
    assert push.fn(plant) and held(plant) == set()
    store(plant).rmdir()
    away.rename(store(plant))
    assert push.fn(plant) == "" and waiting(plant) == []
    assert ask(plant).lacking == 0 and len(held(plant)) == 6  # two lists of the partition


def test_a_remote_of_another_plant_gets_nothing(plant: Layout, tmp_path: Path) -> None:
    other = found(tmp_path / "other", Wishes("Other plant"), TESS)
    batch(other, "theirs")
    dvc(other.home, "remote", "modify", "local", "url", str(store(plant)))
    before = held(plant)
    assert "bears the mark of another plant" in push.fn(other)
    assert held(plant) == before and waiting(other) == ["theirs"]
    with pytest.raises(CheckHistory, match="another plant"):
        push_everything(other, new=True)


def test_a_remote_that_was_filled_before_marks_were_is_marked_if_it_lacks_nothing(plant: Layout) -> None:
    git.run(plant.home, "rm", "--quiet", "data/plant.json")
    git.run(plant.home, "commit", "--quiet", "--message", "As an earlier Andon left it")
    (store(plant) / identity.MARK).unlink()
    batch(plant, "b2")
    file = next(path for path in store(plant).glob("files/md5/??/*") if not path.name.endswith(".dir"))
    aside = file.rename(plant.home / "aside")
    why = push.fn(plant)
    assert "lacks 1 of the" in why and "may not be mounted" in why and waiting(plant) == ["b2"]
    assert not (store(plant) / identity.MARK).exists()
    aside.rename(file)
    assert push.fn(plant) == "" and (store(plant) / identity.MARK).exists()


def test_killed_between_the_mark_and_its_record_the_next_push_records_it(
    tiny: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch(tiny, "b1")
    with monkeypatch.context() as patch:
        patch.setattr(identity, "note_marked", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            push.fn(tiny)
    mine = identity.read(tiny)
    assert mine is not None and not mine.marked and (store(tiny) / identity.MARK).exists()
    assert push.fn(tiny) == ""
    mine = identity.read(tiny)
    assert mine is not None and mine.marked and waiting(tiny) == []


def test_a_new_remote_gets_what_any_commit_names(plant: Layout) -> None:
    git.run(plant.home, "checkout", "--quiet", "-b", "aside")
    batch(plant, "b-aside")  # no commit of main names it
    assert push.fn(plant) == ""
    git.run(plant.home, "checkout", "--quiet", "main")
    everything = len(held(plant))
    shutil.rmtree(store(plant))
    backlog.note(plant, ["data/batches/2026-11-01/b1"])
    assert "does not bear" in push.fn(plant)
    assert push_everything(plant, new=True) == ""
    assert len(held(plant)) == everything == 6
    assert push.fn(plant) == "" and waiting(plant) == []


def test_what_is_neither_here_nor_there_goes_on_waiting_and_is_told(plant: Layout) -> None:
    folder = batch(plant, "b2")
    batch(plant, "b3")
    lost = hashlib.md5((folder / "0.png").read_bytes(), usedforsecurity=False).hexdigest()
    cached = plant.home / ".dvc" / "cache" / "files" / "md5" / lost[:2] / lost[2:]
    cached.unlink()
    why = push.fn(plant)
    assert "files are neither on this disk nor at the remote" in why
    assert "b2" in waiting(plant) and lost not in held(plant)
    cached.write_bytes((folder / "0.png").read_bytes())
    assert push.fn(plant) == "" and waiting(plant) == [] and lost in held(plant)


def test_what_is_at_the_remote_already_need_not_be_here(plant: Layout) -> None:
    for path in (plant.home / ".dvc" / "cache" / "files" / "md5").glob("??/*"):
        path.unlink()
    backlog.note(plant, ["data/batches/2026-11-01/b1"])
    assert push.fn(plant) == "" and waiting(plant) == []


def test_reports_that_dvc_does_not_keep_are_not_missed(plant: Layout) -> None:
    made = {"path": "data/snapshot.parquet", "md5": hash_of(plant, b"made")}
    told = {"path": "reports/validate.json", "md5": "0" * 32}
    record = {"schema": "2.0", "stages": {"snapshot": {"outs": [made]}, "validate": {"outs": [told]}}}
    (plant.home / "dvc.lock").write_text(json.dumps(record))
    revision = git.commit(plant.home, [plant.home / "dvc.lock"], "Retrain")
    backlog.note(plant, ["snapshot", "validate"], revision)
    assert push.fn(plant) == "" and waiting(plant) == []
    assert made["md5"] in held(plant) and ask(plant).lacking == 0


def hash_of(layout: Layout, content: bytes) -> str:
    """An object in the cache."""
    name = hashlib.md5(content, usedforsecurity=False).hexdigest()
    path = layout.home / ".dvc" / "cache" / "files" / "md5" / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


def test_the_command_asks_the_remote_before_it_says_that_everything_is_there(
    plant: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plant.home)
    done = CliRunner().invoke(app, ["push"])
    assert done.exit_code == 0 and "Everything is there: the remote holds all 3 files" in done.stdout
    next(path for path in store(plant).glob("files/md5/??/*") if not path.name.endswith(".dir")).unlink()
    done = CliRunner().invoke(app, ["push"])
    assert done.exit_code == 1 and "Nothing waits, but the remote lacks 1 of 3 files" in done.stdout
    assert CliRunner().invoke(app, ["push", "--all"]).exit_code == 0
    store(plant).rename(plant.home / ".remote-away")
    done = CliRunner().invoke(app, ["push"])
    assert done.exit_code != 0
    assert isinstance(done.exception, CheckHistory) and "does not bear the mark" in str(done.exception)


def test_a_bucket_bears_the_mark_too(
    plant: Layout,
    server: int,  # noqa: F811
    camera: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "andon")
    config = plant.home / ".dvc" / "config"
    text = config.read_text()

    def use(bucket: str) -> None:
        address = f"url = s3://{bucket}/dvc\n    endpointurl = http://127.0.0.1:{server}"
        config.write_text(text.replace("url = ../.remote", address))

    for bucket in ("marks-first", "marks-second"):
        camera.create_bucket(Bucket=bucket)
    use("marks-first")
    batch(plant, "b2")
    assert "does not bear the mark" in push.fn(plant)
    assert push_everything(plant, new=True) == "" and waiting(plant) == []
    keys = {one["Key"] for one in camera.list_objects_v2(Bucket="marks-first")["Contents"]}
    assert f"dvc/{identity.MARK}" in keys and len(keys) == 7
    assert (ask(plant).files, ask(plant).lacking) == (5, 0)
    batch(plant, "b3")
    use("marks-second")
    assert "does not bear the mark" in push.fn(plant) and waiting(plant) == ["b3"]
    assert camera.list_objects_v2(Bucket="marks-second")["KeyCount"] == 0
    use("marks-first")
    assert push.fn(plant) == "" and ask(plant).lacking == 0
    camera.delete_object(Bucket="marks-first", Key=next(key for key in keys if key.endswith(".dir")))
    assert push_everything(plant) == ""


def test_a_key_in_the_address_is_not_told(plant: Layout) -> None:
    from flows.versions import repository

    dvc(plant.home, "remote", "modify", "local", "url", "s3://KEY:SECRET@bucket/dvc")
    with repository(plant.home) as repo:
        assert "SECRET" not in Remote(repo).name
