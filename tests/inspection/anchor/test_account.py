"""A command that root runs says so once, before its first effect."""

import pytest

from inspection.anchor import account, writing
from inspection.layout import Layout


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "is_root", lambda: True)
    monkeypatch.setattr(account, "_due", [])


def test_a_command_says_it_once(tiny: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    account.arm()
    writing.require(tiny)
    writing.require(tiny)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("This runs as root") == 1 and shown.err.count("\n") == 1


def test_what_is_no_command_says_nothing(tiny: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    writing.require(tiny)
    assert capsys.readouterr().err == ""


def test_another_account_says_nothing(
    tiny: Layout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "is_root", lambda: False)
    account.arm()
    writing.require(tiny)
    assert capsys.readouterr().err == ""
