"""What stands in two places is the same: stages, their code, their paths, their parameters, the README's tree."""

import ast
import json
import re
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest
import yaml

from inspection import fingerprint, git
from inspection.layout import Layout
from inspection.params import Params
from plant.faults import KINDS
from tests.conftest import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PACKAGES = ("andon", "flows", "stages", "monitoring", "inspection", "plant", "benchmarks")
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
ROOMS = sorted(path.parent for path in SOURCES if path.name == "__init__.py" and path.parent.name != "migrations")
LINES, FILES = 400, 20  # a file, a folder: more than that is several nouns


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def git_knows(path: Path) -> bool:
    """Whether git keeps it, or would with the next commit."""
    return path.name != "__pycache__" and not path.name.endswith(".pyc")


def names(entries: list[object]) -> set[str]:
    """Paths of a dvc.yaml list, whose entries are paths or path -> options."""
    return {next(iter(entry)) if isinstance(entry, dict) else str(entry) for entry in entries}


def test_every_stage_has_its_file_and_every_file_its_stage() -> None:
    assert set(STAGES) == {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_names_its_code_and_the_libraries(stage: str) -> None:
    entry = next(one for one in STAGES[stage]["params"] if isinstance(one, dict))
    assert entry == {"stages.json": [f"code.{stage}", "libraries"]}
    assert STAGES[stage]["cmd"] == f"python -P -m stages.{stage}"


def test_the_map_shows_data_parameters_and_outputs_only() -> None:
    text = (ROOT / "dvc.yaml").read_text()
    assert ".py" not in re.sub("#.*", "", text)
    assert len(text.splitlines()) < 175


def test_stages_json_is_as_the_code_is() -> None:
    """`make stages.json` renews it."""
    assert json.loads(fingerprint.SOURCES.read_text()) == fingerprint.traced()
    assert json.loads((ROOT / "stages.json").read_text()) == fingerprint.current()


def test_the_libraries_are_those_that_were_tested_together() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if re.match(r"[\w.-]+==", line))
    recorded = json.loads((ROOT / "stages.json").read_text())["libraries"]
    assert recorded == {name: pinned[name] for name in recorded}


def test_every_library_that_computes_is_named() -> None:
    """Those of our dependencies that numbers come from, found by what stages import."""
    whole = grimp.build_graph("stages", "inspection", include_external_packages=True, cache_dir=None)
    reached = {name for name in whole.modules if "." not in name} & set(packages_distributions())
    known = {one for name in reached for one in packages_distributions()[name]}
    computing = {
        "numpy",
        "scipy",
        "scikit-learn",
        "torch",
        "torchvision",
        "timm",
        "onnx",
        "openvino",
        "pandas",
        "pillow",
    }
    assert {name.lower().replace("_", "-") for name in known} & computing <= set(fingerprint.LIBRARIES)


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_a_room_holds_nothing_but_words(room: Path) -> None:
    """A fingerprint does not hash it."""
    body = ast.parse((room / "__init__.py").read_text()).body
    assert len(body) <= 1 or room == ROOT / "stages"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_only_declared_sections_of_the_parameters(stage: str) -> None:
    declared = {name.split(".")[0] for name in STAGES[stage]["params"] if isinstance(name, str)}
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
        for path in listed:
            assert path in known or path.startswith("reports/"), path


def test_the_flow_knows_every_stage() -> None:
    from flows.retrain import STAGES as known

    assert tuple(STAGES) == known


def test_the_readme_names_every_room() -> None:
    tree = re.search(r"```text\n(andon/.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert tree is not None
    told, folder = set(), ""
    for line in tree.group(1).splitlines():
        name = line.split()[0]
        if name.endswith("/") and name[:-1].isidentifier():
            folder = folder if line.startswith(" ") else name
            told.add(folder + name if line.startswith(" ") else name)
    assert told - {"docs/", "tests/"} == {f"{room.relative_to(ROOT).as_posix()}/" for room in ROOMS}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.relative_to(ROOT).as_posix())
def test_a_room_names_its_files(room: Path) -> None:
    inside = [path for path in room.iterdir() if path.name[0] not in "_." and path not in ROOMS]
    real = {path.name if path.is_file() else f"{path.name}/" for path in inside if git_knows(path)}
    words = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    told = [line.split()[0] for line in words.splitlines() if re.match(r"[\w-]+(\.\w+|/) ", line)]
    assert sorted(told) == sorted(real)


def test_what_is_walked_here_is_what_git_has() -> None:
    """A pattern that no longer reaches the files would hold for none of them."""
    known = set(git.run(ROOT, "ls-files", "--", *(f"{name}/*.py" for name in PACKAGES)).splitlines())
    assert known <= {path.relative_to(ROOT).as_posix() for path in SOURCES}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_is_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES


@pytest.mark.parametrize("folder", sorted({path.parent for path in SOURCES}), ids=name_of)
def test_no_folder_is_full(folder: Path) -> None:
    assert sum(path.is_file() and git_knows(path) for path in folder.iterdir()) <= FILES


def test_no_file_needs_itself() -> None:
    whole = grimp.build_graph(*PACKAGES, cache_dir=None)
    TopologicalSorter({name: whole.find_modules_directly_imported_by(name) for name in whole.modules}).prepare()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_the_clock_asks_for_the_time(path: Path) -> None:
    if path == ROOT / "inspection" / "clock.py" or path.is_relative_to(ROOT / "benchmarks"):
        return
    asks = {"now", "utcnow", "today", "time", "time_ns"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in asks:
            owner = ast.unparse(node.func.value)
            assert owner == "clock" or owner not in {"datetime", "date", "time", "datetime.datetime"}, (
                f"{path}: {owner}.{node.func.attr}()"
            )


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_images_decodes(path: Path) -> None:
    opens = "Image.open(" in path.read_text()
    own = {ROOT / "inspection" / "pictures" / "images.py"}
    headers_only = {ROOT / "plant" / "replay.py"}
    assert not opens or path in own | headers_only or path.is_relative_to(ROOT / "benchmarks")


def test_the_faults_to_rehearse_stand_in_the_document() -> None:
    words = (ROOT / "docs" / "production.md").read_text().partition("## Rehearsing an alarm")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*)\|", words, re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(KINDS)


def test_the_files_that_documents_name_are_there() -> None:
    known = set(git.run(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines())
    known |= {parent.as_posix() for name in known for parent in Path(name).parents}
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    for page in (page for page in pages if page.name != "LOG.md"):
        named = re.findall(rf"`((?:{'|'.join(PACKAGES)}|tests|docs)/[\w./-]+)`", page.read_text())
        assert not {name for name in named if name.rstrip("/") not in known}, page
