"""A real Prefect server, a process worker and the deployments of prefect.yaml: one story, on one tiny plant."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import UUID, uuid4

import httpx
import pandas as pd
import psutil
import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowFilter,
    FlowFilterName,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions, FlowRun, State
from prefect.client.schemas.sorting import ArtifactSort
from prefect.states import Pending

from flows.tasks import NOBODY
from inspection import clock, git
from inspection.layout import Layout
from inspection.records import batches
from inspection.release import approval, registry
from tests.conftest import EASY, EVENING, ROOT, draw, label, make_plant, set_params
from tests.ports import free_port

pytestmark = pytest.mark.services

EVERY = 10  # seconds between two ingests here
AHEAD = 2  # seconds before its time that the worker takes a run
FORM = {"approved_as": "Lena"}
LOGIN = "andon:0f5a9c"
FOREIGN = {"Origin": "http://evil.invalid"}
PAGE = {**FOREIGN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
OURS = ("flows", "inspection", "stages", "dvc")  # names that a plant's own folders may have
T = TypeVar("T")


class Site(NamedTuple):
    """A plant whose flows are deployed to a server of its own."""

    layout: Layout
    folder: Path  # logs
    environment: dict[str, str]
    client: SyncPrefectClient

    def prefect(self, *arguments: str, cwd: Path | None = None, **more: str) -> str:
        """What it said, in words; `more` is put into its environment."""
        done = self.run("prefect", "--no-prompt", *arguments, cwd=cwd or self.layout.home, **more)
        assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
        return done.stdout

    def run(self, program: str, *arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
        """With -P, as a program that pip installed runs: the current folder is not on its path."""
        command = [sys.executable, "-P", "-m", program, *arguments]
        environment = {**self.environment, **more}
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    def runs(self, flow: str) -> list[FlowRun]:
        return self.client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])))

    def artifacts(self, run: UUID) -> list[str]:
        """Oldest first."""
        mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
        found = self.client.read_artifacts(artifact_filter=mine, sort=ArtifactSort.CREATED_DESC)
        return [str(one.data) for one in reversed(found)]

    def log(self, run: UUID) -> str:
        lines = self.client.read_logs(log_filter=LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])))
        return "\n".join(line.message for line in lines)


def eventually(what: str, ask: Callable[[], T | None], seconds: float = 180) -> T:
    """The first answer that is not None or False."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := ask():
            return answer
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds:g} s: {what}")


@contextmanager
def process(
    command: Sequence[str], log: Path, cwd: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that ends with the block, and everything that it started with it."""
    with log.open("ab") as out:
        running = subprocess.Popen(command, cwd=cwd, env=environment, stdout=out, stderr=out)
    try:
        yield running
    finally:
        offspring: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            offspring = psutil.Process(running.pid).children(recursive=True)
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(10)
        for one in offspring:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(offspring, timeout=10)


def worker(site: Site) -> Any:
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "andon", "--type", "process"]
    return process(command, site.folder / "worker.log", site.folder, site.environment)


def hurry(file: Path) -> None:
    """Ingest every few seconds, nothing else by itself."""
    settings = yaml.safe_load(file.read_text())
    for one in settings["deployments"]:
        if one["entrypoint"].endswith(".ingest"):
            one["schedules"] = [{"interval": EVERY}]
        for schedule in one.get("schedules", []):
            schedule["active"] = one["entrypoint"].endswith(".ingest")
    file.write_text(yaml.safe_dump(settings))


def documented(port: int) -> dict[str, str]:
    """The settings of docs/production.md, with this port and a login."""
    text = (ROOT / "docs" / "production.md").read_text()
    [block] = re.findall(r"```ini\n(PREFECT_.*?)```", text, re.DOTALL)
    filled = block.replace("4200", str(port)).replace("andon:SECRET", LOGIN)
    return dict(line.split("=", 1) for line in filled.splitlines())


def surroundings(folder: Path, port: int) -> dict[str, str]:
    return {
        **os.environ,
        **documented(port),
        "PYTHONPATH": str(ROOT),  # this checkout's code, whichever one is installed
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_WORKER_PREFETCH_SECONDS": str(AHEAD),
        "NO_COLOR": "1",
        "ANDON_NOW": clock.stamp(EVENING),
    }


@contextmanager
def serving(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A Prefect server that answers."""
    command = [sys.executable, "-m", "prefect", "server", "start"]
    with process(command, folder / "server.log", folder, environment) as server:

        def healthy() -> bool:
            assert server.poll() is None, (folder / "server.log").read_text()[-2000:]
            with suppress(httpx.TransportError):
                return httpx.get(f"{environment['PREFECT_API_URL']}/health", timeout=5).is_success
            return False

        eventually("the server answers", healthy, 600)
        yield server


def client_of(environment: dict[str, str]) -> SyncPrefectClient:
    return SyncPrefectClient(api=environment["PREFECT_API_URL"], auth_string=environment["PREFECT_API_AUTH_STRING"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("prefect")
    layout = make_plant(folder / "plant")
    set_params(layout, **EASY)
    hurry(layout.home / "prefect.yaml")
    port = free_port()
    environment = surroundings(folder, port)
    with serving(folder, environment), client_of(environment) as client:
        made = Site(layout, folder, environment, client)
        made.prefect("work-pool", "create", "andon", "--type", "process")
        made.prefect("deploy", "--all")
        yield made


@pytest.mark.parametrize("auth", [None, ("admin", "pass"), ("andon", "")])
def test_whoever_has_no_login_is_refused(site: Site, auth: tuple[str, str] | None) -> None:
    url, found = site.environment["PREFECT_API_URL"], []
    shell = {"prefect.deployments.steps.run_shell_script": {"script": f"touch {site.folder / 'shell'}"}}
    for path in ("/admin/version", "/admin/settings", "/work_pools/andon", "/deployments/name/ingest/scheduled"):
        found.append(httpx.get(url + path, auth=auth).status_code)
    for path, body in {
        "/flows/": {"name": "shell"},
        "/deployments/": {"name": "shell", "flow_id": str(uuid4()), "pull_steps": [shell]},
        "/deployments/filter": {},
        "/flow_runs/filter": {},
        "/work_pools/andon/workers/filter": {},
    }.items():
        found.append(httpx.post(url + path, json=body, auth=auth).status_code)
    assert set(found) == {401}


def test_a_page_of_another_address_gets_nothing(site: Site) -> None:
    url = site.environment["PREFECT_API_URL"]
    asked = httpx.options(f"{url}/deployments/", headers=PAGE)
    assert asked.status_code == 400 and "access-control-allow-origin" not in asked.headers
    for answer in (
        httpx.get(f"{url}/health", headers=FOREIGN),
        httpx.post(f"{url}/flows/filter", json={}, headers=FOREIGN, auth=("andon", LOGIN.split(":")[1])),
    ):
        assert answer.is_success and "access-control-allow-origin" not in answer.headers


def test_a_command_with_a_wrong_login_is_told_so(site: Site) -> None:
    done = site.run("andon", "ingest", cwd=site.layout.home, PREFECT_API_AUTH_STRING="andon:guessed")
    assert done.returncode == 1 and "set PREFECT_API_AUTH_STRING" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_finds_the_server_closed_and_its_worker_away(site: Site) -> None:
    def asked(**more: str) -> dict[str, str]:
        done = site.run("andon", "doctor", "--json", cwd=site.layout.home, **more)
        [about] = [one for one in json.loads(done.stdout)["asked"] if one["about"] == "server"]
        return {one["words"]: one["state"] for one in about["answers"]}

    url = site.environment["PREFECT_API_URL"]
    found = asked()
    assert found[f"Prefect's server at {url} answers nobody without a login."] == "well"
    assert found["It serves no pages of other addresses."] == "well"
    assert found["No worker of the pool andon is at work."] == "wrong"
    found = asked(PREFECT_API_AUTH_STRING="")
    assert found[f"Prefect's server at {url} does not accept the login; so nothing more is known of it."] == "wrong"


def test_the_deployments_are_those_that_the_map_promises(site: Site) -> None:
    for name in ("ingest/scheduled", "watch/scheduled", "retrain/scheduled", "promote/gate"):
        one = site.client.read_deployment_by_name(name)
        flow = name.split("/")[0]
        assert one.entrypoint == f"flows.{flow}.{flow}"
        assert one.parameters == {"root": str(site.layout.home)}
        assert one.pull_steps == []
        limited = one.global_concurrency_limit
        assert (limited.limit if limited else None) == (None if name == "promote/gate" else 1)


def test_folders_of_the_plant_that_are_named_as_ours_are_not_imported(site: Site) -> None:
    """From here on they are there: everything below runs beside them. Prefect puts the current folder first on
    sys.path when it imports a flow, so that -P or PYTHONSAFEPATH cannot keep it off: neither run nor deploy in it."""
    home = site.layout.home
    assert not [name for name in OURS if (home / name).exists()]  # no code of the product
    for name in OURS:
        (home / name).mkdir()
        (home / name / "__init__.py").write_text(f"raise RuntimeError('the plant has its own {name}')\n")
    git.run(home, "add", *OURS)
    git.run(home, "commit", "--quiet", "--message", "Test: folders of our own")

    refused = site.run("prefect", "--no-prompt", "deploy", "--all", cwd=home, PYTHONSAFEPATH="1")
    assert refused.returncode != 0
    assert "the plant has its own flows" in refused.stdout + refused.stderr
    file = str(home / "prefect.yaml")
    site.prefect("deploy", "--all", "--prefect-file", file, cwd=site.folder, ANDON_PLANT=str(home))
    deployment = site.client.read_deployment_by_name("ingest/scheduled")
    assert deployment.parameters == {"root": str(home)}
    with worker(site):
        eventually("an ingest completes", lambda: completed(site))
    assert not [r for r in site.runs("ingest") if _is(r, "CRASHED") or _is(r, "FAILED")]


def test_a_scheduled_ingest_takes_in_what_the_cameras_dropped(site: Site) -> None:
    from plant.shot import drop

    shots = draw(site.layout, 30)
    drop(shots, site.layout.home / "inbox")
    before = completed(site)
    with worker(site):
        eventually("an ingest completes", lambda: completed(site) - before)
    assert sum(len(pd.read_parquet(one / batches.MANIFEST)) for one in batches.on_disk(site.layout)) == len(shots)


def test_an_outage_leaves_no_pile(site: Site) -> None:
    began = datetime.now(UTC)
    time.sleep(AHEAD + 4.5 * EVERY)
    back = datetime.now(UTC)

    def due() -> list[FlowRun]:
        return [r for r in site.runs("ingest") if r.expected_start_time and began < r.expected_start_time < back]

    late = {run.id for run in due() if run.state and run.state.is_scheduled()}  # not what the worker that is gone began
    assert len(late) >= 4

    def missed() -> list[FlowRun]:
        return [run for run in due() if run.id in late]

    with worker(site):
        eventually("every missed run is settled", lambda: all(r.state and r.state.is_final() for r in missed()))
    done = [run for run in missed() if _is(run, "COMPLETED")]
    assert len(done) <= 1
    assert {run.state.type.value for run in missed() if run.state and run not in done} == {"CANCELLED"}
    assert sum(run.run_count for run in missed()) <= 1


def test_a_candidate_waits_for_the_record_and_not_for_the_button(site: Site) -> None:
    layout, client = site.layout, site.client
    pause_ingest(site)
    with clock.at(EVENING):
        label(layout, draw(layout, 30))
    with worker(site):
        retrain = client.read_deployment_by_name("retrain/scheduled").id
        asked = client.create_flow_run_from_deployment(retrain, parameters={"reason": "first", "by": "Erik"}).id
        settled(site, asked, "COMPLETED", 150)
        [request] = approval.requests(layout)
        assert request.requested_by == NOBODY
        [run] = eventually("the gate's run", lambda: site.runs("promote"))  # the retrain flow started it
        settled(site, run.id, "PAUSED")
        [shown] = site.artifacts(run.id)
        figures = request.figures
        assert f"| {figures['escapes']} of {figures['defective_parts']} |" in shown
        assert "`andon approve v1.0.0 --by NAME`" in shown

        resume(site, run.id)  # the button alone
        eventually("it says so", lambda: len(site.artifacts(run.id)) == 2)
        settled(site, run.id, "PAUSED")
        assert "Resume was pressed, but nothing was released" in site.artifacts(run.id)[-1]
        eventually("the log says so too", lambda: "but nothing was released" in site.log(run.id), 20)
        assert registry.live(layout) is None

        andon(site, "approve", "v1.0.0", "--by", "Lena", "--no-release")
        assert registry.live(layout) is None
        resume(site, run.id)
        settled(site, run.id, "COMPLETED")
        assert layout.live.resolve().name == request.package
        live = registry.live(layout)
        assert live is not None and live.by == "Lena"

        gate = client.read_deployment_by_name("promote/gate").id
        again = client.create_flow_run_from_deployment(gate, parameters={"version": "v1.0.0"}).id  # in its own folder
        assert "v1.0.0 is live already" in str(settled(site, again, "COMPLETED").message)
    assert [release.version for release in registry.history(layout)] == ["v1.0.0"]


def test_a_power_cut_does_not_keep_the_one_place_for_ever(tmp_path: Path) -> None:
    """With Prefect's own default, leases in memory, every run after it would be cancelled."""
    environment = surroundings(tmp_path, free_port())
    environment["PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION"] = "30"  # seconds, for the test
    with client_of(environment) as client:
        with serving(tmp_path, environment) as server:
            flow = client.create_flow_from_name("ingest")
            drop_others = ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
            deployment = client.create_deployment(
                flow_id=flow, name="one", concurrency_limit=1, concurrency_options=drop_others
            )
            assert started(client, deployment)
            assert not started(client, deployment)
            server.kill()
            server.wait(10)
        with serving(tmp_path, environment):
            assert not started(client, deployment)
            eventually("a run starts again", lambda: started(client, deployment), 75)


def started(client: SyncPrefectClient, deployment: UUID) -> bool:
    """Whether a new run of the deployment gets its place."""
    run = client.create_flow_run_from_deployment(deployment).id
    client.set_flow_run_state(run, Pending())
    state = client.read_flow_run(run).state
    return state is not None and state.is_pending()


def pause_ingest(site: Site) -> None:
    deployment = site.client.read_deployment_by_name("ingest/scheduled")
    for schedule in deployment.schedules:
        site.client.update_deployment_schedule(deployment.id, schedule.id, active=False)


def resume(site: Site, run: UUID) -> None:
    said = site.client.resume_flow_run(run, run_input=FORM)
    assert said.status.value == "ACCEPT", said


def settled(site: Site, run: UUID, kind: str, seconds: float = 90) -> State[Any]:
    """The run's state once it is paused or final, which has to be `kind`."""

    def look() -> State[Any] | None:
        state = site.client.read_flow_run(run).state
        return state if state and (state.is_paused() or state.is_final()) else None

    state = eventually(f"the run is {kind}", look, seconds)
    assert state.type.value == kind, f"{state.type.value}: {state.message}\n{site.log(run)[-2000:]}"
    return state


def andon(site: Site, *arguments: str) -> None:
    done = site.run("andon", *arguments, cwd=site.layout.home)
    assert done.returncode == 0, done.stderr[-1000:]


def completed(site: Site) -> set[UUID]:
    """The ingests that are."""
    return {run.id for run in site.runs("ingest") if _is(run, "COMPLETED")}


def _is(run: FlowRun, kind: str) -> bool:
    return run.state is not None and run.state.type.value == kind
