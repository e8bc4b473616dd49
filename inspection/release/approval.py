"""Who approved exactly what, until when. A candidate asks with a request; a person answers with an approval."""

import json
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from inspection import clock, files, git, lock
from inspection.errors import AskForApproval, FixInput
from inspection.layout import Layout
from inspection.outside import documents
from inspection.record import Record
from inspection.release import registry


class Request(Record):
    """A candidate that waits for a person, named by the hash of its package."""

    version: str
    package: str
    promote: bool  # what the gate said
    objections: tuple[str, ...]
    reasons: tuple[str, ...]
    champion: str | None  # package hash of what it was compared with
    classes: tuple[str, ...]
    figures: Mapping[str, Any]
    requested_by: str
    reason: str
    at: str


class Answer(Record):
    """What a person said of a candidate; `before`: what was said of it earlier and expired."""

    version: str
    package: str
    approved: bool
    by: str
    at: str
    expires_at: str
    note: str = ""
    before: "tuple[Answer, ...]" = ()


def write_request(layout: Layout, request: Request) -> Path:
    return _write(request_path(layout, request.version), request)


def requests(layout: Layout) -> list[Request]:
    """Every candidate that ever asked, as committed, oldest first."""
    kept = _committed(layout)
    found = [_read(Request, layout, name, kept[name]) for name in kept if name.endswith(".request.json")]
    return sorted(found, key=lambda request: request.at)


def find_request(layout: Layout, name: str) -> Request:
    """The candidate with this version, or whose package hash starts with `name` (six letters or more).

    Raises:
        FixInput: there is none, or more than one, or it is not committed.
    """
    known = requests(layout)
    found = [r for r in known if r.version == name or (len(name) >= 6 and r.package.startswith(name))]
    if len(found) != 1:
        if words := unrecorded(layout).get(f"{name}.request.json"):
            raise FixInput(words)
        versions = ", ".join(request.version for request in known) or "none yet"
        raise FixInput(f"No candidate {name!r}; there are: {versions}.")
    return found[0]


def answer(layout: Layout, request: Request) -> Answer | None:
    """What was said of the candidate, as committed, if anything."""
    path = _answer_path(layout, request.version)
    kept = _committed(layout).get(path.name)
    return None if kept is None else _read(Answer, layout, path.name, kept)


def compared(layout: Layout, request: Request) -> Mapping[str, Any] | None:
    """The model that it was compared with, and its figures, as the committed `reports/decision.json` has them; None
    where that is about another candidate or another model."""
    decision = documents.json_of(git.committed(layout.reports / "decision.json") or b"{}")
    champion: Mapping[str, Any] | None = decision.get("champion")
    mine = decision.get("candidate", {}).get("package") == request.package
    return champion if mine and champion and champion["package"] == request.champion else None


def unrecorded(layout: Layout) -> dict[str, str]:
    """The files of `approvals/` that are not what was committed: name -> that, and what to do, in a sentence."""
    kept = _committed(layout)
    here = {path.name: path.read_bytes() if path.is_file() else None for path in layout.approvals.glob("*")}
    return {
        name: _words(name, name in kept)
        for name in sorted({*kept, *here})
        if not name.startswith(".")
        if name not in here or name not in kept or here[name] != kept[name]
    }


def refuse_unrecorded(layout: Layout, version: str) -> None:
    """Raises AskForApproval when the request or the answer of a version is not what was committed."""
    wrong = unrecorded(layout)
    for path in (request_path(layout, version), _answer_path(layout, version)):
        if path.name in wrong:
            raise AskForApproval(wrong[path.name])


def _words(name: str, known: bool) -> str:
    if known:
        remedy = f"restore it with `git restore --source=HEAD --staged --worktree approvals/{name}`"
        return f"approvals/{name} is not what was committed: {remedy}."
    return f"approvals/{name} was never committed, so nobody stands for it: delete the file approvals/{name}."


def _committed(layout: Layout) -> Mapping[str, bytes]:
    return git.folder_at(layout.home, layout.approvals.name)


def give(layout: Layout, request: Request, by: str, approved: bool, valid_days: float, note: str = "") -> Path:
    """Write a person's answer down; the file.

    Raises:
        AskForApproval: this person may not answer, the candidate may not be approved or was released already, or a
            file of it is not what was committed.
    """
    if not _begun(layout, request, by, approved):
        refuse_unrecorded(layout, request.version)
    given = answer(layout, request)
    _refuse_released(layout, request)
    if given is not None and given.package == request.package and not (given.approved and _expired(given)):
        raise AskForApproval(
            f"{request.version} was {'approved' if given.approved else 'rejected'} by {given.by} "
            f"on {given.at[:10]} already."
        )
    if not by.strip():
        raise AskForApproval("An answer needs a person's name: add --by NAME.")
    if approved:
        _may_be_approved(layout, request, by)
    now = clock.now()
    record = Answer(
        version=request.version,
        package=request.package,
        approved=approved,
        by=" ".join(by.split()),
        at=clock.stamp(now),
        expires_at=clock.stamp(now + timedelta(days=valid_days)),
        note=note,
        before=() if given is None else (*given.before, given.model_copy(update={"before": ()})),
    )
    return _write(_answer_path(layout, request.version), record)


def _begun(layout: Layout, request: Request, by: str, approved: bool) -> bool:
    """Whether the same answer lies there uncommitted, as one that was killed leaves it."""
    path = _answer_path(layout, request.version)
    if list(unrecorded(layout)) != [path.name] or not path.is_file():
        return False
    with suppress(FixInput):
        left = _read(Answer, layout, path.name, path.read_bytes())
        same = (left.version, left.package, left.approved) == (request.version, request.package, approved)
        return same and _same_person(left.by, by)
    return False


def _refuse_released(layout: Layout, request: Request) -> None:
    """Raises AskForApproval when the candidate was on the line: what was said of it then stays as it is."""
    past = [one for one in registry.history(layout) if one.package == request.package]
    if not past:
        return
    now, since = registry.live(layout), f"{past[-1].at:%Y-%m-%d %H:%M} UTC by {past[-1].by}"
    if now is not None and now.package == request.package:
        raise AskForApproval(f"{request.version} is live already, since {since}; its record stays as it is.")
    raise AskForApproval(
        f"{request.version} was released already, on {since}; its record stays as it is. To put it back run "
        f"`andon rollback {request.version} --by NAME`."
    )


def put_on_record(layout: Layout, request: Request, by: str, approved: bool, valid_days: float, note: str = "") -> None:
    """Write a person's answer down and commit it; raises as `give`."""
    with lock.hold(layout, lock.WRITE, f"answering {request.version}"):
        path = give(layout, request, by, approved, valid_days, note)
        git.commit(layout.home, [path], f"{'Approval' if approved else 'Rejection'}: {request.version} by {by}")


def valid(layout: Layout, request: Request) -> Answer:
    """The approval under which the candidate may be released now.

    Raises:
        AskForApproval: there is none, it is for another package, it has expired, or the line has moved on.
    """
    given = answer(layout, request)
    how = f"run `andon approve {request.version} --by NAME`"
    if given is None:
        raise AskForApproval(f"{request.version} waits for approval: {how}.")
    if not given.approved:
        raise AskForApproval(
            f"{request.version} was rejected by {given.by}; make a new candidate with `andon retrain`."
        )
    if given.package != request.package or given.version != request.version:
        raise AskForApproval(f"The approval of {given.by} names another package than {request.version}; {how}.")
    if _expired(given):
        raise AskForApproval(
            f"The approval of {request.version} by {given.by} expired on {given.expires_at[:10]}; {how}."
        )
    _may_be_approved(layout, request, given.by)
    return given


def state(layout: Layout, request: Request) -> str:
    """In a word or three, where the candidate stands."""
    now = registry.live(layout)
    given = answer(layout, request)
    if now and now.package == request.package:
        return "live"
    if any(past.package == request.package for past in registry.history(layout)):
        return "released before"
    if not request.promote:
        return "refused by the gate"
    if given is not None and not given.approved:
        return "rejected"
    if (now.package if now else None) != request.champion:
        return "superseded"
    if given is None:
        return "waiting for approval"
    return "approval expired" if _expired(given) else "approved"


def _may_be_approved(layout: Layout, request: Request, by: str) -> None:
    if _same_person(by, request.requested_by):
        raise AskForApproval(f"{by} asked for {request.version} and so cannot approve it; somebody else has to.")
    if not request.promote:
        raise AskForApproval(f"{request.version} did not pass the gate: {'; '.join(request.objections)}.")
    now = registry.live(layout)
    if (now.package if now else None) != request.champion and not (now and now.package == request.package):
        on_line = now.version if now else "nothing"
        raise AskForApproval(
            f"{request.version} is superseded: it was compared with another model than {on_line}, which is live now. "
            "Run `andon retrain` for a candidate that is."
        )


def _same_person(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    """A name without the differences that a person would not see."""
    seen = "".join(one for one in unicodedata.normalize("NFKC", name) if unicodedata.category(one) != "Cf")
    return " ".join(seen.casefold().split())


def _expired(given: Answer) -> bool:
    return clock.now() >= clock.parse(given.expires_at)


def request_path(layout: Layout, version: str) -> Path:
    return layout.approvals / f"{version}.request.json"


def _answer_path(layout: Layout, version: str) -> Path:
    return layout.approvals / f"{version}.json"


def _write(path: Path, record: Record) -> Path:
    return files.write(path, json.dumps(record.model_dump(), indent=2, ensure_ascii=False) + "\n")


R = TypeVar("R", bound=Record)


def _read(record: type[R], layout: Layout, name: str, content: bytes) -> R:
    try:
        return record.model_validate_json(content.decode())
    except ValueError:
        raise FixInput(f"{layout.approvals / name} is not what Andon wrote: restore it with git.") from None
