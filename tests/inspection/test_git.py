import subprocess
import time
from pathlib import Path

import psutil
import pytest

from inspection import git
from inspection.errors import FixSettings
from inspection.layout import Layout
from tests.inspection.world import git as plain


@pytest.fixture
def nobody(repo: Layout, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which git knows no name."""
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    for key in ("user.name", "user.email"):
        plain(repo.home, "config", "--unset", key)
    return repo.home


def test_no_git_identity_is_refused_in_one_line_with_the_commands_that_help(nobody: Path) -> None:
    with pytest.raises(FixSettings) as refusal:
        git.require_identity(nobody)
    words = str(refusal.value)
    assert "git config --global user.name" in words and "--global user.email" in words and "\n" not in words


@pytest.mark.parametrize("key", ["user.name", "user.email"])
def test_half_an_identity_is_refused(nobody: Path, key: str) -> None:
    plain(nobody, "config", key, "tess@andon.invalid")
    with pytest.raises(FixSettings, match=r"user\.name"):
        git.require_identity(nobody)


def test_the_identity_is_the_name_that_commits_are_made_under(repo: Layout) -> None:
    assert git.require_identity(repo.home) == "Tess"


def test_git_s_own_first_line_is_the_refusal(repo: Layout, tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match=r"git rev-parse failed in .*: fatal: Needed a single revision$"):
        git.run(repo.home, "rev-parse", "--verify", "nowhere")
    with pytest.raises(FixSettings, match="not a git repository"):
        git.run(tmp_path, "status")


def test_git_speaks_english_whatever_the_system_speaks(repo: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is read: a lock of a dead process, a full disk."""
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    told = git.run(repo.home, "-c", "alias.told=!env", "told").splitlines()
    assert "LC_ALL=C.UTF-8" in told and "LANGUAGE=" in told


def test_a_commit_holds_exactly_the_named_paths(repo: Layout) -> None:
    mine, staged, unsaved = (repo.home / name for name in ("mine.txt", "staged.txt", "params.yaml"))
    for path in (mine, staged, unsaved):
        path.write_text("new\n")
    plain(repo.home, "add", "staged.txt")
    revision = git.commit(repo.home, [mine], "Mine")
    assert revision == plain(repo.home, "rev-parse", "HEAD")
    assert plain(repo.home, "show", "--format=%s", "--name-only", "HEAD").split() == ["Mine", "mine.txt"]
    assert git.run(repo.home, "status", "--porcelain").splitlines() == ["M params.yaml", "A  staged.txt"]


def test_nothing_changed_makes_no_commit(repo: Layout) -> None:
    before = plain(repo.home, "rev-parse", "HEAD")
    assert git.commit(repo.home, [repo.params], "Nothing") is None
    assert git.commit(repo.home, [repo.home / "never-was.txt"], "Nothing") is None
    assert git.commit(repo.home, [], "Nothing") is None
    assert plain(repo.home, "rev-parse", "HEAD") == before


def test_a_file_that_is_gone_is_committed_as_gone(repo: Layout) -> None:
    repo.cameras.unlink()
    assert git.commit(repo.home, [repo.cameras], "Gone")
    assert not git.is_tracked(repo.home, repo.cameras) and git.is_tracked(repo.home, repo.params)


def test_an_ignored_file_is_refused_and_nothing_is_committed(repo: Layout) -> None:
    path = repo.home / "outbox" / "mail.txt"  # .gitignore has /outbox/
    path.parent.mkdir()
    path.write_text("x")
    before = plain(repo.home, "rev-parse", "HEAD")
    with pytest.raises(FixSettings, match="ignored"):
        git.commit(repo.home, [path], "Mail")
    assert plain(repo.home, "rev-parse", "HEAD") == before


def test_a_name_with_spaces_and_other_letters_is_committed(repo: Layout) -> None:
    path = repo.home / "a mail ü.txt"
    path.write_text("x")
    assert git.commit(repo.home, [path], "Mail")
    assert git.is_tracked(repo.home, path)


def test_a_hook_of_the_user_does_not_stop_andon_s_own_commits(repo: Layout) -> None:
    hook = repo.home / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    repo.params.write_text("a: 1\n")
    assert git.commit(repo.home, [repo.params], "Params")


def test_changed_names_what_differs_from_the_last_commit(repo: Layout) -> None:
    names = ["params.yaml", "cameras.yaml", "taxonomy.yaml"]
    assert git.changed(repo.home, names) == []
    repo.params.write_text("a: 1\n")
    repo.cameras.write_text("a: 1\n")
    plain(repo.home, "add", "cameras.yaml")
    assert sorted(git.changed(repo.home, names)) == ["cameras.yaml", "params.yaml"]
    assert git.changed(repo.home, ["taxonomy.yaml"]) == []


def test_the_lock_of_a_git_that_was_killed_is_cleared(repo: Layout) -> None:
    (repo.home / "new.txt").write_text("new")
    (repo.home / ".git" / "index.lock").touch()
    assert git.commit(repo.home, [repo.home / "new.txt"], "New")
    assert git.changed(repo.home, ["new.txt"]) == []


LEFT = ("index.lock", "next-index-77.lock", "objects/maintenance.lock")  # by commits that were killed


def test_all_that_a_killed_commit_leaves_is_cleared(repo: Layout) -> None:
    locks = [repo.home / ".git" / name for name in LEFT]
    for lock in locks:
        lock.touch()
    git.clear_dead_locks(repo.home)
    assert not any(lock.exists() for lock in locks)


def test_a_git_that_has_ended_and_was_not_waited_for_holds_nothing(repo: Layout) -> None:
    (repo.home / ".git" / "index.lock").touch()
    with subprocess.Popen(["git", "--version"], stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.read()
        while psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        git.clear_dead_locks(repo.home)
    assert not (repo.home / ".git" / "index.lock").exists()


def test_the_lock_of_a_git_that_is_at_work_stays_and_is_said(repo: Layout) -> None:
    (repo.home / "new.txt").write_text("new")
    (repo.home / ".git" / "index.lock").touch()
    with subprocess.Popen(["git", "cat-file", "--batch"], cwd=repo.home, stdin=subprocess.PIPE) as other:
        try:
            git.clear_dead_locks(repo.home)
            with pytest.raises(FixSettings, match=r"index\.lock"):
                git.commit(repo.home, [repo.home / "new.txt"], "New")
        finally:
            other.kill()
    assert (repo.home / ".git" / "index.lock").exists()


def test_what_a_file_held_in_a_commit_is_told_byte_by_byte(repo: Layout, tmp_path: Path) -> None:
    """Whatever lies on the disk, is staged, or is hidden from git by a flag."""
    file, content = repo.home / "approvals" / "a b.json", b"one\r\ntwo\n\n\xff"
    assert git.committed(file) is None and git.folder_at(repo.home, "approvals") == {}
    file.parent.mkdir()
    file.write_bytes(content)
    assert git.committed(file) is None, "it only lies there"
    plain(repo.home, "add", "--all")
    assert git.committed(file) is None, "it is only staged"
    plain(repo.home, "commit", "--quiet", "--message", "It")
    (file.parent / "deeper").mkdir()
    plain(repo.home, "update-index", "--assume-unchanged", "approvals/a b.json")
    file.write_bytes(b"another")
    assert git.committed(file) == content and git.folder_at(repo.home, "approvals") == {"a b.json": content}
    assert git.committed(file, "HEAD~1") is None
    (tmp_path / "through").symlink_to(file.parent)
    assert git.committed(tmp_path / "through" / "a b.json") == content
    file.unlink()
    (file.parent / "deeper").rmdir()
    file.parent.rmdir()
    assert git.committed(file) == content, "the folder is gone, the commit is not"


def test_where_there_is_no_repository_nothing_is_called_committed_or_not(tmp_path: Path) -> None:
    for ask in (lambda: git.committed(tmp_path / "x"), lambda: git.folder_at(tmp_path, "approvals")):
        with pytest.raises(FixSettings, match=r"lies in no git repository.*restore the plant's \.git"):
            ask()
