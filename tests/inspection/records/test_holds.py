from collections.abc import Mapping
from typing import Any

import pytest

from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import batches, holds, ledger
from inspection.records.batches import ACCEPTED, DISCARDED, HELD, RELEASED
from tests.inspection.world import git


def came(layout: Layout, name: str, *held: str) -> None:
    body: Mapping[str, Any] = {"batch": name, "partition": "2026-11-01", "captures": 7, "manifest": "0" * 64}
    ledger.append(layout, "batch", "ingest", [{**body, **({"held": list(held)} if held else {})}])


def states(layout: Layout) -> dict[str, str]:
    return batches.states(ledger.read(layout))


def test_a_batch_is_accepted_unless_the_contract_held_it(repo: Layout) -> None:
    came(repo, "b1")
    came(repo, "b2", "too many were refused")
    assert states(repo) == {"b1": ACCEPTED, "b2": HELD}
    assert [(one.batch, one.state, one.why) for one in holds.every(repo)] == [
        ("b1", ACCEPTED, ()),
        ("b2", HELD, ("too many were refused",)),
    ]


def test_a_person_releases_or_discards_and_the_record_says_who_and_why(repo: Layout) -> None:
    came(repo, "b1", "too many were refused")
    came(repo, "b2", "too many were refused")
    holds.rule(repo, "b1", RELEASED, "Ines", "the lamp was off for an hour")
    holds.rule(repo, "b2", DISCARDED, "Ines", "test pictures")
    assert states(repo) == {"b1": RELEASED, "b2": DISCARDED}
    assert [(one.by, one.why) for one in holds.every(repo)] == [
        ("Ines", ("the lamp was off for an hour",)),
        ("Ines", ("test pictures",)),
    ]
    assert git(repo.home, "status", "--porcelain", "--", "data") == ""


def test_an_accepted_batch_is_discarded_in_two_steps_and_may_come_back(repo: Layout) -> None:
    came(repo, "b1")
    with pytest.raises(FixInput, match="hold it first"):
        holds.rule(repo, "b1", DISCARDED, "Ines", "wrong parts")
    for what in (HELD, DISCARDED, HELD, RELEASED):
        holds.rule(repo, "b1", what, "Ines", "second thoughts")
        assert states(repo) == {"b1": what}


@pytest.mark.parametrize(("batch", "by", "why"), [("b2", "Ines", "x"), ("b1", " ", "x"), ("b1", "Ines", "")])
def test_no_such_batch_nobody_or_no_reason_is_refused(repo: Layout, batch: str, by: str, why: str) -> None:
    came(repo, "b1")
    with pytest.raises(FixInput):
        holds.rule(repo, batch, HELD, by, why)
    assert states(repo) == {"b1": ACCEPTED}


def test_a_ruling_on_a_batch_that_never_came_has_no_effect_and_is_told_in_words(repo: Layout) -> None:
    came(repo, "b1")
    ledger.append(repo, "batch-ruling", "Tess", [{"batch": "b7", "what": HELD, "why": "blurred"}])
    came(repo, "b2", "too many were refused")
    assert [(one.batch, one.state) for one in holds.every(repo)] == [("b1", ACCEPTED), ("b2", HELD)]
    with pytest.raises(FixInput, match="No batch 'b7' was taken in"):
        holds.rule(repo, "b7", RELEASED, "Ines", "x")
    (words,) = ledger.strays_in_words(ledger.read(repo))
    assert words.startswith("event 2 of the ledger (batch-ruling, by Tess, ") and "batch 'b7', which is not" in words


def test_what_is_so_already_is_said(repo: Layout) -> None:
    came(repo, "b1", "too many were refused")
    with pytest.raises(FixInput, match="held already"):
        holds.rule(repo, "b1", HELD, "Ines", "x")
