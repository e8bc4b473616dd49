"""What is trained on: the classes with enough labels."""

import pandas as pd
import pytest

from inspection.model.sets import learnable
from tests.inspection.model.test_training import SETTINGS


def test_a_class_is_learned_from_so_many_images_of_so_many_parts(capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.DataFrame(
        {
            "label": ["good"] * 4 + ["pit"] * 4 + ["rust"] * 3,
            "serial": list("abcd") + list("aabb") + list("abc"),
            "part": "p",
        }
    )
    assert learnable(table, SETTINGS.model_copy(update={"min_labels": 4, "min_parts": 3})) == ["good"]
    said = capsys.readouterr().out
    assert "pit is not learned yet: 4 images of 3 parts" in said and "rust is not learned yet" in said
    assert learnable(table, SETTINGS) == ["good", "pit", "rust"]


def test_two_kinds_that_share_serials_are_parts_of_their_own() -> None:
    table = pd.DataFrame({"label": "pit", "serial": list("abab"), "part": ["bracket"] * 2 + ["panel"] * 2})
    assert learnable(table, SETTINGS.model_copy(update={"min_labels": 4, "min_parts": 4})) == ["pit"]
