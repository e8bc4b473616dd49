"""A plant of an earlier Andon -> the installed one: new settings with their comments, stages.json, in one commit.

A plant that was a clone of the product (until 0.1) loses the product's files on the way; its record stays.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import Version

from andon.plants.commented import add_new, parsed, take_out_old, yaml_text
from andon.plants.founding import SETTINGS, TRAILER, readme, shipped
from inspection import files, fingerprint, git, lock
from inspection.anchor import writing
from inspection.cameras import read_cameras
from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.params import read_params
from inspection.record import mapping
from inspection.taxonomy import read_taxonomy

PRODUCT = (  # what a plant had that was a clone of the product
    *(".ci", "andon", "benchmarks", "desk", "docs", "flows", "inspection", "monitoring", "plant", "stages", "tests"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "pyproject.toml"),
)
ANCHOR = "inspection/params.py"  # a file that every such clone has
REPLACED = ("dvc.yaml", "prefect.yaml", "constraints.txt", "gitignore", "dvcignore")  # by the shipped ones
FLOWS = ("ingest", "watch", "retrain")  # that may be at work in the plant


@dataclass
class Upgrade:
    """What an upgrade did: versions, paths for the commit, and the changes in words."""

    since: str
    to: str
    paths: list[Path] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def upgrade(layout: Layout) -> Upgrade:
    """Bring the plant to the installed version, in one commit; without changes where it is there already.

    Raises:
        FixSettings: it is newer than what is installed, has unsaved work, or is the checkout that Andon runs from.
        WaitForOther: a flow is at work.
    """
    refuse(layout)
    writing.require(layout)
    with _alone(layout):
        undo_half_done(layout)
        refuse_unsaved(layout)
        done = Upgrade(version_of(layout) or "0.1", fingerprint.installed())
        _note(layout).parent.mkdir(exist_ok=True)
        _note(layout).write_text(git.run(layout.home, "rev-parse", "HEAD"))
        take_out_product(layout, done)
        replace_files(layout, done)
        merge_params(layout, done)
        renew_fingerprint(layout, done)
        _check(layout)
        if done.changes:
            say_what_follows(layout, done)
            commit(layout, done)
        _note(layout).unlink()
    return done


def refuse(layout: Layout) -> None:
    """Raises FixSettings where an upgrade would be the wrong thing."""
    if fingerprint.is_checkout(layout):
        raise FixSettings(
            f"{layout.home} is the checkout that Andon itself runs from: nothing to upgrade. After a change of code "
            "run `make stages.json`; make a plant with `andon init`."
        )
    mine, here = version_of(layout), fingerprint.installed()
    if mine and Version(mine) > Version(here):
        raise FixSettings(
            f"This plant belongs to Andon {mine}, and {here} is installed here: "
            f"`pip install --constraint constraints.txt andon=={mine}`. Nothing was changed."
        )


def version_of(layout: Layout) -> str | None:
    """The version that the plant was made or last upgraded with; None: no record of it, or a damaged one."""
    try:
        return str(fingerprint.recorded(layout.stages)["andon"])
    except FixSettings:
        return None


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """All flows' locks, and the write lock: nothing else writes meanwhile."""
    with ExitStack() as held:
        for name in (*FLOWS, lock.WRITE):
            held.enter_context(lock.hold(layout, name, "an upgrade"))
        yield


def _note(layout: Layout) -> Path:
    """Stands while an upgrade writes; holds the commit that it began from."""
    return layout.state / "upgrading"


def undo_half_done(layout: Layout) -> None:
    """Take back what an upgrade that was killed had written: nothing else was changed, or it would not have begun."""
    note = _note(layout)
    if not note.exists():
        return
    if note.read_text() == git.run(layout.home, "rev-parse", "HEAD"):
        git.run(layout.home, "restore", "--staged", "--worktree", "--source=HEAD", "--", ".")
    note.unlink()


def refuse_unsaved(layout: Layout) -> None:
    """Raises FixSettings when tracked files differ from the last commit."""
    lines = git.run(layout.home, "status", "--porcelain", "--untracked-files=no").splitlines()
    names = [line.strip().split(maxsplit=1)[-1] for line in lines]
    names = [name for name in names if name != "stages.json"]  # which is renewed, whatever stands in it
    if names:
        raise FixSettings(
            f"{', '.join(names[:5])}: changes that are not committed. Commit them (or `git restore` them), so that "
            "the upgrade is a commit of its own."
        )


def take_out_product(layout: Layout, done: Upgrade) -> None:
    """Remove the product's own files from a plant that was a clone of it, as far as git has them."""
    if not git.is_tracked(layout.home, layout.home / ANCHOR):
        return
    there = [name for name in PRODUCT if git.is_tracked(layout.home, layout.home / name)]
    for path in (layout.home / name for name in there):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    done.paths += [layout.home / name for name in there]
    done.changes.append(f"product code taken out: {', '.join(there)}")
    files.write(layout.home / "README.md", readme(layout.home.name))
    done.paths.append(layout.home / "README.md")
    done.changes.append("README.md: one screen for the people of this plant")
    if remote := git.run(layout.home, "remote"):
        done.notes.append(
            f"`git remote` still names {', '.join(remote.split())}: where that is the product's repository, take it "
            f"out (`git remote remove {remote.split()[0]}`), or a push would send this plant's record there."
        )


def replace_files(layout: Layout, done: Upgrade) -> None:
    """The files that Andon keeps: as they are shipped. The schedule stays the plant's where it can be merged."""
    for name in REPLACED:
        path = layout.home / SETTINGS[name]
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        after = shipped(name)
        if name == "prefect.yaml":
            after = schedule(layout, before, after, done)
        if before != after:
            files.write(path, after)
            done.paths.append(path)
            done.changes.append(f"{SETTINGS[name]} {'renewed' if before else 'added'}")


def schedule(layout: Layout, mine: str, new: str, done: Upgrade) -> str:
    """prefect.yaml with the plant's own changes since it was made or last upgraded, where git can merge the two."""
    began = git.run(layout.home, "log", "-1", "--format=%H", f"--grep=^{TRAILER}: ")
    old = git.run(layout.home, "show", f"{began}:prefect.yaml") + "\n" if began else ""
    if not began or mine.strip() in (old.strip(), new.strip()):
        if mine and not began:
            done.notes.append("prefect.yaml is the shipped one; your own changes: `git show HEAD~1:prefect.yaml`.")
        return new
    merged = git.merged(layout.home, mine, old, new)
    if merged is None:
        done.notes.append(
            "prefect.yaml is the shipped one, your changes and the new ones touch the same lines; put yours in again "
            "(`git show HEAD~1:prefect.yaml`)."
        )
        return new
    done.notes.append("prefect.yaml keeps your changes.")
    return merged


def merge_params(layout: Layout, done: Upgrade) -> None:
    """params.yaml with keys that are new, at their place and with their comments, and without those that are gone."""
    mapping(layout.params)  # refuses what is no settings at all
    mine, new = parsed(layout.params.read_text(encoding="utf-8")), parsed(shipped("params.yaml"))
    added, gone = list(add_new(mine, new)), list(take_out_old(mine, new))
    for name in (*added, *gone):
        done.changes.append(f"params.yaml: {name}")
    if added or gone:
        files.write(layout.params, yaml_text(mine))
        done.paths.append(layout.params)


def renew_fingerprint(layout: Layout, done: Upgrade) -> None:
    before = layout.stages.read_text(encoding="utf-8") if layout.stages.is_file() else ""
    fingerprint.write(layout.stages)
    if before != layout.stages.read_text(encoding="utf-8"):
        done.paths.append(layout.stages)
        done.changes.append(f"stages.json: the code and the libraries of Andon {done.to}")


def _check(layout: Layout) -> None:
    read_params(layout.params)
    read_cameras(layout.cameras)
    read_taxonomy(layout.taxonomy)


def say_what_follows(layout: Layout, done: Upgrade) -> None:
    """What becomes of dvc.lock."""
    if (layout.home / "dvc.lock").is_file():
        done.notes.append(
            "dvc.lock stays: it says how the last candidate was made. Live model, history and `andon trace` are as "
            "they were; the next retrain computes every stage anew with the new code."
        )


def commit(layout: Layout, done: Upgrade) -> None:
    """One commit that says what changed."""
    subject = f"Upgrade: Andon {done.since} -> {done.to}"
    words = "\n".join([subject, "", *(f"- {change}" for change in done.changes), "", f"{TRAILER}: {done.to}"])
    git.commit(layout.home, done.paths, words)
