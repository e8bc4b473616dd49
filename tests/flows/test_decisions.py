"""What an incident asks for where other causes were seen with it: the strictest of all counts."""

from collections.abc import Callable
from typing import Any

import pytest

from flows import decisions
from inspection import clock
from inspection.layout import Layout
from inspection.params import read_params
from inspection.records import catalog, incidents, ledger
from inspection.records.incidents import Incident
from monitoring.cost.routing import Cost
from tests.flows.test_watch import CAMERA, NOT_KNOWN, evening

pytestmark = pytest.mark.usefixtures("prefect_harness")
Say = Callable[..., Incident]
ONSET = [clock.stamp(evening(0)), clock.stamp(evening(0.5))]
FREE = Cost(0.9, 0.9, -0.01, 0.01, 40, "rehearsed")


@pytest.fixture
def say(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Write one more event, decide with a model on the line, and say how the first incident stands."""
    monkeypatch.setattr(decisions, "on_the_line", lambda _: object())
    monkeypatch.setattr(decisions.weighing, "weigh", lambda *_: (FREE, NOT_KNOWN))

    def write(what: str, cause: str = "", **more: Any) -> Incident:
        finding = {"cause": cause, "statistic": "s", "size": 1.0, "unit": "", "words": "So.", "strength": 2.0}
        body = {"incident": "I-0001", "what": what, "line": "A", "camera": CAMERA, "window": "w", "onset": ONSET}
        seen = {"cause": cause, "finding": {**finding, "details": {}}} if cause else {}
        ledger.append(tiny, "incident", "watch", [{**body, **seen, **more}])
        there = catalog.open_catalog(tiny)
        for _ in range(2):
            decisions.decide.fn(tiny, read_params(tiny.params), there)
        there.close()
        return incidents.fold(ledger.read(tiny))[0]

    return write


def routed(layout: Layout) -> int:
    return sum(event.body["what"] == "routed" for event in ledger.read(layout) if event.kind == "incident")


def test_a_consequence_that_is_a_fault_of_the_camera_keeps_the_pictures_out(tiny: Layout, say: Say) -> None:
    assert say("opened", "lighting").action == "watch"
    one = say("explained", "dust")
    assert (one.action, one.causes, routed(tiny)) == ("repair", ("lighting", "dust"), 2)
    assert one.reasons[0] == "dust was seen with it, which asks for more than lighting"
    assert incidents.kept_out([one], CAMERA, evening(0.7)) == "I-0001"


def test_it_does_so_too_where_the_incident_is_over_when_it_is_decided(tiny: Layout, say: Say) -> None:
    say("opened", "lighting")
    finding = {"cause": "dust", "statistic": "dust", "size": 1.0, "unit": "", "words": "So.", "strength": 2.0}
    body = {"incident": "I-0001", "camera": CAMERA, "cause": "dust", "finding": finding, "onset": ONSET, "window": "w"}
    ledger.append(tiny, "incident", "watch", [{**body, "what": "explained"}])
    one = say("closed", why="recovered", over=clock.stamp(evening(1)))
    assert (one.open, one.action) == (False, "repair")


def test_a_consequence_that_asks_for_nothing_more_changes_nothing(tiny: Layout, say: Say) -> None:
    say("opened", "lighting")
    one = say("explained", "defect_rate")
    assert (one.action, routed(tiny)) == ("watch", 1)
    one = say("explained", "changed_surface")
    assert (one.action, routed(tiny)) == ("watch", 2), "what the change costs was rehearsed with its own size"


def test_other_parts_are_labelled_whatever_the_light_costs(tiny: Layout, say: Say) -> None:
    say("opened", "lighting")
    one = say("explained", "new_product")
    assert (one.action, routed(tiny)) == ("label", 2)
    assert [event.body["what"] for event in ledger.read(tiny) if event.kind == "request"] == ["opened"]
    assert say("explained", "unknown").action == "label" and routed(tiny) == 2


def test_what_explains_it_is_decided_on_with_what_people_were_told_first(tiny: Layout, say: Say) -> None:
    assert say("opened", "changed_surface").action == "watch"
    one = say("recast", "blur")
    assert (one.cause, one.told_as, one.action) == ("blur", ("changed_surface",), "repair")


@pytest.mark.parametrize("cause", incidents.ABSENT)
def test_a_camera_without_pictures_is_for_repair_and_weighed_by_nobody(
    tiny: Layout, say: Say, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    monkeypatch.setattr(decisions.weighing, "weigh", lambda *_: pytest.fail("there is nothing to weigh"))
    one = say("opened", cause)
    assert (one.action, one.cost, one.estimate) == ("repair", {}, {})
    assert "fault of the camera" not in " ".join(one.reasons)
    kept = incidents.kept_out([one], CAMERA, evening(0.7))
    assert kept == (None if cause == "silent" else "I-0001")
