"""What flows share of Prefect: running here, handing on whole, the gate and the candidates that it waits for."""

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.utilities.annotations import quote

from flows import server
from inspection import garbage, git
from inspection.layout import Layout

GATE = "promote/gate"  # flow and deployment in prefect.yaml

T = TypeVar("T")


def run_here(flow: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `flow` returns, run in this process, on its own server if it has one, and without heartbeats: their end
    would keep it waiting for a second."""
    garbage.settle()
    settings: dict[Any, Any] = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    if url := server.address():
        settings[PREFECT_API_URL] = url
    with temporary_settings(settings):
        return flow(*args, **kwargs)


def whole(thing: T) -> T:
    """`thing` for a task, handed on as it is: Prefect would walk through it all, twice a task, looking for futures."""
    return quote(thing)  # type: ignore[return-value]  # the task gets `thing`


@task(name="register", cache_policy=NO_CACHE)
def register_all(layout: Layout) -> None:
    """Tag every candidate that asked at the commit that holds its request."""
    from inspection.release import approval, registry

    for request in approval.requests(layout):
        path = f"approvals/{request.version}.request.json"
        revision = git.run(layout.home, "log", "--diff-filter=A", "--format=%H", "-1", "--", path)
        if revision:
            registry.register(layout, request.version, revision, f"{request.reason} ({request.requested_by})")


def start_gate(layout: Layout, version: str) -> None:
    """Let the deployed `promote` flow wait for the candidate's approval; without a Prefect server the command does."""
    if not os.environ.get("PREFECT_API_URL"):
        return
    from prefect.deployments import run_deployment
    from prefect.exceptions import ObjectNotFound

    parameters = {"version": version, "root": str(layout.home)}
    try:
        run_deployment(
            GATE, parameters=parameters, timeout=0, as_subflow=False, idempotency_key=f"{layout.home}/{version}"
        )
    except ObjectNotFound:
        print(
            f"Prefect knows no deployment {GATE}: deploy it with `prefect --no-prompt deploy --all`.", file=sys.stderr
        )
