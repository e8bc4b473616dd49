"""Fix the cut -> reproduce -> decision -> candidate awaits approval.

The work is done in a worktree at the committed revision; its results come back in one commit by explicit path.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from prefect import flow, task

from flows.tasks import dvc, push, reproduce
from inspection import approval, clock, git, ledger, lock, registry
from inspection.assignments import append_assignments
from inspection.champion import Champion, write_champion
from inspection.cut import Cut, write_cut
from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.package import Package
from inspection.params import read_params
from inspection.tables import read_table
from inspection.worktree import worktree

SETTINGS = ("params.yaml", "cameras.yaml", "taxonomy.yaml", "dvc.yaml")
RESULTS = ("data/cut.json", "data/assignments", "models/champion.json", "dvc.lock", "reports")
STAGES = ("snapshot", "validate", "split", "embed", "train", "evaluate", "compare")


@flow(name="retrain")
def retrain(reason: str, by: str, root: Path | None = None) -> dict[str, Any]:
    """Reproduce on everything that is labelled by now, compare, and register a candidate.

    Returns:
        version: of the new candidate, or None when the result is the same model as an earlier one; package, promote,
        reasons, objections.
    """
    layout = Layout.find(root)
    read_params(layout.params)
    git.require_identity(layout.home)
    with lock.hold(layout, "retrain", "a retrain"):
        undo_half_done(layout)
        refuse_unsaved(layout)
        register_all(layout)
        with worktree(layout, "retrain") as bench:
            fix_cut(bench)
            reproduce(bench.root, "split")
            append_assignments(bench.assignments, read_table(bench.split))
            reproduce(bench.root)
            result = bring_back(layout, bench, reason, by)
        register_all(layout)
        push(layout, *STAGES)
    return result


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


@task(name="fix-cut")
def fix_cut(bench: Layout) -> None:
    """Pin what this run stands on: the ledger as it is now, and what is live."""
    head = ledger.head(bench)
    write_cut(bench.cut, Cut(events=head.events, digest=head.digest))
    live = registry.live(bench)
    write_champion(bench.champion, Champion(version=live.version, package=live.package) if live else Champion())


@task(name="bring-back")
def bring_back(layout: Layout, bench: Layout, reason: str, by: str) -> dict[str, Any]:
    """Copy the results into the plant, commit them with the candidate's request, check the outputs out."""
    decision = json.loads((bench.reports / "decision.json").read_text(encoding="utf-8"))
    request = _request(layout, bench, decision, reason, by)
    with lock.hold(layout, lock.WRITE, "recording a retrain"):
        refuse_unsaved(layout)
        _bringing(layout).touch()
        paths = _copy_results(bench, layout)
        if request:
            paths.append(approval.write_request(layout, request))
        name = request.version if request else "the same model again"
        git.commit(layout.home, paths, f"Retrain: {name} ({reason})")
        _bringing(layout).unlink()
        dvc(layout.home, "checkout", "--quiet", "--force", *STAGES)
    return {
        "version": request.version if request else None,
        "package": decision["candidate"]["package"],
        **{key: decision[key] for key in ("promote", "reasons", "objections")},
    }


@task(name="register")
def register_all(layout: Layout) -> None:
    """Tag every candidate that asked at the commit that holds its request."""
    for request in approval.requests(layout):
        path = f"approvals/{request.version}.request.json"
        revision = git.run(layout.home, "log", "--diff-filter=A", "--format=%H", "-1", "--", path)
        if revision:
            registry.register(layout, request.version, revision, f"{request.reason} ({request.requested_by})")


def _request(layout: Layout, bench: Layout, decision: dict[str, Any], reason: str, by: str) -> approval.Request | None:
    """The candidate's request, or None when its package is an earlier candidate's, compared with the same model."""
    earlier = approval.requests(layout)
    package, champion = decision["candidate"]["package"], decision["champion"]
    compared = champion["package"] if champion else None
    if any(r.package == package and compared in (r.champion, package) for r in earlier):
        return None
    classes = Package(bench.candidate).card.classes
    same = bool(earlier) and set(earlier[-1].classes) == set(classes)
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
    ignored = {"predictions.parquet", "validation"}
    for name in RESULTS:
        source, target = bench.root / name, layout.home / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=lambda _, names: ignored & set(names))
        else:
            shutil.copyfile(source, target)
    return [layout.home / name for name in RESULTS]
