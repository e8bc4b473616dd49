"""Fix the cut -> reproduce -> decision -> candidate awaits approval.

The work is done in a worktree at the committed revision; its results come back in one commit by explicit path.
"""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import select

from flows.mails import announce
from flows.remote import push
from flows.tasks import NOBODY, begin, deployed, register_all, start_gate
from flows.versions import check_out, repository, reproduce
from inspection import backlog, clock, fingerprint, git, lock
from inspection.anchor import writing
from inspection.errors import FixInput, FixSettings
from inspection.layout import Layout
from inspection.model import epochs
from inspection.model.champion import Champion, champion_copy, champion_package, read_champion, write_champion
from inspection.model.package import Package
from inspection.model.plan import read_plan
from inspection.outside import documents
from inspection.params import Params, read_params
from inspection.process import stopping
from inspection.records import incidents, ledger
from inspection.records.assignments import append_assignments
from inspection.records.catalog import open_catalog
from inspection.records.classes import undeclared
from inspection.records.labels import learned_as, renamings
from inspection.records.ledger import Cut, write_cut
from inspection.records.schema import capture_table
from inspection.release import approval, aside, registry, requests
from inspection.release.readiness import readiness
from inspection.release.requests import Standing
from inspection.tables import read_table
from inspection.worktree import worktree

ANDON = "Andon"  # asks where a request has what it waits for
NOTHING: dict[str, Any] = {
    "version": None,
    "package": None,
    "promote": False,
    "reasons": (),
    "objections": (),
    "requests": [],
}
SETTINGS = ("params.yaml", "cameras.yaml", "taxonomy.yaml", "dvc.yaml", "stages.json", "masks", "models/costs.json")
CHAMPION = "models/champion.dvc"
RESULTS = ("data/cut.json", "data/assignments", "models/champion.json", CHAMPION, "dvc.lock", "reports")
STAGES = ("snapshot", "validate", "split", "plan", "embed", "train", "evaluate", "compare")


@flow(name="retrain")
def retrain(reason: str | None = None, by: str = ANDON, root: Path | None = None) -> dict[str, Any]:
    """Reproduce on everything that is labelled by now, compare, and register a candidate.

    Args:
        reason: why; without one it is what open requests ask for, and where none is met the flow ends at once.
        by: who asks, for the record; of a deployment's run that is given a reason nobody knows.

    Returns:
        version: of the new candidate, or None when there is nothing to do or the result is the same model as an
        earlier one; package, promote, reasons, objections; requests: answered by it; waits: what open ones wait for;
        undeclared: class that labels bear and nobody declares any more -> images; aside: how many labelled images are
        set aside for another reason, why, and what brings them back.
    """
    layout = begin(root)
    settings = read_params(layout.params)
    fingerprint.require(layout)
    if deployed():
        by = ANDON if reason is None else NOBODY
    if not by.strip():
        raise FixInput("A retrain needs the name of who asks for it: add --by NAME.")
    writing.require(layout)
    if reason is None:
        asked = what_is_asked(layout, settings)
        if not asked.met:
            return {**NOTHING, **asked.said}
    with lock.hold(layout, "retrain", "a retrain"):
        undo_half_done(layout)
        asked = what_is_asked(layout, settings)
        if reason is None and not asked.met:  # another run was quicker
            return {**NOTHING, **asked.said}
        refuse_unsaved(layout)
        refuse_too_little(asked.labelled, settings)
        register_all(layout)
        epochs.note(layout.state, 0)  # of an earlier training
        with worktree(layout, "retrain") as bench, stopping.under_way(rest=partial(goes_on, layout, bench)):
            fix_cut(layout, bench)
            reproduce(bench.root, "split")
            append_assignments(bench.assignments, read_table(bench.split))
            reproduce(bench.root)
            why = reason or "; ".join(one.request.why for one in asked.met)
            result = bring_back(layout, bench, why, by)
        register_all(layout)
        answer(layout, settings, asked.met, result)
        announce(layout, settings)
        if result["version"] and result["promote"]:
            start_gate(layout, result["version"])
        push(layout)
    return {**result, "requests": [one.request.name for one in asked.met], **asked.said}


def goes_on(layout: Layout, bench: Layout) -> str:
    """What the next retrain does, should this one be stopped now; "" while its training has kept no epoch."""
    epoch = epochs.kept(layout.state)
    return f"it goes on behind epoch {epoch} of {read_plan(bench.plan).epochs}" if epoch else ""


@dataclass(frozen=True)
class Asked:
    """What a retrain begins from, read once.

    Attributes:
        met: the requests that are.
        waits: what every open one waits for, in words.
        labelled: as `aside.sorted_out` gives it.
        undeclared: class that labels bear and nobody declares any more -> images.
    """

    met: list[Standing]
    waits: list[str]
    labelled: pd.DataFrame
    undeclared: dict[str, int]

    @property
    def said(self) -> dict[str, Any]:
        """`waits`, `undeclared` and `aside`, as `retrain` returns them."""
        others = self.labelled[self.labelled["reason"] != "class"]
        return {"waits": self.waits, "undeclared": self.undeclared, "aside": aside.in_words(others)}


def what_is_asked(layout: Layout, settings: Params) -> Asked:
    """As things stand now; requests for classes that nobody has asked for yet are opened."""
    catalog = open_catalog(layout)
    labelled = aside.sorted_out(layout, catalog)
    requests.ask_for_classes(layout, labelled)
    every = requests.standings(layout, catalog, settings, labelled)
    stranded = undeclared(layout, catalog)
    catalog.close()
    waits = [f"{one.request.name} ({one.request.why}) {one.words}" for one in every]
    return Asked(requests.due(every), waits, labelled, stranded)


def refuse_too_little(labelled: pd.DataFrame, settings: Params) -> None:
    """Raises FixInput when the labelled images are too few for any model, before anything is computed; where there are
    none at all, the first stage says what to do."""
    found = readiness(labelled, settings)
    if found.lacks and len(labelled):
        more = aside.behind(found.aside)
        raise FixInput(f"{'. '.join(found.lacks)}.{more}", "Label more images, then run `andon retrain`.")


def refuse_unsaved(layout: Layout) -> None:
    """Raises FixSettings when a setting, or a file that a retrain writes, has changes that are not committed."""
    changed = git.changed(layout.home, [*SETTINGS, *RESULTS])
    if changed:
        raise FixSettings(
            f"{', '.join(changed[:5])}: changes that are not committed. Commit them (or `git restore` them), so that "
            "the model can be traced to its settings."
        )


def undo_half_done(layout: Layout) -> None:
    """Take back what a run that was killed while it brought its results back had copied; nothing else was there,
    or it would have refused to start."""
    note = _bringing(layout)
    if not note.exists():
        return
    with lock.hold(layout, lock.WRITE, "clearing up after an interrupted retrain"):
        kept = [name for name in RESULTS if git.is_tracked(layout.home, layout.home / name)]
        git.run(layout.home, "restore", "--staged", "--worktree", "--source=HEAD", "--", *kept)
        git.run(layout.home, "clean", "--force", "--quiet", "-d", "--", *RESULTS, "approvals/*.request.json")
        note.unlink()


def _bringing(layout: Layout) -> Path:
    return layout.state / "bringing-back"


@task(name="fix-cut", cache_policy=NO_CACHE)
def fix_cut(layout: Layout, bench: Layout) -> None:
    """Pin what this run stands on: the ledger as it is now, less the images of faulty cameras, and what is live."""
    head = ledger.head(bench)
    write_cut(bench.cut, Cut(events=head.events, digest=head.digest, exclusions=kept_out(layout)))
    live = champion_of(layout)
    keep_champion(bench, Champion(version=live.version, package=live.package) if live else Champion())


def champion_of(layout: Layout) -> registry.Release | None:
    """What the candidate is compared with: what is live; on a clone, which has no line, what its history says is.

    Raises:
        FixInput: the line is not what was released, so nobody knows what the candidate would take the place of.
    """
    wrong = registry.difference(layout)
    if wrong is not None and (layout.live.is_symlink() or registry.unrecorded(layout)):
        raise FixInput(f"The line is not what the history says: {wrong}.")
    return registry.live(layout)


def keep_champion(bench: Layout, champion: Champion) -> None:
    """Name the champion, and put its package under DVC beside its name."""
    known, copy = read_champion(bench.champion), champion_copy(bench)
    write_champion(bench.champion, champion)
    if champion.package is None or (champion == known and (bench.root / CHAMPION).is_file()):
        return
    shutil.copytree(champion_package(bench, champion), copy)
    with repository(bench.root) as repo:
        repo.add([str(copy)])


def kept_out(layout: Layout) -> tuple[str, ...]:
    """The images that a camera's fault keeps out of training until a person rules on them, by image_id."""
    known = [one for one in incidents.fold(ledger.read(layout)) if one.action == "repair"]
    catalog = open_catalog(layout)
    c = capture_table.c
    cameras = sorted({camera for one in known for camera in one.cameras})
    rows = catalog.frame(select(c.image_id, c.camera, c.captured_at).where(c.camera.in_(cameras)))
    catalog.close()
    return tuple(sorted(set(rows.loc[incidents.held_back(known, rows) != "", "image_id"])))


@task(name="bring-back", cache_policy=NO_CACHE)
def bring_back(layout: Layout, bench: Layout, reason: str, by: str) -> dict[str, Any]:
    """Copy the results into the plant, commit them with the candidate's request, check the outputs out."""
    decision = documents.json_file(bench.reports / "decision.json")
    request = _request(layout, bench, decision, reason, by)
    with lock.hold(layout, lock.WRITE, "recording a retrain"):
        writing.require(layout)  # again: a training is long
        refuse_unsaved(layout)
        _bringing(layout).touch()
        paths = _copy_results(bench, layout)
        if request:
            paths.append(approval.write_request(layout, request))
        name = request.version if request else "the same model again"
        backlog.note(layout, STAGES)  # of the work tree, should this process die before it knows its commit
        if revision := git.commit(layout.home, paths, f"Retrain: {name} ({reason})"):
            backlog.note(layout, STAGES, revision)
        _bringing(layout).unlink()
        check_out(layout, *STAGES, *([CHAMPION] if (layout.home / CHAMPION).is_file() else []))
    return {
        "version": request.version if request else None,
        "package": decision["candidate"]["package"],
        **{key: decision[key] for key in ("promote", "reasons", "objections")},
    }


@task(name="answer", cache_policy=NO_CACHE)
def answer(layout: Layout, settings: Params, asked: list[Standing], result: dict[str, Any]) -> None:
    """Close the requests that this run met; where its candidate was refused, ask again with more labels."""
    same = [r.version for r in approval.requests(layout) if r.package == result["package"]]  # of a killed run
    version = result["version"] or next(iter(same), None)
    refused = version is not None and not result["promote"]
    with lock.hold(layout, lock.WRITE, "answering requests"):
        bodies = requests.answers(ledger.read(layout), asked, version, refused, settings)
        ledger.append(layout, "request", "retrain", bodies)
        git.commit(layout.home, ledger.files(layout), f"Requests: {', '.join(b['request'] for b in bodies) or 'none'}")


def _request(layout: Layout, bench: Layout, decision: dict[str, Any], reason: str, by: str) -> approval.Request | None:
    """The candidate's request, or None when its package is an earlier candidate's, compared with the same model."""
    earlier = approval.requests(layout)
    package, champion = decision["candidate"]["package"], decision["champion"]
    compared = champion["package"] if champion else None
    if any(r.package == package and compared in (r.champion, package) for r in earlier):
        return None
    classes = Package(bench.candidate).card.classes
    before = learned_as(earlier[-1].classes, renamings(ledger.read(layout))) if earlier else {}
    same = bool(earlier) and set(before.values()) == set(classes)
    return approval.Request(
        version=registry.next_version([r.version for r in earlier], same),
        package=package,
        promote=decision["promote"],
        objections=tuple(decision["objections"]),
        reasons=tuple(decision["reasons"]),
        champion=compared,
        classes=classes,
        figures=decision["candidate"]["figures"],
        requested_by=by,
        reason=reason,
        at=clock.stamp(clock.now()),
    )


def _copy_results(bench: Layout, layout: Layout) -> list[Path]:
    """Copy what git keeps of a run; the paths in the plant."""
    ignored = {"predictions.parquet", "champion.parquet", "validation", "dataset.html", "transfer.png"}
    made = [name for name in RESULTS if name != CHAMPION or (bench.root / CHAMPION).is_file()]
    for name in made:
        source, target = bench.root / name, layout.home / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=lambda _, names: ignored & set(names))
        else:
            shutil.copyfile(source, target)
    return [layout.home / name for name in made]
