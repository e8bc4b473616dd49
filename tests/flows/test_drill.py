"""A drill on the tiny plant: it finds the fault, writes a mail, and touches nothing real."""

import hashlib
import json
import os
import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from andon.__main__ import app
from flows import drill as module
from flows.drill import drill, lines
from inspection import clock
from inspection.errors import FetchData, FixInput
from inspection.layout import Layout
from inspection.network import frozen
from inspection.records import commissions, ledger
from inspection.records.catalog import open_catalog
from inspection.records.labels import renamings
from plant.faults import KINDS
from tests.conftest import make_plant, set_params
from tests.flows.test_watch import (
    CAMERA,
    commissioned,
    copied,
    evening,
    lamp,
    look,
    mails,
    pictures,
    take_in,
)

pytestmark = pytest.mark.usefixtures("prefect_harness")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, prefect_harness: None) -> Layout:
    """CAMERA has a reference and four windows of 8 images; nothing is wrong."""
    return commissioned(tmp_path_factory)


@pytest.fixture
def plant(base: Layout, tmp_path: Path) -> Layout:
    return copied(base, tmp_path / "plant")


def rehearse(layout: Layout, fault: str, **more: Any) -> dict[str, Any]:
    with clock.at(evening(0.1)):
        (told,) = drill(layout, fault, **more)
    return told


def checks(told: dict[str, Any]) -> dict[str, bool]:
    return {one["what"]: one["passed"] for one in told["checks"]}


def tree(layout: Layout) -> dict[str, str]:
    """Every file and link of the plant, but for the drills' own folder and the outbox -> its hash or target."""
    found = {}
    for folder, folders, files in os.walk(layout.home):
        here = Path(folder)
        folders[:] = [one for one in folders if here / one not in (layout.state / "drills", layout.home / "outbox")]
        for path in (here / name for name in (*files, *folders)):
            if path.is_symlink():
                found[str(path)] = str(path.readlink())
            elif path.is_file():
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                found[str(path)] = "folder"
    return found


def parsed(path: str) -> EmailMessage:
    message = BytesParser(policy=policy.default).parsebytes(Path(path).read_bytes())
    assert isinstance(message, EmailMessage)
    return message


def test_a_rehearsed_fault_passes_and_nothing_real_is_touched(plant: Layout) -> None:
    open_catalog(plant).close()  # any command folds in what is new
    before = tree(plant)
    told = rehearse(plant, "dead", camera=CAMERA, size=4)
    assert tree(plant) == before
    assert told["passed"], told
    assert list(checks(told)) == ["detected", "cause", "size", "incident", "routing", "mail"]
    assert (told["camera"], told["size"], told["windows"], told["notes"]) == (CAMERA, 4, 2, [])
    assert "dead 4" in lines(told)[0] and "passed" in lines(told)[0]


def test_a_drill_asks_no_cluster_for_its_pictures_lie_here_alone(plant: Layout) -> None:
    set_params(plant, scale__dask="tls://10.0.0.5:8786")  # without certificates: whoever asks it is refused
    assert rehearse(plant, "dead", camera=CAMERA, size=4)["passed"]


def test_the_pretrained_network_is_not_prepared_again_for_a_drill(
    plant: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frozen, "_export", lambda *_: pytest.fail("it takes seconds"))
    assert rehearse(plant, "dead", size=4)["passed"]


def test_a_drill_knows_what_classes_are_called_by_now(plant: Layout) -> None:
    ledger.append(plant, "class-rename", "Ute", [{"old": "pit", "new": "hole"}])
    rehearse(plant, "dead", camera=CAMERA, size=4)
    scratch = plant.state / "drills" / f"{CAMERA}-dead"
    assert [(one.old, one.new) for one in renamings(ledger.read(Layout(scratch, scratch)))] == [("pit", "hole")]


def test_the_mail_says_that_nothing_real_happened(plant: Layout) -> None:
    told = rehearse(plant, "lamp", size=-0.2)
    assert [str(path) for path in mails(plant)] == [told["mail"]]
    message = parsed(told["mail"])
    assert message["Subject"].startswith(f"DRILL [Andon] Line A, {CAMERA}")
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        assert part is not None
        text = " ".join(re.sub(r"<[^>]+>", "", part.get_content()).split())
        assert "This is a drill: nothing real has happened" in text
        assert f"DRILL – {CAMERA}" in text
    names = [part.get_filename() for part in message.walk() if part.get_filename()]
    assert any(name.endswith(".png") for name in names) and any(name.endswith(".csv") for name in names)


def test_the_same_drill_again_replaces_the_first_and_says_the_same(plant: Layout) -> None:
    first, again = (rehearse(plant, "dead", size=4) for _ in range(2))
    assert first["checks"][:5] == again["checks"][:5]
    assert [path.name for path in (plant.state / "drills").iterdir() if path.name != ".andon"] == [f"{CAMERA}-dead"]


@pytest.mark.parametrize("fault", ["hot", "defocus"])
def test_other_faults_are_named_too(plant: Layout, fault: str) -> None:
    told = rehearse(plant, fault, size={"hot": 6, "defocus": 1.5}[fault])
    assert checks(told)["cause"] and checks(told)["incident"], told


@pytest.mark.slow
@pytest.mark.parametrize("fault", sorted(KINDS))
def test_every_fault_can_be_rehearsed(plant: Layout, fault: str) -> None:
    if fault == "colour":
        pytest.skip("the tiny plant's camera with a reference is grey")
    assert rehearse(plant, fault)["windows"] == 2


def test_all_faults_are_those_that_some_camera_can_have(base: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_run", lambda layout, plan, *_: plan.fault)
    assert drill(base, "all") == [fault for fault in KINDS if fault != "colour"]


def test_a_fault_too_small_to_be_seen_does_not_pass(plant: Layout) -> None:
    told = rehearse(plant, "lamp", size=-0.0001)
    assert not told["passed"]
    assert not checks(told)["detected"] and told["mail"] is None
    assert "NOT passed" in lines(told)[0]
    assert mails(plant) == []


def test_an_open_incident_of_the_camera_is_said_and_the_drill_goes_on(plant: Layout) -> None:
    take_in(plant, 1, pictures(plant, 1, (lamp(-0.4, since=0),)))
    look(plant, 1)
    told = rehearse(plant, "dead", size=4)
    assert "I-0001 (lighting) is open on cam-1" in told["notes"][0]


@pytest.mark.parametrize(
    ("fault", "more", "words"),
    [
        ("lampe", {}, "No fault 'lampe': did you mean 'lamp'"),
        ("lamp", {"camera": "cam-9"}, r"No camera 'cam-9': did you mean 'cam-\d'"),
        ("lamp", {"camera": "cam-2"}, "cam-2 has no reference yet"),
        ("colour", {"camera": CAMERA}, "cam-1: grey pictures have no colour"),
        ("colour", {}, "grey pictures have no colour"),
        ("lamp", {"size": 0.0}, "--size 0 is no fault"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_in_words(
    base: Layout, fault: str, more: dict[str, Any], words: str
) -> None:
    before = tree(base)
    with pytest.raises(FixInput, match=words):
        rehearse(base, fault, **more)
    assert tree(base) == before


def test_a_plant_without_references_is_told_how_to_make_one(tmp_path: Path) -> None:
    layout = make_plant(tmp_path / "plant")
    with pytest.raises(FixInput, match="No camera has a reference yet"):
        rehearse(layout, "lamp")


def test_fewer_images_than_a_window_are_refused(plant: Layout) -> None:
    set_params(plant, watch__window_images=40)
    with pytest.raises(FixInput, match="cam-1 has 32 images so far; a drill takes a window of 40"):
        rehearse(plant, "lamp")


def test_with_one_window_only_it_says_what_that_means(plant: Layout) -> None:
    set_params(plant, watch__window_images=20)
    told = rehearse(plant, "lamp", size=-0.4)
    assert told["windows"] == 1
    assert "1 window only" in told["notes"][0]


def test_a_learning_camera_is_not_rehearsed_on(plant: Layout) -> None:
    body = {"camera": CAMERA, "what": "announced", "reason": "a lens", "since": clock.stamp(evening(0)), "images": 24}
    ledger.append(plant, "renewal", "Ines", [body])
    assert commissions.current(ledger.read(plant)) == {}
    with pytest.raises(FixInput, match="cam-1 has no reference yet"):
        rehearse(plant, "lamp", camera=CAMERA)


def test_images_that_are_not_on_this_disk_are_named(plant: Layout) -> None:
    for path in plant.batches.rglob("*.png"):
        path.unlink()
    with pytest.raises(FetchData, match="16 of the last images of cam-1 are not on this disk: run `dvc pull`"):
        rehearse(plant, "lamp")


def test_the_command_prints_each_check_and_fails_when_one_does(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plant.home)
    good = CliRunner().invoke(app, ["drill", "dead", "--size", "4"])
    assert good.exit_code == 0, good.output
    assert "✓ cause" in good.output
    bad = CliRunner().invoke(app, ["drill", "lamp", "--size", "-0.0001", "--json"])
    assert bad.exit_code == 1
    assert json.loads(bad.stdout)["passed"] is False
