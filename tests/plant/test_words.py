"""Whatever people call things becomes a name that a path, YAML and a sheet can hold; different things stay apart."""

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.intake.naming import named, pattern
from inspection.records.classes import NAME
from plant.words import class_names, words
from tests.inspection.world import CAMERAS

ODD = [
    "",
    ".",
    "..",
    "a..b",
    "A/1",
    "A 1",
    "A-1",
    "件1",
    "号1",
    "-x",
    "=1+1",
    "x" * 300,
    "x" * 299 + "y",
    "S 1",
    "\t",
    "a\u202eb",
]


@pytest.mark.parametrize("text", ODD)
def test_a_serial_is_one_that_ingest_takes(text: str) -> None:
    serial = words([text], "serial")[text]
    name = f"cam-1/bracket/{serial}/20261102T061512345Z.png"
    assert named(name, pattern("{camera}/{part}/{serial}/{captured_at}"), CAMERAS, None).serial == serial


def test_different_serials_stay_apart_and_safe_ones_stay_as_they_are() -> None:
    found = words(ODD, "serial")
    assert len(set(found.values())) == len(ODD)
    assert found["A-1"] == "A-1"


@pytest.mark.parametrize("text", ["no", "Off", "null", "true", "~", "yes"])
def test_what_yaml_reads_as_something_else_is_called_otherwise(text: str) -> None:
    name = words([text], "part")[text]
    assert isinstance(yaml.safe_load(name), str)
    assert isinstance(yaml.safe_load(class_names([text])[text]), str)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.text(max_size=60), unique=True, max_size=12))
def test_every_label_becomes_a_class_of_its_own(labels: list[str]) -> None:
    found = class_names(labels)
    assert set(found) == set(labels)
    assert len({name.casefold() for name in found.values()}) == len({*found.values()}) or any(
        NAME.match(label) for label in labels
    )
    assert len(set(found.values())) == len(labels)
    for label, name in found.items():
        assert NAME.match(name), (label, name)


def test_labels_that_are_names_stay() -> None:
    assert class_names(["MT_Free", "no-defect", "good"]) == {n: n for n in ("MT_Free", "no-defect", "good")}
    assert class_names(["0", "1"]) == {"0": "class-0", "1": "class-1"}
    found = class_names(["a/b", "a b", "=a-b"])
    assert sorted(found.values()) == ["a-b", "a-b-2", "a-b-3"]
    assert re.match(r"class", class_names(["划痕"])["划痕"])
