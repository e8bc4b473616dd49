"""`andon doctor`: marks, remedies, its exit code, and nothing changed."""

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from andon.__main__ import app
from andon.doctor import everything
from andon.doctor.answer import Answer, unknown, well, wrong
from inspection import git
from inspection.layout import Layout


@pytest.fixture
def here(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.chdir(tiny.home)
    return tiny


def answers(monkeypatch: pytest.MonkeyPatch, *given: Answer) -> None:
    def ask(*_: object) -> Iterator[Answer]:
        yield from given

    monkeypatch.setattr(everything, "QUESTIONS", {"disk": ("the disk", ask)})


def test_what_is_wrong_ends_it_with_1_and_says_what_mends_it(here: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, wrong("It is full.", "Free some space.", "Monday"), unknown("How fast."), well("There."))
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "✗ disk      It is full. (since Monday)\n            → Free some space.\n" in done.stdout
    assert "? disk      How fast.\n✓ disk      There.\n" in done.stdout
    assert done.stdout.endswith("1 is wrong (✗). 1 could not be asked (?).\n")
    assert "Asking about the disk" in done.stderr


def test_what_could_not_be_asked_is_not_called_well(here: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, unknown("How fast."))
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0
    assert done.stdout.endswith("Nothing that was asked is wrong. 1 could not be asked (?).\n")


def test_with_json_it_is_one_document(here: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, wrong("It is full.", "Free some space."))
    done = CliRunner().invoke(app, ["doctor", "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["wrong"], told["unknown"]) == (1, 1, 0)
    assert told["asked"][0]["answers"][0] == {
        "state": "wrong",
        "words": "It is full.",
        "remedy": "Free some space.",
        "since": "",
    }


def test_it_changes_nothing(here: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)

    def seen() -> tuple[str, dict[str, int]]:
        files = {str(path): path.stat().st_mtime_ns for path in here.home.rglob("*") if ".git" not in path.parts}
        tmp = {name: at for name, at in files.items() if "/.dvc/tmp" not in name and not name.endswith("/.dvc")}
        return git.run(here.home, "for-each-ref"), tmp

    before = seen()
    done = CliRunner().invoke(app, ["doctor"])
    assert (done.exit_code in (0, 1) and done.exception is None) or isinstance(done.exception, SystemExit)
    assert seen() == before
