from pathlib import Path

import pytest

from inspection.errors import FixSettings
from inspection.layout import Layout
from tests.inspection.world import git


def test_a_plant_is_found_from_any_folder_within(repo: Layout) -> None:
    deep = repo.home / "data" / "batches" / "2026-11-01"
    deep.mkdir(parents=True)
    assert Layout.find(repo.home) == Layout.find(deep) == repo


def test_the_current_folder_is_where_the_search_begins(repo: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo.home)
    assert Layout.find() == repo


def test_outside_a_plant_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("")
    with pytest.raises(FixSettings, match=r"not inside a plant: run andon where dvc\.yaml and params\.yaml are"):
        Layout.find(tmp_path)


def test_a_git_worktree_has_its_own_root_and_the_plant_as_home(repo: Layout, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    git(repo.home, "worktree", "add", "--quiet", "--detach", str(other))
    found = Layout.find(other)
    assert (found.root, found.home) == (other.resolve(), repo.home)


def test_a_dvc_experiment_has_its_own_root_and_the_plant_as_home(repo: Layout) -> None:
    bench = repo.home / ".dvc" / "tmp" / "exps" / "standalone" / "tmp123"
    bench.mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml"):
        (bench / name).write_bytes((repo.home / name).read_bytes())
    assert Layout.find(bench) == Layout(bench, repo.home)


def test_a_submodule_is_a_plant_of_its_own(repo: Layout) -> None:
    (repo.home / ".git").rename(repo.home.parent / "modules")
    (repo.home / ".git").write_text(f"gitdir: {repo.home.parent / 'modules'}\n")
    assert Layout.find(repo.home) == repo


def test_settings_and_results_lie_in_the_root_and_images_releases_and_ledger_at_home(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "root", tmp_path / "home")
    of_the_root = ("params", "cameras", "taxonomy", "cut", "assignments", "champion", "candidate", "split", "reports")
    of_the_home = ("ledger", "approvals", "history", "batches", "quarantine", "releases", "live", "state", "catalog")
    assert all(getattr(layout, name).is_relative_to(layout.root) for name in of_the_root)
    assert all(getattr(layout, name).is_relative_to(layout.home) for name in of_the_home)
