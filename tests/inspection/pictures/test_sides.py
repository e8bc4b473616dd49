"""How many sides a camera photographs is learned from labels where nobody says it; slips are not taken for it."""

import numpy as np
import pandas as pd
import pytest

from inspection.cameras import Camera
from inspection.pictures import sides
from inspection.records.labels import conflicts

START = pd.Timestamp("2026-11-02T06:00Z")


def cameras(declared: int | None = None) -> dict[str, Camera]:
    return {"cam": Camera(name="cam", line="A", width=8, height=8, mode="L", parts=("p", "q"), sides=declared)}


def pieces(labels: list[list[str]], minutes: float = 1, part: str = "p") -> pd.DataFrame:
    """Piece after piece, a picture every so many minutes."""
    rows = [(f"s{n:03d}", label) for n, one in enumerate(labels) for label in one]
    frame = pd.DataFrame(rows, columns=["serial", "label"])
    return frame.assign(
        part=part,
        camera="cam",
        acceptable=frame["label"] == "good",
        image_id=[f"{part}{n}" for n in frame.index],
        captured_at=START + pd.to_timedelta(frame.index * minutes, unit="min"),
    )


def one_side_bad(views: int, good: int = 40, bad: int = 10) -> list[list[str]]:
    return [["good"] * views] * good + [["good"] * (views - 1) + ["pit"]] * bad


@pytest.mark.parametrize("minutes", [0.1, 160])  # a folder whose times are dealt out over days
def test_parts_with_one_defective_side_show_how_many_sides_there_are(minutes: float) -> None:
    table = pieces(one_side_bad(4), minutes)
    found = sides.of_cameras(table, cameras())["cam"]
    assert (found.count, found.mixed, found.defective, found.learned) == (4, 10, 10, True)
    assert conflicts(table, cameras()).empty
    (words,) = sides.taken_for_granted(table, cameras()).values()
    assert "write `sides: 1`" in words and "Write `sides: 4` under cam in cameras.yaml" in words
    assert sides.taken_for_granted(table, cameras(4)) == {}


def test_what_is_declared_counts_whatever_the_labels_show() -> None:
    table = pieces(one_side_bad(4))
    assert len(conflicts(table, cameras(1))) == 40
    (words,) = sides.contradicted(table, conflicts(table, cameras(1)), cameras(1)).values()
    assert words.startswith("cam: the pictures of 10 part(s) bear different labels.")
    assert "such as `sides: 4` (it says `sides: 1` now)" in words


def test_a_few_slips_are_no_sides_and_the_message_names_the_setting() -> None:
    table = pieces([["good"] * 3] * 40 + [["pit"] * 3] * 30 + [["pit", "good", "pit"]] * 5)
    found = conflicts(table, cameras())
    assert len(found) == 15 and found["on_verdict"].all()
    (words,) = sides.contradicted(table, found, cameras()).values()
    assert "write how many under cam in cameras.yaml, such as `sides: 3` (nothing is written there yet)" in words
    assert sides.taken_for_granted(table, cameras()) == {}


def test_parts_in_different_numbers_of_pictures_show_their_sides_if_most_defects_are_on_some() -> None:
    rng = np.random.default_rng(0)
    views = rng.integers(2, 6, 60)
    table = pieces([["good"] * (n - 1) + ["pit" if i % 3 == 0 else "good"] for i, n in enumerate(views)])
    assert sides.of_cameras(table, cameras())["cam"].count == 5 and conflicts(table, cameras()).empty
    slips = [["pit"] * n for n in views] + [["pit", "good"]] * 25  # a third, of uneven parts
    assert not sides.of_cameras(pieces(slips), cameras())["cam"].learned


def test_two_parts_are_too_few_to_learn_from() -> None:
    assert len(conflicts(pieces(one_side_bad(2, bad=2)), cameras())) == 4
    assert conflicts(pieces(one_side_bad(2, good=5, bad=3)), cameras()).empty


def test_more_labels_than_sides_contradict_each_other() -> None:
    table = pieces([["good", "pit"], ["good", "pit", "dent"]])
    assert set(conflicts(table, cameras(2))["serial"]) == {"s001"}
    (words,) = sides.contradicted(table, conflicts(table, cameras(2)), cameras(2)).values()
    assert "differ more than 2 sides of a part allow (cameras.yaml says" in words


def test_one_side_under_two_labels_contradicts_itself_however_many_sides_there_are() -> None:
    """The piece comes again hours later, and its second side bears another label."""
    first = pieces([["good", "good"], ["good", "pit"], ["good", "good"]])
    again = first[first["serial"] == "s001"].assign(image_id=["x", "y"], captured_at=START + pd.Timedelta(hours=8))
    assert conflicts(pd.concat([first, again], ignore_index=True), cameras(2)).empty
    again = again.assign(label="good", acceptable=True)
    found = conflicts(pd.concat([first, again], ignore_index=True), cameras(2))
    assert set(found["captured_at"].dt.hour) == {6, 14} and list(found["label"]) == ["pit", "good"]
    assert found["on_verdict"].all()


def test_two_kinds_that_share_serials_do_not_contradict_each_other() -> None:
    table = pd.concat([pieces([["good"]] * 3), pieces([["pit"]] * 3, part="q")], ignore_index=True)
    assert conflicts(table, cameras(1)).empty
    assert sides.passes(table).nunique() == 6


def test_a_pass_ends_where_another_piece_comes_and_time_goes_by() -> None:
    table = pieces([["good"] * 2, ["good"]], minutes=45).iloc[[0, 2, 1]]
    late = table.assign(captured_at=START + pd.to_timedelta([0, 30, 59], unit="min"))
    assert sides.passes(late).nunique() == 2  # within an hour, though another came in between
    later = table.assign(captured_at=START + pd.to_timedelta([0, 30, 70], unit="min"))
    assert sides.passes(later).nunique() == 3
    alone = pieces([["good"] * 2], minutes=600)
    assert sides.passes(alone).nunique() == 1  # nothing else came in between
