"""What stands in two places is the same: stages, their code, their paths, their parameters, the README's tree."""

import ast
import re
from pathlib import Path

import grimp
import pytest
import yaml

from inspection.layout import Layout
from inspection.params import Params
from plant.faults import KINDS
from tests.conftest import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PACKAGES = ("andon", "flows", "stages", "monitoring", "inspection", "plant")


def names(entries: list[object]) -> set[str]:
    """Paths of a dvc.yaml list, whose entries are paths or path -> options."""
    return {next(iter(entry)) if isinstance(entry, dict) else str(entry) for entry in entries}


def reachable(stage: str, graph: grimp.ImportGraph) -> set[str]:
    modules = graph.find_upstream_modules(f"stages.{stage}") | {f"stages.{stage}"}
    return {module.replace(".", "/") + ".py" for module in modules if "." in module}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("stages", "inspection", "monitoring", cache_dir=None)


def test_every_stage_has_its_file_and_every_file_its_stage() -> None:
    assert set(STAGES) == {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_exactly_the_code_that_it_can_reach(stage: str, graph: grimp.ImportGraph) -> None:
    declared = {name for name in names(STAGES[stage]["deps"]) if name.endswith(".py")}
    assert declared == reachable(stage, graph)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_only_declared_sections_of_the_parameters(stage: str) -> None:
    declared = {name.split(".")[0] for name in STAGES[stage].get("params", [])}
    sections = {field.alias or name for name, field in Params.model_fields.items()}
    assert declared <= sections
    source = (ROOT / "stages" / f"{stage}.py").read_text()
    used = set(re.findall(r"settings\.(\w+)\b", source)) & set(Params.model_fields)
    assert {name.rstrip("_") for name in used} <= declared


def test_every_path_in_the_map_stands_in_the_layout() -> None:
    here = Layout(Path("/plant"), Path("/plant"))
    known = {
        str(getattr(here, name).relative_to("/plant"))
        for name in dir(here)
        if isinstance(getattr(Layout, name, None), property)
    }
    for stage in STAGES.values():
        listed = names(stage["deps"]) | names(stage.get("outs", [])) | names(stage.get("metrics", []))
        for path in (path for path in listed if not path.endswith(".py")):
            assert path in known or path.startswith("reports/"), path


def test_the_flow_knows_every_stage() -> None:
    from flows.retrain import STAGES as known

    assert tuple(STAGES) == known


def test_the_readme_tree_is_what_stands_on_the_disk() -> None:
    tree = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert tree is not None
    folder, told = None, set()
    for line in tree.group(1).splitlines():
        name = line.split()[0] if line.strip() else ""
        if name.endswith("/") and not line.startswith(" "):
            folder = name
            told.add(name)
        elif name.endswith(".py"):
            told.add(f"{folder}{name}")
    real = {f"{p}/" for p in (*PACKAGES, "benchmarks", "tests", "docs")}
    real |= {
        path.relative_to(ROOT).as_posix() for p in PACKAGES for path in (ROOT / p).glob("*.py") if path.stem[0] != "_"
    }
    assert {name for name in told if name.endswith(".py")} == {name for name in real if name.endswith(".py")}
    assert real <= told


@pytest.mark.parametrize(
    "path", sorted(p for name in PACKAGES for p in (ROOT / name).glob("*.py")), ids=lambda p: p.stem
)
def test_only_the_clock_asks_for_the_time(path: Path) -> None:
    if path.name == "clock.py":
        return
    asks = {"now", "utcnow", "today", "time", "time_ns"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in asks:
            owner = ast.unparse(node.func.value)
            assert owner == "clock" or owner not in {"datetime", "date", "time", "datetime.datetime"}, (
                f"{path}: {owner}.{node.func.attr}()"
            )


@pytest.mark.parametrize(
    "path", sorted(p for name in PACKAGES for p in (ROOT / name).glob("*.py")), ids=lambda p: p.stem
)
def test_only_images_decodes(path: Path) -> None:
    opens = "Image.open(" in path.read_text()
    headers_only = {ROOT / "plant" / "replay.py"}
    assert not opens or path == ROOT / "inspection" / "images.py" or path in headers_only


def test_the_faults_to_rehearse_stand_in_the_document() -> None:
    words = (ROOT / "docs" / "production.md").read_text().partition("## Rehearsing an alarm")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*)\|", words, re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(KINDS)
