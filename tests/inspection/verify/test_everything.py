"""Each thing that is believed and was changed is named with its file; a plant as it should be has no findings."""

import hashlib
import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from andon.__main__ import app
from benchmarks.tampering.kinds import KINDS
from inspection import chain, clock, git, lock
from inspection.layout import Layout
from inspection.records import batches, ledger
from inspection.records.catalog import open_catalog
from inspection.release import approval, registry, warrant
from inspection.release.approval import Answer, Request
from inspection.verify.everything import verify
from inspection.verify.pictures import RECENT
from tests.inspection.world import NOON, add_batch, fake_package, key, picture
from tests.inspection.world import git as plain

PARTITION = "2026-11-01"


def kept(layout: Layout, content: bytes, end: str = "") -> str:
    """Put a file into DVC's cache; its name there."""
    digest = hashlib.md5(content).hexdigest() + end
    path = layout.home / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


def under_dvc(layout: Layout) -> None:
    """As `dvc add` of the partition leaves it."""
    folder = layout.batches / PARTITION
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    rows = [{"md5": kept(layout, one.read_bytes()), "relpath": one.relative_to(folder).as_posix()} for one in files]
    listed = kept(layout, json.dumps(rows).encode(), ".dir")
    folder.with_name(f"{PARTITION}.dvc").write_text(f"outs:\n- md5: {listed}\n  hash: md5\n  path: {PARTITION}\n")


def batch(layout: Layout, name: str, numbers: range) -> None:
    add_batch(layout, name, {key(number): picture(number) for number in numbers}, PARTITION)
    manifest = batches.digest(layout.batches / PARTITION / name / batches.MANIFEST)
    body = {"batch": name, "partition": PARTITION, "captures": len(numbers), "manifest": manifest}
    ledger.append(layout, "batch", "ingest", [body])


def released(layout: Layout) -> None:
    """v1.0.0: asked for, approved, tagged, on the line."""
    package = fake_package(layout.home / "made", "one")
    registry.install(layout, layout.home / "made", package)
    made = sorted((layout.releases / package).iterdir(), key=lambda path: path.name)
    rows = [{"md5": kept(layout, one.read_bytes()), "relpath": one.name} for one in made]
    out = {"path": "models/candidate", "md5": kept(layout, json.dumps(rows).encode(), ".dir")}
    (layout.home / "dvc.lock").write_text(yaml.safe_dump({"stages": {"train": {"outs": [out]}}}))
    layout.cut.parent.mkdir(exist_ok=True)
    head = ledger.head(layout)
    ledger.write_cut(layout.cut, ledger.Cut(events=head.events, digest=head.digest))
    git.commit(layout.home, [layout.home / "dvc.lock", layout.cut], "Retrain")
    wish = {"objections": (), "reasons": ("good",), "champion": None, "classes": ("good",), "figures": {}}
    request = Request(
        version="v1.0.0", package=package, promote=True, requested_by="Ines", reason="first", at="2026-11-02", **wish
    )
    approval.write_request(layout, request)
    git.commit(layout.home, [layout.approvals / "v1.0.0.request.json"], "Request")
    registry.register(layout, "v1.0.0", "HEAD", "first")
    given = Answer(
        version="v1.0.0", package=package, approved=True, by="Lena", at="2026-11-02", expires_at="2026-11-09"
    )
    (layout.approvals / "v1.0.0.json").write_text(given.model_dump_json())
    git.commit(layout.home, [layout.approvals / "v1.0.0.json"], "Approval")
    body = {"version": "v1.0.0", "package": package, "action": "release", "reason": "first"}
    registry.release(layout, body, "Lena", 3)
    git.commit(layout.home, [layout.history], "Release")


@pytest.fixture
def plant(repo: Layout) -> Layout:
    """Two batches, the older of them from before the last thirty days, a release, and a day's tag."""
    with clock.at(NOON - RECENT - timedelta(days=1)):
        batch(repo, "b-old", range(3))
    with clock.at(NOON):
        batch(repo, "b-new", range(3, 8))
        under_dvc(repo)
        git.commit(repo.home, [*ledger.files(repo), *repo.batches.glob("*.dvc")], "Batches")
        released(repo)
        heads = f"ledger 2 {ledger.head(repo).digest}\nhistory 2 {list(chain.read([repo.history]))[-1].digest}"
        plain(repo.home, "tag", "--annotate", "--message", f"Heads\n\n{heads}", "heads/2026-11-02")
    return repo


def found(layout: Layout, every: bool = False) -> dict[str, str]:
    with clock.at(NOON):
        return {one.file: one.words for one in verify(layout, every).findings}


def first(layout: Layout, batch: str) -> Path:
    return min((layout.batches / PARTITION / batch).glob("*.png"))


def flip(path: Path, at: int = 40) -> str:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    return path.name


def test_a_plant_as_it_should_be_has_no_findings_and_says_what_was_not_looked_at(plant: Layout) -> None:
    before = {path: path.read_bytes() for path in plant.home.rglob("*") if path.is_file() and ".git" not in path.parts}
    with clock.at(NOON):
        done = verify(plant)
        assert done.findings == () and "pictures: 5 in 1 batches, and DVC's cache of them" in done.compared
        assert done.left_out[0] == "1 batches older than 30 days: andon verify --all" and len(done.left_out) > 3
        done = verify(plant, every=True)
    assert done.findings == () and "pictures: 8 in 2 batches, and DVC's cache of them" in done.compared
    assert not any("older" in words for words in done.left_out)
    now = {path: path.read_bytes() for path in plant.home.rglob("*") if path.is_file() and ".git" not in path.parts}
    assert now == before


def rewritten(layout: Layout) -> None:
    """The ledger's whole chain anew, committed, and what was recorded last moved along."""
    path = ledger.files(layout)[-1]
    events = [{k: v for k, v in one.body.items() if k != "prev"} for one in chain.read(ledger.files(layout))]
    for one in ledger.files(layout):
        one.unlink()
    chain.append(path, None, "batch", "somebody", events)
    plain(layout.home, "commit", "--quiet", "--all", "--message", "Nothing")
    plain(layout.home, "update-ref", git.RECORDED, "HEAD")


def relinked(layout: Layout) -> None:
    place = layout.home / "elsewhere" / layout.live.resolve().name
    place.parent.mkdir()
    layout.live.resolve().rename(place)
    layout.live.unlink()
    layout.live.symlink_to(place)


TAMPERINGS: dict[str, tuple[Callable[[Layout], object], str]] = {
    "a ledger cut short": (lambda p: ledger.files(p)[-1].write_bytes(b""), "data/ledger/2026-11/events.jsonl"),
    "a byte of the ledger": (lambda p: flip(ledger.files(p)[-1]), "data/ledger/2026-11/events.jsonl"),
    "a ledger computed anew": (rewritten, "heads/2026-11-02"),
    "a byte of the history": (lambda p: flip(p.history), "releases/history.jsonl"),
    "an approval by hand": (lambda p: (p.approvals / "v2.0.0.json").write_text("{}"), "approvals/v2.0.0.json"),
    "another approval": (lambda p: flip(p.approvals / "v1.0.0.json", 20), "approvals/v1.0.0.json"),
    "a tag that is gone": (lambda p: plain(p.home, "tag", "--delete", "model@v1.0.0"), "model@v1.0.0"),
    "a tag of nothing": (lambda p: plain(p.home, "tag", "model@v9.0.0", "HEAD"), "model@v9.0.0"),
    "a link elsewhere": (relinked, "models/live"),
    "a byte of the live model": (lambda p: flip(p.live / "model.onnx", 1), "models/live"),
    "a link to nothing": (lambda p: p.live.resolve().rename(p.home / "gone"), "models/live"),
    "a byte of a manifest": (
        lambda p: flip(p.batches / PARTITION / "b-new" / batches.MANIFEST),
        f"data/batches/{PARTITION}/b-new/{batches.MANIFEST}",
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_what_was_changed_is_named_with_its_file(plant: Layout, what: str) -> None:
    tamper, file = TAMPERINGS[what]
    tamper(plant)
    assert file in found(plant)


def test_a_flipped_bit_in_a_picture_is_named_in_the_last_thirty_days_or_with_all(plant: Layout) -> None:
    new, old = first(plant, "b-new"), first(plant, "b-old")
    for path in (new, old):
        flip(path)
    names = [path.relative_to(plant.home).as_posix() for path in (new, old)]
    assert list(found(plant)) == names[:1] and sorted(found(plant, every=True)) == sorted(names)
    assert "not the one that was accepted" in found(plant)[names[0]]
    new.unlink()
    assert "is missing" in found(plant)[names[0]]


def test_a_flipped_bit_in_dvc_s_cache_is_named(plant: Layout) -> None:
    digest = hashlib.md5(first(plant, "b-new").read_bytes()).hexdigest()
    path = plant.home / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
    flip(path)
    assert list(found(plant)) == [path.relative_to(plant.home).as_posix()]
    path.unlink()
    assert "missing in DVC's cache (of batch b-new)" in found(plant)[path.relative_to(plant.home).as_posix()]


def test_a_pointer_that_names_nothing_is_named(plant: Layout) -> None:
    pointer = plant.batches / f"{PARTITION}.dvc"
    pointer.write_text(pointer.read_text().replace(".dir", ".dix"))
    assert f"data/batches/{PARTITION}.dvc" in found(plant)


def test_the_command_ends_with_1_and_with_what_it_left_out(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plant.home)
    assert CliRunner().invoke(app, ["verify"]).exit_code == 0
    flip(plant.live / "model.onnx", 1)
    done = CliRunner().invoke(app, ["verify"])
    assert done.exit_code == 1 and done.stdout.startswith("Found     models/live: What the line executes")
    assert done.stdout.splitlines()[-1].startswith("Left out  ")
    done = CliRunner().invoke(app, ["verify", "--all", "--json"])
    told = json.loads(done.stdout)
    assert done.exit_code == 1 and [one["file"] for one in told["findings"]] == ["models/live"] and told["left_out"]


def by_hand(layout: Layout, name: str) -> None:
    path = layout.home / name
    path.write_text(path.read_text().replace("Lena", "Otto"))
    plain(layout.home, "commit", "--quiet", "--all", "--message", "A word")


def test_a_commit_that_andon_did_not_make_is_named_until_andon_s_next(plant: Layout) -> None:
    by_hand(plant, "approvals/v1.0.0.json")
    words = found(plant)["approvals/v1.0.0.json"]
    assert "Otto" in words or "A commit that Andon did not make" in words
    assert any("Andon did not make" in one.words for one in verify(plant).findings)


def test_a_tag_that_names_another_commit_is_named(plant: Layout) -> None:
    plain(plant.home, "tag", "--force", "model@v1.0.0", "HEAD")
    assert "another commit" in found(plant)["model@v1.0.0"]


def test_what_a_run_is_writing_is_left_out_and_said(plant: Layout) -> None:
    with clock.at(NOON):
        ledger.append(plant, "label", "Tess", [{"x": 1}])
    name = ledger.files(plant)[-1].relative_to(plant.home).as_posix()
    assert "not committed, and believed" in found(plant)[name]
    with lock.hold(plant, lock.WRITE, "importing labels"), clock.at(NOON):
        done = verify(plant)
    assert done.findings == () and any("importing labels" in one and "look again" in one for one in done.left_out)


def test_a_batch_that_only_lies_there_is_named(plant: Layout) -> None:
    add_batch(plant, "b-hand", {key(20): picture(20)}, PARTITION)
    assert "does not know it" in found(plant)[f"data/batches/{PARTITION}/b-hand"]


def test_a_label_changed_in_the_catalog_is_named_with_its_table(plant: Layout) -> None:
    open_catalog(plant).close()
    assert found(plant) == {}
    with closing(sqlite3.connect(plant.catalog)) as database:
        database.execute("UPDATE captures SET serial = 'another' WHERE rowid = 1")
        database.commit()
    assert "(captures)" in found(plant)[".andon/catalog.sqlite"]


def test_a_remote_that_lacks_what_was_sent_is_named(plant: Layout) -> None:
    there = plant.home / ".remote" / "files"
    shutil.copytree(plant.home / ".dvc" / "cache" / "files", there)
    assert found(plant, every=True) == {}
    digest = hashlib.md5(first(plant, "b-new").read_bytes()).hexdigest()
    path = there / "md5" / digest[:2] / digest[2:]
    flip(path)
    name = path.relative_to(plant.home).as_posix()
    assert found(plant) == {} and "not what its name says" in found(plant, every=True)[name]
    path.unlink()
    assert "lacks 1 of" in found(plant)[name]


def test_a_package_is_hashed_as_dvc_does(plant: Layout) -> None:
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    tree = Tree()
    for path in plant.live.resolve().iterdir():
        tree.add((path.name,), None, HashInfo("md5", hashlib.md5(path.read_bytes()).hexdigest()))
    tree.digest()
    assert tree.oid == warrant.hash_of(plant.live.resolve())


CHANGES_NOTHING = (  # or not always
    "tag of the index of releases",
    "tag of a day: moved",
    "tag of a day: deleted",
    "refs/andon/recorded",
    "the remote",
    "store of features",
    "pretrained network",
    "models/candidate",
    "git: another branch",
)
DRAWN = [kind for kind in KINDS if kind not in CHANGES_NOTHING]


@pytest.mark.parametrize("number", range(20))
def test_what_is_drawn_is_found(plant: Layout, number: int) -> None:
    """A tenth of `python -m benchmarks.tampering`, on what this plant has."""
    rng = random.Random(number)
    for kind in rng.sample(DRAWN, len(DRAWN)):
        try:
            file = KINDS[kind](plant, rng)
        except (IndexError, FileNotFoundError):  # this plant has nothing of it
            continue
        if file is not None:
            told = found(plant, every=True)
            assert any(file == one or one.startswith(f"{file}/") or file in words for one, words in told.items()), kind
            return
