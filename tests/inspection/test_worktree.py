import subprocess
import sys
from pathlib import Path

import pytest

from inspection.layout import Layout
from inspection.worktree import worktree
from tests.conftest import ROOT
from tests.inspection.world import git


def test_it_holds_what_is_committed_and_leaves_the_user_s_work_alone(repo: Layout) -> None:
    committed = repo.params.read_bytes()
    repo.params.write_text("mine: 1\n")
    (repo.home / "new.txt").write_text("mine")
    with worktree(repo, "retrain") as bench:
        assert bench.home == repo.home and Layout.find(bench.root) == bench
        assert bench.params.read_bytes() == committed and not (bench.root / "new.txt").exists()
        bench.cameras.write_text("other: 1\n")
    assert repo.params.read_text() == "mine: 1\n" and (repo.home / "new.txt").exists()
    assert git(repo.home, "status", "--porcelain", "--", "cameras.yaml") == ""


@pytest.mark.parametrize(
    ("option", "where"),
    [([], ".dvc/cache"), (["../elsewhere"], "elsewhere"), (["--local", "../mine"], "mine")],
)
def test_it_shares_the_plant_s_dvc_cache_wherever_that_is(repo: Layout, option: list[str], where: str) -> None:
    def dvc(root: Path, *arguments: str) -> str:
        command = [sys.executable, "-m", "dvc", "cache", "dir", *arguments]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    if option:
        dvc(repo.home / ".dvc", *option)
    with worktree(repo, "retrain") as bench:
        assert dvc(bench.root) == str(repo.home / where) == dvc(repo.home)


@pytest.mark.parametrize("fails", [False, True])
def test_it_is_gone_at_the_end_also_after_an_error(repo: Layout, fails: bool) -> None:
    try:
        with worktree(repo, "retrain") as bench:
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert not bench.root.exists()
    assert len(git(repo.home, "worktree", "list").splitlines()) == 1


def test_a_killed_one_is_replaced_at_the_next_start(repo: Layout) -> None:
    program = (
        "import os, sys; from pathlib import Path; from inspection.layout import Layout\n"
        "from inspection.worktree import worktree\n"
        "here = Path(sys.argv[1])\n"
        "with worktree(Layout(here, here), 'retrain') as bench:\n"
        "    (bench.root / 'half.txt').write_text('half'); os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(repo.home)], cwd=ROOT, check=False)
    assert killed.returncode == -9 and list(repo.state.rglob("half.txt"))
    with worktree(repo, "retrain") as bench:
        assert bench.params.exists() and not (bench.root / "half.txt").exists()
    assert len(git(repo.home, "worktree", "list").splitlines()) == 1


def test_two_of_different_names_do_not_meet(repo: Layout) -> None:
    with worktree(repo, "one") as one, worktree(repo, "two") as two:
        one.params.write_text("a: 1\n")
        assert two.params.read_bytes() == repo.params.read_bytes()


def test_the_plant_s_status_does_not_see_it(repo: Layout) -> None:
    with worktree(repo, "retrain"):
        assert git(repo.home, "status", "--porcelain") == ""
