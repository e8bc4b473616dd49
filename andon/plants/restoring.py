"""A backup -> a plant, on another computer too: whole under its name, or not there at all."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from andon.plants.backup import BESIDE, GIT, PART, STORE, Manifest, copied, read
from andon.plants.founding import beside, refuse_place
from inspection import fingerprint, git
from inspection.anchor import branch, named
from inspection.errors import AndonError, FixInput, MakeRoom
from inspection.layout import Layout
from inspection.progress import progress
from inspection.records import batches
from inspection.release import approval, registry
from inspection.verify.everything import Verified, verify
from inspection.verify.finding import Finding
from inspection.worktree import cache_folder


@dataclass(frozen=True)
class Restored:
    """A plant as of a moment, what `verify` says of it, and what has to be done next, in words."""

    plant: str
    at: str
    verified: Verified
    next: tuple[str, ...]


def restore(source: Path, folder: Path) -> Restored:
    """The plant of a backup, in `folder`, which is empty or does not exist.

    Raises:
        FixInput: there is no backup, it is damaged, or a newer Andon made it. FixSettings: the folder is taken.
        MakeRoom: too little space.
    """
    refuse_place(folder)
    folder, source = folder.absolute(), source.absolute()
    manifest = _manifest(source)
    with beside(folder) as made:
        layout = Layout(made.resolve(), made.resolve())
        _bring_git(source / GIT / manifest.bundle, manifest, made)
        damaged = _bring_objects(source / STORE, made)
        notes = _check_out(layout)
        if (source / BESIDE).is_dir():
            unfinished = shutil.ignore_patterns(f"{PART}*")
            shutil.copytree(source / BESIDE, made, ignore=unfinished, dirs_exist_ok=True)
        notes += [*_put_on_line(layout), *_fold(layout)]
        found = verify(layout, every=True)
        if folder.is_dir():
            folder.rmdir()
        os.replace(made, folder)
    lost = [Finding(name, "It is damaged in the backup and was left out.") for name in damaged]
    lost += [Finding(name, "It was not in the backup.") for name in manifest.missing]
    whole = Verified((*found.findings, *lost), found.compared, found.left_out)
    here = Layout(folder.resolve(), folder.resolve())
    return Restored(str(folder), manifest.at, whole, (*notes, *_next(here)))


def _manifest(source: Path) -> Manifest:
    manifest = read(source)
    if manifest is None:
        raise FixInput(
            f"{source} holds no finished backup: check that its disk is mounted and name the folder that "
            "`andon backup` was given."
        )
    bundle = source / GIT / manifest.bundle
    if not bundle.is_file() or batches.digest(bundle) != manifest.sha256:
        raise FixInput(f"{bundle} is missing or damaged: take another copy of this backup. Nothing was written.")
    return manifest


def _bring_git(bundle: Path, manifest: Manifest, made: Path) -> None:
    """All branches, tags and refs/andon, and the files of the last commit."""
    name = manifest.branch or "main"
    git.run(made, "init", "--quiet", f"--initial-branch={name}")
    git.run(made, "config", branch.SETTING, name)
    git.run(made, "fetch", "--quiet", "--update-head-ok", str(bundle), "+refs/*:refs/*")
    git.run(made, "reset", "--quiet", "--hard", manifest.head)


def _bring_objects(store: Path, made: Path) -> list[str]:
    """DVC's objects into the plant's own cache; the names of those that are damaged."""
    settings = made / ".dvc"
    if not cache_folder(settings).is_relative_to(made.resolve()):  # a place of the other computer
        (settings / "config.local").write_text("[cache]\n    dir = cache\n", encoding="utf-8")
    target = cache_folder(settings) / named.STORE
    names = list(_names(store))
    size = sum(named.place(store, name).stat().st_size for name in names)
    if size > (free := shutil.disk_usage(made).free):
        raise MakeRoom(
            f"The disk of {made.parent} has {free / 1e9:.1f} GB free, and the plant needs {size / 1e9:.1f} GB: free "
            "some space, or name a folder on a larger disk."
        )
    damaged = []
    with progress("Files brought back", len(names)) as advance:
        for name in names:
            if not copied(named.place(store, name), named.place(target, name), name):
                damaged.append(named.place(Path(STORE), name).as_posix())
            advance(1)
    return damaged


def _names(store: Path) -> Iterator[str]:
    for path in sorted(store.glob("??/*")):
        if not path.name.startswith("."):
            yield path.parent.name + path.name


def _check_out(layout: Layout) -> list[str]:
    """What the last commit names, from the cache; what is missing there `verify` tells. Why not all, in words."""
    from andon.surroundings import settle_prefect

    settle_prefect(layout.state / "prefect")  # before flows are imported
    from flows.versions import dvc

    try:
        dvc(layout.home, "checkout", "--force", "--allow-missing", "--quiet")
    except AndonError as refusal:
        return [f"Not all data could be laid out: {refusal}"]
    return []


def _put_on_line(layout: Layout) -> list[str]:
    """The package of the last release back where the line looks; why not, in words."""
    from flows.promote import fetch

    try:
        release = registry.live(layout)
        if release is None:
            return []
        fetch.fn(layout, approval.find_request(layout, release.version))
        registry.put_back(layout)
    except AndonError as refusal:
        return [f"The model of the line could not be put back: {refusal}"]
    return []


def _fold(layout: Layout) -> list[str]:
    """The catalog, from what was restored."""
    from inspection.records import catalog

    if os.environ.get("ANDON_DATABASE_URL"):  # which may be that of the plant that still runs
        return ["The catalog on PostgreSQL was left as it is: `andon catalog rebuild`, once this plant is the one."]
    try:
        catalog.rebuild(layout)
    except AndonError as refusal:
        return [f"The catalog could not be made: {refusal}"]
    return []


def _next(layout: Layout) -> Iterator[str]:
    """What a person has to do now."""
    if words := fingerprint.difference(layout):
        yield f"It is of another Andon ({words}): run `andon upgrade` in it next."
    if not git.setting(layout.home, "user.name"):
        yield git.NOBODY
    yield (
        "Only one of the two may write from now on, for the record is one chain: stop Andon on the old computer (its "
        "schedule, and what starts `andon` there) before this one takes anything in."
    )
    yield (
        "Keys and passwords are not in a backup: set the environment, mail and .dvc/config.local of this computer. "
        "`andon push` then says whether the remote is this plant's; to begin a new one: `andon push --new-remote`."
    )
