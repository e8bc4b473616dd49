"""A first model is ready when two classes have enough pieces, not when pictures are many."""

from collections.abc import Mapping

import pandas as pd
import pytest

from inspection.params import Params
from inspection.release.readiness import readiness

Classes = Mapping[str, tuple[int, int]]  # images, of parts


def labelled(classes: Classes, reason: str = "") -> pd.DataFrame:
    """Two kinds of part that are numbered alike."""
    rows = [
        (label, ("bracket", "panel")[n % parts % 2], f"{label}-{n % parts // 2}", label == "good", reason, "")
        for label, (images, parts) in classes.items()
        for n in range(images)
    ]
    return pd.DataFrame(rows, columns=["label", "part", "serial", "acceptable", "reason", "of"])


@pytest.mark.parametrize(
    ("classes", "lacks", "doubts"),
    [
        ({"good": (60, 60), "scratch": (70, 70)}, [], []),
        ({}, ["0 labelled images", "there are none"], ["0 defective parts"]),
        ({"good": (5000, 5000)}, ["there are 5000 of good"], ["0 defective parts"]),
        ({"good": (300, 300), "scratch": (2, 2)}, ["2 of scratch (2 parts)"], ["2 defective parts"]),
        ({"good": (300, 300), "scratch": (90, 2)}, ["90 of scratch (2 parts)"], ["2 defective parts"]),
        ({"good": (30, 30), "scratch": (20, 20)}, ["50 labelled images may be trained on, and it takes 60"], ["20"]),
        ({"good": (300, 300), "scratch": (40, 40)}, [], ["40 defective parts are labelled, and it takes about 67"]),
    ],
)
def test_what_is_missing_is_said(settings: Params, classes: Classes, lacks: list[str], doubts: list[str]) -> None:
    found = readiness(labelled(classes), settings)
    assert len(found.lacks) == len(lacks) and all(a in b for a, b in zip(lacks, found.lacks, strict=True))
    assert len(found.doubts) == len(doubts) and all(a in b for a, b in zip(doubts, found.doubts, strict=True))
    assert bool(found.in_words) == bool(lacks or doubts)
    assert found.thin == (("scratch",) if classes.get("scratch", (9, 9)) in [(2, 2), (90, 2)] else ())


def test_what_is_set_aside_does_not_count_and_is_told(settings: Params) -> None:
    rows = pd.concat([labelled({"good": (80, 80)}), labelled({"scratch": (80, 80)}, "conflict")], ignore_index=True)
    found = readiness(rows, settings)
    assert found.images == 80 and "there are 80 of good" in found.lacks[0]
    assert "80 labelled images are set aside: 80 bear a label that contradicts" in found.in_words
    assert "andon label conflicts" in found.in_words
