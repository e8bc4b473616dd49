"""Every flow and every command that commits refuses before its first effect while git stands elsewhere."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from andon.commands import candidates
from andon.plants.upgrading import upgrade
from flows.commission import commission, renew
from flows.ingest import ingest
from flows.promote import promote
from flows.retrain import retrain
from flows.rollback import rollback
from flows.tasks import run_here
from flows.watch import watch
from inspection import git
from inspection.cameras import read_cameras
from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.network import masks
from inspection.records import classes, holds, ledger, quarantine, sheets, spec
from inspection.release import pieces, rulings
from inspection.taxonomy import Defect
from tests.inspection.world import NOON, label_csv
from tests.inspection.world import git as plain

FLOWS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "ingest": (ingest, ()),
    "watch": (watch, ()),
    "retrain": (retrain, ("first", "Ines")),
    "retrain --due": (retrain, ()),
    "reference accept": (commission, (["cam-1"], NOON, NOON + timedelta(hours=1), "Ines")),
    "reference renew": (renew, ("cam-1", "new lamp", "Ines")),
    "promote": (promote, ("v1.0.0",)),
    "rollback": (rollback, ("Lena",)),
}
COMMANDS: dict[str, Callable[[Layout], Any]] = {
    "label import": lambda plant: sheets.import_labels(plant, plant.home.parent / "labels.csv", "Ines"),
    "label undo": lambda plant: sheets.undo_labels(plant, ["k"], "Ines", "wrong"),
    "label spec": lambda plant: spec.revise(plant, "2", ["scratch"], "Ines"),
    "class add": lambda plant: classes.add_class(
        plant, Defect(name="burr", severity="minor", acceptable=False, since="2026-11-02"), "Ines"
    ),
    "class rename": lambda plant: classes.rename_class(plant, "scratch", "groove", "Ines"),
    "quarantine discard": lambda plant: quarantine.rule(plant, [], quarantine.RETRIED, "Ines", "so"),
    "batch hold": lambda plant: holds.rule(plant, "b", "released", "Ines", "so"),
    "mask set": lambda plant: masks.set_mask(plant, read_cameras(plant.cameras)["cam-1"], "bracket", b"", "Ines", "so"),
    "mask clear": lambda plant: masks.clear_mask(plant, "cam-1", "bracket", "Ines"),
    "piece same": lambda plant: pieces.rule(plant, ["S1"], "bracket", "same", "Ines"),
    "incidents rule": lambda plant: rulings.rule(plant, "I-0001", "Ines", "use"),
    "incidents close": lambda plant: rulings.close(plant, "I-0001", "Ines", "so", "none"),
    "approve": lambda plant: candidates.approve("v1.0.0", "Ines"),
    "upgrade": upgrade,
}


@pytest.fixture
def elsewhere(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A plant whose user looks at an earlier state."""
    ledger.append(tiny, "label", "Tess", [{"x": 1}])
    git.commit(tiny.home, ledger.files(tiny), "Labels")
    plain(tiny.home, "checkout", "--quiet", "HEAD~1")
    label_csv(tiny.home.parent / "labels.csv", "k,good")
    monkeypatch.chdir(tiny.home)
    return tiny


def holds_still(plant: Layout, act: Callable[[], Any]) -> None:
    before = _everything(plant)
    with pytest.raises(FixSettings, match=r"HEAD is detached.*this plant writes on main.*`git switch main`"):
        act()
    assert _everything(plant) == before


def _everything(plant: Layout) -> dict[str, str]:
    """Hash of each file but locks, logs and what can be made again."""
    paths = (path for path in plant.home.rglob("*") if path.is_file() and ".andon" not in path.parts)
    kept = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.name != "index"}
    return {**kept, "HEAD": plain(plant.home, "rev-parse", "HEAD")}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_refuses_before_its_first_effect(elsewhere: Layout, name: str) -> None:
    holds_still(elsewhere, lambda: COMMANDS[name](elsewhere))


@pytest.mark.usefixtures("prefect_harness")
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_refuses_before_its_first_effect(elsewhere: Layout, name: str) -> None:
    flow, words = FLOWS[name]
    holds_still(elsewhere, lambda: run_here(flow, *words, root=elsewhere.home))
