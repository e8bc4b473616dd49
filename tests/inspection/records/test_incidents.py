"""The state of incidents is a fold of their events."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection import clock
from inspection.chain import Event
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import incidents, ledger
from inspection.records.incidents import Incident, fold, kept_out
from tests.inspection.records.test_alarms import HOUR, START, glance, in_time, run_by_run, told, windows


def chained(bodies: Sequence[Mapping[str, Any]]) -> list[Event]:
    return [Event(n, clock.stamp(START + n * HOUR), "incident", "watch", body, "") for n, body in enumerate(bodies, 1)]


def repaired(closed: datetime | None = None, ruling: str = "", action: str = "repair") -> Incident:
    (one,) = told(glance("cam-1", 0), *(glance("cam-1", n, ["dust"]) for n in (4, 5)))[1]
    return replace(one, action=action, closed=closed, ruling=ruling)


@given(windows)
def test_folding_is_the_same_each_time_and_a_prefix_is_an_earlier_state(
    drawn: list[tuple[str, dict[str, float], str]],
) -> None:
    events = chained(run_by_run([in_time(drawn)])[0])
    whole = fold(events)
    assert whole == fold(events)
    for upto in range(len(events)):
        assert [one.name for one in fold(events[:upto])] == [one.name for one in whole][: len(fold(events[:upto]))]


def test_the_fold_reads_windows_actions_and_rulings() -> None:
    bodies, _ = run_by_run([[glance("cam-1", n, ["dust"]) for n in range(2)]])
    more = [
        {"incident": "I-0001", "what": "routed", "action": "repair", "reasons": ["so"], "cost": None},
        {"what": "followed", "run": "r"},
        {"incident": "I-0001", "what": "closed", "why": "cleaned"},
        {"incident": "I-0001", "what": "ruled", "images": "use"},
    ]
    (one,) = fold(chained([*bodies, *more]))
    assert (one.action, one.reasons, one.cost, one.why_closed) == ("repair", ("so",), {}, "cleaned")
    assert (one.ruling, one.ruled_by, one.closed) == ("use", "watch", START + 4 * HOUR)
    assert one.state_key.endswith("/closed")


def test_a_word_on_an_incident_that_was_never_opened_has_no_effect_on_the_others() -> None:
    bodies, _ = run_by_run([[glance("cam-1", n, ["dust"]) for n in range(2)]])
    closed = {"what": "closed", "why": "cleaned"}
    events = chained([*bodies, {"incident": "I-0099", **closed}, {"incident": "I-0001", **closed}])
    (one,) = fold(events)
    assert (one.name, one.why_closed) == ("I-0001", "cleaned")
    (stray,) = ledger.strays(events)
    assert stray.body["incident"] == "I-0099"


def test_each_change_of_state_has_a_key_of_its_own() -> None:
    (one,) = told(*(glance("cam-1", n, ["dust"]) for n in range(2)))[1]
    others = [
        replace(one, cameras=("cam-1", "cam-2")),
        replace(one, action="repair"),
        replace(one, grew=1),
        replace(one, closed=START),
    ]
    keys = [one.state_key, *(other.state_key for other in others)]
    assert len(set(keys)) == len(keys)


@given(
    st.floats(-5, 20),
    st.sampled_from(["cam-1", "cam-2"]),
    st.sampled_from(["", "use", "drop"]),
    st.sampled_from(["repair", "watch", "label", "retrain", ""]),
    st.sampled_from([None, 9.0]),
)
def test_images_are_kept_out_from_onset_to_closing_while_a_repair_is_not_ruled_use(
    hour: float, camera: str, ruling: str, action: str, closed: float | None
) -> None:
    one = repaired(None if closed is None else START + closed * HOUR, ruling, action)
    at = START + hour * HOUR
    inside = one.onset[0] < at and (one.closed is None or at <= one.closed)
    expected = inside and camera == "cam-1" and action == "repair" and ruling != "use"
    assert kept_out([one], camera, at) == ("I-0001" if expected else None)


def test_one_incident_ruled_use_does_not_free_the_images_of_another() -> None:
    free, kept = repaired(ruling="use"), replace(repaired(), name="I-0002")
    assert kept_out([free, kept], "cam-1", START + 6 * HOUR) == "I-0002"


def test_an_estimate_is_kept_with_the_decision() -> None:
    bodies, _ = run_by_run([[glance("cam-1", n, ["dust"]) for n in range(2)]])
    routed = {"incident": "I-0001", "what": "routed", "action": "watch", "reasons": [], "cost": None}
    assert fold(chained([*bodies, routed]))[0].estimate == {}  # of a ledger from before there were any
    (one,) = fold(chained([*bodies, {**routed, "estimate": {"how": "seen"}}]))
    assert one.estimate == {"how": "seen"}


def test_no_incident_at_all_is_said(repo: Layout) -> None:
    with pytest.raises(FixInput, match="there are: none"):
        incidents.find(repo, "I-0001")
