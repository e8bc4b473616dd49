import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from inspection import clock
from inspection.errors import FixSettings
from inspection.intake.contract import Judgement, check_snapshot, judge
from inspection.intake.rules import Earliest
from inspection.intake.suite import EXAMPLES
from inspection.params import Contract
from inspection.taxonomy import Defect, Taxonomy
from tests.inspection.world import CAMERAS, COLOUR, GREY, NOON, capture, encoded, key, noise, picture

TAXONOMY = Taxonomy(
    spec="1",
    classes={
        name: Defect(name=name, severity="none", acceptable=name == "good", since="1") for name in ("good", "scratch")
    },
)
SIX = "20261102T061512345Z.png"


LENIENT = Contract(max_refused_share=1, min_files=1)


def judged(rows: pd.DataFrame, before: Mapping[str, str] | None = None, settings: Contract = LENIENT) -> Judgement:
    return judge(rows, before or {}, CAMERAS, NOON, settings)


def reasons(contents: dict[str, bytes], **changes: Any) -> dict[str, str]:
    """Key -> why it is refused, of captures that were really decoded."""
    cameras = {**CAMERAS, "cam-1": GREY.model_copy(update=changes)}
    rows = pd.DataFrame([capture(at, content) for at, content in contents.items()])
    judgement = judge(rows, {}, cameras, NOON, LENIENT)
    by_id = dict(zip(rows["capture_id"], rows["key"], strict=True))
    return {by_id[one]: words for one, words in judgement.reasons.items()}


def some(number: int) -> pd.DataFrame:
    """Sound rows, one after the other of each camera."""
    models = [capture(key(1), picture(1)), capture(key(2, COLOUR), picture(2, COLOUR))]
    rows = pd.DataFrame([models[n % 2] for n in range(number)])
    return rows.assign(capture_id=[f"{n:064x}" for n in range(number)], key=[f"key-{n}" for n in range(number)])


def test_every_kind_of_wrong_image_is_refused_by_itself_with_the_remedy_and_the_others_are_accepted() -> None:
    wrong = {
        "cam-1/bracket/one-pixel": (
            encoded(noise(1, 1, 1)),
            "width is 1 px, but cameras.yaml declares 16 px for cam-1",
        ),
        "cam-1/bracket/colour": (encoded(noise(1, 12, 16, 3)), "has 3 channel(s), but cameras.yaml declares mode L"),
        "cam-1/bracket/deep": (encoded(noise(1, 12, 16, 1, 16)), "has 16 bit, but cameras.yaml declares 8 bit"),
        "cam-1/bracket/turned": (encoded(noise(1, 16, 12)), "height is 16 px, but cameras.yaml declares 12 px"),
        "cam-1/bracket/larger": (encoded(noise(1, 12, 17)), "width is 17 px"),
        "cam-1/bolt/part": (
            picture(1),
            "part bolt is not declared for cam-1; add it to `parts` in cameras.yaml (now bracket, housing)",
        ),
        "cam-2/panel/grey": (encoded(noise(1, 10, 20)), "1 channel(s), but cameras.yaml declares mode RGB for cam-2"),
        "cam-1/bracket/both": (
            encoded(noise(1, 10, 16, 3)),
            "declares 12 px for cam-1; correct the camera or cameras.yaml; the image has 3 channel(s)",
        ),
    }
    contents = {f"{name}/{SIX}": content for name, (content, _) in wrong.items()}
    said = reasons({key(1): picture(1), **contents, key(2, COLOUR): picture(2, COLOUR)})
    assert sorted(said) == sorted(contents)
    for name, (_, words) in wrong.items():
        assert words in said[f"{name}/{SIX}"] and "correct the" in said[f"{name}/{SIX}"]


def test_8_bit_where_16_is_declared_is_refused() -> None:
    said = reasons({key(1): encoded(noise(1, 12, 16, 1, 16)), key(2): picture(2)}, bit_depth=16)
    assert list(said) == [key(2)] and "has 8 bit, but cameras.yaml declares 16 bit" in said[key(2)]


def test_a_camera_that_crops_delivers_anything_between_its_limits() -> None:
    sizes = ((6, 8), (12, 16), (6, 7))
    contents = {key(n): encoded(noise(n, *size)) for n, size in enumerate(sizes)}
    said = reasons(contents, min_width=8, min_height=6)
    assert list(said) == [key(2)] and "width is 7 px, but cameras.yaml declares 8 to 16 px" in said[key(2)]


def test_a_time_in_the_future_is_refused_and_one_at_the_limit_is_not() -> None:
    late = (NOON + timedelta(seconds=1)).strftime("%Y%m%dT%H%M%SZ")
    said = reasons(
        {f"cam-1/bracket/s/{NOON:%Y%m%dT%H%M%SZ}.png": picture(1), f"cam-1/bracket/s/{late}.png": picture(2)}
    )
    assert list(said) == [f"cam-1/bracket/s/{late}.png"]
    assert f"after {NOON:%Y-%m-%d %H:%M} UTC" in said[f"cam-1/bracket/s/{late}.png"]  # the same words for all
    assert "set the clock of the camera" in said[f"cam-1/bracket/s/{late}.png"]


def aged(days: Sequence[float], last: tuple[datetime, datetime] | None = None, limit: float = 60) -> dict[float, str]:
    """Days before NOON -> why a picture that a camera dates so is refused."""
    at = {f"cam-1/bracket/s/{NOON - timedelta(days=one):%Y%m%dT%H%M%SZ}.png": one for one in days}
    rows = pd.DataFrame([capture(name, picture(n)) for n, name in enumerate(at)])
    said = judge(rows, {}, CAMERAS, NOON, LENIENT, {"cam-1": Earliest.of(NOON, last, limit)})
    by_id = {row.capture_id: at[row.key] for row in rows.itertuples()}
    return {by_id[one]: words for one, words in said.reasons.items()}


LONG = 365.25


def test_a_clock_that_was_reset_is_refused_in_one_sentence_and_what_comes_late_is_not() -> None:
    said = aged([0, 7, 21, 59.9, 60.1, LONG, 26 * LONG, 56 * LONG])
    assert sorted(said) == [60.1, LONG, 26 * LONG, 56 * LONG]
    (words,) = set(said.values())
    assert "the clock of cam-1 says 1970-" in words and "ingest.max_past = 60 days" in words
    assert "set the clock of the camera" in words and "andon quarantine retry" in words


def test_an_archive_comes_in_by_the_setting_whatever_it_is() -> None:
    assert aged([LONG, 26 * LONG], limit=400).keys() == {26 * LONG}
    assert aged([LONG, 56 * LONG, 1000 * LONG], limit=1e9) == {}


def test_what_a_camera_that_was_silent_for_long_has_kept_is_late_and_a_reset_is_far_before_it() -> None:
    last = (NOON - timedelta(days=100), NOON - timedelta(days=99))
    said = aged([30, 99, 120, 161, 26 * LONG], last)
    assert sorted(said) == [161, 26 * LONG]
    assert f"days before the newest picture of this camera ({last[0]:%Y-%m-%d})" in said[161]


def test_a_picture_of_a_wrong_clock_that_was_taken_in_once_lets_no_other_in() -> None:
    assert sorted(aged([7, 26 * LONG], (NOON - timedelta(days=26 * LONG), NOON - timedelta(days=1)))) == [26 * LONG]


WRONG = (
    ("brightness", 300.0, "brightness is 300.0, more than 255"),
    ("contrast", 128.0, "contrast is 128.0, more than 127.5"),
    ("clipped", 1.1, "clipped is 1.1, more than 1"),
    ("noise", np.nan, "noise of the image cannot be measured"),
    ("sharpness", np.inf, "sharpness of the image cannot be measured"),
    ("red", -1.0, "red of the image cannot be measured"),
    ("blue", None, "blue of the image cannot be measured"),
    ("bytes", 0, "the file is empty"),
    ("width", 0, "width is 0 px"),
    ("image_id", "abc", "image_id abc is no SHA-256"),
    ("image_id", "F" * 64, "is no SHA-256"),
    ("height", None, "height of the image cannot be measured"),
    ("image_id", None, "nothing is known of its image_id"),
    ("camera", "cam-9", "camera cam-9 is not in cameras.yaml (cam-1, cam-2)"),
    ("format", "GIF", "format GIF is not taken; set the camera to PNG, JPEG, TIFF, BMP"),
    ("serial", "", "nothing is known of its serial"),
    ("part", None, "nothing is known of its part"),
    ("line", "C", "line is C, but cameras.yaml declares "),
    ("captured_at", pd.NaT, "captured_at is empty"),
)


def test_each_wrong_value_refuses_its_row_alone_and_is_named() -> None:
    rows = some(len(WRONG) + 5)
    for number, (column, value, _) in enumerate(WRONG):
        rows.at[number, column] = value
    said = judged(rows).reasons
    assert set(said) == set(rows["capture_id"][: len(WRONG)])
    for capture_id, (column, _, words) in zip(rows["capture_id"], WRONG, strict=False):
        assert words in said[capture_id], (column, said[capture_id])


def test_the_statistics_of_an_all_white_picture_hold_the_contract() -> None:
    white = {key(n): encoded(np.full((12, 16), 255, np.uint8)) for n in range(3)}
    half = np.zeros((12, 16), np.uint8)
    half[:6] = 255
    assert reasons({**white, key(4): encoded(half)}) == {}


def test_a_capture_that_stands_in_the_batch_twice_is_refused() -> None:
    rows = some(4)
    rows.loc[3, "capture_id"] = rows["capture_id"][1]
    assert "twice" in judged(rows).reasons[rows["capture_id"][1]]


def test_the_judgement_counts_for_each_expectation_of_each_suite() -> None:
    rows = pd.DataFrame([capture(key(n), picture(n)) for n in range(3)] + [capture(key(9), encoded(noise(1, 1, 1)))])
    by_column = {(one["suite"], one["column"]): one for one in judged(rows).expectations}
    width = by_column["cam-1", "width"]
    assert (width["checked"], width["broken"], width["success"]) == (4, 1, False)
    assert width["examples"] == [{"capture_id": rows["capture_id"][3], "reason": judged_words(width)}]
    assert by_column["cam-1", "channels"]["success"] and by_column["every capture", "image_id"]["success"]


def judged_words(expectation: Mapping[str, Any]) -> str:
    return str(expectation["examples"][0]["reason"])


def test_a_missing_column_stops_everything() -> None:
    with pytest.raises(FixSettings, match=r"the columns of every capture .*serial"):
        judged(some(3).drop(columns="serial"))


def test_an_expectation_that_could_not_be_evaluated_is_an_error_and_no_acceptance() -> None:
    with pytest.raises(FixSettings, match="width of cam-1"):
        judged(some(4).assign(width=["12", "16", "12", "16"]))


STRICT = Contract(max_refused_share=0.2, min_files=10)


def test_a_batch_up_to_the_share_is_taken_and_one_above_it_is_held_with_the_most_frequent_reason() -> None:
    rows = some(40)
    before = {f"x-{n}": f"'{n}' is not a time; write it like 20261102T061512345Z" for n in range(10)}
    rows["captured_at"] = [pd.Timestamp(NOON) - timedelta(days=n * 400 % 7) for n in range(40)]  # in no order: normal
    assert judged(rows, before, STRICT).held == ()  # 10 of 50
    rows.loc[0, "part"] = "bolt"
    (words,) = judged(rows, before, STRICT).held
    assert words == (
        "11 of 50 files were refused (22 %), more than contract.max_refused_share = 20 %; most often: "
        "'0' is not a time; write it like 20261102T061512345Z (10)"
    )


def test_below_the_least_number_of_files_no_batch_is_held() -> None:
    nine = {f"x-{n}": "not an image" for n in range(9)}
    assert judged(some(2)[:0], nine, STRICT).held == ()
    (words,) = judged(some(2)[:0], {**nine, "x-9": "not an image"}, STRICT).held
    assert words.startswith("10 of 10 files were refused (100 %)") and words.endswith("not an image (10)")


def test_what_the_files_broke_is_counted_with_what_could_not_be_read() -> None:
    rows = some(20)
    rows.loc[:9, "width"] = 7
    judgement = judged(rows, {"x": "not an image"}, STRICT)
    assert (judgement.files, judgement.refused, len(judgement.reasons)) == (21, 11, 10)
    assert "width is 7 px" in judgement.held[0] and len(judgement.held) == 1


def test_the_judgement_is_written_as_json_with_few_examples() -> None:
    rows = some(60).assign(width=7)
    with clock.at(NOON):
        body = json.loads(json.dumps(judged(rows, {"x": "not an image"}, STRICT).as_json()))
    assert (body["judged_at"], body["files"], body["accepted"], body["refused"]) == (clock.stamp(NOON), 61, 0, 61)
    (held,) = body["held"]
    assert held.startswith("61 of 61 files")
    widths = [one for one in body["expectations"] if one["column"] == "width"]
    assert [(one["suite"], one["broken"], len(one["examples"])) for one in widths] == [
        ("cam-1", 30, EXAMPLES),
        ("cam-2", 30, EXAMPLES),
    ]


def test_ten_thousand_broken_rows_are_judged_in_seconds_and_the_verdict_stays_small() -> None:
    rows = some(10_000).assign(width=7, height=7, part="bolt")
    begin = time.process_time()
    judgement = judged(rows)
    assert time.process_time() - begin < 5
    assert len(judgement.reasons) == 10_000 and len(json.dumps(judgement.as_json())) < 30_000


def test_judging_starts_no_thread_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    judged(some(4).assign(width=7))
    assert threading.active_count() == before and os.environ["GX_ANALYTICS_ENABLED"] == "false"
    assert capfd.readouterr() == ("", "")


def labelled(*labels: str) -> pd.DataFrame:
    rows = pd.DataFrame([capture(key(n), picture(n)) for n in range(len(labels))])
    return rows.assign(label=list(labels))


def test_a_sound_snapshot_is_accepted() -> None:
    rows = labelled("good", "scratch", "good")
    assert check_snapshot(rows, TAXONOMY, pd.Series([False] * 3)).success


def test_an_undeclared_label_in_a_snapshot_names_its_image() -> None:
    rows = labelled("good", "rust")
    verdict = check_snapshot(rows, TAXONOMY, pd.Series([False] * 2))
    assert dict(verdict.reasons) == {rows["image_id"][1]: "label rust is not declared in taxonomy.yaml"}


def test_an_image_that_stands_in_a_snapshot_twice_is_refused() -> None:
    rows = labelled("good")
    verdict = check_snapshot(pd.concat([rows, rows], ignore_index=True), TAXONOMY, pd.Series([False] * 2))
    assert not verdict.success and "twice" in verdict.reasons[rows["image_id"][0]]


@pytest.mark.parametrize("column", ["serial", "path", "camera", "captured_at"])
def test_an_empty_value_in_a_snapshot_is_named(column: str) -> None:
    rows = labelled("good", "good")
    rows.loc[1, column] = None
    verdict = check_snapshot(rows, TAXONOMY, pd.Series([False] * 2))
    assert dict(verdict.reasons) == {rows["image_id"][1]: f"{column} is empty"}


def test_one_absent_file_is_refused_with_the_remedy() -> None:
    rows = labelled(*["good"] * 4)
    verdict = check_snapshot(rows, TAXONOMY, pd.Series([True, False, False, False]))
    assert not verdict.success and list(verdict.reasons) == [rows["image_id"][0]]
    assert "`dvc pull`, or hold its batch" in verdict.reasons[rows["image_id"][0]]
