"""The comparison: what one class lost on one part type stands in decision.json, for people and for machines."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from inspection.params import read_params
from inspection.records.labels import Renaming
from inspection.tables import write_table
from stages.compare import Side, _read, compare, scores
from tests.conftest import ROOT
from tests.inspection.world import fake_package

SETTINGS = read_params(ROOT / "params.yaml")
KNOWS = ("good", "pit", "scratch")
OTHER = {"good": "pit", "pit": "good", "scratch": "pit"}  # what a wrong image is called


def side(*wrong: tuple[str, str], knows: tuple[str, ...] = KNOWS, version: str | None = None) -> Side:
    """What a package says of a test set of three classes on two part types, on each ten parts of two images.

    It is wrong on the last two parts of each class on each part type, and on all images of those that are `wrong`.
    """
    rows = pd.DataFrame(
        [
            {
                "image_id": f"{label}-{part}-{i:02d}".ljust(64, "f"),
                "label": label,
                "part": part,
                "serial": f"{part}-{label}-{i // 2}",
                "predicted": label if i < 16 and label in knows and (label, part) not in wrong else OTHER[label],
            }
            for label in KNOWS
            for part in ("bracket", "panel")
            for i in range(20)
        ]
    )
    rows["acceptable"], rows["predicted_acceptable"] = (rows[name] == "good" for name in ("label", "predicted"))
    rows = rows.assign(reject=~rows["predicted_acceptable"], p_label=0.5, line="A", camera="cam-1")
    return Side(version, "p" * 64, knows, rows)


def entry(record: dict[str, Any], value: str) -> dict[str, Any]:
    (one,) = (one for one in record["forgetting"] if one["value"] == value)
    return dict(one)


def test_what_one_class_lost_on_one_part_type_refuses_and_is_named_for_people_and_machines() -> None:
    record = compare(side(("pit", "panel")), side(version="v1"), SETTINGS)
    record = json.loads(json.dumps(record))
    assert not record["promote"] and len(record["forgetting"]) == 3 + 2 + 6
    words = next(words for words in record["objections"] if words.startswith("pit on panel: "))
    assert (
        "recall 0.800 → 0.000 on 20 images of 10 parts" in words and "now wrong: pit-panel-00, pit-panel-01, " in words
    )
    told = entry(record, "pit on panel")
    assert told["low"] > SETTINGS.promotion.forgetting_budget
    assert {name: told[name] for name in told if name not in ("low", "high", "lost")} == {
        "slice": "class x part",
        "value": "pit on panel",
        "champion": 0.8,
        "candidate": 0.0,
        "images": 20,
        "parts": 10,
        "drop": 0.8,
        "verdict": "lost",
    }
    assert [image[:12] for image in told["lost"]] == [f"pit-panel-0{i}" for i in range(5)]
    assert entry(record, "scratch")["verdict"] == entry(record, "pit on bracket")["verdict"] == "kept"


def test_the_same_model_again_has_forgotten_nothing() -> None:
    record = compare(side(), side(version="v1"), SETTINGS)
    assert record["promote"], record["objections"]
    assert {one["verdict"] for one in record["forgetting"]} == {"kept"}


def test_a_class_that_the_champion_does_not_know_is_in_no_slice() -> None:
    champion = side(knows=("good", "pit"), version="v1")
    record = compare(side(), champion, SETTINGS)
    assert record["promote"], record["objections"]
    assert [one["value"] for one in record["forgetting"] if "scratch" in one["value"]] == []
    assert entry(record, "panel")["champion"] == entry(record, "panel")["candidate"] == pytest.approx(0.8)
    assert entry(record, "panel")["images"] == 40
    assert set(record["champion"]["recall"]) == {"good", "pit"} and "scratch" in record["candidate"]["recall"]


def test_what_a_new_class_costs_is_not_laid_on_the_old_ones() -> None:
    """Neither package may hide behind parts whose class the champion cannot know."""
    champion = scores(side(knows=("good", "pit"), version="v1"), SETTINGS, ("good", "pit"))
    assert (champion.figures["parts"], champion.old["parts"]) == (60, 40)
    assert champion.old["escapes"] == 4 and champion.figures["escapes"] == 4
    careless = side(("pit", "panel"))
    careless.rows["reject"] = careless.rows["reject"] & (careless.rows["label"] != "pit")
    record = compare(careless, side(knows=("good", "pit"), version="v1"), SETTINGS)
    assert any("on parts without new classes, cost" in words for words in record["objections"])


def test_a_first_model_has_nothing_to_forget() -> None:
    record = compare(side(), None, SETTINGS)
    assert record["promote"] and record["champion"] is None and record["forgetting"] == ()


def test_rows_in_another_order_are_not_compared() -> None:
    champion = side(version="v1")
    shuffled = Side("v1", champion.package, KNOWS, champion.rows[::-1].reset_index(drop=True))
    with pytest.raises(ValueError, match="different test sets"):
        compare(side(), shuffled, SETTINGS)


def test_a_class_that_was_renamed_since_the_champion_learned_it_is_the_same_class(tmp_path: Path) -> None:
    fake_package(tmp_path / "champion", "old")
    told = pd.DataFrame({"predicted": ["scratch", "good"], "label": ["groove", "good"]})
    write_table(told, tmp_path / "champion.parquet")
    side = _read("v1.0.0", tmp_path / "champion", tmp_path / "champion.parquet", [Renaming(9, "scratch", "groove")])
    assert list(side.classes) == ["good", "groove"] and list(side.rows["predicted"]) == ["groove", "good"]
