"""A tiny plant: a real git and DVC repository in a temporary folder, and drawn images to put into it."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pytest
import yaml

from andon.plants.founding import Wishes, found
from inspection import git
from inspection.cameras import read_cameras
from inspection.layout import Layout
from inspection.network.frozen import frozen_graph
from inspection.params import read_params
from inspection.records.sheets import import_labels
from plant.line import Plant
from plant.shot import Shot, drop

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
DAY = date(2026, 11, 2)
EVENING = datetime(2026, 11, 2, 23, tzinfo=UTC)
LONG = (
    "test_demo.py",
    "test_kills.py",
    "test_ingest_kills.py",
    "test_release.py",
    "test_own_images.py",
    "test_wheel.py",
    "test_faults_named.py",
    "test_watch.py",
)


@pytest.fixture(scope="session", autouse=True)
def _surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's own git, Prefect or DVC settings."""
    home = tmp_path_factory.mktemp("home")
    values = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    unset = ("ANDON_DATABASE_URL", "ANDON_DATABASE_SCHEMA", "ANDON_NOW")
    before = {name: os.environ.get(name) for name in (*values, *unset)}
    os.environ.update(values)
    for name in unset:
        os.environ.pop(name, None)
    yield
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def copy_backbones(layout: Layout) -> None:
    """The pretrained network as a graph: made once per checkout, not once per test."""
    shutil.copytree(_backbones(), layout.backbones, ignore=shutil.ignore_patterns("*.part"))


@cache
def _backbones() -> Path:
    own = Layout(ROOT, ROOT)
    frozen_graph(read_params(own.params).backbone, own)
    return own.backbones


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first, so that at the end no process waits for another's long file."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def make_plant(folder: Path) -> Layout:
    """A plant as `andon init` makes one, with the shipped settings, but it waits for nothing and mails no digest."""
    layout = found(folder, Wishes("Tiny plant"), ("Tess", "tess@andon.invalid"))
    text = re.sub(r"settle: \d+", "settle: 0", layout.params.read_text())
    layout.params.write_text(re.sub(r"digest: true", "digest: false", text))
    git.run(layout.home, "commit", "--quiet", "--all", "--amend", "--no-edit")
    copy_backbones(layout)
    return layout


@pytest.fixture
def tiny(tmp_path: Path) -> Layout:
    """An empty plant."""
    return make_plant(tmp_path / "plant")


def draw(layout: Layout, per_camera: int = 20, seed: int = 1, day: date = DAY) -> list[Shot]:
    """A day's drawn pictures of the plant's cameras."""
    return list(Plant(seed, tuple(read_cameras(layout.cameras).values())).shots(day, per_camera))


@pytest.fixture
def fill(tiny: Layout) -> Callable[..., list[Shot]]:
    """Drop drawn pictures into the tiny plant's inbox."""

    def drop_some(per_camera: int = 20, seed: int = 1, day: date = DAY) -> list[Shot]:
        shots = draw(tiny, per_camera, seed, day)
        drop(shots, tiny.home / "inbox")
        return shots

    return drop_some


@pytest.fixture(scope="session")
def prefect_harness() -> Iterator[None]:
    """Prefect's own test server, once per run."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


def set_params(layout: Layout, **values: object) -> None:
    """Change params.yaml (`section__key=value`) and commit it."""
    settings = yaml.safe_load(layout.params.read_text())
    for name, value in values.items():
        section, key = name.split("__")
        settings[section][key] = value
    layout.params.write_text(yaml.safe_dump(settings, sort_keys=False))
    git.commit(layout.root, [layout.params], "Test: parameters")


EASY = {
    "validate__min_images": 20,
    "train__epochs": 2,
    "train__min_steps": 0,
    "train__tail_lr": 0.0002,
    "train__head_lr": 0.0002,
    "promotion__min_test_defects": 3,
    "promotion__floor": 0.0,
    "train__min_labels": 1,
    "train__min_parts": 1,
    "train__depth": "tail",
    "embed__views": 2,
}


def label(layout: Layout, shots: Sequence[Shot], by: str = "Ines") -> None:
    """Import the true labels of `shots`."""
    path = layout.root.parent / "labels.csv"
    rows = [f"{shot.key},{shot.label}" for shot in shots]
    path.write_text("\n".join(["key,label", *rows]) + "\n")
    done = import_labels(layout, path, by)
    assert not done.refused, done.refused


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For tests of torch on so little that threads would mostly wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
