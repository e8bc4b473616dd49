"""What is appended to goes on, byte for byte, from what git holds."""

import os
from pathlib import Path

import pytest

from inspection import chain, git
from inspection.anchor import prefix
from inspection.errors import CheckHistory
from inspection.layout import Layout
from inspection.records import ledger
from inspection.release import registry
from tests.inspection.world import fake_package
from tests.inspection.world import git as plain


@pytest.fixture
def plant(repo: Layout) -> Layout:
    """A plant with five labels in its ledger, committed."""
    add(repo, *range(5))
    git.commit(repo.home, ledger.files(repo), "Labels")
    return repo


def add(layout: Layout, *values: int) -> None:
    ledger.append(layout, "label", "Tess", [{"x": value} for value in values])


def values(layout: Layout) -> list[int]:
    return [event.body["x"] for event in ledger.read(layout)]


def file_of(layout: Layout) -> Path:
    [path] = ledger.files(layout)
    return path


def forged(path: Path, count: int) -> None:
    """A chain computed anew, which by itself is whole."""
    path.unlink()
    chain.append(path, None, "label", "Tess", [{"x": 100 + number} for number in range(count)])


def test_lines_cut_off_are_noticed_before_anything_is_appended(plant: Layout) -> None:
    path = file_of(plant)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    before = path.read_bytes()
    with pytest.raises(CheckHistory, match=r"data/ledger/.*events\.jsonl: its last 3 lines are missing") as refusal:
        add(plant, 6)
    name = path.relative_to(plant.home)
    assert path.read_bytes() == before and f"git restore --source=HEAD --staged --worktree -- {name}" in str(
        refusal.value
    )
    plain(plant.home, "restore", "--source=HEAD", "--staged", "--worktree", "--", str(name))  # the way out
    add(plant, 6)
    assert values(plant) == [0, 1, 2, 3, 4, 6]


def test_a_chain_computed_anew_is_noticed(plant: Layout) -> None:
    path = file_of(plant)
    forged(path, 9)
    before = path.read_bytes()
    with pytest.raises(CheckHistory, match=r"events\.jsonl: from line 1 of 5 on it differs, against the last commit"):
        add(plant, 6)
    assert path.read_bytes() == before


def test_one_line_of_many_is_named(plant: Layout) -> None:
    path = file_of(plant)
    lines = path.read_bytes().splitlines()
    then = path.read_bytes()
    path.write_bytes(then.replace(b'"x":3', b'"x":7'))
    os.utime(path, ns=(0, 0))
    assert (found := prefix.difference(plant, "HEAD")) and "from line 4 of 5 on it differs" in found.words
    assert prefix.in_words(lines, [*lines[:3], b""]) == "its last 2 lines are missing"


def test_a_file_that_is_gone_is_noticed(plant: Layout) -> None:
    file_of(plant).unlink()
    with pytest.raises(CheckHistory, match="the file is missing, with its 5 lines"):
        add(plant, 6)


def test_lines_that_a_killed_run_left_behind_the_commit_are_well_and_the_next_run_commits_them(plant: Layout) -> None:
    add(plant, 6)
    with file_of(plant).open("ab") as file:
        file.write(b'{"n":7,"torn')
    add(plant, 8)
    assert git.commit(plant.home, ledger.files(plant), "More")
    assert values(plant) == [0, 1, 2, 3, 4, 6, 8] and prefix.difference(plant, "HEAD") is None


def test_a_change_of_the_same_size_and_time_is_noticed(plant: Layout) -> None:
    """What was compared is compared again once the file was written to."""
    add(plant, 6)
    path = file_of(plant)
    now = path.stat()
    path.write_bytes(path.read_bytes().replace(b'"x":3', b'"x":7'))
    os.utime(path, ns=(now.st_atime_ns, now.st_mtime_ns))
    with pytest.raises(CheckHistory):
        prefix.require(plant)


def test_what_was_compared_is_not_read_again(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix.require(plant)
    monkeypatch.setattr(prefix.Path, "open", lambda *_: pytest.fail("read again"))
    prefix.require(plant)


def test_a_history_that_was_cut_or_forged_takes_no_release(plant: Layout) -> None:
    packages = [fake_package(plant.home / mark, mark) for mark in ("one", "two")]
    for mark, package in zip(("one", "two"), packages, strict=True):
        registry.install(plant, plant.home / mark, package)
    wish = {"version": "v1.0.0", "package": packages[0], "action": "release", "reason": "first"}
    registry.release(plant, wish, "Lena", 3)
    git.commit(plant.home, [plant.history], "Release")
    plant.history.write_bytes(b"")
    again = {**wish, "version": "v1.1.0", "package": packages[1]}
    with pytest.raises(CheckHistory, match=r"eleases/history\.jsonl is not what was committed"):
        registry.release(plant, again, "Lena", 3)
    assert plant.live.resolve().name == packages[0] and plant.history.read_bytes() == b""


def test_a_folder_without_a_commit_has_nothing_to_go_on_from(tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path)
    prefix.require(layout)
    plain(tmp_path, "init", "--quiet")
    prefix.require(layout)


def test_lines_behind_the_commit_are_counted_whole(plant: Layout) -> None:
    assert prefix.behind(plant) == {}
    add(plant, 5, 6)
    name = file_of(plant).relative_to(plant.home).as_posix()
    with file_of(plant).open("ab") as file:
        file.write(b'{"torn')
    assert prefix.behind(plant) == {name: 2}
    git.commit(plant.home, [file_of(plant)], "Labels")
    assert prefix.behind(plant) == {}
