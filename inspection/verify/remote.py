"""The remote, where it is a folder that this computer sees: whether it has what the plant has sent."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from inspection import backlog
from inspection.anchor import named
from inspection.chain import Event
from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.records import commissions
from inspection.verify.finding import Finding
from inspection.verify.kept import UNREADABLE, Kept, pointed
from inspection.worktree import settings_of


def place(layout: Layout) -> Path | str:
    """The folder of the remote; in words, why it cannot be looked at here."""
    settings = settings_of(layout.home / ".dvc")
    name = settings.get("core", "remote", fallback="")
    url = settings.get(f"'remote \"{name}\"'", "url", fallback="")
    if not url:
        return "the remote: none is set"
    if "://" in url and not url.startswith("file://"):
        return "the remote, which is no folder here: `dvc status --cloud` compares with it"
    folder: Path = (layout.home / ".dvc" / url.removeprefix("file://")).resolve()
    return folder if folder.is_dir() else f"the remote: {folder} is not there"


def findings(layout: Layout, kept: Kept, folder: Path, mine: Sequence[Event], deep: bool) -> Iterator[Finding]:
    """What the remote lacks of what was sent: of these batches, references and watches.

    Args:
        deep: also whether each file there is what its name says.
    """
    try:
        waits = {one.target for one in backlog.read(layout).waiting}
    except FixSettings as broken:
        yield Finding(".andon/backlog.json", str(broken))
        return
    for name, digests in _sent(layout, kept, mine):
        if any(name == one or name.startswith(f"{one}/") or one.startswith(f"{name}/") for one in waits):
            continue
        there = {one: named.place(folder / named.STORE, one) for one in digests}
        if missing := [path for path in there.values() if not path.is_file()]:
            yield Finding(
                kept.name(missing[0]),
                f"The remote lacks {len(missing)} of {len(there)} files of {name}, which were sent: run "
                "`andon push --all` (and see that the right disk is mounted there).",
            )
    for path in sorted(folder.glob(f"{named.STORE}/??/*")) if deep else ():
        if not named.holds(path, f"{path.parent.name}{path.name}"):
            yield Finding(kept.name(path), "It is not what its name says: delete it, then run `andon push --all`.")


def _sent(layout: Layout, kept: Kept, mine: Sequence[Event]) -> Iterator[tuple[str, list[str]]]:
    """What has to be there: a path from the plant's folder on, and the MD5 of each of its files."""
    lists = dict[Path, dict[str, list[str]]]()
    for folder in _folders(layout, mine):
        partition = folder.parent
        if partition not in lists:
            lists[partition] = {}
            try:
                listed = kept.files(pointed(partition.with_name(f"{partition.name}.dvc")))
            except UNREADABLE:  # told by those who compare it
                listed = {}
            for path, digest in listed.items():
                lists[partition].setdefault(path.partition("/")[0], []).append(digest)
        yield folder.relative_to(layout.home).as_posix(), lists[partition].get(folder.name, [])


def _folders(layout: Layout, mine: Sequence[Event]) -> Iterator[Path]:
    for event in mine:
        if event.kind == "batch":
            yield layout.batches / str(event.body["partition"]) / str(event.body["batch"])
        elif event.kind == "reference":
            yield commissions.folder(layout, str(event.body["camera"]), str(event.body["version"]))
        elif event.kind == "watch":
            yield layout.ledger / f"{event.body['run'][:4]}-{event.body['run'][4:6]}" / "watch" / str(event.body["run"])
