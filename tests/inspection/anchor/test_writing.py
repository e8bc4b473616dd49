"""Nothing is written where git would lose it, or behind a history that is not the one that was recorded."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspection import chain, git
from inspection.anchor import branch, writing
from inspection.errors import AndonError, CheckHistory, FixSettings
from inspection.layout import Layout
from inspection.records import ledger
from inspection.verify import committed
from tests.inspection.world import git as plain


def record(layout: Layout, *values: int) -> str:
    """Labels, committed as a command does."""
    writing.require(layout)
    ledger.append(layout, "label", "Tess", [{"x": value} for value in values])
    return git.commit(layout.home, ledger.files(layout), f"Labels {values}") or ""


def values(layout: Layout) -> list[int]:
    return [event.body["x"] for event in ledger.read(layout)]


def follow(layout: Layout, refusal: AndonError, number: int = 0) -> None:
    """Do what a refusal says: its `number`-th command."""
    command = refusal.parts()[1].split("`")[1::2][number]
    subprocess.run(command, shell=True, cwd=layout.home, check=True, capture_output=True)


@pytest.fixture
def plant(repo: Layout) -> Layout:
    record(repo, 1)
    record(repo, 2)
    return repo


@pytest.fixture
def other(plant: Layout, tmp_path: Path) -> Iterator[Layout]:
    """A clone of the plant."""
    home = tmp_path / "clone"
    plain(plant.home, "clone", "--quiet", str(plant.home), str(home))
    plain(home, "config", "user.name", "Theo")
    plain(home, "config", "user.email", "theo@andon.invalid")
    yield Layout(home, home)


def refused(layout: Layout, match: str) -> AndonError:
    before = plain(layout.home, "rev-parse", "HEAD"), values(layout)
    with pytest.raises(AndonError, match=match) as refusal:
        record(layout, 9)
    assert (plain(layout.home, "rev-parse", "HEAD"), values(layout)) == before
    return refusal.value


def test_a_detached_head_is_refused_with_the_plant_s_branch_and_the_way_back(plant: Layout) -> None:
    plain(plant.home, "checkout", "--quiet", "--detach")
    refusal = refused(plant, "HEAD is detached.*this plant writes on main")
    assert "`git switch main`" in str(refusal)
    follow(plant, refusal)
    assert record(plant, 3) and values(plant) == [1, 2, 3]


def test_another_branch_is_refused_until_it_is_declared_the_plant_s(plant: Layout) -> None:
    plain(plant.home, "switch", "--quiet", "--create", "tuning")
    refusal = refused(plant, "stands on branch tuning, but this plant writes on main")
    follow(plant, refusal, 1)
    assert record(plant, 3)


def test_a_run_under_way_appends_nothing_once_somebody_has_checked_out_something_else(plant: Layout) -> None:
    plain(plant.home, "switch", "--quiet", "--create", "tuning")
    with pytest.raises(FixSettings, match="stands on branch tuning"):
        ledger.append(plant, "label", "Tess", [{"x": 3}])
    assert values(plant) == [1, 2]


def test_a_clone_writes_on_the_branch_that_it_was_made_of(other: Layout) -> None:
    plain(other.home, "switch", "--quiet", "--create", "mine")
    refused(other, "stands on branch mine, but this plant writes on main")


def test_a_merge_or_a_rebase_that_is_not_finished_is_refused(plant: Layout) -> None:
    for name, own in (("side", "b: 1\n"), ("main", "c: 1\n")):
        plain(plant.home, "switch", "--quiet", *(["--create"] if name == "side" else []), name)
        plant.params.write_text(own)
        plain(plant.home, "commit", "--quiet", "--all", "--message", "Mine")
    for words, end in (("merge", "git merge --abort"), ("rebase", "git rebase --abort")):
        subprocess.run(["git", words, "side"], cwd=plant.home, check=False, capture_output=True)
        follow(plant, refused(plant, f"a {words} of git is not finished.*{end}"))
    assert record(plant, 3)


def test_who_signs_without_a_key_is_told_what_git_says_before_anything_is_written(plant: Layout) -> None:
    plain(plant.home, "config", "commit.gpgsign", "true")
    plain(plant.home, "config", "user.signingkey", "nobody@andon.invalid")
    objects = sorted((plant.home / ".git" / "objects").rglob("*"))
    refusal = refused(plant, r"commit\.gpgsign\) and cannot: .*gpg")
    assert "git config user.signingkey KEY" in str(refusal)
    assert sorted((plant.home / ".git" / "objects").rglob("*")) == objects
    follow(plant, refusal, 1)
    assert record(plant, 3)


def test_a_folder_of_somebody_else_is_refused_with_git_s_own_remedy(
    plant: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own way to try it
        with pytest.raises(FixSettings, match="detected dubious ownership") as refusal:
            writing.require(plant)
    wrong, remedy = refusal.value.parts()
    assert remedy.startswith("git itself says: run `git config --global --add safe.directory ") and "dubious" in wrong


def test_an_amended_commit_is_told_and_either_way_out_lets_it_go_on(plant: Layout) -> None:
    for way in (slice(0, 2), slice(2, 3)):
        plain(plant.home, "commit", "--quiet", "--amend", "--message", "Mine")
        refusal = refused(plant, "history was rewritten.*The record itself holds all its lines")
        for number in range(3)[way]:
            follow(plant, refusal, number)
        assert record(plant, 3)
        plain(plant.home, "branch", "--force", "mine")
        plain(plant.home, "branch", "--quiet", "-D", "mine")


def test_a_history_without_a_commit_of_andon_s_is_told(plant: Layout) -> None:
    """As a rebase that drops one leaves it."""
    record(plant, 3)
    plain(plant.home, "reset", "--quiet", "--hard", "HEAD~1")
    plant.params.write_text("a: 1\n")
    plain(plant.home, "commit", "--quiet", "--all", "--message", "Mine")
    with pytest.raises(CheckHistory, match="which is no part of git's history any more: it was rewritten") as refusal:
        writing.require(plant)
    for number in (0, 1):
        follow(plant, refusal.value, number)
    assert record(plant, 4) and values(plant) == [1, 2, 3, 4]


@pytest.mark.parametrize("how", ["--hard", "--mixed"])
def test_a_branch_that_was_put_back_is_told_and_goes_forward_again(plant: Layout, how: str) -> None:
    plain(plant.home, "reset", "--quiet", how, "HEAD~1")
    follow(plant, refused(plant, "lacks 1 commit up to what Andon recorded last in this clone"))
    assert record(plant, 3) and values(plant) == [1, 2, 3]


def test_a_forged_ledger_that_was_committed_is_told_and_restored(plant: Layout) -> None:
    [path] = ledger.files(plant)
    path.unlink()
    chain.append(path, None, "label", "Tess", [{"x": 7}, {"x": 8}, {"x": 9}])
    plain(plant.home, "commit", "--quiet", "--all", "--message", "Nothing to see")
    refusal = refused(plant, "from line 1 of 2 on it differs.*which was changed and committed since")
    for number in (0, 1):
        follow(plant, refusal, number)
    assert record(plant, 3) and values(plant) == [1, 2, 3]


def test_the_tag_of_a_day_stands_where_the_last_commit_is_not_known(plant: Layout) -> None:
    plain(plant.home, "tag", "--annotate", "--message", "Heads", "heads/2026-11-02")
    plain(plant.home, "update-ref", "-d", git.RECORDED)
    plain(plant.home, "commit", "--quiet", "--amend", "--message", "Mine")
    refused(plant, r"the record of the day 2026-11-02 \(commit \w{10}, heads/2026-11-02\)")


def test_what_another_clone_wrote_is_taken_first(plant: Layout, other: Layout) -> None:
    record(plant, 3)
    plain(other.home, "fetch", "--quiet")
    follow(other, refused(other, "Another clone of this plant wrote: .* its last 1 line is missing"))
    assert record(other, 4) and values(other) == [1, 2, 3, 4]


def test_two_clones_that_both_wrote_are_told_where_the_record_forks(plant: Layout, other: Layout) -> None:
    record(other, 30)
    record(plant, 3)
    plain(other.home, "fetch", "--quiet")
    refusal = refused(other, "Two clones of this plant wrote.*from line 3 of 3 on it differs, against origin/main")
    for number in range(3):
        follow(other, refusal, number)
    assert record(other, 31) and values(other) == [1, 2, 3, 31]


def test_of_two_clones_that_both_wrote_one_s_own_record_may_hold(plant: Layout, other: Layout) -> None:
    record(other, 30)
    record(plant, 3)
    plain(other.home, "fetch", "--quiet")
    follow(other, refused(other, "Two clones"), 3)
    assert record(other, 31) and values(other) == [1, 2, 30, 31]


def test_a_merge_that_kept_the_lines_of_both_clones_is_a_fork(plant: Layout, other: Layout) -> None:
    record(other, 30)
    record(plant, 3)
    plain(other.home, "fetch", "--quiet")
    subprocess.run(["git", "merge", "origin/main"], cwd=other.home, check=False, capture_output=True)
    [path] = ledger.files(other)
    with pytest.raises(CheckHistory, match="git left a conflict"):
        ledger.read(other)
    kept = [line for line in path.read_bytes().splitlines(keepends=True) if line.startswith(b"{")]
    path.write_bytes(b"".join(kept))
    plain(other.home, "commit", "--quiet", "--all", "--message", "Merged")
    with pytest.raises(CheckHistory, match="two went on behind event 2"):
        record(other, 31)


def test_a_branch_that_follows_nothing_new_is_written_to(plant: Layout, other: Layout) -> None:
    record(other, 3)
    plain(other.home, "push", "--quiet", "origin", "HEAD:refs/heads/backup")
    assert record(other, 4)


def test_the_branch_is_noted_once(repo: Layout) -> None:
    writing.require(repo)
    assert git.setting(repo.home, branch.SETTING) == "main"
    plain(repo.home, "branch", "--move", "hall-2")
    refused(repo, "stands on branch hall-2, but this plant writes on main")


def killed_at(step: tuple[str, ...], layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record a label in a run that is killed before one of git's steps."""

    def run(root: Path, *arguments: str) -> str:
        if arguments[: len(step)] == step:
            raise KeyboardInterrupt
        return now(root, *arguments)

    now = git.run
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(git, "run", run)
        record(layout, 3)


def beside_andon(layout: Layout) -> list[str]:
    return [one.words for one in committed.findings(layout) if "Andon did not make" in one.words]


def test_a_commit_of_a_run_that_was_killed_before_it_could_note_it_is_andon_s(
    plant: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(("update-ref", git.RECORDED), plant, monkeypatch)
    assert plain(plant.home, "rev-parse", git.RECORDED) == plain(plant.home, "rev-parse", "HEAD^")
    assert beside_andon(plant) == []
    writing.require(plant)
    assert plain(plant.home, "rev-parse", git.RECORDED) == plain(plant.home, "rev-parse", "HEAD")
    assert beside_andon(plant) == [] and values(plant) == [1, 2, 3]


def test_a_commit_that_was_begun_and_never_made_excuses_no_other(
    plant: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(("commit",), plant, monkeypatch)
    writing.require(plant)
    plain(plant.home, "commit", "--quiet", "--all", "--message", "By hand")
    assert len(beside_andon(plant)) == 1
