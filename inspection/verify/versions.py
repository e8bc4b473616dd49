"""Each version of the model: its tag, the data it was trained on, and its package as DVC recorded it; the packages in
`releases/`, what the last retrain made, and the champion."""

from collections.abc import Iterator, Sequence

from inspection import git
from inspection.chain import Event
from inspection.errors import AndonError
from inspection.layout import Layout
from inspection.model.champion import champion_copy, read_champion
from inspection.model.package import CARD, Card, intact, linked, package_hash
from inspection.records import batches
from inspection.records.ledger import head_of
from inspection.release import approval, registry, warrant
from inspection.release.approval import Request
from inspection.verify.finding import Finding
from inspection.verify.kept import PULL, UNREADABLE, Kept, pointed

SPLIT = "data/split.parquet"  # the table whose SHA-256 stands in a package's card
MADE_AGAIN = "Delete that folder: a rollback fetches the package from DVC."


def findings(layout: Layout, kept: Kept, events: Sequence[Event]) -> Iterator[Finding]:
    """What is wrong with versions, and with packages in `releases/`."""
    asked = approval.requests(layout)
    for request in asked:
        if registry.registered(layout, request.version) is not None:
            yield from _of_tag(layout, request)
            yield from _of_cut(layout, request, events)
            yield from _of_data(layout, kept, request)
        else:
            yield Finding(
                f"{registry.ARTIFACT}@{request.version}",
                "There is no tag of that version. A retrain that was killed leaves it to the next; else fetch it from "
                "a clone.",
            )
    yield from _of_releases(layout, asked)


def made(layout: Layout, kept: Kept) -> Iterator[Finding]:
    """What of the last retrain's results is not what dvc.lock says, and of the champion not what its names say."""
    try:
        outs = warrant.outputs(layout)
    except UNREADABLE:
        yield Finding("dvc.lock", "It is not what DVC writes: bring it back with git.")
        return
    for path, digest in outs.items():
        yield from kept.findings(digest, layout.home / path, path, need=False)
    copy = champion_copy(layout)
    pointer = copy.with_suffix(".dvc")
    if pointer.is_file():
        name = pointer.relative_to(layout.home).as_posix()
        try:
            yield from kept.findings(pointed(pointer), copy, name)
        except UNREADABLE:
            yield Finding(name, f"What it names cannot be read. {PULL}")
    named = read_champion(layout.champion).package if layout.champion.is_file() else None
    if named is not None and copy.is_dir() and package_hash(copy) != named:
        words = f"It is not the package that models/champion.json names. {PULL}"
        yield Finding(copy.relative_to(layout.home).as_posix(), words)


def _of_tag(layout: Layout, request: Request) -> Iterator[Finding]:
    """A version's tag names the commit that brought its request."""
    tag = f"{registry.ARTIFACT}@{request.version}"
    path = f"{layout.approvals.name}/{request.version}.request.json"
    first = git.asked(layout.home, "log", "--diff-filter=A", "--format=%H", "-1", "--", path)
    if first and registry.registered(layout, request.version) != first:
        yield Finding(
            tag,
            f"The tag names another commit than the one that brought {path} ({first[:10]}), so the model's data and "
            f'package are read from the wrong place. `git tag --force --annotate --message "Put back" {tag} {first}`.',
        )


def _of_cut(layout: Layout, request: Request, events: Sequence[Event]) -> Iterator[Finding]:
    """The part of the ledger that the model was trained on is the ledger's."""
    tag, cut = f"{registry.ARTIFACT}@{request.version}", registry.cut(layout, request.version)
    if cut is None:
        yield Finding(tag, f"What {request.version} was trained on (data/cut.json there) cannot be read.")
    elif cut.events > len(events) or (cut.events and head_of(events[: cut.events]) != cut.head):
        yield Finding(
            tag,
            f"{request.version} was trained on the ledger up to line {cut.events}, whose hash was {cut.digest[:12]}; "
            "the line here has another, or is missing. Restore the ledger with git.",
        )


def _of_data(layout: Layout, kept: Kept, request: Request) -> Iterator[Finding]:
    """The table it was trained on, where the cache has it, is the one that its card names; its package's files in the
    cache are what their names say, and nowhere missing unless `releases/` has them."""
    tag, folder = f"{registry.ARTIFACT}@{request.version}", layout.releases / request.package
    try:
        outs = warrant.outputs(layout, tag)
    except UNREADABLE:
        outs = {}
    package = layout.candidate.relative_to(layout.root).as_posix()
    if package not in outs:
        yield Finding(tag, f"dvc.lock at the tag names no {package}.")
        return
    nowhere = layout.home / ".none"  # of an earlier retrain only the cache has files
    lies = intact(folder, request.package)
    yield from kept.findings(outs[package], nowhere, f"the package of {request.version}", need=not lies)
    split = outs.get(SPLIT, "")
    place = kept.place(split)
    if not split or not place.is_file():
        return
    if words := kept.wrong(split):
        yield Finding(kept.name(place), f"{words} (the table that {request.version} was trained on). {PULL}")
    elif lies and Card.model_validate_json((folder / CARD).read_bytes()).data != batches.digest(place):
        yield Finding(tag, f"The card of {request.version} names another table than dvc.lock at the tag.")


def _of_releases(layout: Layout, asked: Sequence[Request]) -> Iterator[Finding]:
    """Each package in `releases/` is what its name says, and one that was asked for and registered."""
    known = {request.package: request for request in asked}
    for folder in sorted(layout.releases.glob("*")):
        if folder == layout.history or folder.name.startswith("."):
            continue
        name = folder.relative_to(layout.home).as_posix()
        request = known.get(folder.name)
        if request is None:
            yield Finding(name, "Nobody asked for a package of that name: move it away.")
        elif not intact(folder, folder.name):
            if folder.resolve() == linked(layout):
                continue  # line.py tells it
            yield Finding(name, f"It is not the package of {request.version}. {MADE_AGAIN}")
        else:
            try:
                if registry.registered(layout, request.version) is not None:
                    warrant.recorded(layout, request.version, request.package)
            except AndonError as broken:
                yield Finding(name, str(broken))
