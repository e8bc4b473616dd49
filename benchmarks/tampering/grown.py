"""A plant that has all that can be believed: batches of three days, labels, references, an incident and a ruling on it,
verdicts, a champion, two releases and a rollback, a candidate that was rejected, days' mails and their tags."""

import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import yaml

from andon.plants.founding import Wishes, found
from flows.commission import commission
from flows.ingest import ingest
from flows.promote import promote
from flows.retrain import retrain
from flows.rollback import rollback
from flows.tasks import register_all, run_here
from flows.versions import dvc
from flows.watch import watch
from inspection import backlog, clock, git
from inspection.cameras import read_cameras
from inspection.layout import Layout
from inspection.model.package import CARD, package_hash
from inspection.records import incidents, ledger
from inspection.records.sheets import import_labels
from inspection.release import approval, rulings
from plant.faults import Fault
from plant.line import Plant
from plant.shot import Shot, drop

FIRST = date(2026, 11, 2)
EVENING = datetime(2026, 11, 2, 23, tzinfo=UTC)
DAYS = 3
SETTINGS = {  # small enough for minutes, and so that the gate lets the first candidate through
    "validate": {"min_images": 20},
    "train": {"epochs": 2, "min_steps": 0, "min_labels": 1, "min_parts": 1, "depth": "tail"},
    "promotion": {"min_test_defects": 3, "floor": 0.0},
    "embed": {"views": 2},
    "watch": {"window_images": 8, "min_images": 8},
    "ingest": {"settle": 0},
}


def at(day: float) -> datetime:
    """The evening of a day, counted from the first."""
    return EVENING + timedelta(days=day)


def grow(folder: Path) -> Layout:
    """The plant, in a folder that is not there yet. Takes minutes: two models are trained."""
    layout = found(folder, Wishes("Tampered"), ("Tess", "tess@andon.invalid"))
    _set(layout)
    _day(layout, 0, ())
    with clock.at(at(0.1)):
        run_here(retrain, "first", "Erik", root=layout.root)
        _release(layout, "v1.0.0")
    with clock.at(at(0.2)):
        run_here(commission, sorted(read_cameras(layout.cameras)), at(-1), at(0), "Ines", root=layout.root)
    _day(layout, 1, (Fault("lamp", -0.3, "cam-1", at(0.3), at(1.5)),))
    with clock.at(at(1.1)):
        for one in incidents.fold(ledger.read(layout)):
            if one.action == "repair":
                rulings.rule(layout, one.name, "Ines", "use")
    with clock.at(at(1.2)):
        run_here(retrain, "more labels", "Erik", root=layout.root)
        approval.put_on_record(layout, approval.find_request(layout, "v1.1.0"), "Lena", False, 14, "not yet")
    with clock.at(at(1.3)):
        _another(layout, "v1.2.0")
        _release(layout, "v1.2.0")
    with clock.at(at(1.4)):
        run_here(rollback, "Lena", root=layout.root)
    _day(layout, 2, ())
    return layout


def _another(layout: Layout, version: str) -> None:
    """A candidate that differs from the last by its card: what is kept of it is as of any other, and no training is
    waited for."""
    card = layout.candidate / CARD
    said = json.loads(card.read_text(encoding="utf-8"))
    card.unlink()  # DVC may have linked it
    card.write_text(json.dumps(said | {"seed": said["seed"] + 1}, indent=2) + "\n", encoding="utf-8")
    dvc(layout.home, "commit", "--force", "--quiet", "train")
    changes = {"version": version, "package": package_hash(layout.candidate), "promote": True, "objections": ()}
    request = approval.requests(layout)[-1].model_copy(update=changes | {"at": clock.stamp(clock.now())})
    git.commit(layout.home, [layout.home / "dvc.lock", approval.write_request(layout, request)], f"Retrain: {version}")
    backlog.note(layout, ["train"], git.run(layout.home, "rev-parse", "HEAD"))
    register_all(layout)


def _set(layout: Layout) -> None:
    settings = yaml.safe_load(layout.params.read_text(encoding="utf-8"))
    for section, values in SETTINGS.items():
        settings[section] |= values
    layout.params.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    git.commit(layout.root, [layout.params], "Settings")


def _day(layout: Layout, day: int, faults: Sequence[Fault]) -> None:
    """A day's pictures come in, are labelled and looked at."""
    cameras = tuple(read_cameras(layout.cameras).values())
    shots = list(Plant(1, cameras, faults).shots(FIRST + timedelta(days=day), 30))
    drop(shots, layout.home / "inbox")
    with clock.at(at(day)):
        run_here(ingest, root=layout.root)
        _label(layout, shots)
        run_here(watch, root=layout.root)


def _label(layout: Layout, shots: Sequence[Shot]) -> None:
    sheet = layout.home.parent / "labels.csv"
    sheet.write_text("\n".join(["key,label", *(f"{shot.key},{shot.label}" for shot in shots)]) + "\n", encoding="utf-8")
    import_labels(layout, sheet, "Ines")
    sheet.unlink()


def _release(layout: Layout, version: str) -> None:
    """What Erik asked for, Lena approves, and it goes to the line."""
    approval.put_on_record(layout, approval.find_request(layout, version), "Lena", True, 14)
    run_here(promote, version, root=layout.root)


def copied(plant: Path, to: Path) -> Layout:
    """A copy, hard links within it kept as DVC made them."""
    subprocess.run(["rm", "-rf", str(to)], check=True)
    subprocess.run(["cp", "-a", str(plant), str(to)], check=True)
    return Layout(to, to)
