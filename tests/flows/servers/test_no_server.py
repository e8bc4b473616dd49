"""Where Prefect's server does not answer, a person is told so in a sentence, and nothing of Prefect's own."""

from types import SimpleNamespace

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.servers import own as server
from flows.tasks import run_here
from inspection.errors import FixInput, WaitForOther
from tests.ports import free_port


@flow
def nothing() -> int:
    return 1


def test_a_server_of_somebody_else_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server, "own", lambda: None)
    address = f"127.0.0.1:{free_port()}"
    dead = temporary_settings({PREFECT_API_URL: f"http://admin:secret@{address}/api"})
    with (
        dead,
        pytest.raises(WaitForOther, match=rf"server at {address} \(PREFECT_API_URL\) does not answer") as refusal,
    ):
        run_here(nothing)
    assert "secret" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_our_own_that_ended(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    ended = SimpleNamespace(url=f"http://127.0.0.1:{free_port()}/api", login="andon:secret")
    monkeypatch.setattr(server, "own", lambda: ended)
    with pytest.raises(WaitForOther, match="run the same command again"):
        run_here(nothing)
    assert capfd.readouterr() == ("", "")


def test_what_a_flow_itself_refuses_stays_what_it_is(prefect_harness: None) -> None:
    @flow
    def refusing() -> None:
        raise FixInput("no such batch")

    with pytest.raises(FixInput, match="no such batch"):
        run_here(refusing)
