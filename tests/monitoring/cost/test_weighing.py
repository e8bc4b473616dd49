"""An incident is weighed on what the plant has; its estimate is checked on what is labelled since."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from inspection.layout import Layout
from inspection.pictures.images import levels_of
from inspection.pictures.returned import AGAIN
from inspection.records import ledger, verdicts
from inspection.records.catalog import open_catalog
from inspection.records.schema import capture_table
from monitoring.cost import weighing
from monitoring.cost.escapes import Estimate
from monitoring.cost.rates import Rate
from monitoring.cost.rehearsal import Rehearsal
from monitoring.cost.weighing import checked, weigh
from tests.inspection.world import add_batch, key, picture, repository
from tests.monitoring.camera.test_health import PARAMS
from tests.monitoring.cost.test_changes import finding
from tests.monitoring.cost.test_rehearsal import Bright

ROOT = Path(__file__).parents[3]


def plant(tmp_path: Path, since: str, parts: int = 3, labels: Sequence[str] = ("good", "good")) -> tuple[Layout, Any]:
    """Parts (most are test parts), the `labels` of the first, a model that rejected all, an incident from `since`."""
    repository(tmp_path)
    layout = Layout(tmp_path, tmp_path)
    shutil.copy(ROOT / "taxonomy.yaml", layout.taxonomy)
    rows = add_batch(layout, "b", {key(n): picture(n) for n in range(parts)})
    given = {"labelled_at": "2026-11-02T12:00:00+00:00", "spec": "1"}
    named = zip(rows["image_id"], labels, strict=False)
    ledger.append(
        layout, "label", "Ines", [{"image_id": image_id, "label": label, **given} for image_id, label in named]
    )
    layout.assignments.mkdir(parents=True)
    sides = zip(rows["serial"], ("test", "train", *["test"] * (parts - 2)), strict=True)
    (layout.assignments / "0000.csv").write_text("serial,split\n" + "".join(f"{a},{b}\n" for a, b in sides))
    said = {"version": "v1", "package": "p", "label": "pit", "threshold": 0.5, "reject": True, "probabilities": "{}"}
    scores = rows[["capture_id", "image_id"]].assign(reject_probability=0.9, **said)
    tables = {verdicts.SCORES: scores, verdicts.LOOKS: verdicts.empty(verdicts.LOOKS)}
    digests = verdicts.write(tables, verdicts.folder(layout, "2026-11") / "r-0")
    run = {"run": "r-0", "batches": ["b"], "files": digests, "scored": parts, "windows": []}
    ledger.append(layout, "watch", "watch", [run])
    onset = (datetime.fromisoformat(since),) * 2
    incident = SimpleNamespace(cameras=("cam-1",), onset=onset, finding=finding("gain", -0.3))
    return layout, incident


def test_the_test_images_of_the_plant_can_be_loaded_as_their_camera_was_declared(tmp_path: Path) -> None:
    layout, incident = plant(tmp_path, "2026-11-03T00:00:00+00:00")
    catalog = open_catalog(layout)
    table = weighing._test_images(incident, layout, catalog)
    catalog.close()
    loaded = [levels_of(layout.home, 40, row) for row in table.itertuples(index=False)]
    assert [levels.shape for levels in loaded] == [(12, 16, 1)]
    assert list(table["acceptable"]) == [True]


def test_an_incident_is_weighed_and_its_estimate_checked_on_what_is_labelled_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, incident = plant(tmp_path, "2026-11-01T00:00:00+00:00")
    monkeypatch.setattr(weighing.registry, "live", lambda _: SimpleNamespace(package="p"))
    package: Any = Bright()
    package.card = SimpleNamespace(part_verdict="any", classes=("good", "pit"))
    catalog = open_catalog(layout)
    cost, estimate = weigh(incident, layout, PARAMS, catalog, package)
    assert (cost, estimate.escapes) == (None, None)
    assert "0 labelled defective test parts" in estimate.words
    catalog.close()


def lived(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package that is on the line, and rejects what is dark."""
    monkeypatch.setattr(weighing.registry, "live", lambda _: SimpleNamespace(package="p"))
    package: Any = Bright()
    package.card = SimpleNamespace(part_verdict="any", classes=("good", "pit"))
    return package


def test_labels_since_the_change_decide_and_are_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 labelled parts, of which one may have been trained on; the model rejected all of them."""
    layout, incident = plant(tmp_path, "2026-10-30T00:00:00+00:00", 30, ["scratch"] * 6 + ["good"] * 18)
    package = lived(monkeypatch)
    catalog = open_catalog(layout)
    assert weighing.labelled_since(incident, layout, catalog) == 23
    _, estimate = weigh(incident, layout, PARAMS, catalog, package)
    catalog.close()
    assert estimate.how == "seen"
    assert estimate.escapes is not None and estimate.false_rejects is not None
    assert (estimate.escapes.value, estimate.escapes.parts, estimate.false_rejects.parts) == (0.0, 5, 18)
    assert "0 of 5 defective parts that were labelled since pass" in estimate.words
    assert "18 of 18 good parts that were labelled since are rejected" in estimate.words


@pytest.mark.parametrize("labelled", [30, 0])
def test_a_class_that_was_renamed_since_the_model_learned_it_is_the_same_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labelled: int
) -> None:
    """What it calls pit is labelled groove by now: as seen before and since, and as rehearsed on test images."""
    layout, incident = plant(tmp_path, "2026-11-02T06:14:30+00:00", 30, ["groove"] * labelled)
    ledger.append(layout, "class-rename", "Ute", [{"old": "pit", "new": "groove"}])
    package = lived(monkeypatch)
    monkeypatch.setattr(weighing, "rehearse", lambda *_: Rehearsal(said("pit"), said("good")))
    catalog = open_catalog(layout)
    cost, _ = weigh(incident, layout, PARAMS, catalog, package)
    catalog.close()
    assert cost is not None
    assert (cost.how, cost.before, cost.after) == (("seen", 1.0, 1.0) if labelled else ("rehearsed", 1.0, 0.0))


def said(called: str) -> pd.DataFrame:
    """One picture of a groove, and what a package calls it."""
    row = {"label": "groove", "acceptable": False, "part": "bracket", "serial": "s-1", "called": called}
    return pd.DataFrame([{**row, "reject": called != "good", "reject_probability": 0.9}])


def test_what_the_live_model_was_trained_on_tells_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of train and val that were captured before it was made; what came later it cannot know."""
    layout, _ = plant(tmp_path, "2026-10-30T00:00:00+00:00", 4, [])
    made = SimpleNamespace(package="p", at="2026-11-02T06:01:30.000000+00:00")
    monkeypatch.setattr(weighing.approval, "requests", lambda _: [made])
    (layout.assignments / "0000.csv").write_text("serial,split\ns-000,test\ns-001,train\ns-002,train\ns-003,val\n")
    catalog = open_catalog(layout)
    assert weighing.taught(layout, catalog, "p") == {"s-001 of bracket"}
    assert weighing.taught(layout, catalog, "unknown") == {"s-001 of bracket", "s-002 of bracket", "s-003 of bracket"}
    catalog.close()


def test_a_piece_that_waits_for_a_word_is_never_taken_for_the_old_one_that_taught(tmp_path: Path) -> None:
    layout, _ = plant(tmp_path, "2026-10-30T00:00:00+00:00", 2, [])
    (layout.assignments / "0000.csv").write_text("serial,split\ns-000,train\ns-001,train\n")
    add_batch(layout, "later", {"cam-1/bracket/s-001/20270302T060012345Z.png": picture(9)})
    gap = {"last": "2026-11-02T06:01:12.345000+00:00", "since": "2027-03-02T06:00:12.345000+00:00"}
    came = {"batch": "later", "partition": "2026-11-01", "captures": 1, "manifest": "0" * 64}
    ledger.append(layout, "batch", "ingest", [{**came, AGAIN: [{"part": "bracket", "serial": "s-001", **gap}]}])
    catalog = open_catalog(layout)
    assert "s-001+2?" in set(catalog.frame(capture_table.select())["serial"])
    assert weighing.taught(layout, catalog, "p") == {"s-000 of bracket", "s-001 of bracket"}
    catalog.close()


@pytest.mark.parametrize(
    ("defective", "changes", "seen"),
    [
        (24, {}, 24),
        (19, {}, None),  # too few
        (24, {"model": "another"}, None),
        (24, {"closed": datetime(2026, 10, 31, tzinfo=UTC)}, None),  # they came after it
        (24, {"estimate": {}}, None),
    ],
)
def test_an_estimate_is_checked_on_what_the_same_model_said_of_parts_labelled_since(
    tmp_path: Path, defective: int, changes: dict[str, Any], seen: int | None
) -> None:
    layout, incident = plant(tmp_path, "2026-10-30T00:00:00+00:00", 30, ["scratch"] * defective)
    said = Estimate(Rate(0.6, 0.5, 0.7, 100), None, "rehearsed", 0, "")
    fields = {"estimate": said.as_json(), "model": "p", "closed": None, **changes}
    catalog = open_catalog(layout)
    found = checked(SimpleNamespace(**{**vars(incident), **fields}), layout, catalog, "any")
    catalog.close()
    assert (found and found.seen.parts) == seen
    if found:
        assert (found.verdict, found.seen.value) == ("too high", 0.0)  # the model rejected all of them
