"""The declared classes as the command shows them."""

import json

import pytest
from typer.testing import CliRunner

from andon.__main__ import app
from andon.classes import rows
from inspection.layout import Layout
from inspection.records import ledger


@pytest.fixture
def plant(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Image a was called a scratch and then good, image b a scratch, and c what is declared no more."""
    monkeypatch.chdir(tiny.home)
    given = [("a", "scratch"), ("b", "scratch"), ("a", "good"), ("c", "burr")]
    body = {"labelled_at": "2026-11-02T12:00:00.000000+00:00", "spec": "1"}
    ledger.append(tiny, "label", "Ines", [{"image_id": image, "label": name, **body} for image, name in given])
    return tiny


def test_a_class_is_listed_with_the_images_that_bear_it_as_their_latest_label(plant: Layout) -> None:
    found = {row["name"]: row for row in rows(plant)}
    assert {name: row["images"] for name, row in found.items() if row["images"]} == {"good": 1, "scratch": 1}
    assert next(iter(found)) == "good" and "burr" not in found
    assert found["scratch"] == {
        "name": "scratch",
        "description": "thin straight or curved mark",
        "severity": "minor",
        "acceptable": False,
        "since": "1",
        "images": 1,
    }


def test_the_command_prints_a_table_or_json(plant: Layout) -> None:
    table = CliRunner().invoke(app, ["class", "list"])
    assert table.exit_code == 0 and table.stdout.splitlines()[0].split() == [
        "class",
        "description",
        "severity",
        "acceptable",
        "since",
        "spec",
        "images",
    ]
    assert json.loads(CliRunner().invoke(app, ["class", "list", "--json"]).stdout) == rows(plant)


def test_labels_of_a_class_that_is_declared_no_more_are_told_by_status(plant: Layout) -> None:
    told = CliRunner().invoke(app, ["status"]).stdout
    assert "1 labels bear class 'burr', which is not declared any more" in told and "andon class rename burr" in told


def test_a_class_is_renamed_by_the_command(plant: Layout) -> None:
    done = CliRunner().invoke(app, ["class", "rename", "scratch", "groove", "--by", "Ute"])
    assert done.exit_code == 0 and "1 images bear it" in done.stdout
    assert {row["name"] for row in rows(plant) if row["images"]} == {"good", "groove"}
