"""A plant whose camera went dark, and the incident."""

import shutil
from datetime import timedelta
from typing import Any

import pytest

from inspection import clock
from inspection.layout import Layout
from inspection.records import ledger, verdicts
from inspection.records.alarms import glances
from inspection.records.catalog import open_catalog
from inspection.records.incidents import Incident
from inspection.records.schema import capture_table
from inspection.records.verdicts import LOOKS, SCORES
from monitoring.judgement import looking, reference
from monitoring.judgement.learning import Learning
from tests.conftest import ROOT
from tests.inspection.world import add_batch
from tests.monitoring.camera.test_health import START
from tests.monitoring.telling.world import MINUTE, SETTINGS, loader, shown


@pytest.fixture(scope="package")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """80 healthy images with a reference, then two dark windows of 20; the live model judged all but the last 10."""
    home = tmp_path_factory.mktemp("evidence").resolve()
    layout = Layout(home, home)
    shutil.copyfile(ROOT / "cameras.yaml", layout.cameras)
    shutil.copyfile(ROOT / "taxonomy.yaml", layout.taxonomy)
    clean = add_batch(layout, "b-0", shown(1, 80, 0))
    dark = add_batch(layout, "b-1", shown(2, 40, 100, 0.8))
    learning = Learning("cam-1", SETTINGS.health, SETTINGS.watch)
    load = loader(layout)
    for row in clean.itertuples():
        learning.add(load(row), str(row.part), row.captured_at.to_pydatetime(), str(row.image_id))
    digest = reference.save(learning.finish("v1"), layout.references / "cam-1" / "v1")
    first, last = (clock.stamp(clean["captured_at"].iloc[n].to_pydatetime()) for n in (0, -1))
    body = {"camera": "cam-1", "version": "v1", "digest": digest, "first": first, "last": last}
    ledger.append(layout, "reference", "Ines", [{**body, "images": 80, "windows": 4}])
    healthy = reference.load(layout.references / "cam-1" / "v1")
    catalog = open_catalog(layout)
    pending = catalog.frame(capture_table.select())
    catalog.close()
    with clock.at(START + timedelta(days=1)):
        rows = list(looking.windows(pending, SETTINGS.watch))
    looks = [looking.look(one, healthy, SETTINGS, load) for one in rows]
    judged = dark.iloc[:30]
    scores = judged[["capture_id", "image_id"]].assign(
        version="v1.0.0",
        package="p" * 64,
        label=["scratch", "good", "good"] * 10,
        reject_probability=0.3,
        threshold=0.5,
        reject=[True, False, False] * 10,
        probabilities="{}",
    )
    tables = {SCORES: scores, LOOKS: looking.membership(looks)}
    digests = verdicts.write(tables, verdicts.folder(layout, "2026-11") / "r-0")
    told = [{**one.as_json(), "reference": "v1"} for one in looks]
    ledger.append(
        layout, "watch", "watch", [{"run": "r-0", "batches": ["b-0", "b-1"], "files": digests, "windows": told}]
    )
    return layout


@pytest.fixture
def catalog(plant: Layout) -> Any:
    opened = open_catalog(plant)
    yield opened
    opened.close()


@pytest.fixture
def incident(plant: Layout) -> Incident:
    """The dark windows as an incident, as `incidents.follow` makes one."""
    changed = [one for one in glances(ledger.read(plant)) if one.state == "changed"]
    assert len(changed) == 2
    return Incident(
        name="I-0001",
        line="A",
        cameras=("cam-1",),
        cause="lighting",
        finding=changed[-1].causes["lighting"],
        onset=(START + 79 * MINUTE, changed[0].last),
        opened=START + timedelta(hours=5),
        window=changed[0].window,
        action="watch",
    )
