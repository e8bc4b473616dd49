"""Letters about a model: it waits for a decision, was refused, or went to the line. Pure."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from inspection.outside.quoted import quoted
from inspection.post.letter import FOOTER, Letter
from inspection.post.wording import when
from inspection.release.approval import Request as Candidate
from inspection.release.registry import Release


def of_candidate(
    candidate: Candidate, live: str | None, now: Mapping[str, float] | None, aside: str, zone: ZoneInfo
) -> Letter:
    """A model that waits for a decision, or that the gate refused.

    Args:
        live: version of the model that is on the line; now: its figures on the same test parts.
        aside: how many labelled images it could not learn from, why, and what brings them back; "" of none.
    """
    new = candidate.figures
    passed = candidate.promote
    headline = (
        f"Model {candidate.version} waits for your decision" if passed else f"Model {candidate.version} was refused"
    )
    table = [
        ("Defective parts passed", _pair("escapes", "defective_parts", new, now)),
        ("Good parts rejected", _pair("false_rejects", "good_parts", new, now)),
        ("Classes told apart", _accuracy(new, now)),
    ]
    keeps = "the line keeps the model it has" if live else "the line goes on without a model"
    todo: tuple[str, ...]
    if passed:
        todo = (
            f"To let it go to the line: andon approve {candidate.version} --by YOUR-NAME",
            f"To turn it down: andon reject {candidate.version} --by YOUR-NAME --note WHY",
            f"Until you decide, {keeps}. Whoever asked for the model cannot approve it.",
        )
    else:
        todo = (f"Nothing at once: {keeps}. The reasons below say what is missing.", *([f"{aside}."] if aside else []))
    return Letter(
        subject=f"[Andon] {headline}: {new['escapes']} of {new['defective_parts']} defective parts passed in its test",
        headline=headline,
        tone="warn" if passed else "info",
        summary=f"It was made because: {quoted(candidate.reason, 200)}.",
        facts=(
            *table,
            (
                "Compared with",
                f"{live}, which is on the line, on the same parts" if live else "nothing: it is the first",
            ),
            ("Knows", ", ".join(candidate.classes)),
            ("Asked for by", candidate.requested_by),
            ("Package", candidate.package[:12]),
        ),
        todo=todo,
        reasons=(*candidate.objections, *candidate.reasons),
        footer=FOOTER,
    )


def of_release(release: Release, zone: ZoneInfo) -> Letter:
    """A model that went to the line, or came back."""
    back = release.action == "rollback"
    headline = f"Model {release.version} is on the line{' again' if back else ''}"
    return Letter(
        subject=f"[Andon] {headline}",
        headline=headline,
        tone="warn" if back else "good",
        word="" if back else "Done",  # an incident may be open
        summary=f"{'Put back' if back else 'Approved'} by {release.by}.",
        facts=(
            ("Since", when(release.at, zone)),
            ("Why", release.reason),
            ("Package", release.package[:12]),
        ),
        todo=("Nothing. To go back to the model before: andon rollback --by YOUR-NAME",),
        footer=FOOTER,
    )


def _pair(hits: str, of: str, new: Mapping[str, float], now: Mapping[str, float] | None) -> str:
    words = f"{new[hits]} of {new[of]}"
    return f"{words} (today's model: {now[hits]} of {now[of]})" if now else words


def _accuracy(new: Mapping[str, float], now: Mapping[str, float] | None) -> str:
    words = f"{new['balanced_accuracy']:.1%} of the pictures of each class"
    return f"{words} (today's model: {now['balanced_accuracy']:.1%})" if now else words
