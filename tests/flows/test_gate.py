"""The gate as a deployment's run under Prefect's harness: each call of `turn` is one process of a worker."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import State
from prefect.client.schemas.sorting import ArtifactSort
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL

from flows.promote import cell, promote
from inspection import chain, clock, files, git
from inspection.errors import AskForApproval, CheckHistory, FixInput
from inspection.layout import Layout
from inspection.release import approval, registry, warrant
from tests.inspection.world import NOON, fake_package

FIGURES = {"escapes": 1, "defective_parts": 20, "false_rejects": 2, "good_parts": 40}
FORM = {"approved_as": "Lena"}


class Gate:
    """A deployment of `promote` for one plant, and a worker that is called by hand."""

    def __init__(self, layout: Layout, client: SyncPrefectClient) -> None:
        self.layout, self.client = layout, client
        flow = client.create_flow(promote)
        self.deployment = client.create_deployment(flow_id=flow, name=f"gate-{layout.home.parent.name}")

    def start(self, version: str = "v1.0.0") -> UUID:
        parameters = {"version": version, "root": str(self.layout.root)}
        return self.client.create_flow_run_from_deployment(self.deployment, parameters=parameters).id

    def turn(self, run: UUID) -> State[Any]:
        """The state in which a fresh process leaves the run."""
        flow_run = self.client.read_flow_run(run)
        with suppress(Pause):
            run_flow(promote, flow_run=flow_run, parameters=flow_run.parameters, return_type="state")
        return self.state(run)

    def resume(self, run: UUID, form: dict[str, str] | None = None) -> str:
        """What the server says to Resume: ACCEPT or REJECT."""
        return str(self.client.resume_flow_run(run, run_input=form).status.value)

    def state(self, run: UUID) -> State[Any]:
        state = self.client.read_flow_run(run).state
        assert state is not None
        return state

    def shown(self, run: UUID) -> list[str]:
        """The Markdown artifacts of a run, oldest first."""
        mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
        found = self.client.read_artifacts(artifact_filter=mine, sort=ArtifactSort.CREATED_DESC)
        return [str(one.data) for one in reversed(found)]


@pytest.fixture
def gate(tiny: Layout, prefect_harness: None) -> Iterator[Gate]:
    with get_client(sync_client=True) as client, clock.at(NOON):
        yield Gate(tiny, client)


def candidate(layout: Layout, version: str = "v1.0.0", **changes: Any) -> approval.Request:
    """A registered candidate whose package is the word `version`."""
    shutil.rmtree(layout.candidate, ignore_errors=True)
    fields: dict[str, Any] = {
        "version": version,
        "package": fake_package(layout.candidate, version),
        "promote": True,
        "objections": (),
        "reasons": ("balanced accuracy 0.800 (floor 0.600)",),
        "champion": None,
        "classes": ("good", "deep_scratch"),
        "figures": FIGURES,
        "requested_by": "Erik",
        "reason": "new | stains",
        "at": clock.stamp(NOON),
        **changes,
    }
    made = approval.Request(**fields)
    by_dvc = {"train": {"outs": [{"path": "models/candidate", "md5": warrant.hash_of(layout.candidate)}]}}
    lock = files.write(layout.home / "dvc.lock", yaml.safe_dump({"stages": by_dvc}))
    git.commit(layout.home, [approval.write_request(layout, made), lock], f"Candidate {version}")
    registry.register(layout, version, "HEAD", "test")
    return made


def answer(layout: Layout, request: approval.Request, approved: bool = True) -> None:
    git.commit(layout.home, [approval.give(layout, request, "Lena", approved, 14)], "Answer")


def releases(layout: Layout) -> list[str]:
    return [str(event.body["version"]) for event in chain.read([layout.history]) if event.kind == "done"]


def test_it_waits_and_only_the_record_opens_it(gate: Gate) -> None:
    request = candidate(gate.layout)
    run = gate.start()
    waiting = gate.turn(run)
    assert (waiting.name, waiting.type.value) == ("Suspended", "PAUSED")
    assert waiting.state_details.pause_timeout is not None
    assert timedelta(days=13.9) < waiting.state_details.pause_timeout - waiting.timestamp < timedelta(days=14.1)
    [shown] = gate.shown(run)
    assert "| 1 of 20 |" in shown and "| 2 of 40 |" in shown
    assert "`andon approve v1.0.0 --by NAME`" in shown

    for count in (2, 3):  # every Resume asks anew
        assert gate.resume(run, FORM) == "ACCEPT"
        assert gate.turn(run).name == "Suspended"
        assert len(gate.shown(run)) == count
        assert "Resume was pressed, but nothing was released: v1.0.0 waits for approval" in gate.shown(run)[-1]
    assert registry.live(gate.layout) is None

    answer(gate.layout, request)
    assert gate.resume(run, FORM) == "ACCEPT"
    assert gate.turn(run).is_completed()
    live = registry.live(gate.layout)
    assert live is not None and (live.version, live.by) == ("v1.0.0", "Lena")
    assert gate.layout.live.resolve().name == request.package


def test_the_form_cannot_be_left_empty(gate: Gate) -> None:
    candidate(gate.layout)
    run = gate.start()
    gate.turn(run)
    for form in (None, {}, {"approved_as": ""}):
        assert gate.resume(run, form) == "REJECT"
    assert gate.state(run).name == "Suspended"


def test_approved_before_it_starts_it_releases_at_once(gate: Gate) -> None:
    answer(gate.layout, candidate(gate.layout))
    assert gate.turn(gate.start()).is_completed()
    assert releases(gate.layout) == ["v1.0.0"]


def test_resume_after_the_command_has_released_ends_well(gate: Gate) -> None:
    request = candidate(gate.layout)
    run = gate.start()
    gate.turn(run)
    answer(gate.layout, request)
    promote(request.version, root=gate.layout.root)  # as `andon approve` does
    gate.resume(run, FORM)
    done = gate.turn(run)
    assert done.is_completed()
    assert "v1.0.0 is live already" in str(done.message)
    assert releases(gate.layout) == ["v1.0.0"]


def test_what_was_taken_back_is_not_put_on_the_line_again(gate: Gate) -> None:
    first = candidate(gate.layout)
    run = gate.start()
    gate.turn(run)
    answer(gate.layout, first)
    promote("v1.0.0", root=gate.layout.root)
    second = candidate(gate.layout, "v1.1.0", champion=first.package)
    answer(gate.layout, second)
    promote("v1.1.0", root=gate.layout.root)
    gate.resume(run, FORM)
    done = gate.turn(run)
    assert done.is_completed()
    assert "was on the line before" in str(done.message)
    assert releases(gate.layout) == ["v1.0.0", "v1.1.0"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"promote": False, "objections": ("too many escapes",)}, "did not pass the gate: too many escapes"),
        ({"champion": "b" * 64}, "is superseded"),
    ],
)
def test_what_nobody_may_approve_ends_in_words(gate: Gate, changes: dict[str, Any], words: str) -> None:
    candidate(gate.layout, **changes)
    run = gate.start()
    done = gate.turn(run)
    assert done.is_completed()
    assert words in str(done.message)
    assert words in gate.shown(run)[-1]
    assert registry.live(gate.layout) is None


def test_a_rejection_while_it_waits_ends_in_words(gate: Gate) -> None:
    request = candidate(gate.layout)
    run = gate.start()
    gate.turn(run)
    answer(gate.layout, request, approved=False)
    gate.resume(run, FORM)
    done = gate.turn(run)
    assert "v1.0.0 was rejected by Lena" in str(done.message)
    assert registry.live(gate.layout) is None


def test_an_approval_that_another_release_has_overtaken_releases_nothing(gate: Gate) -> None:
    late = candidate(gate.layout)
    run = gate.start()
    gate.turn(run)
    answer(gate.layout, late)
    rival = candidate(gate.layout, "v1.1.0")
    answer(gate.layout, rival)
    promote("v1.1.0", root=gate.layout.root)
    gate.resume(run, FORM)
    done = gate.turn(run)
    assert done.is_completed()
    assert "v1.0.0 is superseded" in str(done.message) and "v1.1.0" in str(done.message)
    assert releases(gate.layout) == ["v1.1.0"]
    with pytest.raises(AskForApproval, match="superseded"):  # the command refuses it too
        promote("v1.0.0", root=gate.layout.root)


def test_an_expired_approval_asks_anew(gate: Gate) -> None:
    request = candidate(gate.layout)
    answer(gate.layout, request)
    run = gate.start()
    with clock.at(NOON + timedelta(days=15)):
        assert gate.turn(run).name == "Suspended"
        assert registry.live(gate.layout) is None
        answer(gate.layout, request)
        gate.resume(run, FORM)
        assert gate.turn(run).is_completed()
    assert releases(gate.layout) == ["v1.0.0"]


def test_nobody_came_in_time(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server itself ends a wait that is over, and Resume cannot bring it back; the command still can."""
    from flows import promote as module

    request = candidate(gate.layout)
    real = module.suspend_flow_run
    monkeypatch.setattr(module, "suspend_flow_run", lambda *form, **how: real(*form, **{**how, "timeout": 0}))
    run = gate.start()
    gate.turn(run)
    assert gate.resume(run, FORM) == "REJECT"
    state = gate.state(run)
    assert state.is_failed()
    assert "never resumed" in str(state.message)
    answer(gate.layout, request)
    assert promote("v1.0.0", root=gate.layout.root)["version"] == "v1.0.0"


def test_two_at_once_release_once(gate: Gate) -> None:
    answer(gate.layout, candidate(gate.layout))
    surroundings = {
        **os.environ,
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "ANDON_NOW": clock.stamp(NOON),
    }
    command = [sys.executable, "-c", "from flows.promote import promote; promote('v1.0.0')"]
    both = [subprocess.Popen(command, cwd=gate.layout.root, env=surroundings) for _ in range(2)]
    try:
        assert [one.wait(90) for one in both] == [0, 0]
    finally:
        for one in both:
            one.kill()
            one.wait(10)
    assert releases(gate.layout) == ["v1.0.0"]
    assert registry.difference(gate.layout) is None


def test_today_s_model_stands_beside_the_candidate(gate: Gate) -> None:
    from flows.promote import evidence

    first = candidate(gate.layout)
    answer(gate.layout, first)
    promote("v1.0.0", root=gate.layout.root)
    second = candidate(gate.layout, "v1.1.0", champion=first.package)
    gate.layout.reports.mkdir(exist_ok=True)
    report = gate.layout.reports / "decision.json"
    champion = {"version": "v1.0.0", "package": first.package, "figures": {**FIGURES, "escapes": 3}}
    report.write_text(json.dumps({"candidate": {"package": second.package}, "champion": champion}))
    assert "3 of 20" not in evidence(gate.layout, second), "nobody committed it"
    git.commit(gate.layout.home, [report], "Report")
    assert "| 1 of 20 | 3 of 20 |" in evidence(gate.layout, second)
    report.write_text(json.dumps({"candidate": {"package": "another"}, "champion": champion}))
    git.commit(gate.layout.home, [report], "Report")
    assert "3 of 20" not in evidence(gate.layout, second)


def test_names_cannot_break_the_table(gate: Gate) -> None:
    wicked = "a|b\n| c <img src=x> [here](http://x) `d` **e** \u202eabc"
    assert cell(wicked) == r"a\|b \| c \<img src=x\> \[here\]\(http\[:\]//x\) \`d\` \*\*e\*\* abc"
    request = candidate(gate.layout, reason=wicked, reasons=(wicked,), classes=(wicked,))
    run = gate.start()
    gate.turn(run)
    [shown] = gate.shown(run)
    assert request.reason not in shown
    assert not [line for line in shown.splitlines() if line.startswith("| c")]


# what merely lies there is nobody's word


def by_hand(layout: Layout, version: str, package: str, by: str = "Lena") -> Path:
    """An approval that was written with an editor."""
    stamps = {"at": clock.stamp(NOON), "expires_at": clock.stamp(NOON + timedelta(days=14))}
    record = {"version": version, "package": package, "approved": True, "by": by, **stamps, "note": ""}
    return files.write(layout.approvals / f"{version}.json", json.dumps(record))


def test_an_approval_that_nobody_committed_releases_nothing(gate: Gate) -> None:
    layout, request = gate.layout, candidate(gate.layout)
    by_hand(layout, "v1.0.0", request.package)
    with pytest.raises(AskForApproval, match=r"approvals/v1\.0\.0\.json was never committed.*delete the file"):
        promote("v1.0.0", root=layout.root)
    run = gate.start()
    assert gate.turn(run).name == "Suspended"
    gate.resume(run, FORM)
    assert gate.turn(run).name == "Suspended"
    assert "nothing was released: approvals/v1.0.0.json was never committed" in gate.shown(run)[-1].replace("\\", "")
    assert registry.history(layout) == [] and not layout.live.exists()


def test_a_package_with_a_request_and_an_approval_made_by_hand_goes_nowhere(gate: Gate) -> None:
    layout = gate.layout
    answer(layout, candidate(layout))
    promote("v1.0.0", root=layout.root)
    before = os.readlink(layout.live)
    shutil.rmtree(layout.candidate)
    package = fake_package(layout.candidate, "forged")
    fields = approval.find_request(layout, "v1.0.0").model_dump()
    made = approval.Request(**{**fields, "version": "v9.0.0", "package": package, "champion": None})
    approval.write_request(layout, made)
    by_hand(layout, "v9.0.0", package)
    with pytest.raises(FixInput, match=r"approvals/v9\.0\.0\.request\.json was never committed"):
        promote("v9.0.0", root=layout.root)
    with pytest.raises(FixInput, match=r"approvals/v9\.0\.0\.request\.json was never committed"):
        approval.find_request(layout, "v9.0.0")
    assert os.readlink(layout.live) == before and releases(layout) == ["v1.0.0"]
    git.commit(layout.home, [*layout.approvals.glob("v9.0.0*")], "As if it were right")
    with pytest.raises((AskForApproval, CheckHistory)):  # registered it may be by then, but DVC has another package
        promote("v9.0.0", root=layout.root)
    assert os.readlink(layout.live) == before and releases(layout) == ["v1.0.0"]


@pytest.mark.parametrize("way", ["request", "tag", "dvc"])
def test_request_tag_and_dvc_have_to_speak_of_one_package_before_the_line_is_touched(gate: Gate, way: str) -> None:
    layout, request = gate.layout, candidate(gate.layout)
    package = fake_package(layout.root / "forged", "forged")
    if way == "dvc":  # the package is the one that was asked for, but not what DVC has kept
        text = (layout.home / "dvc.lock").read_text()
        (layout.home / "dvc.lock").write_text(text.replace(warrant.hash_of(layout.candidate), "0" * 32 + ".dir"))
        git.run(layout.home, "tag", "--delete", "model@v1.0.0")
        git.run(layout.home, "commit", "--quiet", "--all", "--amend", "--no-edit")
        registry.register(layout, "v1.0.0", "HEAD", "test")
        words = "is not the models/candidate that dvc.lock had when v1.0.0 was registered"
    elif way == "tag":
        git.run(layout.home, "tag", "--delete", "model@v1.0.0")
        git.run(layout.home, "checkout", "--quiet", "--orphan", "other")
        git.run(layout.home, "commit", "--quiet", "--allow-empty", "--message", "Another history")
        git.run(layout.home, "tag", "model@v1.0.0")
        git.run(layout.home, "checkout", "--quiet", "main")
        words = "of another history"
    else:
        changed = request.model_copy(update={"package": package})
        git.commit(layout.home, [approval.write_request(layout, changed)], "By hand")
        shutil.rmtree(layout.candidate)
        shutil.copytree(layout.root / "forged", layout.candidate)
        words = "was changed after v1.0.0 was registered"
    answer(layout, approval.find_request(layout, "v1.0.0"))
    with pytest.raises(CheckHistory, match=words):
        promote("v1.0.0", root=layout.root)
    assert registry.history(layout) == [] and not layout.live.exists()


def test_a_rollback_asks_the_same_of_what_it_puts_back(gate: Gate) -> None:
    from flows.rollback import rollback

    layout, first = gate.layout, candidate(gate.layout)
    answer(layout, first)
    promote("v1.0.0", root=layout.root)
    answer(layout, candidate(layout, "v1.1.0", champion=first.package))
    promote("v1.1.0", root=layout.root)
    before = os.readlink(layout.live)
    git.run(layout.home, "tag", "--delete", "model@v1.0.0")
    with pytest.raises(CheckHistory, match=r"v1\.0\.0 is not registered: it has no tag model@v1\.0\.0"):
        rollback("Lena", root=layout.root)
    assert os.readlink(layout.live) == before
    added = git.run(layout.home, "log", "--format=%H", "-1", "--", "approvals/v1.0.0.request.json")
    registry.register(layout, "v1.0.0", added, "test")
    assert rollback("Lena", root=layout.root)["version"] == "v1.0.0"
    assert [tag for tag in git.run(layout.home, "tag", "--list").splitlines() if "#" in tag] == [
        "model#live#1",
        "model#live#2",
        "model#live#3",
    ]
