"""Label sheets as the command takes them: what it says, and its exit code."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from andon.__main__ import app
from inspection.layout import Layout
from tests.inspection.world import add_batch, key, label_csv, picture


@pytest.fixture
def sheet(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path for a sheet, beside a plant with two images."""
    monkeypatch.chdir(tiny.home)
    add_batch(tiny, "b", {key(n): picture(n) for n in range(2)})
    return tiny.home.parent / "labels.csv"


def andon(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_lines_that_are_refused_make_the_command_fail_and_are_told_by_number(sheet: Path) -> None:
    done = andon("label", "import", label_csv(sheet, f"{key(0)},good", f"{key(1)},good,extra"))
    assert done.exit_code == 1
    assert "1 labels taken in, 0 known already, 1 refused" in done.stdout and "labels.csv, line 3: " in done.stdout
    assert andon("label", "import", label_csv(sheet, f"{key(0)},good")).exit_code == 0


def test_many_wrong_lines_are_a_summary_also_as_json(sheet: Path) -> None:
    label_csv(sheet, *(f"no-{n},good" for n in range(3_000)))
    done = andon("label", "import", sheet)
    assert done.exit_code == 1 and len(done.stdout.splitlines()) == 22
    assert "and 2,980 more lines are refused" in done.stdout
    told = json.loads(andon("label", "import", sheet, "--json").stdout)
    assert (told["refusals"], len(told["refused"])) == (3_000, 20)


def test_an_export_is_no_program_and_comes_back(sheet: Path) -> None:
    andon("label", "import", label_csv(sheet, f"{key(0)},good,=1+1", header="key,label,by"))
    out = sheet.with_name("out.csv")
    assert andon("label", "export", out).exit_code == 0
    assert ",'=1+1," in out.read_text()
    assert andon("label", "import", out).exit_code == 0


def test_a_label_is_taken_back(sheet: Path) -> None:
    andon("label", "import", label_csv(sheet, f"{key(0)},good"))
    done = andon("label", "undo", key(0), "--by", "Ute", "--why", "wrong sheet")
    assert done.exit_code == 0 and "good is taken back; no label." in done.stdout
    assert "taken back by Ute: wrong sheet" in andon("trace", key(0)).stdout
    told = json.loads(andon("catalog", "query", "--unlabelled", "--json").stdout)
    assert sorted(row["key"] for row in told) == [key(0), key(1)]
