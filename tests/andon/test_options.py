"""What is given with `--by`."""

import pytest
from typer.testing import CliRunner

from andon.__main__ import app
from andon.options import LONGEST
from inspection.layout import Layout
from inspection.records import ledger


def test_a_name_that_is_a_page_is_refused(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.home)
    done = CliRunner().invoke(app, ["batch", "release", "B", "--by", "L" * (LONGEST + 1), "--why", "w"])
    assert done.exit_code == 2 and "at most 80 characters" in " ".join(done.output.split())


def test_a_name_goes_on_record_on_one_line(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.home)
    done = CliRunner().invoke(app, ["label", "spec", "2", "--by", " Lena\n Maier ", "--all-classes"])
    assert done.exit_code == 0, done.output
    assert {event.by for event in ledger.read(tiny)} == {"Lena Maier"}
