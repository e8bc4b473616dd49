"""An incident is weighed on what the plant has; its estimate is checked on what is labelled since."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from inspection.intake.images import levels_of
from inspection.layout import Layout
from inspection.records import ledger, verdicts
from inspection.records.catalog import open_catalog
from monitoring.cost import weighing
from monitoring.cost.escapes import Estimate
from monitoring.cost.rates import Rate
from monitoring.cost.weighing import checked, weigh
from tests.inspection.world import add_batch, key, picture
from tests.monitoring.camera.test_health import PARAMS
from tests.monitoring.cost.test_changes import finding
from tests.monitoring.cost.test_rehearsal import Bright

ROOT = Path(__file__).parents[3]


def plant(tmp_path: Path, since: str, parts: int = 3, labels: Sequence[str] = ("good", "good")) -> tuple[Layout, Any]:
    """Parts (most are test parts), the `labels` of the first, a model that rejected all, an incident from `since`."""
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
    package.card = SimpleNamespace(part_verdict="any")
    catalog = open_catalog(layout)
    cost, estimate = weigh(incident, layout, PARAMS, catalog, package)
    assert (cost, estimate.escapes) == (None, None)
    assert "0 labelled defective test parts" in estimate.words
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
