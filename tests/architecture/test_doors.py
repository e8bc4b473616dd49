"""The command starts fast and refuses in words."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from inspection.layout import Layout
from tests.conftest import ROOT

COMMANDS = ("status", "live", "history", "candidates", "ingest", "retrain", "catalog rebuild", "catalog query", "demo")


def andon(layout: Layout, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "andon", *arguments],
        cwd=layout.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from andon.__main__ import app\n"
        "heavy = {'torch', 'prefect', 'pandas', 'numpy', 'pydantic', 'sqlalchemy', 'openvino', 'dvc'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_status_loads_neither_torch_nor_prefect(tiny: Layout) -> None:
    code = (
        "import sys; from andon.status import state; from inspection.layout import Layout\n"
        "state(Layout.find()); print(sorted({'torch', 'prefect', 'openvino', 'dvc'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tiny.root, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_misspelt_key_stops_every_command_and_names_the_nearest(tiny: Layout, command: str) -> None:
    text = tiny.params.read_text()
    tiny.params.write_text(text.replace("tail_lr:", "tale_lr:"))
    done = andon(tiny, *command.split())
    assert done.returncode == 1
    assert "tale_lr" in done.stderr
    assert "`tail_lr`" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["status", "live", "history", "candidates", "catalog rebuild", "catalog query"])
def test_an_empty_plant_answers_in_words(tiny: Layout, command: str) -> None:
    done = andon(tiny, *command.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_outside_a_plant_it_says_where_to_go(tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = andon(Layout(elsewhere, elsewhere), "status")
    assert done.returncode == 1
    assert "not inside a plant" in done.stderr


def test_bad_usage_is_exit_code_2(tiny: Layout) -> None:
    assert andon(tiny, "approve").returncode == 2


def test_predicting_before_a_release_says_what_to_do(tiny: Layout, fill: Callable[..., object]) -> None:
    fill(1)
    picture = next((tiny.home / "inbox").rglob("*.png"))
    done = andon(tiny, "predict", str(picture))
    assert done.returncode == 1
    assert "andon retrain" in done.stderr


@pytest.mark.parametrize("command", ["status", "live", "history", "candidates", "catalog rebuild", "catalog query"])
def test_json_is_one_document(tiny: Layout, command: str) -> None:
    done = andon(tiny, *command.split(), "--json")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
