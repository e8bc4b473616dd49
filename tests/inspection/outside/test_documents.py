"""No YAML or JSON of a few lines hangs or overturns who reads it; and nobody reads one another way."""

import ast
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inspection import backlog, fingerprint
from inspection.cameras import read_cameras
from inspection.errors import AndonError, FixSettings
from inspection.layout import Layout
from inspection.model.champion import read_champion
from inspection.outside import documents
from inspection.outside.documents import TooMuch, json_of, yaml_of
from inspection.params import read_params
from inspection.record import mapping
from inspection.records.classes import edited
from inspection.records.ledger import read_cut
from inspection.release import approval
from inspection.taxonomy import read_taxonomy
from tests.conftest import ROOT

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + at)}: &{chr(98 + at)} [{','.join(['*' + chr(97 + at)] * 9)}]\n" for at in range(9)
)
BOMBS = {
    "anchors": BOMB,
    "merges": "a: &a {x: 1}\n"
    + "b: &b {<<: ["
    + ",".join(["*a"] * 1000)
    + "]}\n"
    + "c: ["
    + ",".join(["*b"] * 500)
    + "]",
    "depth": "[" * 100_000,
    "itself": "a: &a [*a]",
    "sexagesimal": "x: 1" + ":1" * 500_000,
    "long": "- a\n" * 600_000,
}
SETTINGS = {"params.yaml": read_params, "cameras.yaml": read_cameras, "taxonomy.yaml": read_taxonomy}


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_refused_within_a_second(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_text(BOMBS[kind])
    began = time.process_time()
    with pytest.raises(FixSettings, match=rf"{name} .*`git restore {name}`"):
        SETTINGS[name](tmp_path / name)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("text", ["a: 2026-02-31", "? [1]\n: 2", "a: *b", "x: " + "9" * 9000, "a: [", "\0"])
def test_what_is_no_yaml_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text(text)
    with pytest.raises(FixSettings, match="is not valid YAML"):
        mapping(path)


def test_anchors_may_be_used() -> None:
    assert yaml_of("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]") == {
        "a": {"x": 1},
        "b": {"x": 1, "y": 2},
        "c": [{"x": 1}, {"x": 1}],
    }


def test_the_schedule_is_within_the_bounds() -> None:
    assert yaml_of((ROOT / "prefect.yaml").read_text())["deployments"]


def test_a_change_of_classes_asks_first(tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.yaml"
    path.write_text(BOMB)
    with pytest.raises(TooMuch):
        edited(path, lambda content: None)


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 900 + "]" * 900, '{"a":' * 5000 + "1" + "}" * 5000])
def test_deep_json_is_refused(text: str) -> None:
    with pytest.raises(TooMuch, match="levels deep"):
        json_of(text)


def test_large_json_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(documents, "JSON_BYTES", 10)
    (tmp_path / "a.json").write_text("[1, 2, 3, 4, 5]")
    with pytest.raises(TooMuch):
        documents.json_file(tmp_path / "a.json")


def _champion(layout: Layout) -> Path:
    return layout.champion


READERS: dict[str, tuple[Callable[[Layout], Path], Callable[[Layout], object]]] = {
    "champion": (_champion, lambda plant: read_champion(plant.champion)),
    "cut": (lambda plant: plant.cut, lambda plant: read_cut(plant.cut)),
    "stages": (lambda plant: plant.stages, lambda plant: fingerprint.recorded(plant.stages)),
    "backlog": (lambda plant: plant.state / "backlog.json", backlog.read),
}


@pytest.mark.parametrize("name", READERS)
def test_a_deep_file_of_the_plant_is_a_refusal_in_words(tiny: Layout, name: str) -> None:
    place, read = READERS[name]
    place(tiny).parent.mkdir(exist_ok=True)
    place(tiny).write_text("[" * 100_000)
    with pytest.raises(AndonError):
        read(tiny)


def test_so_is_a_request_that_git_has(tiny: Layout) -> None:
    from inspection import git

    path = tiny.approvals / "v1.0.0.request.json"
    path.parent.mkdir()
    path.write_text("[" * 100_000)
    git.commit(tiny.home, [path], "A bomb")
    with pytest.raises(AndonError, match="not what Andon wrote"):
        approval.requests(tiny)


def test_nobody_reads_them_another_way() -> None:
    """But for what Andon's own process says over a pipe, and its own list of sources; lines of chains have a reader of
    their own (orjson), which ends at 1024 levels by itself."""
    own = {"inspection/pictures/decoder.py", "inspection/fingerprint.py", "inspection/outside/documents.py"}
    readers = {"json.loads", "json.load", "yaml.load", "yaml.safe_load", "yaml.full_load", "yaml.unsafe_load"}
    found = set()
    for room in ("andon", "flows", "inspection", "monitoring", "stages"):
        for path in (ROOT / room).rglob("*.py"):
            calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
            if any(ast.unparse(call.func) in readers for call in calls):
                found.add(path.relative_to(ROOT).as_posix())
    changing = {"inspection/records/classes.py"}  # ruamel keeps comments; the words were counted before
    assert found - changing == own
