"""What a model might learn instead of the defect is found, and chance is not taken for it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from inspection.model.shortcuts import absent, crowded, giveaways

DAY = datetime(2026, 11, 2, 8, tzinfo=UTC)


def table(images: int = 240) -> pd.DataFrame:
    """Two images a part, three classes that neither camera, day nor file tell apart."""
    number = np.arange(images)
    part = number // 2
    label = np.array(["good", "pit", "crack"])[part % 3]
    return pd.DataFrame(
        {
            "image_id": [f"i{n:05d}" for n in number],
            "serial": [f"s{n:04d}" for n in part],
            "label": label,
            "acceptable": label == "good",
            "line": "A",
            "camera": [f"cam-{n // 3 % 2}" for n in part],
            "part": "p",
            "captured_at": pd.to_datetime([DAY + timedelta(days=int(n) // 6 % 7) for n in part]),
            "path": [f"data/batches/2026-11-01/b1/{n}.png" for n in number],
            "batch": "b1",
            "format": "PNG",
            "width": 128,
            "height": 96,
            "bit_depth": 8,
            "pieces": [[f"s{n:04d} of p"] for n in part],
        }
    )


def test_a_class_that_one_camera_never_showed_is_named_with_what_would_be_expected() -> None:
    rows = table()
    rows = rows[(rows["label"] != "pit") | (rows["camera"] == "cam-1")]
    (finding,) = absent(rows)
    assert finding.text == "cam-0 has shown no part of class pit; 8 would be expected among its 40 parts."


def test_a_rare_class_may_be_absent_by_chance() -> None:
    rows = table()
    rare = rows[(rows["label"] == "pit") & (rows["camera"] == "cam-1")].head(12)
    assert absent(pd.concat([rows[rows["label"] != "pit"], rare])) == []


def test_a_class_of_one_day_is_named() -> None:
    rows = table()
    (finding,) = crowded(rows[(rows["label"] != "pit") | (rows["captured_at"] == DAY)])
    assert finding.text.startswith("All 6 parts of class pit are of one day, 2026-11-02; 4 of 7 days")


def test_a_data_set_of_one_day_says_nothing_of_days() -> None:
    assert crowded(table().assign(captured_at=pd.Timestamp(DAY))) == []


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("format", "BMP", "20 of 20 parts with format BMP are of class pit; 7 would be expected"),
        ("bit_depth", 16, "20 of 20 parts with bit depth 16 are of class pit; 7 would be expected"),
        ("width", 100, "20 of 20 parts with size 100×96 px are of class pit; 7 would be expected"),
    ],
)
def test_a_form_of_file_that_gives_a_class_away_is_named(column: str, value: object, words: str) -> None:
    rows = table()
    rows.loc[(rows["label"] == "pit") & (rows["camera"] == "cam-1"), column] = value
    (finding,) = giveaways(rows)
    assert words in finding.text
    assert finding.text.startswith("cam-1: ")


def test_forms_that_go_with_the_camera_or_with_nothing_give_nothing_away() -> None:
    rows = table()
    rows.loc[rows["camera"] == "cam-1", ["format", "width"]] = ["JPEG", 160]
    rows["height"] = 96 + np.random.default_rng(3).integers(0, 40, len(rows))
    assert giveaways(rows) == []


def test_many_sizes_are_judged_by_area() -> None:
    rows = table()
    rng = np.random.default_rng(1)
    rows["width"] = np.where(
        rows["label"] == "pit", rng.integers(200, 240, len(rows)), rng.integers(100, 140, len(rows))
    )
    finding = giveaways(rows)[0]
    assert finding.about == "size" and "up to" in finding.text and "of class pit" in finding.text
