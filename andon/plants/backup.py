"""A plant -> a folder on another disk: git whole, each object of DVC that a commit names, and what only this disk has.

    andon-plant.json   whose it is: a disk that is not mounted does not bear it
    manifest.json      what the last finished backup holds; it is written last, and only what it names counts
    git/               all branches, tags and refs/andon, in one file
    dvc/files/md5/     objects as DVC lays them, so that dvc/ can serve as a remote
    beside/            inbox, outbox, quarantine

Killed at any moment, the backup before it is still whole, and the next one goes on where this one was.
"""

import filecmp
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from inspection import chain, clock, files, fingerprint, git, lock
from inspection.anchor import identity, named
from inspection.errors import CheckHistory, FixInput, FixSettings, MakeRoom
from inspection.layout import Layout
from inspection.progress import progress
from inspection.record import Record, mapping, parse
from inspection.records import batches, ledger
from inspection.worktree import cache_folder

MANIFEST, GIT, STORE, BESIDE = "manifest.json", "git", f"dvc/{named.STORE}", "beside"
FOLDERS = ("inbox", "outbox", "data/quarantine")  # that neither git nor DVC has
LEFT_OUT = (
    "keys and passwords (.dvc/config.local, the environment)",
    "what is made again (.andon/, releases/, pages and reports in data/watch and data/contract)",
)
PART = ".andon-part."  # how a file begins that a killed backup left
SETTING = "andon.backup"  # in this clone's .git/config: folders that bear the mark
SPARE = 100_000_000  # bytes that are left free


class Manifest(Record):
    """What a backup holds: heads are the number of lines and the hash of the last one."""

    andon: str
    plant: str
    at: str
    branch: str
    head: str
    ledger: tuple[int, str]
    history: tuple[int, str]
    bundle: str
    sha256: str
    objects: int
    missing: tuple[str, ...]
    beside: dict[str, int]


@dataclass(frozen=True)
class Done:
    """What a backup did: where, what it holds now, how many files and bytes were new; `missing` is not in it, though a
    commit names it."""

    to: str
    at: str
    objects: int
    copied: int
    bytes: int
    beside: dict[str, int]
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    left_out: tuple[str, ...] = LEFT_OUT


def backup(layout: Layout, to: Path, new: bool = False) -> Done:
    """Bring the backup in a folder to what the plant holds now.

    Args:
        new: another disk stands on purpose where an earlier one stood.

    Raises:
        FixSettings: the folder cannot be one. CheckHistory: it is another plant's or bears no mark, though it did; or
            the plant's history was rewritten since. MakeRoom: too little space.
    """
    to = _place(layout, to)
    with lock.hold(layout, "backup", f"a backup to {to}"):
        plant = identity.settled(layout).plant
        _take(layout, to, plant, new)
        _refuse_rewritten(layout, to)
        at = clock.stamp(clock.now())
        bundle = _bundle(layout, to)
        every = named.by_commits(layout, *_tips(layout, bundle))
        wanted, missing, count = _wanted(layout, to, every)
        beside = list(_beside(layout, to))
        copied, size = _copy_all(layout, to, wanted, beside, missing)
        os.sync()
        manifest = Manifest(
            andon=fingerprint.installed(),
            plant=plant,
            at=at,
            branch=git.asked(layout.home, "symbolic-ref", "--quiet", "--short", "HEAD"),
            head=_head_of(layout, bundle),
            **_heads(layout),
            bundle=bundle.name,
            sha256=batches.digest(bundle),
            objects=count,
            missing=tuple(sorted(missing)),
            beside={name: sum(one.startswith(f"{name}/") for one, _ in beside) for name in FOLDERS},
        )
        files.write(to / MANIFEST, manifest.model_dump_json(indent=1) + "\n")
        _clear(to, bundle, {one for one, _ in beside})
    same = to.stat().st_dev == layout.home.stat().st_dev
    notes = [f"{path} cannot be read, so what it names is not in it" for path in every.unread]
    notes += ["It lies on the same disk as the plant: what breaks the one breaks the other."] if same else []
    return Done(str(to), at, manifest.objects, copied, size, manifest.beside, manifest.missing, tuple(notes))


def read(folder: Path) -> Manifest | None:
    """What a folder's last finished backup holds; None: there is none.

    Raises:
        FixInput: it cannot be read, or a newer Andon made it.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        raw = mapping(path)
        made = Version(str(raw.get("andon")))
    except (FixSettings, ValueError):
        raise FixInput(f"{path} is damaged: take an older copy of this backup, or make a new one.") from None
    if made > Version(fingerprint.installed()):
        raise FixInput(
            f"The backup in {folder} was made by Andon {made}, and {fingerprint.installed()} is installed here.",
            f"Install that one, or a newer one, then run it again: `pip install andon=={made}`.",
        )
    try:
        return parse(Manifest, raw, path)
    except FixSettings as wrong:
        raise FixInput(
            f"{path} is damaged ({wrong})", "Take an older copy of this backup, or make a new one."
        ) from None


def copied(source: Path, target: Path, name: str) -> bool:
    """Copy an object under its name, if what arrives is it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    if not named.holds(part, name):
        part.unlink()
        return False
    part.chmod(0o444)  # as DVC protects what it keeps
    os.replace(part, target)
    return True


def _place(layout: Layout, to: Path) -> Path:
    to = to.absolute().resolve()
    if to.is_relative_to(layout.home) or layout.home.is_relative_to(to):
        raise FixSettings(f"{to} lies inside the plant, or the plant in it: name a folder on another disk.")
    if not to.is_dir():
        raise FixSettings(
            f"{to} is not there: its disk may not be mounted. Nothing was written.",
            f"Mount it; for a first backup make the folder (`mkdir {to}`) once it is.",
        )
    return to


def _take(layout: Layout, to: Path, plant: str, new: bool) -> None:
    """Make the folder this plant's, unless it is."""
    mark = to / identity.MARK
    known = git.asked(layout.home, "config", "--get-all", SETTING).splitlines()
    if mark.exists():
        if identity.marked_by(mark.read_bytes()) != plant:
            raise FixSettings(f"{to} holds the backup of another plant: name another folder. Nothing was written.")
    elif str(to) in known and not new:
        raise CheckHistory(
            f"{to} held a backup of this plant and bears its mark no more: most likely its disk is not mounted. "
            "Nothing was written.",
            f"Mount it, then run it again. If another disk stands there on purpose: `andon backup {to} --new`.",
        )
    elif any(one.name != "lost+found" for one in to.iterdir()):
        raise FixSettings(f"{to} is not empty and holds no backup: name an empty folder. Nothing was written.")
    else:
        files.write(mark, identity.mark(plant))
    if str(to) not in known:
        git.run(layout.home, "config", "--add", SETTING, str(to))


def _refuse_rewritten(layout: Layout, to: Path) -> None:
    """What a backup holds is not given up for a history that lacks it."""
    last = read(to)
    if last is not None and not git.in_history(layout.home, last.head):
        raise CheckHistory(
            f"The plant's history lacks the commit {last.head[:10]} of the backup of {last.at[:10]}: it was put back "
            "or rewritten since. Nothing was written, and that backup stays.",
            "See `andon status` and `andon verify`. If what lies here is to hold: back up into another, empty folder.",
        )


def _bundle(layout: Layout, to: Path) -> Path:
    """Git as it is now, in one file beside the last one."""
    (to / GIT).mkdir(exist_ok=True)
    part = to / GIT / ".bundle.part"
    refs = ("HEAD", "--branches", "--tags", "--glob=refs/andon")
    git.run(layout.home, "bundle", "create", "--quiet", str(part), *refs)
    path = to / GIT / f"{batches.digest(part)[:16]}.bundle"
    os.replace(part, path)
    return path


def _tips(layout: Layout, bundle: Path) -> list[str]:
    lines = git.run(layout.home, "bundle", "list-heads", str(bundle)).splitlines()
    return sorted({line.split()[0] for line in lines})


def _head_of(layout: Layout, bundle: Path) -> str:
    lines = git.run(layout.home, "bundle", "list-heads", str(bundle)).splitlines()
    return next(line.split()[0] for line in lines if line.endswith(" HEAD"))


def _heads(layout: Layout) -> dict[str, tuple[int, str]]:
    head = ledger.head(layout)
    events = list(chain.read([layout.history]))
    return {
        "ledger": (head.events, head.digest),
        "history": (len(events), events[-1].digest if events else chain.START),
    }


def _wanted(layout: Layout, to: Path, every: named.Named) -> tuple[list[str], set[str], int]:
    """The objects that the store lacks and the cache has, the paths of those that are in neither, and how many objects
    commits name."""
    cache, store = cache_folder(layout.home / ".dvc") / named.STORE, to / STORE
    objects: dict[str, str] = dict(every.paths)
    missing = set[str]()
    folders = [(name, path) for name, path in every.paths.items() if name.endswith(named.FOLDER)]
    for name, path in folders:
        place = next((one for one in (named.place(cache, name), named.place(store, name)) if one.is_file()), None)
        try:
            objects |= (
                {} if place is None else {o: f"{path}/{at}" for at, o in named.listed(place.read_bytes()).items()}
            )
        except (ValueError, KeyError, TypeError):
            missing.add(path)
    wanted = []
    for name, path in objects.items():
        here, there = named.place(cache, name), named.place(store, name)
        if here.is_file():
            if not there.is_file() or there.stat().st_size != here.stat().st_size:
                wanted.append(name)
        elif not there.is_file() and name not in every.perhaps:
            missing.add(path)
    return sorted(wanted), missing, len(objects)


def _beside(layout: Layout, to: Path) -> Iterator[tuple[str, Path]]:
    """The regular files that neither git nor DVC has, by their paths from the plant's folder."""
    for folder in FOLDERS:
        for above, _, names in os.walk(layout.home / folder):
            for path in (Path(above) / name for name in sorted(names)):
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path.relative_to(layout.home).as_posix(), path


def _copy_all(
    layout: Layout, to: Path, wanted: Sequence[str], beside: Sequence[tuple[str, Path]], missing: set[str]
) -> tuple[int, int]:
    """How many files, and bytes, were copied; an object that is damaged in the cache is added to `missing`."""
    cache, store = cache_folder(layout.home / ".dvc") / named.STORE, to / STORE
    more = [(path, to / BESIDE / name) for name, path in beside if not _same(path, to / BESIDE / name)]
    size = sum(named.place(cache, name).stat().st_size for name in wanted) + sum(
        path.stat().st_size for path, _ in more
    )
    free = shutil.disk_usage(to).free
    if size + SPARE > free:
        raise MakeRoom(
            f"{to} has {free / 1e9:.1f} GB free, and this backup needs {(size + SPARE) / 1e9:.1f} GB more: free some "
            "space there, or name a larger disk. The backup before it stays."
        )
    count = 0
    with progress("Files copied", len(wanted) + len(more)) as advance:
        for name in wanted:
            source = named.place(cache, name)
            if copied(source, named.place(store, name), name):
                count += 1
            else:
                missing.add(f"{_shown(layout, source)} (damaged in DVC's cache)")
            advance(1)
        for path, target in more:
            count += _copied_beside(path, target)
            advance(1)
    return count, size


def _shown(layout: Layout, path: Path) -> str:
    return path.relative_to(layout.home).as_posix() if path.is_relative_to(layout.home) else str(path)


def _same(path: Path, target: Path) -> bool:
    try:
        return filecmp.cmp(path, target, shallow=True)
    except OSError:
        return False


def _copied_beside(path: Path, target: Path) -> bool:
    """Whether a file could be copied; an inbox loses files meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{PART}{hashlib.md5(target.name.encode(), usedforsecurity=False).hexdigest()}")
    try:
        shutil.copy2(path, part)
        arrived = filecmp.cmp(path, part, shallow=False)
    except FileNotFoundError:
        arrived = False
    if arrived:
        os.replace(part, target)
    part.unlink(missing_ok=True)
    return arrived


def _clear(to: Path, bundle: Path, beside: set[str]) -> None:
    """What the manifest does not name any more: git as it was, and files that have left the inbox."""
    for path in (to / GIT).iterdir():
        if path != bundle:
            path.unlink()
    for above, _, names in os.walk(to / BESIDE):
        for path in (Path(above) / name for name in names):
            if path.relative_to(to / BESIDE).as_posix() not in beside:
                path.unlink()


def as_words(done: Done) -> list[str]:
    """What a backup did, for people."""
    kept: list[Any] = [f"{count} files of {name}/" for name, count in done.beside.items() if count]
    words = [
        f"The backup in {done.to} holds git whole and {done.objects} files of DVC that its commits name"
        f"{', and ' + ', '.join(kept) if kept else ''}.",
        f"  new since the last one: {done.copied} files, {done.bytes / 1e6:.1f} MB",
        *(f"  {note}" for note in done.notes),
        *(f"  not in it: {what}" for what in done.left_out),
    ]
    if done.missing:
        words += [f"MISSING  {path}" for path in done.missing[:20]]
        words.append(
            f"{len(done.missing)} things that commits name are not on this disk, so they are not in the backup: run "
            "`dvc pull --all-commits`, then back up again."
        )
    return words
