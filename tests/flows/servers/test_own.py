"""The server of one command: whoever does not know its login gets nothing, though everybody reaches its port."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from flows import tasks
from flows.servers import own as server
from inspection.errors import FixSettings

FOREIGN = {"Origin": "http://evil.invalid"}
ASKED = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.Server]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"):
            patch.setenv(name, "*")
        patch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:pass")
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))  # its database is its own
        made = server.Server()
    assert made.wait()
    yield made
    made.stop()


def login(own: server.Server) -> tuple[str, str]:
    user, _, password = own.login.partition(":")
    return user, password


@pytest.mark.parametrize("auth", [None, ("admin", "pass"), ("andon", "")])
def test_a_call_without_its_login_is_refused(own: server.Server, auth: tuple[str, str] | None) -> None:
    assert httpx.get(f"{own.url}/admin/version", auth=auth).status_code == 401
    assert httpx.post(f"{own.url}/flows/", json={"name": "shell"}, auth=auth).status_code == 401
    assert httpx.post(f"{own.url}/deployments/filter", json={}, auth=auth).status_code == 401


def test_with_its_login_it_answers(own: server.Server) -> None:
    assert httpx.post(f"{own.url}/flows/filter", json={}, auth=login(own)).json() == []


def test_a_page_of_another_address_gets_nothing(own: server.Server) -> None:
    asked = httpx.options(f"{own.url}/flows/", headers={**FOREIGN, **ASKED})
    assert asked.status_code == 400 and "access-control-allow-origin" not in asked.headers
    got = httpx.get(f"{own.url}/health", headers=FOREIGN)
    assert "access-control-allow-origin" not in got.headers


def test_each_has_a_login_of_its_own_and_tells_it_to_nobody(own: server.Server) -> None:
    other = server.Server()
    other.stop()
    assert own.login != other.login and len(own.login) > 40
    seen = Path(f"/proc/{own._process.pid}/cmdline")
    if seen.exists():
        assert login(own)[1].encode() not in seen.read_bytes()
    assert own.login not in os.environ.values()


def test_nobody_else_can_take_its_port_while_it_starts() -> None:
    made = server.Server()
    port = int(made.url.split(":")[2].split("/")[0])
    code = f"import socket; socket.socket().bind(('127.0.0.1', {port}))"
    try:
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode != 0
    finally:
        made.stop()


def test_flows_here_run_on_it_with_its_login(own: server.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_own", [own])

    @flow(name="proof")
    def proof() -> int:
        return 7

    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: False}):  # what is logged last comes when it has ended
        assert tasks.run_here(proof) == 7
    with SyncPrefectClient(api=own.url, auth_string=own.login) as client:
        [run] = client.read_flow_runs()
        assert run.state is not None and run.state.is_completed()


def test_one_that_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = server.Server()
    made.stop()
    monkeypatch.setattr(server, "_own", [made])
    with pytest.raises(FixSettings, match="does not start"):
        server.own()
