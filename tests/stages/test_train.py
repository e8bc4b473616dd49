"""What came of a training, in figures and in a sentence."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from inspection.model.calibration import Calibrated, judged
from inspection.model.training import Start
from inspection.params import Verdict
from stages.train import in_short, summary

VERDICT = Verdict(part="any", cost_escape=10, cost_false_reject=1)
CLASSES, GOOD = ("good", "pit"), np.array([True, False])


def test_the_model_is_told_beside_a_logistic_regression_on_frozen_features() -> None:
    table = pd.DataFrame(
        {
            "label": ["good", "good", "pit", "pit"],
            "serial": list("abcd"),
            "part": "p",
            "acceptable": [True] * 2 + [False] * 2,
        }
    )
    table = table.assign(line="A", camera="c", part="p")
    sure, blind = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8]]), np.array([[0.6, 0.4]] * 4)
    probe = SimpleNamespace(predict_proba=lambda _: blind)
    learned: Any = SimpleNamespace(depth="tail", why=("because",), epoch=3, history=[{}] * 5, probe=probe)
    taught: Any = SimpleNamespace(
        classes=CLASSES, acceptable=GOOD, val=SimpleNamespace(table=table, embeddings=np.zeros((4, 2)))
    )
    told = summary(learned, Calibrated(1.2, 0.5, judged(table, sure, CLASSES, GOOD)), taught, VERDICT)
    assert (told["depth"], told["epoch"], told["epochs"], told["temperature"]) == ("tail", 3, 5, 1.2)
    assert (told["val"]["escapes"], told["val"]["balanced_accuracy"]) == (0, 1.0)
    assert told["baseline_val"]["balanced_accuracy"] == 0.5
    words = in_short(told, "f32 on cpu")
    assert words.startswith("tail: best epoch 3 of 5, f32 on cpu; validation macro-F1 1.000, ")
    assert in_short({**told, "epoch": 0}, "f32 on cpu").startswith("tail: nothing tuned, ")


def test_a_champion_s_classes_bear_the_names_of_now() -> None:
    start = Start({}, ("good", "scratch"), {"good": 4, "scratch": 2}).under({"scratch": "groove"})
    assert (start.classes, start.trained_on) == (("good", "groove"), {"good": 4, "groove": 2})
