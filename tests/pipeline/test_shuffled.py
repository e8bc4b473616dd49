"""A model trained on shuffled labels must not pass the gate."""

import random
from dataclasses import replace

import pytest

from flows.ingest import ingest
from flows.retrain import retrain
from inspection import clock
from inspection.errors import AskForApproval
from inspection.release import approval
from plant.shot import drop
from tests.conftest import EASY, EVENING, draw, label, make_plant, set_params


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_harness")
def test_a_model_trained_on_shuffled_labels_is_refused_with_reasons(tmp_path_factory: pytest.TempPathFactory) -> None:
    layout = make_plant(tmp_path_factory.mktemp("shuffled") / "plant")
    set_params(layout, **{**EASY, "promotion__floor": 0.25, "train__epochs": 3})
    shots = draw(layout, 80)
    drop(shots, layout.home / "inbox")
    names = [shot.label for shot in shots]
    random.Random(5).shuffle(names)
    with clock.at(EVENING):
        ingest(root=layout.root)
        label(layout, [replace(shot, label=name) for shot, name in zip(shots, names, strict=True)])
        result = retrain("shuffled", "Erik", root=layout.root)
    assert not result["promote"]
    assert any("balanced accuracy" in words for words in result["objections"])
    with pytest.raises(AskForApproval, match="did not pass the gate"):
        approval.give(layout, approval.find_request(layout, result["version"]), "Lena", True, 14)
