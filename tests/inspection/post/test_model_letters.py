from collections.abc import Mapping
from typing import Any

import pytest

from inspection.post.model_letters import of_candidate, of_release
from inspection.release import approval
from inspection.release.registry import Release
from tests.inspection.post.reading import NOON, ZONE, good

FIGURES: Mapping[str, Any] = {
    "escapes": 2,
    "defective_parts": 40,
    "false_rejects": 1,
    "good_parts": 60,
    "balanced_accuracy": 0.934,
}


def candidate(promote: bool = True) -> approval.Request:
    return approval.Request(
        version="v1.1.0",
        package="ab" * 32,
        promote=promote,
        objections=() if promote else ("2 escapes more than today",),
        reasons=("fewer escapes",),
        champion=None,
        classes=("good", "scratch"),
        figures=FIGURES,
        requested_by="Andon",
        reason="lighting on cam-1 (I-0001)",
        at="2026-11-02T12:00:00+00:00",
    )


@pytest.mark.parametrize("live", [None, "v1.0.0"])
@pytest.mark.parametrize("promote", [True, False])
def test_a_candidate_in_words(promote: bool, live: str | None) -> None:
    now = {**FIGURES, "escapes": 5} if live else None
    letter = of_candidate(candidate(promote), live, now, "" if promote else "7 labelled images are set aside", ZONE)
    text = good(letter)
    assert ("andon approve v1.1.0 --by" in text) == promote
    assert ("was refused" in letter.subject) != promote
    assert ("(today's model: 5 of 40)" in text) == bool(live)
    assert ("it is the first" in text) == (live is None)
    assert ("2 escapes more than today" in text) != promote
    assert "93.4% of the pictures" in text
    assert ("7 labelled images are set aside" in text) != promote
    assert ("the line keeps the model it has" in text) == (live is not None)
    assert ("goes on without a model" in text) == (live is None)


@pytest.mark.parametrize(("action", "tone"), [("release", "good"), ("rollback", "warn")])
def test_a_release_in_words(action: str, tone: str) -> None:
    release = Release("v1.0.0", "ab" * 32, action, NOON, "Lena", "approved by Lena")
    letter = of_release(release, ZONE)
    text = good(letter)
    assert letter.tone == tone
    assert ("again" in letter.headline) == (action == "rollback")
    assert "Lena" in text and "13:00 (Europe/Berlin)" in text
