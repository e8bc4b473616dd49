"""Retrain, approve, promote, roll back: the whole way of one candidate, on one tiny plant."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from andon.commands import candidates
from flows.ingest import ingest
from flows.promote import promote
from flows.retrain import refuse_unsaved, retrain, undo_half_done
from flows.rollback import earlier, rollback
from flows.versions import dvc
from inspection import clock, git
from inspection.cameras import read_cameras
from inspection.errors import AndonError, AskForApproval, FixInput, FixSettings
from inspection.layout import Layout
from inspection.model.package import Package, package_hash
from inspection.model.scoring import score
from inspection.model.scoring import test_set as the_test_set
from inspection.network.features import Features, shown
from inspection.network.views import PLAIN
from inspection.params import read_params
from inspection.pictures import piece
from inspection.pictures.images import read
from inspection.records import catalog
from inspection.records.classes import add_class
from inspection.records.ledger import read as read_ledger
from inspection.release import approval, registry
from inspection.tables import read_table
from inspection.taxonomy import Defect
from plant.line import Plant
from plant.shot import drop
from tests.conftest import DAY, EASY, EVENING, draw, label, make_plant, set_params

pytestmark = pytest.mark.usefixtures("prefect_harness")
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, prefect_harness: None) -> Layout:
    """A plant with 60 labelled images and a first candidate, asked for by Erik."""
    layout = make_plant(tmp_path_factory.mktemp("release") / "plant")
    set_params(layout, **EASY)
    shots = draw(layout, 30)
    drop(shots, layout.home / "inbox")
    with clock.at(EVENING):
        ingest(root=layout.root)
        label(layout, shots)
    with clock.at(EVENING + HOUR):
        retrain("first", "Erik", root=layout.root)
    return layout


def status(layout: Layout) -> str:
    return dvc(layout.root, "status")


def give(layout: Layout, version: str, by: str) -> None:
    request = approval.find_request(layout, version)
    path = approval.give(layout, request, by, True, 14)
    git.commit(layout.root, [path], "Approval")


def test_a_candidate_is_registered_and_the_plant_is_clean(plant: Layout) -> None:
    (request,) = approval.requests(plant)
    assert request.version == "v1.0.0"
    assert request.package == package_hash(plant.candidate)
    assert git.run(plant.home, "tag", "--list") == "model@v1.0.0"
    assert "reports/predictions.parquet" not in git.run(plant.home, "ls-files").splitlines()
    assert git.run(plant.home, "status", "--porcelain") == ""
    assert "up to date" in status(plant)
    assert git.run(plant.home, "worktree", "list").count("\n") == 0


def sides(plant: Layout) -> dict[str, str]:
    """Piece -> its side; the same serials come again as other kinds."""
    table = read_table(plant.split)
    return dict(zip(piece.of(table), table["assigned"], strict=True))


def test_no_part_is_in_two_splits(plant: Layout) -> None:
    table = read_table(plant.split)
    assert (table["split"].groupby(piece.of(table)).nunique() == 1).all()
    assert set(table["split"]) == {"train", "val", "test"}


def test_repro_of_the_unchanged_plant_runs_nothing(plant: Layout) -> None:
    said = dvc(plant.root, "repro")
    assert "Running stage" not in said
    assert git.run(plant.home, "status", "--porcelain") == ""


def test_changing_a_training_parameter_reruns_plan_and_train_only(plant: Layout) -> None:
    set_params(plant, train__dropout=0.3)
    said = status(plant)
    set_params(plant, train__dropout=0.2)
    stages = {line.rstrip(":") for line in said.splitlines() if line and not line.startswith(("\t", " "))}
    assert stages == {"plan", "train"}


def test_the_package_says_what_training_saw_on_every_test_image(plant: Layout) -> None:
    """Features from the store + the trained tail, in torch, against the package from files, which runs the blocks in
    bf16 where the processor has it."""
    import torch
    from safetensors.torch import load_file

    from inspection.model.tail import Tail
    from inspection.network.backbone import network
    from inspection.network.weights import weights

    settings = read_params(plant.params)
    rows, _ = the_test_set(read_table(plant.split))
    package = Package(plant.candidate)
    (scored,) = score([package], rows, plant, 40)
    net = network(settings.backbone, weights(settings.backbone, plant)[0])
    cut, head = package.card.frozen_blocks, torch.nn.Linear(net.width, len(package.card.classes))
    tail = Tail(net.tail(cut), head)
    tail.load_state_dict(load_file(plant.candidate / "weights.safetensors"))
    features = Features(plant, settings, cut)
    kept = [features.activation(shown(row.image_id, row.black, row.white), PLAIN) for row in rows.itertuples()]
    features.close()
    activations = torch.from_numpy(np.stack([one for one in kept if one is not None]).astype(np.float32))
    assert len(activations) == len(rows)
    with torch.inference_mode():
        probability = torch.softmax(tail.eval()(activations) / package.card.temperature, 1).numpy()
    said = scored[[f"p_{name}" for name in package.card.classes]].to_numpy()
    near = 0.02 if package.card.precision == "bf16" else 0.01
    assert np.abs(said - probability).max() <= near
    bad = probability[:, ~np.array(package.card.acceptable)].sum(axis=1)
    clear = np.abs(bad - package.card.threshold) > near
    assert ((bad >= package.card.threshold) == scored["reject"].to_numpy())[clear].all() and clear.mean() > 0.8
    assert len(rows) >= 10


def test_the_metrics_name_their_test_set_and_the_decision_gives_reasons(plant: Layout) -> None:
    metrics = json.loads((plant.reports / "metrics.json").read_text())
    decision = json.loads((plant.reports / "decision.json").read_text())
    _, test_hash = the_test_set(read_table(plant.split))
    assert metrics["test_set"] == decision["test_set"]["hash"] == test_hash
    assert metrics["package"] == package_hash(plant.candidate)
    assert decision["promote"]
    assert decision["reasons"]
    assert decision["champion"] is None


def test_who_asked_cannot_approve_and_nothing_is_released_without_approval(plant: Layout) -> None:
    with pytest.raises(AskForApproval, match="waits for approval"):
        promote("v1.0.0", root=plant.root)
    with pytest.raises(AskForApproval, match="asked for"):
        give(plant, "v1.0.0", " erik ")
    assert registry.live(plant) is None


def test_dirty_parameters_are_refused(plant: Layout) -> None:
    before = plant.params.read_text()
    plant.params.write_text(before + "\n# a thought\n")
    try:
        with pytest.raises(FixSettings, match=r"params\.yaml"):
            retrain("again", "Erik", root=plant.root)
    finally:
        plant.params.write_text(before)


def test_the_same_data_gives_the_same_package_and_no_second_candidate(plant: Layout) -> None:
    dvc(plant.root, "repro", "--single-item", "--force", "train")
    assert package_hash(plant.candidate) == approval.requests(plant)[0].package
    result = retrain("again", "Erik", root=plant.root)
    assert result["version"] is None
    assert len(approval.requests(plant)) == 1


def test_a_second_rollback_goes_further_back() -> None:
    def past(version: str, package: str) -> registry.Release:
        return registry.Release(version, package, "release", EVENING, "Ute", "test")

    history = [past("v1", "a"), past("v2", "b"), past("v3", "c")]
    assert earlier(history, None).version == "v2"
    again = [*history, past("v2", "b")]
    assert earlier(again, None).version == "v1"
    with pytest.raises(FixInput, match="no earlier release to go back to; released: v1, v2, v3"):
        earlier([*again, past("v1", "a")], None)
    assert earlier([*again, past("v1", "a")], "v3").version == "v3"


def test_from_approval_to_rollback(plant: Layout) -> None:
    """One story in order: release, a second model, its release, back to the first, and what was live when."""
    with clock.at(EVENING + 2 * HOUR):
        give(plant, "v1.0.0", "Lena")
        done = promote("v1.0.0", root=plant.root)
    assert (done["version"], done["by"]) == ("v1.0.0", "Lena")
    assert plant.live.resolve().name == done["package"]
    assert "up to date" in status(plant)
    assert git.run(plant.home, "status", "--porcelain") == ""
    assert "model#live#1" in git.run(plant.home, "tag", "--list")
    picture = plant.home / str(read_table(plant.split)["path"].iloc[0])
    assert Package(plant.live).predict([read(picture, 40).levels()])[0].label

    with clock.at(EVENING + 3 * HOUR):
        add_class(plant, Defect(name="burr", severity="major", acceptable=False, since="1"), "Lena")
        more = list(Plant(2, tuple(read_cameras(plant.cameras).values()), classes=("burr",)).shots(DAY, 24))
        drop(more, plant.home / "inbox")
        ingest(root=plant.root)
        corrected = [replace(shot, label="good") for shot in draw(plant, 30)]
        label(plant, corrected + more)  # of three old defects chance would decide how many are missed, and so the gate
    split_before = sides(plant)
    eased = {"forgetting_budget": 1.0, "min_class_images": 50, "min_test_defects": 1}
    set_params(plant, **{f"promotion__{name}": value for name, value in eased.items()}, train__warm_start=False)
    with clock.at(EVENING + 4 * HOUR):
        result = retrain("a new class", "schedule", root=plant.root)
    assert (result["version"], result["promote"]) == ("v2.0.0", True), result["objections"]
    split_after = sides(plant)  # without pieces that came again with more labels than they have sides
    assert {one: split_after.get(one, side) for one, side in split_before.items()} == split_before
    decision = json.loads((plant.reports / "decision.json").read_text())
    assert decision["champion"]["version"] == "v1.0.0"
    assert "burr" in Package(plant.candidate).card.classes

    with clock.at(EVENING + 5 * HOUR):
        give(plant, result["version"], "Lena")
        promote(result["version"], root=plant.root)
    with clock.at(EVENING + 7 * HOUR):
        back = rollback("Lena", root=plant.root)
    assert (back["version"], back["action"]) == ("v1.0.0", "rollback")
    moments = {hour: registry.live(plant, EVENING + hour * HOUR) for hour in (1, 2, 6, 8)}
    assert {hour: one and one.version for hour, one in moments.items()} == {
        1: None,
        2: "v1.0.0",
        6: result["version"],
        8: "v1.0.0",
    }
    assert "up to date" in status(plant)
    assert registry.difference(plant) is None
    assert all(catalog.rebuild(plant).values())


def test_going_back_to_what_never_was_is_refused(plant: Layout) -> None:
    with pytest.raises(FixInput, match="released"):
        rollback("Lena", "v9.0.0", root=plant.root)


def test_a_clone_without_data_gets_a_sentence(plant: Layout, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git.run(plant.home, "clone", "--quiet", str(plant.home), str(clone))
    with pytest.raises(AndonError, match="dvc pull"):
        dvc(clone, "repro")


def test_a_fresh_plant_without_labels_gets_a_sentence(tiny: Layout) -> None:
    with pytest.raises(AndonError, match="No labelled images yet"):
        dvc(tiny.root, "repro")


def test_the_trace_tells_the_whole_story(plant: Layout) -> None:
    from andon.trace import lines, story

    row = read_table(plant.split).query("split == 'test'").iloc[0]
    told = story(plant, str(row["image_id"])[:12])
    assert told["image"]["image_id"] == row["image_id"]
    assert told["captures"][0]["serial"] == row["serial"]
    assert told["labels"][-1]["label"] == row["label"]
    assert told["split"] == "test"
    assert told["verdicts"]
    assert len(lines(told)) >= 5


def test_the_ledger_names_every_batch_with_its_manifest(plant: Layout) -> None:
    from inspection.records import batches

    for event in (e for e in read_ledger(plant) if e.kind == "batch"):
        folder = plant.batches / event.body["partition"] / event.body["batch"]
        assert batches.digest(folder / batches.MANIFEST) == event.body["manifest"]


@pytest.mark.slow
def test_an_experiment_runs_with_another_parameter(plant: Layout) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "run", "-S", "train.epochs=1", "--quiet"],
        cwd=plant.root,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((plant.reports / "train.json").read_text())["epochs"] == 1


@pytest.mark.slow
def test_a_training_that_is_killed_goes_on_where_it_was_and_ends_in_the_same_package(
    plant: Layout, tmp_path: Path
) -> None:
    shutil.copytree(plant.root, tmp_path / "plant", symlinks=True)
    copy = Layout(tmp_path / "plant", tmp_path / "plant")
    set_params(copy, train__epochs=30, train__patience=30)
    assert stage(copy, "plan").wait() == 0
    assert stage(copy, "train").wait() == 0
    whole = package_hash(copy.candidate)
    killed = stage(copy, "train")
    while not list((copy.state / "checkpoints").glob("*.pt")):
        assert killed.poll() is None, "it ended without ever keeping where it was"
        time.sleep(0.01)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert not copy.candidate.exists()
    assert stage(copy, "train").wait() == 0
    assert package_hash(copy.candidate) == whole


def stage(layout: Layout, name: str) -> subprocess.Popen[bytes]:
    """A stage by itself, where DVC would have cleared its outputs away."""
    if name == "train":
        shutil.rmtree(layout.candidate, ignore_errors=True)
        (layout.reports / "transfer.png").unlink(missing_ok=True)
    return subprocess.Popen([sys.executable, "-m", f"stages.{name}"], cwd=layout.root)


def test_a_stage_that_the_system_ends_is_said_to_lack_memory(tiny: Layout) -> None:
    (tiny.root / "dvc.yaml").write_text("stages:\n  train:\n    cmd: kill -9 $$\n")
    with pytest.raises(FixSettings, match=r"too little memory.*train\.batch_size"):
        dvc(tiny.root, "repro")


def test_results_that_a_killed_retrain_had_half_copied_are_taken_back(tiny: Layout) -> None:
    (tiny.state).mkdir(exist_ok=True)
    (tiny.state / "bringing-back").touch()
    tiny.cut.write_text("half")
    (tiny.assignments / "0001.csv").write_text("serial,split\n")
    tiny.reports.mkdir()
    (tiny.reports / "train.json").write_text("{}")
    tiny.approvals.mkdir()
    (tiny.approvals / "v1.0.0.request.json").write_text("{}")
    (tiny.home / "notes.txt").write_text("the user's own")
    undo_half_done(tiny)
    assert git.run(tiny.home, "status", "--porcelain") == "?? notes.txt"
    undo_half_done(tiny)
    refuse_unsaved(tiny)


def test_a_folder_in_the_link_s_place_is_refused_before_the_history_says_anything(plant: Layout) -> None:
    before = plant.history.read_bytes()
    target = os.readlink(plant.live)
    plant.live.unlink()
    plant.live.mkdir()
    try:
        assert "is no link" in str(registry.difference(plant))
        with pytest.raises(FixInput, match="move it away"):
            rollback("Lena", "v1.0.0", root=plant.root)
        assert plant.history.read_bytes() == before
    finally:
        plant.live.rmdir()
        plant.live.symlink_to(target)


def test_going_back_to_what_is_live_changes_nothing(plant: Layout) -> None:
    with pytest.raises(FixInput, match="live already"):
        rollback("Lena", "v1.0.0", root=plant.root)


def test_of_a_release_that_was_killed_before_its_mail_the_same_command_tells(
    plant: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    other = next(one.version for one in reversed(registry.history(plant)) if one.version != "v1.0.0")
    commands = {
        other: lambda: candidates.approve(other, "Lena"),
        "v1.0.0": lambda: rollback("Lena", "v1.0.0", root=plant.root),
    }
    monkeypatch.chdir(plant.home)
    for version, command in commands.items():
        with clock.at(EVENING + 8 * HOUR):
            with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
                patched.setattr("flows.rollback.announce", killed)
                rollback("Lena", version, root=plant.root)
            assert not registry.carried_out(plant)
            releases = len(registry.history(plant))
            command()
            assert registry.carried_out(plant)
            with pytest.raises(AndonError, match="live already"):
                command()
            assert len(registry.history(plant)) == releases


def test_a_clone_gets_the_live_package_back_from_its_history(plant: Layout, tmp_path: Path) -> None:
    clone = Layout(tmp_path / "clone", tmp_path / "clone")
    git.run(plant.home, "clone", "--quiet", str(plant.home), str(clone.home))
    for key, value in (("user.name", "Tess"), ("user.email", "tess@andon.invalid")):
        git.run(clone.home, "config", key, value)
    dvc(clone.home, "remote", "modify", "--local", "local", "url", str(plant.home / ".remote"))
    assert "no link" in str(registry.difference(clone))
    rollback("Lena", "v1.0.0", root=clone.root)
    assert registry.difference(clone) is None
    assert package_hash(clone.live) == package_hash(plant.live)
