"""The command starts fast and refuses in words."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from andon.__main__ import NOUNS, WORDS, app
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


def words_of(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with its words."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from words_of(inner, *path, name)


EVERY = dict(words_of(get_command(app)))


def test_help_names_every_word_in_the_order_of_the_list() -> None:
    said = CliRunner().invoke(app, ["--help"]).stdout.partition("Commands:")[2]
    assert re.findall(r"^  (\w+)", said, re.MULTILINE) == [*WORDS, *NOUNS]


@pytest.mark.parametrize("words", [words for words in EVERY if words], ids=" ".join)
def test_every_command_has_help_and_takes_json(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0 and EVERY[words].get_short_help_str()
    is_group = hasattr(EVERY[words], "commands") and not EVERY[words].invoke_without_command
    assert is_group or "--json" in done.stdout


def test_no_file_of_commands_is_long() -> None:
    for path in [ROOT / "andon" / "__main__.py", *(ROOT / "andon" / "commands").glob("*.py")]:
        assert len(path.read_text().splitlines()) <= 200, path


def test_the_version_is_the_installed_one() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"andon {version('andon')}\n")
    assert re.fullmatch(r"andon \d+\.\d+\.\d+\n", done.stdout)


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


@pytest.mark.parametrize(
    ("command", "code", "error", "remedy"),
    [
        ("show v9", 1, "No candidate 'v9'", "Correct the input"),
        ("live --at noon", 1, "--at 'noon' is not a time.", "Write it like 2026-11-02T06:15:12."),
        ("predict no.png", 1, "Nothing is on the line yet.", "`andon retrain`, then `andon approve`."),
        ("label import .", 1, "cannot be read (Is a directory).", "Give the path of a CSV."),
        ("approve", 2, "Missing argument", "andon approve --help`."),
        ("incidents show --bogus I-1", 2, "No such option: --bogus", "andon incidents show --help`."),
        ("bogus", 2, "No such command 'bogus'.", "andon --help`."),
        ("catalog query --limit none", 2, "Invalid value for '--limit'", "andon catalog query --help`."),
    ],
)
def test_with_json_an_error_is_json_too(tiny: Layout, command: str, code: int, error: str, remedy: str) -> None:
    done = andon(tiny, *command.split(), "--json")
    assert (done.returncode, done.stdout) == (code, "")
    told = json.loads(done.stderr)
    assert set(told) == {"error", "remedy"}
    assert error in told["error"] and remedy in told["remedy"]


def test_with_json_a_command_still_ends_with_its_own_code(tiny: Layout) -> None:
    sheet = tiny.root / "labels.csv"
    sheet.write_text("key,label\nno.png,good\n")
    done = andon(tiny, "label", "import", str(sheet), "--json")
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["taken"] == 0
    assert andon(tiny, "status", "--help", "--json").returncode == 0


def test_a_word_behind_two_dashes_is_no_option(tiny: Layout) -> None:
    done = andon(tiny, "trace", "--", "--json")
    assert done.returncode == 1 and done.stderr.startswith("Neither an image nor a piece '--json'")


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
