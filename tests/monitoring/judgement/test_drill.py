"""What a rehearsed fault has to look like: each check can fail."""

from typing import Any

import pytest

from monitoring.camera.measurement import CAUSES, UNITS
from monitoring.judgement.drill import EXPECTED, detected, named, routed, sized
from plant.faults import KINDS


def window(*causes: str, **values: float) -> dict[str, Any]:
    return {"findings": [{"cause": cause} for cause in causes], "values": values, "errors": {"gain": 0.01}}


def test_every_fault_that_can_be_injected_is_expected_to_look_like_something() -> None:
    assert set(EXPECTED) == set(KINDS)
    for one in EXPECTED.values():
        assert set(one.causes) <= set(CAUSES.values())
        assert one.statistic == "" or (one.statistic in UNITS and CAUSES[one.statistic] == one.cause)


@pytest.mark.parametrize(
    ("shown", "found", "passed"),
    [
        (["lighting", "lighting"], "after 1 window", True),
        (["", "lighting"], "after 2 windows", True),
        (["", "", "lighting"], "after 3 windows", False),
        (["", ""], "not in 2 windows", False),
        (["blur", "blur"], "not in 2 windows", False),
    ],
)
def test_it_has_to_be_seen_while_an_incident_needs_to_be_confirmed(shown: list[str], found: str, passed: bool) -> None:
    check = detected("lamp", [window(cause) if cause else window() for cause in shown], 2)
    assert (check.found, check.passed) == (found, passed)


@pytest.mark.parametrize(
    ("fault", "causes", "passed"),
    [
        ("lamp", ["lighting"], True),
        ("lamp", [], False),
        ("lamp", ["blur"], False),
        ("lamp", ["lighting", "blur"], False),
        ("oil_film", ["unknown"], True),
        ("oil_film", ["blur", "unknown"], True),
        ("oil_film", ["frozen"], False),
        ("oil_film", [], False),
    ],
)
def test_the_cause_has_to_be_the_faults_own_or_as_good(fault: str, causes: list[str], passed: bool) -> None:
    assert named(fault, causes).passed == passed


@pytest.mark.parametrize(
    ("size", "found", "passed"),
    [(-0.12, -0.1, True), (-0.12, -0.08, False), (-0.12, 0.12, False), (-0.02, -0.045, True), (-0.02, -0.055, False)],
)
def test_the_size_has_to_be_the_injected_one_within_its_error(size: float, found: float, passed: bool) -> None:
    check = sized("lamp", size, "relative", [window(gain=0.0), window(gain=found)])
    assert check.passed == passed
    assert "relative" in check.expected and f"{found:.3g}" in check.found


def test_a_size_that_was_not_measured_is_no_pass_unless_the_fault_has_no_model() -> None:
    assert not sized("lamp", -0.1, "relative", [window()]).passed
    assert not sized("lamp", -0.1, "relative", []).passed
    assert sized("fibre", 60, "px", [window()]).passed


@pytest.mark.parametrize(
    ("way", "action", "passed"),
    [
        ("repair", "repair", True),
        ("repair", "watch", False),
        ("cost", "label", True),
        ("cost", "repair", False),
        ("label", "label", True),
        ("watch", "label", False),
        ("cost", "", False),
    ],
)
def test_the_action_has_to_be_one_that_the_route_leads_to(way: str, action: str, passed: bool) -> None:
    assert routed(way, action).passed == passed
