"""A wheel in an environment of its own, outside the checkout, makes and runs a plant; a clone of it is the same."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from inspection import git
from inspection.layout import Layout
from inspection.model.package import package_hash
from tests.conftest import DAY, EASY, ROOT, draw, drop, set_params

PACKAGES = ("andon", "flows", "stages", "monitoring", "inspection", "plant", "benchmarks")
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel, and all that it needs from the environment that runs the tests."""

    folder: Path

    def run(self, layout: Layout, *words: str) -> str:
        """What a program of the environment said in the plant; what follows `python` names the program itself."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        paths = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {**kept, "PATH": paths, "GIT_CONFIG_GLOBAL": str(self.folder / "gitconfig")}
        done = subprocess.run(words, cwd=layout.home, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made of what is committed here."""
    checkout, folder = tmp_path_factory.mktemp("source") / "andon", tmp_path_factory.mktemp("wheel")
    if subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=False).returncode:
        pytest.skip("this checkout is no git repository")
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(checkout))
    return next(folder.glob("andon-*.whl"))


def pip(python: str, *words: str) -> None:
    command = [sys.executable, "-m", "pip", "--python", python, "--quiet", "--disable-pip-version-check", *words]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("environment") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip(str(folder / "bin" / "python"), "install", "--no-deps", str(wheel))
    own = next((folder / "lib").glob("python*")) / "site-packages"
    others = [path for path in sys.path if path.endswith("site-packages")]
    (own / "dependencies.pth").write_text("\n".join(others) + "\n")
    for name in ("dvc", "git"):
        if (found := shutil.which(name, path=str(Path(sys.executable).parent))) is not None:
            script = Path(found).read_text().splitlines(keepends=True)
            (folder / "bin" / name).write_text(f"#!{folder / 'bin' / 'python'}\n" + "".join(script[1:]))
            (folder / "bin" / name).chmod(0o755)
    (folder / "gitconfig").write_text("[user]\n\tname = Ines\n\temail = ines@plant.invalid\n")
    return Installed(folder)


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    """Also those of the rooms, which a list of packages by name would lose and an editable installation hides."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    known = git.run(ROOT, "ls-tree", "-r", "--name-only", "HEAD", "--", *PACKAGES).splitlines()
    assert len(known) > 200
    assert set(known) <= inside


def test_the_settings_in_it_are_the_checkouts(wheel: Path) -> None:
    inside = zipfile.ZipFile(wheel)
    for name in ("params.yaml", "cameras.yaml", "taxonomy.yaml", "dvc.yaml", "prefect.yaml", "stages.json"):
        committed = git.run(ROOT, "show", f"HEAD:{name}")
        assert inside.read(f"andon/plants/template/{name}").decode().strip() == committed


@pytest.fixture(scope="module")
def story(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A plant with two candidates, the first of which is on the line."""
    folder = tmp_path_factory.mktemp("site")
    home = folder / "press"
    installed.run(Layout(folder, folder), "andon", "init", str(home), "--name", "Press shop")
    layout = Layout(home, home)
    git.run(home, "config", "user.name", "Ines")
    git.run(home, "config", "user.email", "ines@plant.invalid")
    set_params(layout, **{**EASY, "ingest__settle": 0, "ingest__max_past": 36_500, "mail__digest": False})
    deliver(installed, layout, 1)
    installed.run(layout, "andon", "retrain", "--by", "Ines")
    installed.run(layout, "andon", "approve", "v1.0.0", "--by", "Lena")
    deliver(installed, layout, 2)
    installed.run(layout, "andon", "retrain", "--by", "Ines", "--reason", "more pictures")
    return layout


def deliver(installed: Installed, layout: Layout, day: int) -> None:
    """A day's pictures, taken in and labelled."""
    shots = draw(layout, per_camera=24, seed=day, day=DAY - timedelta(days=10 - day))
    drop(shots, layout.home / "inbox")
    told = json.loads(installed.run(layout, "andon", "ingest", "--json"))
    assert told["accepted"] == len(shots)
    sheet = layout.home.parent / "labels.csv"
    sheet.write_text("key,label\n" + "".join(f"{shot.key},{shot.label}\n" for shot in shots))
    installed.run(layout, "andon", "label", "import", str(sheet), "--by", "Ines")


def test_the_plant_runs_on_the_installed_code_alone(installed: Installed, story: Layout) -> None:
    where = installed.run(story, "python", "-P", "-c", "import inspection; print(inspection.__file__)")
    assert Path(where.strip()).is_relative_to(installed.folder)
    assert not [name for name in git.run(story.home, "ls-files").splitlines() if name.endswith(".py")]
    assert "v1.0.0" in installed.run(story, "andon", "live")
    state = json.loads(installed.run(story, "andon", "status", "--json"))
    assert state["live"]["version"] == "v1.0.0"
    assert (state["code"], state["difference"]) == (None, None)
    assert json.loads((story.root / "models" / "champion.json").read_text())["version"] == "v1.0.0"


def test_a_clone_rebuilds_the_same_package_after_a_pull_alone(installed: Installed, story: Layout) -> None:
    """With an empty run cache and no feature store, although the candidate went on from a champion."""
    clone = story.home.parent / "clone"
    git.run(story.home.parent, "clone", "--quiet", str(story.home), str(clone))
    layout = Layout(clone, clone)
    remote = str(story.home / ".remote")
    installed.run(layout, "dvc", "remote", "modify", "--local", "local", "url", remote)
    installed.run(layout, "dvc", "pull", "--quiet")
    before = package_hash(story.candidate)
    assert package_hash(layout.candidate) == before
    shutil.rmtree(layout.candidate)
    assert not layout.state.exists()
    assert not (clone / ".dvc" / "cache" / "runs").exists()
    installed.run(layout, "dvc", "repro", "--force", "--quiet")
    assert package_hash(layout.candidate) == before


def test_another_plants_words_are_refused_in_one_line(installed: Installed, story: Layout) -> None:
    inner = refused(installed, story, ["init", "inner"])
    assert "lies inside another plant" in inner
    assert len(inner.splitlines()) == 1
    assert "is not empty" in refused(installed, Layout(story.home.parent, story.home.parent), ["init", "press"])


def refused(installed: Installed, layout: Layout, words: Sequence[str]) -> str:
    command = [str(installed.folder / "bin" / "andon"), *words]
    done = subprocess.run(command, cwd=layout.home, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr
