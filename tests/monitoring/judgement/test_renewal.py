"""Pictures since a planned change: those that agree make a reference, those that do not are named."""

from dataclasses import replace

import pytest

from monitoring.camera.measurement import Measurement
from monitoring.judgement.reference import Reference
from monitoring.judgement.renewal import APART, disagreements
from tests.monitoring.camera.test_health import PARAMS

HEALTH = PARAMS.health
EMPTY = Reference("cam-1", "v2", {}, None, None, 1, None)


def made(statistic: str, *sizes: float) -> Reference:
    """A reference whose clean windows measured these sizes."""
    clean = tuple(Measurement("cam-1", None, None, 40, {}, {statistic: size, "frozen": 1.0}) for size in sizes)
    return replace(EMPTY, clean=clean)


@pytest.mark.parametrize("statistic", ["gain", "shift", "blur", "dust"])
def test_windows_too_far_apart_are_named_with_their_sizes(statistic: str) -> None:
    room = APART * getattr(HEALTH.least, statistic)
    assert disagreements(made(statistic, -0.49 * room, 0.0, 0.49 * room), HEALTH) == ()
    (words,) = disagreements(made(statistic, -0.51 * room, 0.0, 0.51 * room), HEALTH)
    assert words.startswith(f"{statistic} ") and f"{room:.3g} apart" in words


def test_one_window_cannot_disagree_with_itself() -> None:
    assert disagreements(made("gain", 0.9), HEALTH) == ()
    assert disagreements(EMPTY, HEALTH) == ()
