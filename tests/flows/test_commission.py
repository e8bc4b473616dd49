"""A person declares a camera healthy: what is refused, what is written, what it closes."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from andon.status import state
from flows.commission import commission, renew
from flows.tasks import run_here
from inspection import clock, git
from inspection.errors import FixInput, FixSettings
from inspection.layout import Layout
from inspection.records import commissions, incidents, ledger
from inspection.records.catalog import rebuild
from monitoring.judgement import reference
from tests.conftest import EVENING, set_params
from tests.flows.test_watch import (
    CAMERA,
    ONE_DAY,
    accept,
    commissioned,
    copied,
    evening,
    killed_before,
    lamp,
    look,
    mails,
    pictures,
    settled,
    take_in,
)

pytestmark = pytest.mark.usefixtures("prefect_harness")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, prefect_harness: None) -> Layout:
    """Day 0 of CAMERA is declared healthy; the other camera never delivered anything."""
    return commissioned(tmp_path_factory)


@pytest.fixture
def plant(base: Layout, tmp_path: Path) -> Layout:
    return copied(base, tmp_path / "plant")


def declare(layout: Layout, **changes: Any) -> list[dict[str, Any]]:
    """Declare day 0 healthy, but for the `changes`."""
    values = {"cameras": [CAMERA], "since": EVENING - ONE_DAY, "until": EVENING, "by": "Ines", **changes}
    with clock.at(evening(1)):
        made: list[dict[str, Any]] = run_here(commission, **values, root=layout.root)
    return made


def test_the_first_reference_is_kept_with_who_said_so(base: Layout) -> None:
    (one,) = commissions.fold(ledger.read(base))[CAMERA]
    assert (one.version, one.by, one.images, one.windows) == ("v1", "Ines", 32, 4)
    assert EVENING - ONE_DAY < one.first < one.last < EVENING
    made = reference.load(one.folder(base), one.digest)
    assert (made.camera, made.version, set(made.parts)) == (CAMERA, "v1", {"bracket", "housing"})
    assert git.run(base.home, "status", "--porcelain") == ""
    assert git.run(base.home, "ls-files", f"references/{CAMERA}") == ""
    assert git.run(base.home, "ls-files", f"references/{CAMERA}.dvc") == f"references/{CAMERA}.dvc"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cameras": ["cam-9"]}, r"Camera cam-9 is not in cameras.yaml; it declares cam-1, cam-2"),
        ({"cameras": [CAMERA, "cam-9"]}, "cam-9 is not in cameras.yaml"),
        ({"since": EVENING, "until": EVENING - ONE_DAY}, "is not before --to"),
        ({"since": EVENING, "until": EVENING}, "is not before --to"),
        ({"by": " "}, "--by NAME"),
        ({"cameras": ["cam-2"]}, "cam-2 has no captures in that interval; `andon catalog query --camera cam-2`"),
        ({"until": EVENING - timedelta(hours=17)}, r"at least 8 images of the healthy camera; there are \d"),
        ({"cameras": [CAMERA, "cam-2"]}, "cam-2 has no captures"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_written(
    base: Layout, changes: dict[str, Any], words: str
) -> None:
    before = ledger.head(base)
    folders = sorted(base.references.rglob("*"))
    try:
        with pytest.raises(FixInput, match=words):
            declare(base, **changes)
        assert ledger.head(base) == before
        assert sorted(base.references.rglob("*")) == folders
    finally:
        if ledger.head(base) != before:  # so that one failure does not become many
            git.run(base.home, "reset", "--quiet", "--hard", "HEAD~1")
    assert git.run(base.home, "status", "--porcelain") == ""


def test_git_without_a_name_is_said_first(plant: Layout) -> None:
    git.run(plant.home, "config", "--unset", "user.name")
    with pytest.raises(FixSettings, match=r"user\.name"):
        declare(plant)


def test_the_same_days_again_are_a_second_version_of_the_same_bytes(plant: Layout) -> None:
    (made,) = declare(plant, by="Lena")
    assert (made["version"], made["by"], made["closed"]) == ("v2", "Lena", [])
    assert any("in view" in note or "stands still" in note for note in made["notes"])
    first, second = commissions.fold(ledger.read(plant))[CAMERA]
    assert (first.images, first.first, first.last) == (second.images, second.first, second.last)
    maps = [(one.folder(plant) / reference.MAPS).read_bytes() for one in (first, second)]
    assert maps[0] == maps[1]
    assert commissions.current(ledger.read(plant))[CAMERA] == second
    assert all(rebuild(plant).values())


def test_a_killed_declaration_leaves_nothing_that_stops_the_next(
    plant: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "append", die)
        with pytest.raises(BaseException):  # noqa: B017  Prefect wraps what is no Exception
            declare(plant)
    assert len(commissions.fold(ledger.read(plant))[CAMERA]) == 1
    (made,) = declare(plant)
    assert made["version"] == "v2"
    one = commissions.current(ledger.read(plant))[CAMERA]
    assert reference.load(one.folder(plant), one.digest).version == "v2"
    assert git.run(plant.home, "status", "--porcelain") == ""


def test_a_new_reference_closes_what_began_before_it_and_is_measured_against(plant: Layout) -> None:
    """The lamp was replaced by a darker one for good."""
    take_in(plant, 1, pictures(plant, 1, (lamp(since=0),)))
    assert [one["what"] for one in look(plant, 1)["incidents"]] == ["opened"]
    (made,) = accept(plant, 1)
    assert (made["version"], made["closed"]) == ("v2", ["I-0001"])
    (one,) = incidents.fold(ledger.read(plant))
    assert not one.open and "new references" in one.why_closed
    take_in(plant, 2, pictures(plant, 2, (lamp(since=0),), count=16))
    result = look(plant, 2)
    assert [window["state"] for window in result["windows"]] == ["healthy"] * 2
    assert [event.body["windows"][-1]["reference"] for event in ledger.read(plant) if event.kind == "watch"][-1] == "v2"
    assert result["mails"] == [f"[Andon] Line A, {CAMERA}: over – light has changed"]
    assert len(mails(plant)) == 2
    settled(plant)


@pytest.mark.slow
def test_a_reference_of_earlier_days_closes_nothing(plant: Layout) -> None:
    take_in(plant, 1, pictures(plant, 1, (lamp(since=0),)))
    look(plant, 1)
    (made,) = declare(plant)
    assert (made["version"], made["closed"]) == ("v2", [])
    assert incidents.fold(ledger.read(plant))[0].open


# planned changes


def announce(layout: Layout, day: float, **changes: Any) -> dict[str, Any]:
    """Announce a new lamp on CAMERA in the evening of a day, but for the `changes`."""
    values = {"camera": CAMERA, "reason": "a new lamp", "by": "Ines", **changes}
    with clock.at(evening(day)):
        told: dict[str, Any] = run_here(renew, **values, root=layout.root)
    return told


def camera_state(layout: Layout) -> str:
    found: str = state(layout)["cameras"][CAMERA]
    return found


@pytest.fixture
def short(plant: Layout) -> Layout:
    """Three windows of 8 images make a reference."""
    set_params(plant, health__min_clean_windows=3)
    return plant


def test_an_announced_change_is_learned_anew_and_said_at_each_step(short: Layout) -> None:
    told = announce(short, 0)
    assert (told["images"], told["closed"], told["made"], told["refused"]) == (24, [], None, "")
    assert camera_state(short).startswith(
        "learning: renewal announced by Ines because of 'a new lamp', 0 of 24 images so far"
    )
    take_in(short, 1, pictures(short, 1, (lamp(since=0),), count=16))
    result = look(short, 1)
    assert [window["state"] for window in result["windows"]] == ["learning"] * 2
    assert (result["incidents"], result["renewals"]) == ([], [])
    assert "16 of 24 images so far" in camera_state(short)
    take_in(short, 2, pictures(short, 2, (lamp(since=0),), count=16))
    (done,) = look(short, 2)["renewals"]
    assert (done["made"]["version"], done["made"]["images"], done["made"]["reason"]) == ("v2", 24, "a new lamp")
    now = commissions.current(ledger.read(short))[CAMERA]
    assert (now.version, now.by, now.reason, now.images) == ("v2", "Ines", "a new lamp", 24)
    take_in(short, 3, pictures(short, 3, (lamp(since=0),), count=16))
    result = look(short, 3)
    assert [window["state"] for window in result["windows"]] == ["healthy"] * 2
    assert (result["incidents"], result["renewals"]) == ([], [])
    settled(short)


def test_pictures_that_do_not_agree_make_no_reference_and_the_camera_goes_on_learning(short: Layout) -> None:
    announce(short, 0)
    take_in(short, 1, pictures(short, 1, (lamp(-0.4, since=0.5),)))
    (done,) = look(short, 1)["renewals"]
    assert "24 pictures of cam-1 since the change do not agree with each other (gain" in done["refused"]
    assert CAMERA not in commissions.current(ledger.read(short))
    assert "0 of 24 images so far; 24 pictures of cam-1" in camera_state(short)
    assert look(short, 1)["renewals"] == []
    take_in(short, 2, pictures(short, 2, (lamp(-0.4, since=0),)))
    (done,) = look(short, 2)["renewals"]
    assert done["made"]["version"] == "v2"
    settled(short)


def test_with_an_interval_the_reference_is_made_at_once_of_all_of_it(short: Layout) -> None:
    take_in(short, 1, pictures(short, 1, (lamp(since=0),), count=32))
    assert "opened" in [one["what"] for one in look(short, 1)["incidents"]]
    told = announce(short, 1, since=evening(0), until=evening(1))
    assert (told["made"]["version"], told["made"]["images"]) == ("v2", 32)
    every = incidents.fold(ledger.read(short))
    assert told["closed"] == [one.name for one in every]
    one = every[0]
    assert (one.why_closed, one.closed_by) == ("planned change on cam-1: a new lamp", "Ines")
    assert commissions.under_way(ledger.read(short)) == {}
    settled(short)


def test_a_killed_renewal_is_made_by_the_next_watch(short: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    announce(short, 0)
    take_in(short, 1, pictures(short, 1, (lamp(since=0),)))
    killed_before("reference", lambda: look(short, 1), monkeypatch)
    (done,) = look(short, 1)["renewals"]
    assert done["made"]["version"] == "v2"
    settled(short)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"camera": "cam-9"}, "cam-9 is not in cameras.yaml"),
        ({"by": " "}, "--by NAME"),
        ({"reason": " "}, "--reason TEXT"),
        ({"since": EVENING, "until": EVENING}, "is not before --to"),
        ({"since": evening(5), "until": evening(6)}, "no captures in that interval"),
        ({"since": EVENING - timedelta(days=1), "until": EVENING - timedelta(hours=17)}, "at least 8 images"),
    ],
)
def test_what_cannot_be_announced_is_refused_and_nothing_is_written(
    base: Layout, changes: dict[str, Any], words: str
) -> None:
    before = ledger.head(base)
    with pytest.raises(FixInput, match=words):
        announce(base, 1, **changes)
    assert ledger.head(base) == before


def test_a_camera_without_any_reference_may_learn_its_first_by_itself(short: Layout) -> None:
    told = announce(short, 0, camera="cam-2", reason="it was mounted today")
    assert told["made"] is None
    assert "0 of 24 images" in state(short)["cameras"]["cam-2"]
