"""A remote on S3: what a clone gets from it, and what waits while it is away."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.session import get_session

from flows.ingest import ingest
from flows.remote import push
from flows.retrain import STAGES, retrain
from flows.versions import dvc
from inspection import backlog, clock, git
from inspection.layout import Layout
from inspection.model.package import package_hash
from inspection.records import batches
from plant.shot import drop
from tests.conftest import EASY, EVENING, draw, label, make_plant, set_params
from tests.services.ceph import Gateway

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("prefect_harness")]


@pytest.fixture
def plant(s3: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """An empty plant whose remote is a bucket."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"archive-{tmp_path.name.replace('_', '-')}"[:60].strip("-")
    get_session().create_client("s3").create_bucket(Bucket=bucket)
    layout = make_plant(tmp_path / "plant")
    dvc(layout.home, "remote", "add", "archive", f"s3://{bucket}/dvc")
    dvc(layout.home, "remote", "modify", "archive", "endpointurl", s3.url)
    dvc(layout.home, "remote", "default", "archive")
    git.commit(layout.home, [layout.home / ".dvc" / "config"], "Remote on S3")
    return layout


def test_a_clone_pulls_from_s3_and_reproduces_the_same_package(plant: Layout, tmp_path: Path) -> None:
    set_params(plant, **EASY)
    shots = draw(plant, 30)
    drop(shots, plant.home / "inbox")
    with clock.at(EVENING):
        ingest(root=plant.root)
        label(plant, shots)
        retrain("first", "Erik", root=plant.root)
    assert backlog.read(plant).waiting == ()
    assert not (plant.home / ".remote").exists()
    home = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(plant.home), str(home)], check=True)
    clone = Layout(home.resolve(), home.resolve())
    dvc(clone.home, "pull", *(str(path) for path in clone.batches.glob("*.dvc")))
    assert len(batches.on_disk(clone)) == 1
    dvc(clone.home, "repro", "--force", *STAGES)
    assert package_hash(clone.candidate) == package_hash(plant.candidate)
    assert git.run(clone.home, "status", "--porcelain", "dvc.lock") == ""
    pulled = tmp_path / "second"
    subprocess.run(["git", "clone", "--quiet", str(plant.home), str(pulled)], check=True)
    dvc(pulled, "pull")
    assert package_hash(pulled / "models" / "candidate") == package_hash(plant.candidate)


def test_while_the_remote_is_away_work_goes_on_and_what_waits_is_seen(
    plant: Layout, monkeypatch: pytest.MonkeyPatch, s3: Gateway
) -> None:
    shots = draw(plant, 3)
    drop(shots, plant.home / "inbox")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with clock.at(EVENING):
        result = ingest(root=plant.root)
    assert result["accepted"] == 6 and result["pushed"]
    said = subprocess.run(
        [sys.executable, "-m", "andon", "status", "--json"], cwd=plant.home, check=True, capture_output=True, text=True
    )
    assert json.loads(said.stdout)["remote"].startswith("1 pushes wait since 2026-11-02 23:00 UTC")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret)
    assert push.fn(plant) == ""
    assert backlog.read(plant).waiting == ()
    assert "Cache and remote" in dvc(plant.home, "status", "--cloud", str(next(plant.batches.glob("*.dvc"))))


def test_what_a_stage_made_while_the_remote_was_away_arrives_though_another_run_followed(
    plant: Layout, monkeypatch: pytest.MonkeyPatch, s3: Gateway, tmp_path: Path
) -> None:
    set_params(plant, **EASY)
    shots = draw(plant, 30)
    drop(shots, plant.home / "inbox")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with clock.at(EVENING):
        ingest(root=plant.root)
        label(plant, shots)
        retrain("first", "Erik", root=plant.root)
    first, revision = package_hash(plant.candidate), git.run(plant.home, "rev-parse", "model@v1.0.0")
    set_params(plant, train__seed=5)
    with clock.at(EVENING):
        retrain("second", "Erik", root=plant.root)
    assert package_hash(plant.candidate) != first
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret)
    assert push.fn(plant) == ""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(plant.home), str(clone)], check=True)
    git.run(clone, "checkout", "--quiet", revision)
    dvc(clone, "pull", "models/candidate")
    assert package_hash(clone / "models" / "candidate") == first
