"""What flows share of Prefect: running here, what is believed of a deployment's run, handing on whole, the gate and the
candidates that it waits for."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from httpx import HTTPStatusError
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)
from prefect.utilities.annotations import quote

from flows.servers import own as server
from inspection import garbage, git
from inspection.anchor import account
from inspection.errors import AskForApproval, FixSettings, WaitForOther
from inspection.layout import Layout
from inspection.progress import doing

GATE = "promote/gate"  # flow and deployment in prefect.yaml
NOBODY = "nobody known, through Prefect"  # for the record: who set a run's parameters is known to no one
UNAUTHORIZED = 401

T = TypeVar("T")


def run_here(flow: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `flow` returns, run in this process, on its own server if it has one, and without heartbeats: their end
    would keep it waiting for a second.

    Raises:
        WaitForOther: the server does not answer, or no more; what was done until then is kept.
        FixSettings: the server that the environment names wants another login.
    """
    garbage.settle()
    settings: dict[Any, Any] = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with doing("waiting for Prefect's server"):
        own = server.own()
    if own:
        settings |= {PREFECT_API_URL: own.url, PREFECT_API_AUTH_STRING: own.login}
    with temporary_settings(settings):
        try:
            return flow(*args, **kwargs)
        except HTTPStatusError as refusal:
            if refusal.response.status_code != UNAUTHORIZED:
                raise
            raise FixSettings(
                f"The Prefect server at {_given()} does not accept the login: set "
                "PREFECT_API_AUTH_STRING to the server's own (docs/production.md)."
            ) from None
        except Exception as error:
            if not _is_of_no_answer(error):
                raise
            raise WaitForOther(_no_answer(own is not None)) from None


def _is_of_no_answer(error: Exception) -> bool:
    """Whether Prefect, or the library that it asks its server with, says that it reaches nobody."""
    kinds = {f"{one.__module__.partition('.')[0]}.{one.__name__}" for one in type(error).__mro__}
    return "httpx.TransportError" in kinds or str(error).startswith("Failed to reach API at ")


def _no_answer(own: bool) -> str:
    if own:
        return "Prefect's server of this command has ended. What was done is kept: run the same command again."
    return (
        f"Prefect's server at {_given()} (PREFECT_API_URL) does not answer. What was done is "
        "kept: start that server, or take PREFECT_API_URL out of the environment, then run the same command again."
    )


def _given() -> str:
    """Where the server is that the environment names, without what may be a secret in its address."""
    address = urlsplit(PREFECT_API_URL.value() or "")
    return f"{address.hostname}:{address.port}"


def begin(root: Path | None) -> Layout:
    """The plant of a run. A deployment's run that root makes says so in its log."""
    if deployed() and (words := account.words()):
        get_run_logger().warning(words)
    return Layout.find(root)


def deployed() -> FlowRun | None:
    """The run, if it is a deployment's: whoever reaches Prefect may start one with any parameters, and only such a run
    can be suspended."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run if run and run.deployment_id else None


def refuse_deployed(what: str, command: str) -> None:
    """Raises AskForApproval in a deployment's run: `what` goes on record under a person's name, and the one that stands
    in the run's parameters may have been typed by anybody."""
    if deployed():
        raise AskForApproval(
            f"{what} needs a person's name, and nobody knows who started this run through Prefect: nothing changed.",
            f"In the plant's folder run `{command}`.",
        )


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
