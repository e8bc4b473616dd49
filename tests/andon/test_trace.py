"""A word names an image or a piece, and its story is told."""

import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from andon.__main__ import app
from andon.trace import lines, story
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.pictures.returned import AGAIN
from inspection.records import ledger, verdicts
from tests.conftest import ROOT
from tests.inspection.world import COLOUR, add_batch, add_refusals, key, picture, repository

BOTH = "s-001"  # a bracket and a panel
SECOND = "cam-1/bracket/s-001/20261102T060012345Z.png"  # the bracket again, a minute before


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Brackets s-000 and s-001, of which there are two images, and a panel s-001; labels before and after a verdict."""
    monkeypatch.delenv("ANDON_DATABASE_URL", raising=False)
    for name in ("params.yaml", "cameras.yaml", "taxonomy.yaml", "dvc.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    repository(tmp_path)
    layout = Layout(tmp_path, tmp_path)
    monkeypatch.chdir(tmp_path)
    shots = {**{key(n): picture(n) for n in range(2)}, SECOND: picture(7), key(1, COLOUR): picture(9, COLOUR)}
    rows = add_batch(layout, "one", shots)
    image = rows.set_index("key")["image_id"][key(1)]
    label(layout, image, "good", "2026-11-02T12:00:00.000000+00:00")
    score(layout, rows[rows["key"] == key(1)])
    label(layout, image, "scratch", "2099-11-02T12:00:00.000000+00:00")
    layout.assignments.mkdir(parents=True)
    (layout.assignments / "0000.csv").write_text("serial,split\ns-001,test\n")
    add_refusals(layout, "two", {"cam-1/bracket/s-009/x.png": "the file is empty"})
    return layout


def label(layout: Layout, image: str, name: str, at: str) -> None:
    ledger.append(layout, "label", "Ines", [{"image_id": image, "label": name, "labelled_at": at, "spec": "1"}])


def score(layout: Layout, rows: pd.DataFrame) -> None:
    said = rows[["capture_id", "image_id"]].assign(
        version="v1.0.0", package="p", label="good", reject_probability=0.1, threshold=0.5, probabilities="{}"
    )
    run = verdicts.folder(layout, "2026-11") / "r"
    tables = {verdicts.SCORES: said.assign(reject=False), verdicts.LOOKS: rows[["capture_id"]].assign(window="w")}
    files = verdicts.write(tables, run)
    ledger.append(layout, "watch", "watch", [{"run": "r", "batches": ["one"], "files": files, "windows": []}])


def image_id(number: int) -> str:
    return hashlib.sha256(picture(number)).hexdigest()


def test_a_serial_tells_every_image_of_the_piece_in_time_order(layout: Layout) -> None:
    (piece,) = story(layout, "s-000")["pieces"]
    assert (piece["part"], piece["serial"], piece["split"]) == ("bracket", "s-000", None)
    bracket, _ = story(layout, BOTH)["pieces"]
    assert [one["captures"][0]["key"] for one in bracket["images"]] == [SECOND, key(1)]
    assert bracket["split"] == "test"
    earlier, later = bracket["images"]
    assert earlier["labels"] == earlier["verdicts"] == []
    assert [one["label"] for one in later["labels"]] == ["good", "scratch"]
    (said,) = later["verdicts"]
    assert (said["model"], said["verdict"], said["label"]) == ("v1.0.0, live when it came", "accept", "good")
    happened = [line[29:].split()[:2] for line in lines(story(layout, BOTH)) if " UTC  " in line]
    assert happened == [
        ["captured", "by"],
        ["captured", "by"],
        ["labelled", "good"],
        ["verdict", "accept"],
        ["labelled", "scratch"],
        ["captured", "by"],
    ]


def test_the_verdict_that_was_given_then_is_told_with_its_date_model_and_probability(layout: Layout) -> None:
    """And today's opinion beside it, or why there is none."""
    told = story(layout, image_id(1))
    (said,) = told["verdicts"]
    assert (said["what"], said["reject_probability"], said["at"] is not None) == ("given then", 0.1, True)
    then, today = (line for line in lines(told) if line.startswith("verdict"))
    at = f"{said['at'][:19].replace('T', ' ')} UTC"
    assert then == (
        f"verdict   {at}, given then: accept as good: P(reject) 0.100 against 0.500, by v1.0.0, live when it came (p)"
    )
    assert today == "verdict   today's opinion: none, no model is on the line yet"
    never = [line for line in lines(story(layout, image_id(0))) if line.startswith("verdict")]
    assert never[0] == "verdict   none was given when it came"


def test_two_parts_that_share_a_serial_are_told_apart(layout: Layout) -> None:
    told = story(layout, BOTH)
    assert [(one["part"], len(one["images"])) for one in told["pieces"]] == [("bracket", 2), ("panel", 1)]
    said = lines(told)
    assert said[0] == "2 pieces bear the serial s-001, one of each part: bracket and panel."
    assert [line for line in said if not line.startswith(" ")][1:] == [
        "bracket s-001: 2 images, used for test",
        "panel s-001: 1 image, used for test",
    ]
    assert lines(story(layout, "s-000"))[0].startswith("bracket s-000: 1 image, used for nothing yet")


def test_an_image_is_told_by_each_of_its_names(layout: Layout) -> None:
    (layout.root / "copy.png").write_bytes(picture(1))
    names = (image_id(1), image_id(1)[:6], key(1), "copy.png")
    first, *others = [story(layout, name) for name in names]
    assert first["image"]["image_id"] == image_id(1) and first["captures"][0]["serial"] == BOTH
    assert all(other == first for other in others)
    assert lines(first)[0].startswith(f"image     {image_id(1)}")


def test_a_refused_file_is_told_by_its_key(layout: Layout) -> None:
    (line,) = lines(story(layout, "cam-1/bracket/s-009/x.png"))
    assert "the file is empty" in line


@pytest.mark.parametrize(("word", "names"), [("s-9", "image_id"), ("abc", "serial"), (image_id(1)[:5], "first 6")])
def test_a_word_that_names_nothing_is_refused_with_what_was_looked_for(layout: Layout, word: str, names: str) -> None:
    with pytest.raises(FixInput, match=f"Neither an image nor a piece '{word}'.*{names}.*andon catalog query"):
        story(layout, word)


def test_a_word_that_names_an_image_and_a_piece_is_refused_with_what_tells_them_apart(layout: Layout) -> None:
    word = image_id(1)[:8]
    add_batch(layout, "three", {f"cam-1/bracket/{word}/20261102T070012345Z.png": picture(8)})
    with pytest.raises(FixInput, match=f"'{word}' is the serial of a piece and names image {word}.*add --serial"):
        story(layout, word)
    assert story(layout, word, serial=True)["serial"] == word
    assert story(layout, image_id(1)[:9])["image"]["image_id"] == image_id(1)
    with pytest.raises(FixInput, match="No piece with the serial"):
        story(layout, image_id(1)[:9], serial=True)


def test_the_command_takes_both(layout: Layout) -> None:
    def said(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["trace", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "captured  2026-11-02 06:01:12.345 UTC by cam-1 on line A: part bracket, serial s-001" in said(key(1))
    assert "panel s-001: 1 image" in said(BOTH)
    assert [one["part"] for one in json.loads(said(BOTH, "--serial", "--json"))["pieces"]] == ["bracket", "panel"]


def test_each_of_two_kinds_that_share_a_serial_tells_its_own_split(layout: Layout) -> None:
    (layout.assignments / "0000.csv").write_text("part,serial,split\nbracket,s-001,test\npanel,s-001,train\n")
    assert {one["part"]: one["split"] for one in story(layout, BOTH)["pieces"]} == {"bracket": "test", "panel": "train"}


def test_a_picture_whose_serial_came_again_says_that_it_waits_for_a_word(layout: Layout) -> None:
    """A bracket s-000 of four months later; what the old one is used for says nothing of it."""
    late = "cam-1/bracket/s-000/20270302T060012345Z.png"
    add_batch(layout, "later", {late: picture(11)})
    gap = {"last": "2026-11-02T06:00:12.345000+00:00", "since": "2027-03-02T06:00:12.345000+00:00"}
    came = {"batch": "later", "partition": "2026-11-01", "captures": 1, "manifest": "0" * 64}
    ledger.append(layout, "batch", "ingest", [{**came, AGAIN: [{"part": "bracket", "serial": "s-000", **gap}]}])
    (layout.assignments / "0000.csv").write_text("serial,split\ns-000,train\n")
    told = story(layout, "s-000")
    assert [(one["serial"], one["split"], one["waits"]) for one in told["pieces"]] == [
        ("s-000", "train", False),
        ("s-000+2?", None, True),
    ]
    old, new = (line for line in lines(told) if "used for" in line)
    assert old.endswith("used for train") and "it waits" in new and "andon piece list" in new
    used = [[line for line in lines(story(layout, name)) if line.startswith("used for")] for name in (key(0), late)]
    assert used[0] == ["used for  train"]
    assert "it waits" in used[1][0] and "not assigned" not in used[1][0]
