"""A PostgreSQL that goes away in the middle of an ingest: nothing is lost, and what can be waited for is waited for."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import update_wrapper
from pathlib import Path
from typing import Any

import pytest

from flows import ingest as module
from flows.ingest import ingest
from flows.tasks import run_here
from inspection import clock
from inspection.errors import WaitForOther
from inspection.intake import naming
from inspection.records import catalog
from tests.conftest import EVENING
from tests.pipeline.faults import Drops, check, small_plant
from tests.services.postgres import Postgres, running

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("prefect_harness")]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture
def drops(server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Drops:
    """The inbox of a plant whose catalog has a schema of its own in the server."""
    drops = Drops(small_plant(tmp_path / "plant"))
    monkeypatch.setenv("ANDON_DATABASE_URL", server.url)
    monkeypatch.setenv("ANDON_DATABASE_SCHEMA", f"plant_{abs(hash(request.node.name))}")
    for name in 4 * ("cam-1", "cam-1", "cam-2"):
        drops.shot(name)
    drops.shot(content=b"no image")
    return drops


def run(drops: Drops, minutes: int = 0) -> dict[str, Any]:
    with clock.at(EVENING + timedelta(minutes=minutes)):
        result: dict[str, Any] = run_here(ingest, root=drops.layout.root)
    return result


def before(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[[], None], call: int = 1) -> None:
    """Let `act` happen before a certain call of a function."""
    real, calls, lock = getattr(owner, name), [0], threading.Lock()

    def called(*arguments: Any, **named: Any) -> Any:
        with lock:
            calls[0] += 1
            if calls[0] == call:
                act()
        return real(*arguments, **named)

    monkeypatch.setattr(owner, name, update_wrapper(called, real))


def restart(server: Postgres) -> None:
    server.stop()
    server.start()


@pytest.mark.parametrize("task", ["stage", "judge", "publish", "record"])
def test_a_server_that_restarts_between_two_steps_is_not_noticed(
    drops: Drops, server: Postgres, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    before(monkeypatch, module, task, lambda: restart(server))
    assert (run(drops)["accepted"], run(drops, 1)["accepted"]) == (12, 0)
    assert check(drops).captures == 13


def test_a_server_that_restarts_while_images_are_read_costs_no_more_than_another_run(
    drops: Drops, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(monkeypatch, naming, "named", lambda: restart(server), call=5)
    try:
        run(drops)
    except WaitForOther as error:
        assert "does not answer" in str(error)
    run(drops, 1)
    assert check(drops).captures == 13


@pytest.mark.parametrize("task", ["stage", "publish"])
def test_a_server_that_stays_away_is_said_and_the_next_run_finishes_the_job(
    drops: Drops, server: Postgres, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    monkeypatch.setattr(catalog.refresh.retry, "stop", lambda _: True)  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        before(patch, module, task, server.stop)
        with pytest.raises(WaitForOther, match="does not answer"):
            run(drops)
    server.start()
    run(drops, 1)
    assert check(drops).captures == 13
