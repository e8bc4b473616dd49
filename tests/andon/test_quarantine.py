"""The quarantine as the command shows it."""

import json

import pytest
from typer.testing import CliRunner, Result

from andon.__main__ import app
from inspection.layout import Layout
from tests.inspection.world import add_refusals


@pytest.fixture
def plant(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.chdir(tiny.home)
    reasons = {f"cam-1/{n}.png": "1540×645 instead of 1130×460" for n in range(45)}
    file = add_refusals(tiny, "r", {**reasons, "odd\x1b[2J.png": "not an image"})
    for number in range(46):
        (file.parent / f"{number}.refused").write_bytes(b"x")
    return tiny


def andon(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_equal_reasons_are_told_once_with_their_count_and_names(plant: Layout) -> None:
    told = andon("quarantine", "list").stdout
    assert "45 × 1540×645 instead of 1130×460" in told and "1 × not an image" in told
    assert "'cam-1/0.png'" in told and "\x1b" not in told and "2026-11-02 12:00" in told
    first, second = json.loads(andon("quarantine", "list", "--json").stdout)
    assert (first["files"], len(first["keys"]), second["keys"]) == (45, 45, ["odd\x1b[2J.png"])


def test_what_is_discarded_is_listed_no_more_but_is_on_record(plant: Layout) -> None:
    assert andon("quarantine", "discard", "--by", "Ute", "--why", "tests").exit_code == 1  # does not say which
    done = andon("quarantine", "discard", "cam-1/*", "--by", "Ute", "--why", "test pictures")
    assert done.exit_code == 0 and "45 refused files are discarded" in done.stdout
    assert "1540" not in andon("quarantine", "list").stdout
    told = json.loads(andon("quarantine", "list", "--all", "--json").stdout)
    assert [(one["state"], one["by"], one["why"]) for one in told][:1] == [("discarded", "Ute", "test pictures")]
