"""Images fold to parts, and parts are counted."""

import pandas as pd
import pytest

from monitoring.cost.parts import fold, rates
from tests.monitoring.cost.test_escapes import images, parts


def test_a_part_is_rejected_by_any_image_or_by_most() -> None:
    rows = images([("a", "pit", 0.9), ("a", "good", 0.1), ("b", "good", 0.2), ("b", "good", 0.3), ("c", "pit", 0.4)])
    by_any, by_most = (fold(rows, rule).set_index("serial") for rule in ("any", "majority"))
    assert by_any["rejected"].to_dict() == {"a": True, "b": False, "c": False}
    assert by_most["rejected"].to_dict() == {"a": False, "b": False, "c": False}
    assert by_any["call"].to_dict() == {"a": "pit", "b": "", "c": ""}
    assert by_any["score"].to_dict() == {"a": 0.9, "b": 0.3, "c": 0.4}
    assert by_most["score"].to_dict() == {"a": 0.1, "b": 0.2, "c": 0.4}
    assert by_any["truth"].to_dict() == {"a": "pit", "b": "good", "c": "pit"}
    assert by_any["defective"].to_dict() == {"a": True, "b": False, "c": True}


def test_counted_rates_are_those_of_parts() -> None:
    frame = parts(1)
    bad, good = frame[frame["defective"]], frame[~frame["defective"]]
    one, other = rates(frame)
    assert one.value == pytest.approx((~bad["rejected"]).mean())
    assert other.value == pytest.approx(good["rejected"].mean())
    assert (one.parts, other.parts) == (len(bad), len(good))


def test_two_kinds_that_share_a_serial_are_two_parts() -> None:
    brackets = images([("a", "pit", 0.1), ("b", "pit", 0.2)])
    panels = images([("a", "good", 0.9), ("b", "good", 0.1)]).assign(part="panel")
    escapes, false_rejects = rates(fold(pd.concat([brackets, panels], ignore_index=True), "any"))
    assert (escapes.value, escapes.parts, false_rejects.value, false_rejects.parts) == (1.0, 2, 0.5, 2)
