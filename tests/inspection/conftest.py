"""A plant that is nothing but settings and a git repository: made in milliseconds."""

import shutil
from pathlib import Path

import hypothesis
import pytest

from inspection.layout import Layout
from inspection.params import Params, read_params
from tests.conftest import ROOT
from tests.inspection.world import git

hypothesis.settings.register_profile("andon", max_examples=50, deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("andon")


@pytest.fixture(scope="module")
def settings() -> Params:
    """What params.yaml of this checkout says."""
    return read_params(ROOT / "params.yaml")


@pytest.fixture
def repo(tmp_path: Path) -> Layout:
    """An empty plant in a git repository with one commit."""
    home = (tmp_path / "plant").resolve()
    for folder in (".dvc", "masks"):
        (home / folder).mkdir(parents=True)
    declared = ("params.yaml", "cameras.yaml", "taxonomy.yaml", "dvc.yaml")
    for name in (*declared, ".gitignore", ".dvc/config", "masks/masks.json"):
        shutil.copyfile(ROOT / name, home / name)
    git(home, "init", "--quiet", "--initial-branch=main")
    git(home, "config", "user.name", "Tess")
    git(home, "config", "user.email", "tess@andon.invalid")
    git(home, "add", "--all")
    git(home, "commit", "--quiet", "--message", "A plant")
    return Layout(home, home)
