"""All of it in turn. Nothing is written."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from inspection import clock, lock
from inspection.chain import Event
from inspection.errors import AndonError, CheckHistory, FixSettings
from inspection.layout import Layout
from inspection.records import ledger
from inspection.verify import beside, committed, folded, line, pictures, record, remote, store, versions
from inspection.verify.finding import Finding
from inspection.verify.kept import Kept
from inspection.verify.pictures import RECENT
from inspection.verify.record import UNCOMMITTED

WRITERS = (lock.WRITE, "ledger", "ingest", "watch", "mail", "release", "retrain")  # locks under which it is written
STORE = "the last commit and the versions' tags"
LEFT_OUT = (  # what `andon verify` does not look at
    "the inbox, quarantine, letters that wait in outbox/, and pages and reports (they are made from the rest)",
    "the store of features and the networks in .andon: deleted, they are made again",
    "of the remote: results of retrains (packages have their copies in DVC's cache here)",
    "tags of the kind model#live#N: an index of the history, by which nothing is decided",
    "what is set for this computer alone (.git/config, .dvc/config.local, the environment), and the installed program",
    "who a person really was: a name in the record is what somebody typed",
    "a record that was rewritten whole, with git, its tags and what was recorded last here: compare the hashes at the "
    "foot of a mail that you kept, or tags on another computer",
)


@dataclass
class Verified:
    """What was compared and what not, in words, and what was found."""

    findings: tuple[Finding, ...] = ()
    compared: tuple[str, ...] = ()
    left_out: tuple[str, ...] = field(default=LEFT_OUT)

    def add(self, found: Iterable[Finding], words: str) -> None:
        self.findings += tuple(found)
        self.compared += (words,)

    def leave(self, words: str) -> None:
        self.left_out = (*self.left_out[: -len(LEFT_OUT)], words, *LEFT_OUT)


def verify(layout: Layout, every: bool = False) -> Verified:
    """Compare what lies here with what was recorded.

    Args:
        every: pictures, verdicts and windows of all time, and not only of the last 30 days; all that git's store and
            the remote have, bit by bit.
    """
    done = Verified()
    if damaged := store.findings(layout, every):
        done.add(damaged, f"git's store: {STORE}")
        done.leave("everything else, for git's store is damaged")
        return done
    done.add((), f"git's store: {'all of it' if every else STORE}")
    busy = lock.at_work(layout, WRITERS)
    _record(layout, done, busy)
    done.add(
        _said(lambda: line.findings(layout), "approvals"),
        "models: versions' tags, requests, approvals, releases, and what models/live leads to",
    )
    try:
        events = ledger.read(layout)
    except CheckHistory:  # told above
        done.leave("everything that the ledger names (pictures, references, verdicts), for it cannot be read")
        return done
    try:
        kept = Kept(layout)
    except FixSettings as broken:
        done.findings += (Finding(".dvc", str(broken)),)
        done.leave("what DVC keeps (pictures, references, verdicts, packages), for its settings cannot be read")
        return done
    _models(layout, kept, events, every, done)
    done.findings += () if busy else (*pictures.unknown(layout, events), *beside.unknown(layout, events))
    _beside(layout, kept, events, every, done)
    _folded(layout, events, every, done)
    return done


def _record(layout: Layout, done: Verified, busy: Sequence[str]) -> None:
    """The chains, and each file that git keeps; what a run that is at work has not committed yet is left out."""
    chains, kept = list(record.findings(layout)), _said(lambda: committed.findings(layout), ".git")
    if busy:
        lasting = [one for one in chains if UNCOMMITTED not in one.words]
        lasting += [one for one in kept if not committed.of_record(one)]
        if less := len(chains) + len(kept) - len(lasting):
            done.leave(f"{less} files of the record that were not committed, while {busy[0]} is at work: look again")
        chains, kept = lasting, []
    done.add(
        [*chains, *kept],
        "ledger and history of releases: each chain, the last commit, what was recorded last here, every day's tag "
        "and mail",
    )
    done.add((), "settings, requests, approvals, DVC's files: each as the last commit has it, which Andon made")


def _models(layout: Layout, kept: Kept, events: list[Event], every: bool, done: Verified) -> None:
    done.add(
        [
            *_said(lambda: versions.findings(layout, kept, events), "releases"),
            *_said(lambda: versions.made(layout, kept), "dvc.lock"),
        ],
        "each version's package and data; packages in releases/, models/candidate and models/champion, and what the "
        "last retrain made, as far as it is on this disk",
    )
    if every:
        done.add(kept.all(), "everything else in DVC's cache, with its name")


def _beside(layout: Layout, kept: Kept, events: list[Event], every: bool, done: Verified) -> None:
    """References, verdicts, windows, pictures, and the remote's copies of them."""
    since = clock.now() - RECENT
    recent = [one for one in events if every or clock.parse(one.at) >= since]
    watched = [one for one in recent if one.kind == "watch"]
    done.add(
        [*beside.references(layout, events), *beside.watches(layout, watched), *beside.cached(layout, kept)],
        f"references of cameras, verdicts and windows of {len(watched)} watches",
    )
    found: list[Finding] = []
    looked = pictures.findings(layout, kept, *pictures.chosen(events, every), found)
    done.add(found, f"pictures: {looked.pictures} in {looked.batches} batches, and DVC's cache of them")
    if looked.older:
        done.leave(f"{looked.older} batches older than {RECENT.days} days: andon verify --all")
    folder = remote.place(layout)
    if isinstance(folder, str):
        done.leave(folder)
        return
    done.add(
        remote.findings(layout, kept, folder, recent, every),
        f"the remote {folder}: that it has these files" + (", bit by bit" if every else ""),
    )
    if not every:
        done.leave("whether the remote's files are what their names say: andon verify --all")


def _folded(layout: Layout, events: list[Event], every: bool, done: Verified) -> None:
    captures = sum(int(one.body.get("captures", 0)) for one in events if one.kind == "batch")
    if os.environ.get("ANDON_DATABASE_URL"):
        done.leave("the catalog, which is in PostgreSQL: andon catalog rebuild")
    elif captures > folded.MOST and not every:
        done.leave(f"the catalog, of {captures} captures: andon verify --all")
    else:
        done.add(folded.findings(layout), "the catalog, against one that was folded anew")


def _said(look: Callable[[], Iterable[Finding]], file: str) -> list[Finding]:
    """What a comparison finds; one that cannot be made is a finding itself."""
    found = []
    try:
        for one in look():
            found.append(one)
    except AndonError as broken:
        found.append(Finding(file, str(broken)))
    return found
