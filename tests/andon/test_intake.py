"""How taking in ends, as the command says it."""

from typing import Any

import pytest
from typer.testing import CliRunner

from andon.__main__ import app
from flows.ingest import _result
from inspection.intake.arrivals import Arrived
from inspection.intake.sidecar import Sidecars
from inspection.layout import Layout

UNREAD = {"s.csv": "1 of its lines is refused (line 3: it holds a stray quote; remove it)"}


@pytest.mark.parametrize("unread", [UNREAD, {}])
def test_refused_lines_of_a_sidecar_are_told_last_and_end_the_command_with_1(
    tiny: Layout, monkeypatch: pytest.MonkeyPatch, unread: dict[str, str]
) -> None:
    """A refused picture does not, for it lies in quarantine; nor is a line told twice."""
    result: dict[str, Any] = {**_result([], Arrived((), Sidecars(()), (), ()), ""), "notes": [], "refused": 1}
    result |= {"reasons": {"a.png": "not an image", **unread}, "unread": unread}
    monkeypatch.chdir(tiny.home)
    monkeypatch.setattr("andon.commands.intake.prefect_at_home", lambda _: None)
    monkeypatch.setattr("flows.tasks.run_here", lambda *_: result)
    done = CliRunner().invoke(app, ["ingest"])
    assert done.exit_code == bool(unread), done.output
    assert "'a.png': not an image" in done.output and done.output.count("stray quote") == len(unread)
    if unread:
        assert done.output.splitlines()[-1] == f"  's.csv': {UNREAD['s.csv']}"
    assert CliRunner().invoke(app, ["ingest", "--json"]).exit_code == bool(unread)
