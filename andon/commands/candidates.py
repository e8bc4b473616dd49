"""`candidates`, `show`, `approve`, `reject`: the gate."""

from typing import Annotated, Any

import typer

from andon.options import By, Json
from andon.show import emit, share, table
from andon.surroundings import plant, prefect_at_home
from inspection.outside.quoted import quoted


def candidates(json: Json = False) -> None:
    """Every candidate and where it stands."""
    from inspection.release import approval

    layout = plant()
    rows = [
        {
            "version": r.version,
            "state": approval.state(layout, r),
            "escapes": f"{r.figures['escapes']} of {r.figures['defective_parts']}",
            "false_rejects": f"{r.figures['false_rejects']} of {r.figures['good_parts']}",
            "balanced_accuracy": r.figures["balanced_accuracy"],
            "reason": r.reason,
            "requested_by": r.requested_by,
            "at": r.at[:16].replace("T", " "),
            "package": r.package[:12],
        }
        for r in approval.requests(layout)
    ]
    columns = {
        "version": "candidate",
        "state": "state",
        "escapes": "escapes (parts)",
        "false_rejects": "false rejects (parts)",
        "balanced_accuracy": "balanced accuracy",
        "reason": "reason",
        "requested_by": "asked by",
        "at": "at (UTC)",
    }
    table(rows, columns, json, "No candidates yet: `andon retrain` makes one.")


def show(candidate: str, json: Json = False) -> None:
    """What the gate said of a candidate, and its figures."""
    from inspection.model.metrics import MEANING
    from inspection.release import approval

    layout = plant()
    request = approval.find_request(layout, candidate)
    given = approval.answer(layout, request)
    data = {
        **request.model_dump(),
        "state": approval.state(layout, request),
        "answer": given.model_dump() if given else None,
    }
    lines = [
        f"{request.version}  {data['state']}  package {request.package[:12]}",
        f"asked by {request.requested_by} on {request.at[:16].replace('T', ' ')} UTC: {quoted(request.reason, 200)}",
        f"classes: {', '.join(request.classes)}",
        *(
            f"  {_plain(request.figures.get(name)):>8}  {name} ({unit}; {better} is better)"
            for name, (better, unit) in MEANING.items()
        ),
        *(f"  ✗ {words}" for words in request.objections),
        *(f"  ✓ {words}" for words in request.reasons),
    ]
    if given:
        note = f" {quoted(given.note, 200)}" if given.note else ""
        lines.append(f"{'approved' if given.approved else 'rejected'} by {given.by} on {given.at[:10]}{note}")
    emit(data, json, lines)


def _plain(value: Any) -> str:
    return share(value) if value is None or isinstance(value, float) else str(value)


def approve(
    candidate: str,
    by: By,
    note: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    release: Annotated[bool, typer.Option(help="Put it on the line at once.")] = True,
    json: Json = False,
) -> None:
    """Approve exactly this candidate; it goes to the line."""
    by = _answer(candidate, by, note, True)
    if not release:
        emit({"approved": candidate, "by": by}, json, [f"{candidate} is approved by {by}; it is not released yet."])
        return
    layout = plant()
    prefect_at_home(layout)
    from flows.promote import promote
    from flows.tasks import run_here

    done = run_here(promote, candidate)
    emit(
        done,
        json,
        [f"{done['version']} is live since {done['at'][:19].replace('T', ' ')} UTC, approved by {done['by']}."],
    )


def reject(
    candidate: str, by: By, note: Annotated[str, typer.Option(help="Why, for the record.")] = "", json: Json = False
) -> None:
    """Turn this candidate down."""
    _answer(candidate, by, note, False)
    emit({"rejected": candidate, "by": by}, json, [f"{candidate} is rejected by {by}."])


def _answer(candidate: str, by: str, note: str, approved: bool) -> str:
    """Write an answer down and commit it; an approval that stands and was not carried out, or not to its end, stays.

    Returns:
        Whose answer stands.
    """
    from inspection.anchor import writing
    from inspection.params import read_params
    from inspection.release import approval, registry

    layout = plant()
    writing.require(layout)
    request = approval.find_request(layout, candidate)
    given = approval.answer(layout, request)
    state = approval.state(layout, request)
    interrupted = state == "live" and not registry.carried_out(layout)
    if approved and given and (state == "approved" or interrupted):
        return given.by
    approval.put_on_record(layout, request, by, approved, read_params(layout.params).approval.valid_days, note)
    return by
