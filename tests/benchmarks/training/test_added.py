"""What the figures of an added class stand on: how its images are drawn, and what the old ones lose."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.training.added import ADDED, ADDED_PARTS, _old_classes, some_images
from tests.benchmarks.training.test_folder import table


@pytest.mark.parametrize("images", [1, 2, 6, 15])
def test_the_images_of_an_added_class_come_from_enough_parts_however_many_a_part_has(images: int) -> None:
    rng = np.random.default_rng(0)
    mine = table(images)
    draws = [some_images(mine, rng) for _ in range(20)]
    assert {len(drawn) for drawn in draws} == {ADDED}
    assert all(drawn["serial"].nunique() >= ADDED_PARTS and drawn.index.is_unique for drawn in draws)
    assert len({tuple(sorted(drawn["serial"].unique())) for drawn in draws}) > 5
    assert max(drawn["serial"].nunique() for drawn in draws) <= max(5, -(-ADDED // images))


def test_what_old_classes_lose_is_their_mean_and_the_added_class_does_not_count() -> None:
    test = pd.DataFrame(
        {"label": ["a"] * 10 + ["b"] * 10 + ["new"] * 10, "serial": [f"s{n}" for n in range(30)], "part": "p"}
    )
    old = [0] * 10 + [1] * 10 + [0] * 10
    now = [0] * 10 + [1] * 6 + [2] * 14  # four of b are taken for the added class
    lost, upper = _old_classes(test, [{"name": "new", "old": old, "now": now}])
    assert lost == pytest.approx(0.4 / 2)
    assert lost < upper < 0.4
