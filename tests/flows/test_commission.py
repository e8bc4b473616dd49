"""A person declares a camera healthy: what is refused, what is written, what it closes."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.commission import commission
from flows.tasks import run_here
from inspection import clock, commissions, git, incidents, ledger
from inspection.catalog import rebuild
from inspection.errors import FixInput, FixSettings
from inspection.layout import Layout
from monitoring import reference
from tests.conftest import EVENING
from tests.flows.test_watch import (
    CAMERA,
    ONE_DAY,
    accept,
    commissioned,
    copied,
    evening,
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
