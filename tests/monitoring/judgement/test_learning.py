"""Clean windows are measured against the others; too few images make no reference."""

from typing import Any

import numpy as np
import pytest

from inspection.errors import FixInput
from monitoring.camera.measurement import Measurement
from monitoring.judgement import learning as module
from monitoring.judgement.learning import Learning
from tests.monitoring.camera.test_health import PARAMS, learned, pictures


def test_the_clean_windows_are_measured_against_the_others() -> None:
    reference = learned()
    assert [one.images for one in reference.clean] == [40, 40, 40, 40]
    assert all(0 < abs(one.values["gain"]) < 0.02 for one in reference.clean)
    assert set(reference.parts) == {"a", "b"}
    assert sum(part.images for part in reference.parts.values()) == 160


def test_a_clean_window_that_cannot_be_measured_counts_for_nothing_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, seen = module.measure_seen, []

    def second_fails(*arguments: Any) -> Measurement:
        seen.append(1)
        if len(seen) == 2:
            raise np.linalg.LinAlgError("Singular matrix")
        return real(*arguments)

    monkeypatch.setattr(module, "measure_seen", second_fails)
    made = learned()
    assert [bool(one.values) for one in made.clean] == [True, False, True, True]
    assert "LinAlgError" in made.clean[1].notes[0]
    assert made.limits["gain"].windows == 3


def test_too_few_images_are_refused() -> None:
    learning = Learning("cam-1", PARAMS.health, PARAMS.watch)
    for picture in pictures(1, 5):
        learning.add(*picture)
    with pytest.raises(FixInput, match=r"at least 10 images.*there are 5"):
        learning.finish("v1")
    with pytest.raises(FixInput):
        Learning("cam-1", PARAMS.health, PARAMS.watch).finish("v1")


@pytest.mark.parametrize("count", [10, 41, 60])
def test_one_window_and_a_rest_are_enough(count: int) -> None:
    learning = Learning("cam-1", PARAMS.health, PARAMS.watch)
    for picture in pictures(1, count):
        learning.add(*picture)
    made = learning.finish("v1")
    assert made.clean
    assert all(limit.provisional for limit in made.limits.values())
