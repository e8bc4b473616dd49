"""What a deployment's run is told in its parameters may have been typed by anybody who reaches Prefect."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow

from flows import tasks
from flows.commission import commission, renew
from flows.ingest import ingest
from flows.retrain import retrain
from flows.rollback import rollback
from flows.tasks import NOBODY
from inspection import clock, git
from inspection.anchor import account
from inspection.errors import AskForApproval, FixSettings
from inspection.layout import Layout
from inspection.params import read_params
from inspection.records import ledger
from plant.shot import Shot
from tests.conftest import EVENING

CAMERA = "cam-1"


@pytest.fixture
def client(prefect_harness: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as made, clock.at(EVENING):
        yield made


def deploy(client: SyncPrefectClient, flow: Any, **parameters: Any) -> Any:
    """What a worker's run of a deployment returns or raises."""
    made = client.create_deployment(flow_id=client.create_flow(flow), name=f"test-{uuid4()}")
    run = client.create_flow_run_from_deployment(made, parameters=parameters)
    return run_flow(flow, flow_run=run, parameters=parameters)


@pytest.mark.parametrize(
    ("flow", "parameters", "remedy"),
    [
        (rollback, {"by": "Lena"}, "andon rollback"),
        (renew, {"camera": CAMERA, "reason": "new lamp", "by": "Lena"}, "andon reference renew"),
        (
            commission,
            {"cameras": [CAMERA], "since": EVENING - timedelta(days=1), "until": EVENING, "by": "Lena"},
            "andon reference accept",
        ),
    ],
    ids=["rollback", "renew", "commission"],
)
def test_nothing_is_recorded_under_a_name_that_came_through_prefect(
    tiny: Layout, client: SyncPrefectClient, flow: Any, parameters: dict[str, Any], remedy: str
) -> None:
    before = git.run(tiny.home, "rev-parse", "HEAD")
    with pytest.raises(AskForApproval, match="nobody knows who started this run") as refused:
        deploy(client, flow, root=str(tiny.root), **parameters)
    assert remedy in refused.value.parts()[1]
    assert git.run(tiny.home, "rev-parse", "HEAD") == before
    assert not ledger.read(tiny)


def test_only_the_inbox_of_the_plant_is_taken_in(
    tiny: Layout, client: SyncPrefectClient, fill: Callable[..., list[Shot]], tmp_path: Path
) -> None:
    fill(2)
    foreign = tmp_path / "foreign"
    (tiny.home / "inbox").rename(foreign)
    count = sum(path.is_file() for path in foreign.rglob("*"))
    with pytest.raises(FixSettings, match="only the plant's own inbox"):
        deploy(client, ingest, source=str(foreign), root=str(tiny.root))
    assert sum(path.is_file() for path in foreign.rglob("*")) == count
    assert not ledger.read(tiny)
    foreign.rename(tiny.home / "inbox")
    declared = read_params(tiny.params).ingest.inbox
    assert deploy(client, ingest, source=declared, root=str(tiny.root))["accepted"] == count


@pytest.mark.parametrize(
    ("parameters", "recorded"),
    [({"reason": "first", "by": "Erik"}, NOBODY), ({"reason": "first"}, NOBODY), ({"by": "Erik"}, "Andon")],
)
def test_who_asks_for_a_retrain_through_prefect_is_not_known(
    tiny: Layout,
    client: SyncPrefectClient,
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict[str, str],
    recorded: str,
) -> None:
    asked: list[str] = []

    class Enough(Exception):
        pass

    def bring_back(layout: Layout, bench: Layout, why: str, by: str) -> None:
        asked.append(by)
        raise Enough

    for name in ("refuse_too_little", "reproduce", "append_assignments", "fix_cut", "read_table"):
        monkeypatch.setattr(f"flows.retrain.{name}", lambda *_: None)
    monkeypatch.setattr("flows.retrain.bring_back", bring_back)
    met = type("Met", (), {"met": [1], "labelled": None, "said": {}})
    monkeypatch.setattr("flows.retrain.what_is_asked", lambda *_: met)
    met.met[0] = type("One", (), {"request": type("R", (), {"why": "new class", "name": "R-1"})})
    with pytest.raises(Enough):
        deploy(client, retrain, root=str(tiny.root), **parameters)
    assert asked == [recorded]


def test_a_run_by_hand_is_no_deployments(prefect_harness: None, tiny: Layout) -> None:
    assert tasks.deployed() is None
    tasks.refuse_deployed("Anything", "andon")


def test_root_does_not_run_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny: Layout
) -> None:
    said: list[str] = []
    monkeypatch.setattr(account, "is_root", lambda: True)
    monkeypatch.setattr(tasks, "deployed", lambda: FlowRun(flow_id=uuid4()))
    monkeypatch.setattr(tasks, "get_run_logger", lambda: type("Log", (), {"warning": said.append}))
    tasks.begin(tiny.root)
    assert len(said) == 1 and said[0].startswith("This runs as root")
    monkeypatch.setattr(account, "is_root", lambda: False)
    tasks.begin(tiny.root)
    assert len(said) == 1
