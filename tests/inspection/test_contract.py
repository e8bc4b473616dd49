from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from inspection.contract import check_captures, check_snapshot
from inspection.params import Defect, Taxonomy
from tests.inspection.world import CAMERAS, COLOUR, GREY, NOON, capture, encoded, key, noise, picture

TAXONOMY = Taxonomy(
    spec="1",
    classes={
        name: Defect(name=name, severity="none", acceptable=name == "good", since="1") for name in ("good", "scratch")
    },
)
SIX = "20261102T061512345Z.png"


def reasons(contents: dict[str, bytes], **changes: Any) -> dict[str, str]:
    """Key -> why it is refused, of captures that were really decoded."""
    cameras = {**CAMERAS, "cam-1": GREY.model_copy(update=changes)}
    rows = pd.DataFrame([capture(at, content) for at, content in contents.items()])
    verdict = check_captures(rows, cameras, NOON)
    assert verdict.success == (not verdict.reasons)
    by_id = dict(zip(rows["capture_id"], rows["key"], strict=True))
    return {by_id[one]: words for one, words in verdict.reasons.items()}


def test_what_the_cameras_declare_is_accepted() -> None:
    assert reasons({key(1): picture(1), key(2): picture(2), key(3, COLOUR): picture(3, COLOUR)}) == {}


def test_every_kind_of_wrong_image_is_refused_by_itself_with_the_remedy_and_the_others_are_accepted() -> None:
    wrong = {
        "one-pixel": (encoded(noise(1, 1, 1)), "width is 1 px, but cameras.yaml declares 16 px for cam-1"),
        "colour": (encoded(noise(1, 12, 16, 3)), "the image has 3 channel(s), but cameras.yaml declares mode L"),
        "deep": (encoded(noise(1, 12, 16, 1, 16)), "the image has 16 bit, but cameras.yaml declares 8 bit"),
        "turned": (encoded(noise(1, 16, 12)), "height is 16 px, but cameras.yaml declares 12 px"),
        "larger": (encoded(noise(1, 12, 17)), "width is 17 px"),
    }
    contents = {f"cam-1/bracket/{name}/{SIX}": content for name, (content, _) in wrong.items()}
    said = reasons({key(1): picture(1), **contents, key(2, COLOUR): picture(2, COLOUR)})
    assert sorted(said) == sorted(contents)
    for name, (_, words) in wrong.items():
        assert words in said[f"cam-1/bracket/{name}/{SIX}"]
        assert "correct the camera or cameras.yaml" in said[f"cam-1/bracket/{name}/{SIX}"]


def test_two_faults_of_one_image_are_both_said() -> None:
    (words,) = reasons({key(1): encoded(noise(1, 10, 20, 3))}).values()
    assert "width is 20 px" in words and "height is 10 px" in words and "3 channel(s)" in words


def test_grey_where_colour_is_declared_is_refused() -> None:
    (words,) = reasons({key(1, COLOUR): encoded(noise(1, 10, 20))}).values()
    assert "1 channel(s), but cameras.yaml declares mode RGB for cam-2" in words


def test_8_bit_where_16_is_declared_is_refused() -> None:
    assert reasons({key(1): encoded(noise(1, 12, 16, 1, 16))}, bit_depth=16) == {}
    (words,) = reasons({key(1): picture(1)}, bit_depth=16).values()
    assert "has 8 bit, but cameras.yaml declares 16 bit" in words


def test_a_camera_that_crops_delivers_anything_between_its_limits() -> None:
    limits = {"min_width": 8, "min_height": 6}
    assert reasons({key(1): encoded(noise(1, 6, 8)), key(2): encoded(noise(2, 12, 16))}, **limits) == {}
    (words,) = reasons({key(1): encoded(noise(1, 6, 7))}, **limits).values()
    assert "width is 7 px, but cameras.yaml declares 8 to 16 px" in words


def test_an_undeclared_part_is_refused_with_those_that_are_declared() -> None:
    (words,) = reasons({f"cam-1/bolt/s/{SIX}": picture(1)}).values()
    assert "part bolt is not declared for cam-1" in words and "bracket, housing" in words


def test_a_time_in_the_future_is_refused_and_one_at_the_limit_is_not() -> None:
    late = (NOON + timedelta(seconds=1)).strftime("%Y%m%dT%H%M%SZ")
    said = reasons(
        {f"cam-1/bracket/s/{NOON:%Y%m%dT%H%M%SZ}.png": picture(1), f"cam-1/bracket/s/{late}.png": picture(2)}
    )
    assert list(said) == [f"cam-1/bracket/s/{late}.png"]
    assert "set the clock of cam-1" in said[f"cam-1/bracket/s/{late}.png"]


def test_the_verdict_counts_for_each_expectation() -> None:
    rows = pd.DataFrame([capture(key(n), picture(n)) for n in range(3)] + [capture(key(9), encoded(noise(1, 1, 1)))])
    verdict = check_captures(rows, CAMERAS, NOON)
    by_column = {(one["expectation"], one["column"]): one for one in verdict.expectations}
    width = by_column["expect_column_values_to_be_between", "width"]
    assert (width["checked"], width["broken"], width["success"]) == (4, 1, False)
    assert by_column["expect_column_values_to_be_in_set", "channels"]["success"]


def test_an_expectation_that_could_not_be_evaluated_is_an_error_and_no_acceptance() -> None:
    broken = GREY.model_copy(update={"min_width": 99})  # more than width: Great Expectations cannot evaluate that
    rows = pd.DataFrame([capture(key(1), picture(1))])
    try:
        verdict = check_captures(rows, {"cam-1": broken}, NOON)
    except Exception:  # noqa: BLE001  any loud end will do
        return
    assert verdict.reasons, "an image that nobody could judge passed in silence"


def labelled(*labels: str) -> pd.DataFrame:
    rows = pd.DataFrame([capture(key(n), picture(n)) for n in range(len(labels))])
    return rows.assign(label=list(labels))


def test_a_sound_snapshot_is_accepted() -> None:
    rows = labelled("good", "scratch", "good")
    assert check_snapshot(rows, TAXONOMY, pd.Series([False] * 3), 0.0).success


def test_an_undeclared_label_in_a_snapshot_names_its_image() -> None:
    rows = labelled("good", "rust")
    verdict = check_snapshot(rows, TAXONOMY, pd.Series([False] * 2), 0.0)
    assert dict(verdict.reasons) == {rows["image_id"][1]: "label rust is not declared in taxonomy.yaml"}


def test_an_image_that_stands_in_a_snapshot_twice_is_refused() -> None:
    rows = labelled("good")
    verdict = check_snapshot(pd.concat([rows, rows], ignore_index=True), TAXONOMY, pd.Series([False] * 2), 0.0)
    assert not verdict.success and "twice" in verdict.reasons[rows["image_id"][0]]


@pytest.mark.parametrize("column", ["serial", "path", "camera", "captured_at"])
def test_an_empty_value_in_a_snapshot_is_named(column: str) -> None:
    rows = labelled("good", "good")
    rows.loc[1, column] = None
    verdict = check_snapshot(rows, TAXONOMY, pd.Series([False] * 2), 0.0)
    assert dict(verdict.reasons) == {rows["image_id"][1]: f"{column} is empty"}


def test_absent_files_are_borne_up_to_the_share_that_is_set() -> None:
    rows = labelled(*["good"] * 4)
    missing = pd.Series([True, False, False, False])
    assert check_snapshot(rows, TAXONOMY, missing, 0.25).success
    verdict = check_snapshot(rows, TAXONOMY, missing, 0.2)
    assert not verdict.success and "dvc pull" in verdict.reasons[rows["image_id"][0]]
