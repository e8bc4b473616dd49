"""Who approved exactly what, until when. A candidate asks with a request; a person answers with an approval."""

import json
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from inspection import clock, files, git, lock
from inspection.errors import AskForApproval, FixInput
from inspection.layout import Layout
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
    """What a person said of a candidate."""

    version: str
    package: str
    approved: bool
    by: str
    at: str
    expires_at: str
    note: str = ""


def write_request(layout: Layout, request: Request) -> Path:
    return _write(_request_path(layout, request.version), request)


def requests(layout: Layout) -> list[Request]:
    """Every candidate that ever asked, oldest first."""
    found = [_read(Request, path) for path in layout.approvals.glob("*.request.json")]
    return sorted(found, key=lambda request: request.at)


def find_request(layout: Layout, name: str) -> Request:
    """The candidate with this version, or whose package hash starts with `name` (six letters or more).

    Raises:
        FixInput: there is none, or more than one.
    """
    known = requests(layout)
    found = [r for r in known if r.version == name or (len(name) >= 6 and r.package.startswith(name))]
    if len(found) != 1:
        versions = ", ".join(request.version for request in known) or "none yet"
        raise FixInput(f"No candidate {name!r}; there are: {versions}.")
    return found[0]


def answer(layout: Layout, request: Request) -> Answer | None:
    """What was said of the candidate, if anything."""
    path = _answer_path(layout, request.version)
    return _read(Answer, path) if path.exists() else None


def give(layout: Layout, request: Request, by: str, approved: bool, valid_days: float, note: str = "") -> Path:
    """Write a person's answer down; the file.

    Raises:
        AskForApproval: this person may not answer, or the candidate may not be approved.
    """
    given = answer(layout, request)
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
    )
    return _write(_answer_path(layout, request.version), record)


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


def _request_path(layout: Layout, version: str) -> Path:
    return layout.approvals / f"{version}.request.json"


def _answer_path(layout: Layout, version: str) -> Path:
    return layout.approvals / f"{version}.json"


def _write(path: Path, record: Record) -> Path:
    return files.write(path, json.dumps(record.model_dump(), indent=2, ensure_ascii=False) + "\n")


R = TypeVar("R", bound=Record)


def _read(record: type[R], path: Path) -> R:
    try:
        return record.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError:
        raise FixInput(f"{path} is not what Andon wrote: restore it with git.") from None
