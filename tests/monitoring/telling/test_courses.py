"""Every statistic can be told."""

from monitoring.camera import measurement
from monitoring.content import drift
from monitoring.telling import evidence
from monitoring.telling.courses import PLAIN


def test_every_statistic_and_cause_has_plain_words() -> None:
    assert set(PLAIN) == {*measurement.UNITS, *drift.UNITS}
    assert set(evidence.IN_LEVELS) | set(evidence.WITHOUT_PLACE) <= set(PLAIN)
