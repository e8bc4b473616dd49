"""What a card says of a model's classes."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from inspection.model.candidate import alike, trained_on
from inspection.model.package import Package
from inspection.model.training import Learned, Start
from stages.split import LEFT_OUT
from tests.inspection.model.test_training import CLASSES, drawn, knows_two, learned, network
from tests.inspection.world import fake_package

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def champion() -> tuple[Start, Learned]:
    return knows_two()


def test_a_card_counts_what_the_weights_learned_from(champion: tuple[Start, Learned], tmp_path: Path) -> None:
    fake_package(tmp_path / "live", "x")
    live = replace(champion[0], trained_on=Package(tmp_path / "live").card.trained_on)
    shown, tuned = drawn(network(), 1, CLASSES, 0, 30), champion[1]
    untuned = replace(tuned, epoch=0)
    assert [trained_on(tuned, shown, before) for before in (None, live)] == [dict.fromkeys(CLASSES, 30)] * 2
    assert trained_on(untuned, shown, None) == dict.fromkeys(CLASSES, 30)
    assert trained_on(untuned, shown, live) == {"good": 10, "scratch": 10}  # what the champion's did


def test_a_card_names_the_classes_that_are_known_by_likeness_alone(
    champion: tuple[Start, Learned],
) -> None:
    start = champion[0]
    labels = ["good"] * 5 + ["pit"] * 7 + ["pit"]
    splits = ["train"] * 8 + ["val", "test", "test", "test", LEFT_OUT]
    split = pd.DataFrame({"label": labels, "split": splits})
    untuned, tuned = (
        learned("tail", 1, champion=start, asked="auto", tail_lr=rate, head_lr=rate) for rate in (30.0, 0.01)
    )
    assert alike(untuned, CLASSES, start, split) == {"pit": 7}
    assert tuned.epoch and alike(tuned, CLASSES, start, split) == {}
    assert alike(champion[1], start.classes, None, split) == {}
