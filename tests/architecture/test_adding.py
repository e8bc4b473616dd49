"""The recipes of docs/adding.md name the files in which the thing that they show stands."""

import re
import subprocess

import pytest

from tests.conftest import ROOT

CODE = ("andon", "flows", "stages", "monitoring", "inspection", "plant", "params.yaml")
RECIPES = {  # heading -> what stands for the example, and where it is looked for
    "A stage": (
        r"\bstages\.embed|stages/embed|\"embed\"|\bembed:|class Embed|python -m embed|^embed\.py",
        (
            "flows/retrain.py",
            "stages",
            "inspection/params.py",
            "inspection/sources.json",
            "params.yaml",
            "dvc.yaml",
            "stages.json",
        ),
    ),
    "A cause of drift": (r"\"hot\"|\"hot_pixels\"|\bhot(_pixels)?:|`hot`", (*CODE, "docs/production.md")),
    "A backbone": (r"efficientnet_lite0", (*CODE, "models", "docs/tuning.md")),
    "A command": (r"\bmasks\.app|mask_set|`andon mask|^masks\.py ", ("andon", "README.md")),
    "A mail": (r"\bof_renewal\b|camera_letters", CODE),
}
ALSO = {"A stage": {"stages/plan.py"}}  # that read its section, as another stage might


@pytest.mark.parametrize("heading", RECIPES)
def test_a_recipe_names_every_file_and_no_other(heading: str) -> None:
    words = (ROOT / "docs" / "adding.md").read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"^- `([\w./]+)`: ", words, re.MULTILINE))
    pattern, places = RECIPES[heading]
    found = subprocess.run(
        ["git", "grep", "--untracked", "-lE", pattern, "--", *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told == {name for name in found.stdout.splitlines() if (ROOT / name).is_file()} - ALSO.get(heading, set())


def test_every_recipe_is_compared() -> None:
    assert set(re.findall(r"^## (.+)$", (ROOT / "docs" / "adding.md").read_text(), re.MULTILINE)) == set(RECIPES)
