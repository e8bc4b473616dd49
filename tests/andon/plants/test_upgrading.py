"""A plant of an earlier Andon opens: one commit, nothing lost, and a word on what follows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from andon.plants import upgrading
from andon.plants.founding import TRAILER
from andon.plants.upgrading import refuse, upgrade
from inspection import fingerprint, git, lock
from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.params import read_params
from inspection.records import ledger
from inspection.release import registry
from tests.conftest import ROOT

OLD = Path(__file__).parents[1] / "bundles" / "90bc3a4.bundle"


def committed(layout: Layout, message: str = "By hand") -> None:
    git.run(layout.home, "add", "--all")
    git.run(layout.home, "commit", "--quiet", "--message", message)


def older(layout: Layout) -> None:
    """A plant as an earlier Andon left it: its own code fingerprint, without a section and a key of params.yaml."""
    record = {**fingerprint.current(), "andon": "0.1.9", "code": {"train": "0"}}
    layout.stages.write_text(json.dumps(record))
    lines = layout.params.read_text().splitlines(keepends=True)
    begin = lines.index("evaluate:\n")
    kept = [line for line in (*lines[:begin], *lines[begin + 3 :]) if not line.startswith("  min_gain:")]
    layout.params.write_text("".join(kept))
    committed(layout)


def test_new_settings_come_with_their_comments_in_one_commit(tiny: Layout) -> None:
    before = tiny.params.read_text()
    older(tiny)
    done = upgrade(tiny)
    assert tiny.params.read_text() == before
    assert git.run(tiny.home, "status", "--porcelain") == ""
    words = git.run(tiny.home, "log", "-1", "--format=%B")
    assert words.startswith(f"Upgrade: Andon 0.1.9 -> {fingerprint.installed()}")
    assert "params.yaml: evaluate is new" in words
    assert "params.yaml: promotion.min_gain is new (0.02)" in words
    assert words.endswith(f"{TRAILER}: {fingerprint.installed()}")
    assert fingerprint.difference(tiny) is None
    assert (done.since, done.to) == ("0.1.9", fingerprint.installed())


def test_a_plant_that_is_there_already_is_left_alone(tiny: Layout) -> None:
    head = git.run(tiny.home, "rev-parse", "HEAD")
    assert upgrade(tiny).changes == []
    assert git.run(tiny.home, "rev-parse", "HEAD") == head


def test_what_is_set_stays_set_and_what_is_gone_is_told(tiny: Layout) -> None:
    text = tiny.params.read_text().replace("  epochs: 8 ", "  epochs: 5 ").replace("train:\n", "train:\n  magic: 3\n")
    tiny.params.write_text(text)
    committed(tiny)
    done = upgrade(tiny)
    assert read_params(tiny.params).train.epochs == 5
    assert "params.yaml: train.magic is not known any more; it was 3" in done.changes


def test_a_schedule_that_was_changed_is_kept(tiny: Layout) -> None:
    path = tiny.home / "prefect.yaml"
    shipped = path.read_text()
    path.write_text(shipped.replace('"*/15 * * * *"', '"*/30 * * * *"'))
    committed(tiny)
    done = upgrade(tiny)
    assert '"*/30 * * * *"' in path.read_text()
    assert done.changes == []


def test_a_schedule_is_merged_with_what_is_new(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny.home / "prefect.yaml"
    mine = path.read_text().replace('"*/15 * * * *"', '"*/30 * * * *"')
    path.write_text(mine)
    committed(tiny)
    real = upgrading.shipped
    new = real("prefect.yaml") + "# the end\n"
    monkeypatch.setattr(upgrading, "shipped", lambda name: new if name == "prefect.yaml" else real(name))
    done = upgrade(tiny)
    assert path.read_text() == mine + "# the end\n"
    assert any("keeps your changes" in note for note in done.notes)


def test_unsaved_work_is_refused_by_name(tiny: Layout) -> None:
    older(tiny)
    tiny.params.write_text(tiny.params.read_text() + "# mine\n")
    with pytest.raises(FixSettings, match=r"params\.yaml: changes that are not committed"):
        upgrade(tiny)
    assert tiny.params.read_text().endswith("# mine\n")


def test_a_newer_plant_is_refused_with_its_version(tiny: Layout) -> None:
    tiny.stages.write_text(json.dumps({**fingerprint.current(), "andon": "9.0"}))
    committed(tiny)
    with pytest.raises(FixSettings, match=r"belongs to Andon 9\.0.*andon==9\.0.*Nothing was changed"):
        upgrade(tiny)


@pytest.mark.parametrize("text", ["{", '{"andon": "0.1.0", "code": {}, "libraries": {}}'])
def test_a_record_that_was_edited_by_hand_is_renewed(text: str, tiny: Layout) -> None:
    tiny.stages.write_text(text)
    done = upgrade(tiny)
    assert [change for change in done.changes if change.startswith("stages.json")]
    assert fingerprint.difference(tiny) is None


def test_the_checkout_itself_is_no_plant_to_upgrade() -> None:
    with pytest.raises(FixSettings, match=r"checkout that Andon itself runs from.*make stages\.json"):
        refuse(Layout(ROOT, ROOT))


@pytest.mark.parametrize("step", ["replace_files", "merge_params", "renew_fingerprint", "_check", "commit"])
def test_killed_anywhere_the_next_run_finishes(step: str, tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    older(tiny)
    head = git.run(tiny.home, "rev-parse", "HEAD")
    with monkeypatch.context() as killing:
        killing.setattr(upgrading, step, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            upgrade(tiny)
    upgrade(tiny)
    assert git.run(tiny.home, "rev-list", "--count", f"{head}..HEAD") == "1"
    assert git.run(tiny.home, "status", "--porcelain") == ""


def test_a_flow_at_work_is_waited_for(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = lock.hold
    monkeypatch.setattr(upgrading.lock, "hold", lambda layout, name, why: asked.append(name) or real(layout, name, why))
    upgrade(tiny)
    assert asked == ["ingest", "watch", "retrain", lock.WRITE]


@pytest.fixture
def old(tmp_path: Path) -> Layout:
    """A plant that commit 90bc3a4 made: a clone of the product with one batch, labels, a release and a watch."""
    home = tmp_path / "old"
    subprocess.run(["git", "clone", "--quiet", "--branch", "main", str(OLD), str(home)], check=True)
    git.run(home, "config", "user.name", "Ines")
    git.run(home, "config", "user.email", "ines@plant.invalid")
    return Layout(home, home)


def test_a_plant_that_90bc3a4_made_opens(old: Layout) -> None:
    assert OLD.stat().st_size <= 1_000_000
    events, history = ledger.read(old), registry.history(old)
    done = upgrade(old)
    left = set(git.run(old.home, "ls-files").splitlines())
    assert not [name for name in left if name.endswith(".py")]
    assert done.since == "0.1"
    assert any("product code taken out" in change for change in done.changes)
    assert any("every stage anew" in note for note in done.notes)
    assert any("`git remote` still names origin" in note for note in done.notes)
    assert git.run(old.home, "status", "--porcelain") == ""
    assert ledger.read(old) == events
    assert registry.history(old) == history
    assert history[-1].version == "v1.0.0"
    read_params(old.params)
    assert upgrade(old).changes == []


def test_its_pictures_and_their_stories_are_there_after_the_upgrade(old: Layout) -> None:
    upgrade(old)
    remote = old.home.parent / "remote"
    git.run(old.home, "worktree", "add", "--quiet", str(remote), "origin/remote")
    run(old, sys.executable, "-m", "dvc", "remote", "modify", "--local", "local", "url", str(remote))
    run(old, sys.executable, "-m", "dvc", "pull", "--quiet", *map(str, (old.home / "data").rglob("*.dvc")))
    rebuilt = json.loads(andon(old, "catalog", "rebuild", "--json"))
    assert set(rebuilt) >= {"captures", "labels", "scores"}
    captures = json.loads(andon(old, "catalog", "query", "--json"))
    assert len(captures) == 28
    assert {one["model"] for one in captures} == {"v1.0.0"}
    told = andon(old, "trace", captures[0]["key"])
    assert captures[0]["label"] in told
    assert "v1.0.0" in andon(old, "history")
    assert "v1.0.0" in andon(old, "live", "--at", "2026-11-03T12:00")
    assert "v1.0.0" in andon(old, "status")


def andon(layout: Layout, *words: str) -> str:
    return run(layout, sys.executable, "-P", "-m", "andon", *words)


def run(layout: Layout, *words: str) -> str:
    done = subprocess.run(words, cwd=layout.home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
