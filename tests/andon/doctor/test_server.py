"""The Prefect server as `andon doctor` sees it, played by a small server that says what Prefect says."""

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any

import pytest

from andon.doctor import server
from andon.doctor.answer import Answer
from flows.servers.site import FOREIGN, Site
from inspection.layout import Layout
from inspection.params import read_params

LOGIN = "andon:secret"
NOW = datetime.now(UTC)
EARLIER = (NOW - timedelta(minutes=40)).isoformat()


class Played:
    """What the server says; a test changes it."""

    def __init__(self, plant: str) -> None:
        self.login = LOGIN
        self.pages = True
        self.origins = ""
        self.asked: list[str] = []
        self.says: dict[str, Any] = {
            "/api/health": True,
            "/api/admin/version": version("prefect"),
            "/api/flows/filter": [{"id": "f", "name": "ingest"}],
            "/api/deployments/filter": [
                {
                    "id": "d",
                    "flow_id": "f",
                    "name": "scheduled",
                    "paused": False,
                    "schedules": [{"active": True}],
                    "work_pool_name": "andon",
                    "parameters": {"root": plant},
                },
                {"id": "e", "flow_id": "f", "name": "other", "paused": False, "schedules": [], "parameters": {}},
            ],
            "/api/work_pools/andon/workers/filter": [{"status": "ONLINE", "last_heartbeat_time": NOW.isoformat()}],
            "SCHEDULED": [],
            "COMPLETED": [{"deployment_id": "d", "state_type": "COMPLETED", "end_time": EARLIER, "state": {}}],
        }


@pytest.fixture
def played(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    told = Played(str(tiny.home))

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer({})

        def do_POST(self) -> None:
            self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def answer(self, body: dict[str, Any]) -> None:
            told.asked.append(f"{self.command} {self.path}")
            sent = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            inside = sent == told.login or not told.login or self.path in ("/api/health", "/")
            said = told.says.get(self.path)
            if self.path == "/api/flow_runs/filter":
                said = told.says[body["flow_runs"]["state"]["type"]["any_"][0]]
            content = json.dumps(said if inside else {"exception_message": "Unauthorized"}).encode()
            self.send_response(404 if self.path == "/" and not told.pages else 200 if inside else 401)
            if told.origins and self.headers.get("Origin"):
                self.send_header("Access-Control-Allow-Origin", told.origins)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{listening.server_port}/api")
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", LOGIN)
        yield told
        listening.shutdown()


def asked(layout: Layout) -> list[Answer]:
    return list(server.ask(layout, read_params(layout.params)))


def wrong(layout: Layout) -> Answer:
    [one] = [answer for answer in asked(layout) if answer.state == "wrong"]
    return one


def test_a_closed_server_with_a_worker_is_well(tiny: Layout, played: Played) -> None:
    found = asked(tiny)
    assert {one.state for one in found} == {"well"}
    assert len(found) == 5


def test_an_open_server_is_found(tiny: Layout, played: Played) -> None:
    played.login = ""
    assert "is open" in wrong(tiny).words and "PREFECT_SERVER_API_AUTH_STRING" in wrong(tiny).remedy


@pytest.mark.parametrize("origins", ["*", FOREIGN])
def test_a_server_for_pages_of_any_address_is_found(tiny: Layout, played: Played, origins: str) -> None:
    played.origins = origins
    assert "Pages of any address" in wrong(tiny).words
    assert "PREFECT_SERVER_CORS_ALLOWED_ORIGINS=http://127.0.0.1:" in wrong(tiny).remedy


def test_a_server_without_pages_is_found(tiny: Layout, played: Played) -> None:
    played.pages = False
    assert "shows no pages" in wrong(tiny).words and "PREFECT_SERVER_UI_STATIC_DIRECTORY" in wrong(tiny).remedy


def test_another_login_is_found_and_nothing_more_is_said(tiny: Layout, played: Played) -> None:
    played.login = "andon:other"
    assert "does not accept the login; so nothing more is known" in wrong(tiny).words
    assert "PREFECT_API_AUTH_STRING" in wrong(tiny).remedy


def test_another_version_is_found(tiny: Layout, played: Played) -> None:
    played.says["/api/admin/version"] = "3.1.0"
    assert "The server is Prefect 3.1.0" in wrong(tiny).words


def test_a_worker_that_is_gone_is_found_with_the_time(tiny: Layout, played: Played) -> None:
    played.says["/api/work_pools/andon/workers/filter"] = [{"status": "OFFLINE", "last_heartbeat_time": EARLIER}]
    assert "No worker of the pool andon" in wrong(tiny).words
    assert wrong(tiny).since == f"{NOW - timedelta(minutes=40):%Y-%m-%d %H:%M} UTC"


def test_a_plant_that_is_not_deployed_is_found(tiny: Layout, played: Played) -> None:
    played.says["/api/deployments/filter"][0]["parameters"]["root"] = "/another/plant"
    assert "knows no deployment of the plant" in wrong(tiny).words


@pytest.mark.parametrize("change", [{"paused": True}, {"schedules": [{"active": False}]}])
def test_a_deployment_that_sleeps_is_found(tiny: Layout, played: Played, change: dict[str, Any]) -> None:
    played.says["/api/deployments/filter"][0].update(change)
    assert "ingest/scheduled is paused" in wrong(tiny).words


def test_late_runs_are_found_with_the_first(tiny: Layout, played: Played) -> None:
    later = (NOW - timedelta(minutes=10)).isoformat()
    played.says["SCHEDULED"] = [{"deployment_id": "d", "expected_start_time": at} for at in (EARLIER, later)]
    assert "2 runs of ingest/scheduled should have begun" in wrong(tiny).words
    assert wrong(tiny).since == f"{NOW - timedelta(minutes=40):%Y-%m-%d %H:%M} UTC"


def test_a_run_that_failed_is_found_with_its_words(tiny: Layout, played: Played) -> None:
    failed = {"state_type": "FAILED", "state": {"message": "The disk is full"}}
    played.says["COMPLETED"][0].update(failed)
    assert "The last run of ingest/scheduled failed: The disk is full" in wrong(tiny).words


def test_a_server_that_is_away_is_wrong_and_not_well(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert "does not answer" in wrong(tiny).words
    monkeypatch.setenv("PREFECT_API_URL", "file:///etc/passwd")
    assert "no address" in wrong(tiny).words


def test_without_an_address_it_is_not_known(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    [one] = asked(tiny)
    assert one.state == "unknown"


def test_nothing_is_changed_and_the_login_is_not_shown(tiny: Layout, played: Played) -> None:
    asked(tiny)
    assert all(one.startswith("GET") or one.endswith("/filter") for one in played.asked)
    assert "secret" not in repr(Site("http://127.0.0.1/api", LOGIN))
