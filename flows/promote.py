"""A valid approval -> release, atomically. As a deployment's run the flow waits for that approval."""

import re
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.states import Completed
from pydantic import Field

from flows.mails import announce
from flows.tasks import begin, deployed, register_all
from flows.versions import dvc
from inspection import clock
from inspection.anchor import writing
from inspection.errors import AskForApproval
from inspection.layout import Layout
from inspection.model.package import package_hash
from inspection.outside.credentials import masked
from inspection.outside.quoted import quoted, unlinked
from inspection.params import read_params
from inspection.release import approval, registry, warrant


@flow(name="promote")
def promote(version: str, root: Path | None = None) -> dict[str, Any]:
    """Release the candidate, if a person approved exactly this one.

    Without a deployment a missing approval ends it. A deployment's run waits for a person and, once resumed, starts
    again from here: whoever pressed Resume and whatever was typed there, only the approval record is believed.

    Returns:
        The release: version, package, action, at, by, reason.

    Raises:
        AskForApproval: there is no valid approval, and nobody to wait for.
        CheckHistory: what is committed, its tag and DVC's record do not speak of the same package.
    """
    layout = begin(root)
    settings = read_params(layout.params)
    writing.require(layout)
    request = approval.find_request(layout, version)
    run = deployed()
    if run and (words := over(layout, request)):
        return ended(layout, request, words)
    try:
        given = warrant.approved(layout, request)
    except AskForApproval as closed:
        if run:
            wait(layout, request, run, str(closed), settings.approval.valid_days)
        raise
    register_all(layout)  # of a retrain that was killed before it could
    warrant.registered(layout, request.version, request.package)
    fetch(layout, request)
    body = {"version": request.version, "package": request.package, "action": "release", "reason": request.reason}
    release = put_on_line(layout, body, given.by, settings.releases.keep, partial(warrant.check, layout, request))
    announce(layout, settings)
    return {**asdict(release), "at": clock.stamp(release.at)}


@task(name="fetch", cache_policy=NO_CACHE)
def fetch(layout: Layout, request: approval.Request) -> None:
    """Bring the candidate's package into `releases/`, from the checkout or from DVC by its tag."""
    if layout.candidate.is_dir() and package_hash(layout.candidate) == request.package:
        registry.install(layout, layout.candidate, request.package)
        return
    layout.state.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.state) as folder:
        target = Path(folder) / "candidate"
        tag = f"{registry.ARTIFACT}@{request.version}"
        dvc(layout.home, "get", ".", "models/candidate", "--rev", tag, "--out", str(target), "--quiet")
        registry.install(layout, target, request.package)


@task(name="put-on-line", cache_policy=NO_CACHE)
def put_on_line(
    layout: Layout, body: dict[str, Any], by: str, keep: int, may: Callable[[], object]
) -> registry.Release:
    """Put a package on the line, if it still `may` go there; GTO's index names it before the line is swapped."""
    index = partial(registry.assign, layout, body["version"], f"{body['action']} by {by}")
    release = registry.release(layout, body, by, keep, may, index)
    registry.assign(layout, release.version, f"{release.action} by {release.by}")  # where a killed run could not
    return release


class Doorbell(RunInput):
    """The form beside Resume. Its field has no default, so that a bare click is not enough; its content is not read."""

    approved_as: str = Field(
        title="The name under which you approved",
        description="Releases nothing by itself: `andon approve` has to come first.",
        min_length=1,
    )


def over(layout: Layout, request: approval.Request) -> str | None:
    """In words, why nobody has to decide on the candidate any more; None while somebody may."""
    state, version = approval.state(layout, request), request.version
    now, given = registry.live(layout), approval.answer(layout, request)
    if state == "live" and now:
        return f"{version} is live already, since {clock.stamp(now.at)[:16].replace('T', ' ')} UTC by {now.by}."
    if state == "released before":
        again = f"`andon rollback {version} --by NAME` puts it back"
        return f"{version} was on the line before and is not live any more; {again}. Nothing was released."
    if state == "refused by the gate":
        return f"{version} did not pass the gate: {'; '.join(request.objections)}. Nothing was released."
    if state == "rejected" and given:
        return f"{version} was rejected by {given.by} on {given.at[:10]}. Nothing was released."
    if state == "superseded":
        rival = now.version if now else "nothing"
        return (
            f"{version} is superseded: it was compared with another model than {rival}, which is live now. "
            "Nothing was released; `andon retrain` makes a candidate that is compared with it."
        )
    return None


def ended(layout: Layout, request: approval.Request, words: str) -> dict[str, Any]:
    """The run's last state, Completed with these words: a person's "no" is an answer and no fault to be repaired."""
    registry.finish(layout)  # what a killed run could not
    get_run_logger().info(words)
    create_markdown_artifact(f"# {cell(words)}\n", key=artifact_key(request), description=words)
    return cast(dict[str, Any], Completed(message=words))  # Prefect takes a returned state for the run's own


def wait(layout: Layout, request: approval.Request, run: FlowRun, closed: str, valid_days: float) -> None:
    """Show the evidence and suspend; this process ends here, and Resume starts the flow again."""
    asked = len(run.empirical_policy.pause_keys or ())  # run.run_count does not count what Resume starts
    notice = f"Resume was pressed, but nothing was released: {closed}" if asked else ""
    get_run_logger().warning(notice or closed)
    text = evidence(layout, request, notice)
    create_markdown_artifact(text, key=artifact_key(request), description=notice or closed)
    suspend_flow_run(
        Doorbell.with_initial_data(description=text),
        timeout=max(int(valid_days * 86400), 1),
        key=f"approval-{asked}",  # a key fires once: each Resume has to ask anew
    )


def artifact_key(request: approval.Request) -> str:
    return "candidate-" + re.sub("[^a-z0-9]+", "-", request.version.lower())


def evidence(layout: Layout, request: approval.Request, notice: str = "") -> str:
    """What a person needs to decide, as Markdown."""
    version = re.sub(r"[^\w.-]", "", request.version)
    said = [f"- ✗ {cell(words)}" for words in request.objections] or ["- nothing"]
    lines = [
        f"# {version} waits for a person's approval",
        *([f"**{cell(notice)}**"] if notice else []),
        "\n".join(figures(layout, request)),
        f"Asked for by {cell(request.requested_by)} on {cell(request.at[:16].replace('T', ' '))} UTC: "
        f"{cell(quoted(request.reason, 200))}.",
        f"It knows {', '.join(cell(name) for name in request.classes)}. Its package is {cell(request.package[:12])}, "
        f"in the plant {cell(str(layout.home))}.",
        "**What speaks for it**",
        "\n".join(f"- ✓ {cell(words)}" for words in request.reasons) or "- nothing",
        "**What speaks against it**",
        "\n".join(said),
        "**To approve**",
        f"1. In the plant's folder run `andon approve {version} --by NAME`.\n"
        "2. Press Resume here, which releases what was approved (or sees that it is live already).",
        f"To turn it down run `andon reject {version} --by NAME`. Only the record that the command writes counts: "
        "Resume alone releases nothing, whatever name is typed here.",
    ]
    return "\n\n".join(lines) + "\n"


def figures(layout: Layout, request: approval.Request) -> list[str]:
    """Escapes and false rejects as a Markdown table, beside those of today's model if it was compared with one."""
    sides = {f"candidate {cell(request.version)}": request.figures}
    if champion := approval.compared(layout, request):
        sides[f"on the line today: {cell(str(champion['version']))}"] = champion["figures"]
    rows = {
        "defective parts that would pass (escapes)": ("escapes", "defective_parts"),
        "good parts that would be thrown away (false rejects)": ("false_rejects", "good_parts"),
    }
    return [
        f"| tried on the same parts | {' | '.join(sides)} |",
        "|---|" + "---|" * len(sides),
        *(
            f"| {name} | " + " | ".join(cell(f"{side.get(hits)} of {side.get(n)}") for side in sides.values()) + " |"
            for name, (hits, n) in rows.items()
        ),
    ]


def cell(text: str) -> str:
    """`text` as it stands, in one line: no character of it is Markdown or HTML, and nothing of it becomes a link."""
    plain = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~&$])", r"\\\1", unlinked(masked(plain)))
