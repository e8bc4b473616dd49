import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from inspection import clock, git
from inspection.errors import AskForApproval, FixInput
from inspection.layout import Layout
from inspection.release import approval, registry
from inspection.release.approval import Request
from tests.inspection.world import NOON, fake_package, repository

DAYS = 14


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    repository(tmp_path)
    return Layout(tmp_path, tmp_path)


def request(layout: Layout, version: str = "v1.0.0", **changes: Any) -> Request:
    fields = {
        "version": version,
        "package": "a" * 64,
        "promote": True,
        "objections": (),
        "reasons": ("balanced accuracy 0.800 (floor 0.600)",),
        "champion": None,
        "classes": ("good", "scratch"),
        "figures": {"escapes": 1},
        "requested_by": "Jürgen Weiß",
        "reason": "new stains",
        "at": clock.stamp(NOON),
        **changes,
    }
    made = Request(**fields)
    git.commit(layout.home, [approval.write_request(layout, made)], "Request")
    return made


def approve(layout: Layout, asked: Request, by: str = "Ute", approved: bool = True) -> None:
    with clock.at(NOON):
        approval.put_on_record(layout, asked, by, approved, DAYS)


def refused(layout: Layout, asked: Request, later: timedelta = timedelta(hours=1)) -> str:
    with clock.at(NOON + later), pytest.raises(AskForApproval) as refusal:
        approval.valid(layout, asked)
    return str(refusal.value)


def put_live(layout: Layout, mark: str, version: str) -> str:
    source = layout.root / f"made-{mark}"
    package = fake_package(source, mark)
    registry.install(layout, source, package)
    with clock.at(NOON):
        body = {"version": version, "package": package, "action": "release", "reason": "test"}
        registry.release(layout, body, "Ute", 5)
    return package


def test_an_approval_names_the_candidate_by_hash_and_says_who_and_until_when(layout: Layout) -> None:
    asked = request(layout)
    approve(layout, asked, "  Ute   Meier ")
    with clock.at(NOON + timedelta(days=DAYS) - timedelta(seconds=1)):
        given = approval.valid(layout, asked)
    assert (given.package, given.by, given.approved) == ("a" * 64, "Ute Meier", True)
    assert clock.parse(given.expires_at) - clock.parse(given.at) == timedelta(days=DAYS)
    written = json.loads((layout.approvals / "v1.0.0.json").read_text(encoding="utf-8"))
    assert written["package"] == "a" * 64 and written["by"] == "Ute Meier"


def test_without_an_answer_there_is_nothing_to_release_under(layout: Layout) -> None:
    assert "v1.0.0 waits for approval: run `andon approve v1.0.0 --by NAME`" in refused(layout, request(layout))


@pytest.mark.parametrize(
    "by",
    [
        "Jürgen Weiß",
        "jürgen weiß",
        "JÜRGEN WEISS",
        "  Jürgen \t Weiß\n",
        "Jürgen\u00a0Weiß",
        "Ju\u0308rgen Weiß",  # the same letters, typed on another keyboard
        "Jürgen\u200b Weiß\u2060",  # characters of no width
    ],
)
def test_whoever_asked_cannot_approve_however_the_name_is_written(layout: Layout, by: str) -> None:
    asked = request(layout)
    with pytest.raises(AskForApproval, match=r"asked for v1\.0\.0 and so cannot approve it"):
        approval.give(layout, asked, by, True, DAYS)
    assert approval.answer(layout, asked) is None


def test_an_approval_by_whoever_asked_does_not_count_even_if_it_was_written_by_hand(layout: Layout) -> None:
    asked = request(layout)
    approve(layout, asked)
    path = layout.approvals / "v1.0.0.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"Ute"', '"jürgen weiß"'), encoding="utf-8")
    git.commit(layout.home, [path], "By hand")
    assert "cannot approve it" in refused(layout, asked)


@pytest.mark.parametrize("by", ["", " ", "\t\n"])
def test_an_answer_needs_a_name(layout: Layout, by: str) -> None:
    for approved in (True, False):
        with pytest.raises(AskForApproval, match="--by NAME"):
            approval.give(layout, request(layout), by, approved, DAYS)


def test_an_approval_expires_and_can_be_given_again(layout: Layout) -> None:
    asked = request(layout)
    approve(layout, asked)
    assert "by Ute expired on 2026-11-16; run `andon approve" in refused(layout, asked, timedelta(days=DAYS))
    with clock.at(NOON + timedelta(days=DAYS)):
        approval.put_on_record(layout, asked, "Theo", True, DAYS)
        assert approval.valid(layout, asked).by == "Theo"


def test_an_approval_that_is_given_again_keeps_the_ones_that_expired(layout: Layout) -> None:
    asked = request(layout)
    approve(layout, asked)
    for times, name in enumerate(("Theo", "Rosa"), 1):
        with clock.at(NOON + timedelta(days=times * DAYS)):
            approval.put_on_record(layout, asked, name, True, DAYS)
    given = approval.answer(layout, asked)
    assert given is not None and given.by == "Rosa" and [one.by for one in given.before] == ["Ute", "Theo"]
    assert given.before[0].at == clock.stamp(NOON) and not any(one.before for one in given.before)


def test_an_approval_of_another_package_does_not_count_and_the_remedy_it_names_helps(layout: Layout) -> None:
    approve(layout, request(layout))
    other = request(layout, package="b" * 64)  # another candidate under the same version
    assert "names another package" in refused(layout, other)
    approve(layout, other, "Theo")
    with clock.at(NOON):
        assert approval.valid(layout, other).by == "Theo"


def test_a_candidate_is_answered_once(layout: Layout) -> None:
    asked = request(layout)
    approve(layout, asked)
    for approved in (True, False):
        with clock.at(NOON), pytest.raises(AskForApproval, match=r"approved by Ute on 2026-11-02 already"):
            approval.give(layout, asked, "Theo", approved, DAYS)


def test_a_rejected_candidate_stays_rejected(layout: Layout) -> None:
    asked = request(layout)
    approve(layout, asked, "Theo", approved=False)
    assert "rejected by Theo" in refused(layout, asked)
    with clock.at(NOON + timedelta(days=99)), pytest.raises(AskForApproval, match="rejected by Theo"):
        approval.give(layout, asked, "Ute", True, DAYS)


def test_whoever_asked_may_take_the_candidate_back(layout: Layout) -> None:
    asked = request(layout)
    approve(layout, asked, asked.requested_by, approved=False)
    assert approval.state(layout, asked) == "rejected"


def test_what_the_gate_refused_cannot_be_approved(layout: Layout) -> None:
    asked = request(layout, promote=False, objections=("pit: recall 1.000 → 0.500",))
    with pytest.raises(AskForApproval, match=r"did not pass the gate: pit: recall 1\.000 → 0\.500"):
        approval.give(layout, asked, "Ute", True, DAYS)


def test_a_candidate_compared_with_another_model_than_the_live_one_is_superseded(layout: Layout) -> None:
    asked = request(layout)
    approve(layout, asked)
    put_live(layout, "x", "v0.9.0")
    words = refused(layout, asked)
    assert "superseded" in words and "v0.9.0" in words and "andon retrain" in words
    with clock.at(NOON), pytest.raises(AskForApproval, match="superseded"):
        approval.give(layout, request(layout, "v1.1.0", package="c" * 64), "Ute", True, DAYS)


def test_a_candidate_compared_with_the_live_model_is_not_superseded(layout: Layout) -> None:
    live = put_live(layout, "x", "v0.9.0")
    asked = request(layout, champion=live)
    approve(layout, asked)
    with clock.at(NOON + timedelta(hours=1)):
        assert approval.valid(layout, asked).by == "Ute"


def test_what_is_live_already_may_be_released_again_as_an_interrupted_release_needs(layout: Layout) -> None:
    approve(layout, request(layout, package=fake_package(layout.root / "same", "x")))
    live = put_live(layout, "x", "v1.0.0")
    asked = approval.find_request(layout, "v1.0.0")
    assert asked.package == live
    with clock.at(NOON + timedelta(hours=1)):
        assert approval.valid(layout, asked).by == "Ute"


def test_the_state_says_in_a_word_where_a_candidate_stands(layout: Layout) -> None:
    first = put_live(layout, "x", "v1.0.0")
    second = put_live(layout, "y", "v1.1.0")
    asked = {
        "released before": request(layout, "v1.0.0", package=first),
        "live": request(layout, "v1.1.0", package=second, champion=first),
        "refused by the gate": request(layout, "v1.2.0", package="c" * 64, promote=False, champion=second),
        "superseded": request(layout, "v1.3.0", package="d" * 64, champion=first),
        "waiting for approval": request(layout, "v1.4.0", package="e" * 64, champion=second),
        "approved": request(layout, "v1.5.0", package="f" * 64, champion=second),
        "rejected": request(layout, "v1.6.0", package="0" * 64, champion=second),
    }
    approve(layout, asked["approved"])
    approve(layout, asked["rejected"], approved=False)
    with clock.at(NOON + timedelta(hours=1)):
        assert {words: approval.state(layout, one) for words, one in asked.items()} == {words: words for words in asked}
    with clock.at(NOON + timedelta(days=DAYS)):
        assert approval.state(layout, asked["approved"]) == "approval expired"


def test_a_candidate_is_found_by_version_or_by_the_first_letters_of_its_hash(layout: Layout) -> None:
    one = request(layout, "v1.0.0", package="abcdef12" + "0" * 56, at=clock.stamp(NOON + timedelta(days=1)))
    two = request(layout, "v1.1.0", package="abcdef34" + "0" * 56)
    assert approval.find_request(layout, "v1.0.0") == one and approval.find_request(layout, "abcdef3") == two
    assert approval.requests(layout) == [two, one]  # by time
    for name in ("abcdef", "abcde", "v2.0.0", "", "../v1.0.0"):  # two, too short, none
        with pytest.raises(FixInput, match=r"there are: v1\.1\.0, v1\.0\.0"):
            approval.find_request(layout, name)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
def test_a_damaged_record_is_named_with_the_remedy(layout: Layout, content: bytes) -> None:
    asked = request(layout)
    (layout.approvals / "v1.0.0.json").write_bytes(content)
    git.commit(layout.home, [layout.approvals / "v1.0.0.json"], "By hand")
    with pytest.raises(FixInput, match=r"v1\.0\.0\.json is not what Andon wrote: restore it with git"):
        approval.answer(layout, asked)


# only what is committed is somebody's word


def forged(layout: Layout, name: str, **changes: Any) -> Path:
    """A record that somebody wrote into approvals/ by hand."""
    path = layout.approvals / name
    record = {"version": "v1.0.0", "package": "f" * 64, "approved": True, "by": "Ute", "at": clock.stamp(NOON)}
    record |= {"expires_at": clock.stamp(NOON + timedelta(days=DAYS)), "note": "", **changes}
    layout.approvals.mkdir(exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def test_an_answer_that_nobody_committed_is_none_and_its_file_is_named_with_the_remedy(layout: Layout) -> None:
    asked = request(layout)
    forged(layout, "v1.0.0.json", package=asked.package)
    assert approval.answer(layout, asked) is None
    with clock.at(NOON):
        assert approval.state(layout, asked) == "waiting for approval"
    assert "waits for approval" in refused(layout, asked)
    words = r"approvals/v1\.0\.0\.json was never committed, so nobody stands for it: delete the file"
    with clock.at(NOON), pytest.raises(AskForApproval, match=words):
        approval.give(layout, asked, "Theo", True, DAYS)
    (layout.approvals / "v1.0.0.json").unlink()
    approve(layout, asked, "Theo")


def test_a_request_that_nobody_committed_is_no_candidate_and_is_named(layout: Layout) -> None:
    made = request(layout, "v9.0.0", package="f" * 64)
    git.run(layout.home, "rm", "--quiet", "--cached", "approvals/v9.0.0.request.json")
    git.run(layout.home, "commit", "--quiet", "--message", "As if it had never been")
    assert approval.requests(layout) == [] and (layout.approvals / "v9.0.0.request.json").exists()
    with pytest.raises(FixInput, match=r"approvals/v9\.0\.0\.request\.json was never committed"):
        approval.find_request(layout, made.version)


def test_records_that_were_changed_or_deleted_by_hand_count_as_committed_and_are_named(layout: Layout) -> None:
    asked = request(layout)
    approve(layout, asked)
    assert approval.unrecorded(layout) == {}
    path = forged(layout, "v1.0.0.json", by="Mallory")
    (layout.approvals / "v1.0.0.request.json").unlink()
    git.run(layout.home, "update-index", "--assume-unchanged", "approvals/v1.0.0.json")
    given = approval.answer(layout, asked)
    assert given is not None and given.by == "Ute" and approval.requests(layout) == [asked]
    assert list(approval.unrecorded(layout)) == ["v1.0.0.json", "v1.0.0.request.json"]
    with pytest.raises(AskForApproval, match=r"git restore --source=HEAD --staged --worktree approvals/v1\.0\.0\.req"):
        approval.refuse_unrecorded(layout, "v1.0.0")
    git.run(layout.home, "update-index", "--no-assume-unchanged", "approvals/v1.0.0.json")
    git.run(layout.home, "restore", "--source=HEAD", "--staged", "--worktree", "approvals")
    assert approval.unrecorded(layout) == {} and '"Ute"' in path.read_text(encoding="utf-8")


def test_an_answer_that_was_killed_before_its_commit_is_given_again(layout: Layout) -> None:
    asked = request(layout)
    with clock.at(NOON):
        approval.give(layout, asked, "Ute", True, DAYS)
    with clock.at(NOON + timedelta(hours=1)):
        with pytest.raises(AskForApproval, match="never committed"):
            approval.give(layout, asked, "Theo", True, DAYS)
        approval.put_on_record(layout, asked, "Ute", True, DAYS)
        assert approval.valid(layout, asked).by == "Ute"


def test_what_was_on_the_line_is_not_answered_again_and_its_record_stays(layout: Layout) -> None:
    asked = request(layout, package=fake_package(layout.root / "same", "x"))
    approve(layout, asked)
    put_live(layout, "x", "v1.0.0")
    before = (layout.approvals / "v1.0.0.json").read_bytes()
    late = NOON + timedelta(days=3 * DAYS)  # the approval has expired by then
    for approved in (True, False):
        with clock.at(late), pytest.raises(AskForApproval, match=r"v1\.0\.0 is live already, since 2026-11-02 12:00"):
            approval.give(layout, asked, "Theo", approved, DAYS)
    put_live(layout, "y", "v1.1.0")
    with clock.at(late), pytest.raises(AskForApproval, match=r"released already.*andon rollback v1\.0\.0 --by"):
        approval.give(layout, asked, "Theo", True, DAYS)
    assert (layout.approvals / "v1.0.0.json").read_bytes() == before
