"""A backup is whole or the one before it; a plant that is made of it is what was backed up."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from andon.__main__ import app
from andon.plants import backup as module
from andon.plants.backup import MANIFEST, STORE, backup
from andon.plants.founding import Wishes, found
from andon.plants.restoring import restore
from flows.versions import track
from inspection import clock, files, fingerprint, git
from inspection.anchor import identity
from inspection.errors import AndonError, CheckHistory, FixInput, FixSettings, MakeRoom
from inspection.layout import Layout
from inspection.model.package import package_hash
from inspection.records import batches, labels, ledger
from inspection.records.sheets import import_labels
from inspection.release import approval, registry
from inspection.release.approval import Answer, Request
from inspection.verify.everything import verify
from tests.conftest import ROOT
from tests.inspection.verify.test_everything import PARTITION, flip, kept
from tests.inspection.world import NOON, add_batch, fake_package, key, label_csv, picture


def batch(layout: Layout, name: str, numbers: range) -> None:
    """As ingest records one."""
    add_batch(layout, name, {key(number): picture(number) for number in numbers}, PARTITION)
    folder = layout.batches / PARTITION / name
    tracked = track(layout, folder)
    body = {
        "batch": name,
        "partition": PARTITION,
        "captures": len(numbers),
        "manifest": batches.digest(folder / batches.MANIFEST),
    }
    ledger.append(layout, "batch", "ingest", [body])
    git.commit(layout.home, [*tracked, *ledger.files(layout)], f"Ingest: {name}")


def trained(layout: Layout) -> str:
    """A candidate as `train` leaves it: checked out, in DVC's cache and in dvc.lock, committed."""
    package = fake_package(layout.candidate, "one")
    files_ = sorted(path for path in layout.candidate.iterdir())
    rows = [{"md5": kept(layout, one.read_bytes()), "relpath": one.name} for one in files_]
    listed = kept(layout, json.dumps(rows).encode(), ".dir")
    made = {"path": "models/candidate", "hash": "md5", "md5": listed, "size": 1, "nfiles": len(rows)}
    record = {"schema": "2.0", "stages": {"train": {"cmd": "python -P -m stages.train", "outs": [made]}}}
    (layout.home / "dvc.lock").write_text(json.dumps(record))
    git.commit(layout.home, [layout.home / "dvc.lock"], "Retrain")
    return package


def released(layout: Layout, package: str) -> None:
    """v1.0.0: asked for, approved, tagged, on the line."""
    registry.install(layout, layout.candidate, package)
    wish: dict[str, Any] = {"objections": (), "reasons": ("good",), "champion": None, "figures": {}}
    request = Request(
        version="v1.0.0",
        package=package,
        promote=True,
        requested_by="Ines",
        reason="first",
        at="2026-11-02",
        classes=("good",),
        **wish,
    )
    git.commit(layout.home, [approval.write_request(layout, request)], "Request")
    registry.register(layout, "v1.0.0", "HEAD", "first")
    given = Answer(
        version="v1.0.0", package=package, approved=True, by="Lena", at="2026-11-02", expires_at="2026-11-09"
    )
    path = files.write(layout.approvals / "v1.0.0.json", given.model_dump_json())
    git.commit(layout.home, [path], "Approval")
    body = {"version": "v1.0.0", "package": package, "action": "release", "reason": "first"}
    registry.release(layout, body, "Lena", 3)


@pytest.fixture
def plant(tmp_path: Path) -> Layout:
    """Two batches, labels, a release, and a file that waits in the inbox; without a network, for nothing is trained."""
    tiny = found(tmp_path / "plant", Wishes("Tiny plant"), ("Tess", "tess@andon.invalid"))
    with clock.at(NOON):
        batch(tiny, "b1", range(3))
        batch(tiny, "b2", range(3, 6))
        done = import_labels(tiny, label_csv(tiny.home.parent / "l.csv", f"{key(0)},good", f"{key(1)},scratch"), "Ines")
        assert not done.refused
        released(tiny, trained(tiny))
    path = tiny.home / "inbox" / "cam-1" / "late.png"
    path.parent.mkdir()
    path.write_bytes(b"late")
    return tiny


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """An empty folder for a backup."""
    folder = tmp_path / "disk" / "backup"
    folder.mkdir(parents=True)
    return folder


def objects(folder: Path) -> set[str]:
    return {path.parent.name + path.name for path in (folder / STORE).glob("??/*")}


def test_a_backup_holds_what_any_commit_names_and_says_what_is_not_in_it(plant: Layout, disk: Path) -> None:
    done = backup(plant, disk)
    assert done.missing == () and done.beside["inbox"] == 1
    assert any("same disk" in note for note in done.notes)
    assert any("config.local" in words for words in done.left_out)
    for name in objects(disk):
        content = (disk / STORE / name[:2] / name[2:]).read_bytes()
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == name.removesuffix(".dir")
    assert {hashlib.md5(picture(n), usedforsecurity=False).hexdigest() for n in range(6)} <= objects(disk)
    manifest = json.loads((disk / MANIFEST).read_text())
    assert manifest["head"] == git.run(plant.home, "rev-parse", "HEAD") and manifest["andon"] == fingerprint.installed()
    head = ledger.head(plant)
    assert manifest["ledger"] == [head.events, head.digest] and manifest["history"][0] == 2
    assert not list(disk.rglob("*.part")) and not list(disk.rglob("config.local"))


def test_only_what_is_new_is_copied_and_what_left_the_inbox_leaves_the_backup(plant: Layout, disk: Path) -> None:
    first = backup(plant, disk)
    again = backup(plant, disk)
    assert first.copied > 10 and again.copied == 0
    with clock.at(NOON):
        batch(plant, "b3", range(6, 8))
    (plant.home / "inbox" / "cam-1" / "late.png").unlink()
    done = backup(plant, disk)
    assert done.copied == 4 and done.beside["inbox"] == 0  # two pictures, a manifest, a list
    assert not list((disk / "beside").rglob("*.png")) and len(list((disk / "git").iterdir())) == 1


def test_killed_at_any_file_the_backup_before_stays_and_the_next_goes_on(
    plant: Layout, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(plant, disk)
    was = json.loads((disk / MANIFEST).read_text())["head"]
    with clock.at(NOON):
        batch(plant, "b3", range(6, 9))
    steps = 0
    while True:
        steps += 1
        left = steps

        def dying(*arguments: Any, really: Any = shutil.copyfile, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                Path(arguments[1]).write_bytes(b"half")
                raise KeyboardInterrupt
            return really(*arguments, **more)

        with monkeypatch.context() as patch:
            patch.setattr(module.shutil, "copyfile", dying)
            try:
                backup(plant, disk)
                break
            except KeyboardInterrupt:
                assert json.loads((disk / MANIFEST).read_text())["head"] == was
    assert steps > 1
    assert restore(disk, tmp_path / "new").verified.findings == ()


@pytest.mark.parametrize("where", ["inside", "missing", "full of other things", "another plant's"])
def test_a_place_that_cannot_be_a_backup_is_refused(plant: Layout, disk: Path, where: str) -> None:
    if where == "full of other things":
        (disk / "letter.txt").write_text("")
    if where == "another plant's":
        (disk / identity.MARK).write_bytes(identity.mark("0" * 32))
    to = {"inside": plant.home / "inbox", "missing": disk / "gone"}.get(where, disk)
    before = sorted(to.rglob("*")) if to.is_dir() else None
    with pytest.raises(FixSettings):
        backup(plant, to)
    assert (sorted(to.rglob("*")) if to.is_dir() else None) == before


def test_a_disk_that_is_not_mounted_is_not_filled(plant: Layout, disk: Path) -> None:
    backup(plant, disk)
    disk.rename(disk.with_name("unplugged"))
    disk.mkdir()
    with pytest.raises(CheckHistory, match=r"not mounted.*--new"):
        backup(plant, disk)
    assert list(disk.iterdir()) == []
    assert backup(plant, disk, new=True).copied > 10


def test_too_little_space_is_said_before_anything_is_copied(
    plant: Layout, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    with pytest.raises(MakeRoom, match=r"0.0 GB free, and this backup needs 0.1 GB more"):
        backup(plant, disk)
    assert objects(disk) == set()


def test_a_backup_is_not_given_up_for_a_history_that_was_rewritten(plant: Layout, disk: Path) -> None:
    backup(plant, disk)
    with clock.at(NOON):
        batch(plant, "b3", range(6, 8))
    backup(plant, disk)
    before = (disk / MANIFEST).read_bytes()
    git.run(plant.home, "reset", "--quiet", "--hard", "HEAD~1")
    with pytest.raises(CheckHistory, match="put back or rewritten"):
        backup(plant, disk)
    git.run(plant.home, "reset", "--quiet", "--hard", "HEAD~2")  # and the plant's id with it
    with pytest.raises(CheckHistory, match="The branch was put back"):
        backup(plant, disk)
    assert (disk / MANIFEST).read_bytes() == before


def test_what_is_damaged_or_missing_in_the_cache_is_told_and_ends_with_1(
    plant: Layout, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = plant.home / ".dvc" / "cache" / "files" / "md5"
    names = [hashlib.md5(picture(n), usedforsecurity=False).hexdigest() for n in (0, 1)]
    lost, damaged = (store / name[:2] / name[2:] for name in names)
    lost.unlink()
    damaged.chmod(0o644)
    damaged.unlink()
    damaged.write_bytes(b"something else")
    monkeypatch.chdir(plant.home)
    done = CliRunner().invoke(app, ["backup", str(disk), "--json"])
    assert done.exit_code == 1 and not objects(disk) & set(names)
    told = json.loads(done.stdout)["missing"]
    assert len(told) == 2 and any("damaged" in one for one in told)


def test_a_restored_plant_is_the_plant(plant: Layout, disk: Path, tmp_path: Path) -> None:
    git.run(plant.home, "branch", "aside", "HEAD~1")
    backup(plant, disk)
    head, tags = git.run(plant.home, "rev-parse", "HEAD"), git.run(plant.home, "tag", "--list")
    package, pictures = package_hash(plant.live), sorted(path.name for path in plant.batches.rglob("*.png"))
    shutil.rmtree(plant.home)
    done = restore(disk, tmp_path / "new")
    assert done.verified.findings == ()
    here = Layout.find(tmp_path / "new")
    assert git.run(here.home, "rev-parse", "HEAD") == head and git.run(here.home, "tag", "--list") == tags
    assert git.run(here.home, "rev-parse", git.RECORDED) and git.run(here.home, "rev-parse", "aside")
    assert git.run(here.home, "status", "--porcelain") == ""
    assert registry.difference(here) is None and package_hash(here.live) == package
    assert sorted(path.name for path in here.batches.rglob("*.png")) == pictures
    assert (here.home / "inbox" / "cam-1" / "late.png").read_bytes() == b"late"
    assert here.catalog.is_file()
    assert any("Only one of the two may write" in words for words in done.next)
    assert not any(one.name.startswith(".new.") for one in tmp_path.iterdir())


def test_a_damaged_object_is_found_and_a_damaged_bundle_refused(plant: Layout, disk: Path, tmp_path: Path) -> None:
    backup(plant, disk)
    name = hashlib.md5(picture(2), usedforsecurity=False).hexdigest()
    damaged = disk / STORE / name[:2] / name[2:]
    damaged.chmod(0o644)
    flip(damaged)
    done = restore(disk, tmp_path / "new")
    told = {one.file for one in done.verified.findings}
    assert f"{STORE}/{name[:2]}/{name[2:]}" in told and any(one.startswith("data/batches/") for one in told)
    flip(next((disk / "git").iterdir()))
    with pytest.raises(FixInput, match="missing or damaged"):
        restore(disk, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def rewritten(disk: Path, **changes: str) -> None:
    manifest = json.loads((disk / MANIFEST).read_text())
    (disk / MANIFEST).write_text(json.dumps(manifest | changes))


def test_a_backup_of_a_newer_andon_is_refused_and_of_an_older_one_says_what_is_next(
    plant: Layout, disk: Path, tmp_path: Path
) -> None:
    plant.stages.write_text(json.dumps({**fingerprint.current(), "andon": "0.1.9", "code": {"train": "0"}}))
    git.commit(plant.home, [plant.stages], "As an older Andon left it")
    backup(plant, disk)
    rewritten(disk, andon="99.0.0")
    with pytest.raises(FixInput, match=r"made by Andon 99.0.0.*pip install andon==99.0.0"):
        restore(disk, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    rewritten(disk, andon="0.1.9")
    assert any("andon upgrade" in words for words in restore(disk, tmp_path / "new").next)


def test_a_folder_without_a_backup_or_a_place_that_is_taken_is_refused(
    plant: Layout, disk: Path, tmp_path: Path
) -> None:
    with pytest.raises(FixInput, match="no finished backup"):
        restore(disk, tmp_path / "new")
    backup(plant, disk)
    with pytest.raises(AndonError, match="not empty"):
        restore(disk, plant.home)
    (disk / MANIFEST).write_text("{")
    with pytest.raises(FixInput, match="damaged"):
        restore(disk, tmp_path / "new")


def andon(folder: Path, *arguments: str) -> Any:
    """What the command says, as JSON."""
    command = [sys.executable, "-m", "andon", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_rehearsed_the_disk_of_the_plant_burns_and_work_goes_on_elsewhere(
    plant: Layout, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the commands alone: backup, destroy, restore, verify, and the restored plant takes in a label and pushes."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    before = {"live": andon(plant.home, "live"), "labels": andon(plant.home, "catalog", "query")}
    andon(plant.home, "backup", str(disk))
    shutil.rmtree(plant.home)
    told = andon(tmp_path, "restore", str(disk), str(tmp_path / "new"))
    assert told["verified"]["findings"] == []
    home = tmp_path / "new"
    assert andon(home, "verify", "--all")["findings"] == []
    assert {"live": andon(home, "live"), "labels": andon(home, "catalog", "query")} == before
    for name, value in (("user.name", "Tess"), ("user.email", "tess@andon.invalid")):
        git.run(home, "config", name, value)
    andon(home, "push", "--new-remote")
    andon(home, "label", "import", str(label_csv(tmp_path / "more.csv", f"{key(2)},good")), "--by", "Ines")
    here = Layout.find(home)
    assert len(labels.standing(ledger.read(here))) == 3
    assert verify(here, every=True).findings == ()
    andon(home, "backup", str(disk))
