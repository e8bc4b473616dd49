"""Ledger and history: against themselves, the last commit, what was recorded last, every day's tag, and what the mails
of days told."""

from collections.abc import Iterator, Mapping, Sequence

from inspection import chain, git
from inspection.anchor import branch, points, prefix
from inspection.chain import Event
from inspection.errors import CheckHistory
from inspection.layout import Layout
from inspection.records import ledger
from inspection.release import heads
from inspection.verify.finding import Finding

UNCOMMITTED = "not committed, and believed"  # in the words of lines that a run may be about to commit
RESTORE = "Restore it with git, from a commit or a clone that has it whole."


def findings(layout: Layout) -> Iterator[Finding]:
    """What is wrong with the two chains."""
    chains: dict[str, list[Event] | None] = {}
    for name, files in (("ledger", ledger.files(layout)), ("history", [layout.history])):
        try:
            chains[name] = list(chain.read(files))
        except CheckHistory as broken:
            chains[name] = None
            yield Finding(_named(layout, str(broken)) or name, str(broken))
    if found := prefix.difference(layout, "HEAD"):
        for path in found.paths:
            yield Finding(path, f"{found.words}, against the last commit. {RESTORE}")
    if elsewhere := branch.refusal(layout):
        yield Finding("HEAD", str(elsewhere))
    for refusal in points.refusals(layout):
        yield Finding(_named(layout, str(refusal)) or git.RECORDED, str(refusal))
    for path, count in prefix.behind(layout).items():
        yield Finding(
            path,
            f"Its last {'line is' if count == 1 else f'{count} lines are'} {UNCOMMITTED}. A run that was killed "
            "leaves such lines, and the next commits them; if you know of none, look at `git diff` of it.",
        )
    told = list(_told(layout))
    yield from _of_mails(chains, {tag: {name: head for one, name, *head in told if one == tag} for tag, *_ in told})
    for tag, name, number, digest in told:
        events = chains.get(name, [])
        if events is not None and not _holds(events, number, digest):
            yield Finding(
                tag,
                f"{tag} (and that day's mail, if nobody moved the tag) says that line {number} of the {name} has the "
                f"hash {digest[:12]}; the line here has another, or is missing. {RESTORE}",
            )


def _of_mails(
    chains: Mapping[str, list[Event] | None], tags: Mapping[str, Mapping[str, list[object]]]
) -> Iterator[Finding]:
    """Each day whose mail told heads has its tag, which says the same; the last one's may not be made yet."""
    mails = [one for one in chains["ledger"] or () if one.kind == "mail" and "heads" in one.body]
    for mail in mails:
        tag = f"{points.TAGS.removeprefix('refs/tags/')}{mail.body['key'].removeprefix(heads.DIGEST)}"
        said = {name: [head["events"], head["digest"]] for name, head in mail.body["heads"].items()}
        if tag not in tags and mail is not mails[-1]:
            yield Finding(tag, "The tag of that day is gone, or says nothing of the record: fetch it from a clone.")
        elif tags.get(tag, said) != said:
            yield Finding(tag, f"The tag says something else than the day's mail did (event {mail.n} of the ledger).")
        for name, (number, digest) in said.items():
            events = chains.get(name)
            if events is not None and not _holds(events, number, digest):
                yield Finding(
                    name,
                    f"The mail of {tag.rpartition('/')[2]} said that line {number} of the {name} has the hash "
                    f"{digest[:12]}; the line here has another, or is missing. {RESTORE}",
                )


def _holds(events: Sequence[Event], number: int, digest: str) -> bool:
    return digest == (events[number - 1].digest if 0 < number <= len(events) else chain.START if not number else "")


def _told(layout: Layout) -> Iterator[tuple[str, str, int, str]]:
    """What every day's tag says: the tag, the chain, its line, that line's hash."""
    refs = git.run(layout.home, "for-each-ref", "--format=%(refname)%00%(contents)%00", points.TAGS.rstrip("/"))
    parts = refs.split("\0")
    for ref, message in zip(parts[::2], parts[1::2], strict=False):
        for line in message.splitlines():
            words = line.split()
            if len(words) == 3 and words[0] in ("ledger", "history") and words[1].isdecimal():
                yield ref.strip().removeprefix("refs/tags/"), words[0], int(words[1]), words[2]


def _named(layout: Layout, words: str) -> str:
    """The chained file that a refusal names."""
    paths = [str(path.relative_to(layout.home)) for path in (*ledger.files(layout), layout.history)]
    return next((path for path in paths if path in words), "")
