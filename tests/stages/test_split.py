"""Split: no part and no picture in two, nothing moves, every class in each place as far as parts allow."""

from collections.abc import Mapping

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.params import Split
from inspection.pictures import piece
from inspection.records.assignments import SPLITS
from stages.split import LEFT_OUT, split, summary

SETTINGS = Split(seed=7, val_share=0.2, test_share=0.25)
LABELS = ("good", "pit", "crack")
NONE: list[tuple[int, int]] = []


def table(rows: list[tuple[int, int]]) -> pd.DataFrame:
    """One image per (serial, class), named i00000 and so on."""
    frame = pd.DataFrame(rows, columns=["serial", "label"])
    serial = frame["serial"].map("s{:04d}".format)
    return frame.assign(
        serial=serial,
        pieces=[[f"{one} of p"] for one in serial],
        label=frame["label"].map(lambda i: LABELS[i]),
        image_id=[f"i{n:05d}" for n in range(len(frame))],
        camera=frame["serial"].map(lambda s: f"cam-{s % 2}"),
        part="p",
    )


def linked(pairs: list[tuple[int, int]]) -> pd.DataFrame:
    """Pairs of images by their numbers."""
    rows = [(f"i{min(a, b):05d}", f"i{max(a, b):05d}", 0.9) for a, b in pairs]
    return pd.DataFrame(rows, columns=["a", "b", "correlation"]).astype({"a": str, "b": str, "correlation": float})


def places(done: pd.DataFrame, column: str = "assigned") -> dict[str, str]:
    return dict(zip(piece.of(done), done[column], strict=True))


def images(done: pd.DataFrame) -> dict[str, str]:
    return dict(zip(done["image_id"], done["split"], strict=True))


ROWS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2)), min_size=1, max_size=120)
PAIRS = st.lists(st.tuples(st.integers(0, 140), st.integers(0, 140)), max_size=60)
ASSIGNED = st.dictionaries(st.integers(0, 60).map("s{:04d} of p".format), st.sampled_from(SPLITS), max_size=40)


@settings(max_examples=25, deadline=None)
@given(ROWS, PAIRS, ASSIGNED)
def test_no_part_and_no_linked_pair_is_in_two_splits(
    rows: list[tuple[int, int]], pairs: list[tuple[int, int]], assigned: Mapping[str, str]
) -> None:
    done = split(table(rows), assigned, SETTINGS, linked(pairs))
    assert (done.groupby("serial")["assigned"].nunique() == 1).all()
    assert set(done["assigned"]) <= set(SPLITS)
    kept = done[done["split"] != LEFT_OUT]
    assert (kept["split"] == kept["assigned"]).all()
    place = images(kept)
    for a, b in zip(linked(pairs)["a"], linked(pairs)["b"], strict=True):
        assert a not in place or b not in place or place[a] == place[b]


@settings(max_examples=25, deadline=None)
@given(ROWS, PAIRS, ROWS, PAIRS)
def test_nothing_moves_when_more_comes_and_the_test_set_only_grows(
    old: list[tuple[int, int]], pairs: list[tuple[int, int]], new: list[tuple[int, int]], more: list[tuple[int, int]]
) -> None:
    before = split(table(old), {}, SETTINGS, linked(pairs))
    after = split(table(old + new), places(before), SETTINGS, linked(pairs + more))
    assert places(before).items() <= places(after).items()
    was, now = images(before), images(after)
    assert all(now[image] == "test" for image, place in was.items() if place == "test")
    assert all(now[image] in (place, LEFT_OUT) for image, place in was.items())


@settings(max_examples=15, deadline=None)
@given(ROWS, PAIRS, ASSIGNED, st.integers(0, 99))
def test_the_order_of_rows_and_the_writing_down_of_places_change_nothing(
    rows: list[tuple[int, int]], pairs: list[tuple[int, int]], assigned: Mapping[str, str], seed: int
) -> None:
    world, links = table(rows), linked(pairs)
    done = split(world, assigned, SETTINGS, links)
    mixed = split(world.sample(frac=1, random_state=seed), assigned, SETTINGS, links.sample(frac=1, random_state=seed))
    assert images(mixed) == images(done)
    again = split(world, {**assigned, **places(done)}, SETTINGS, links)
    pd.testing.assert_frame_equal(again, done)


def test_the_shares_hold_within_each_class() -> None:
    rows = [(serial, 0 if serial < 200 else 1 if serial < 260 else 2) for serial in range(300)]
    done = split(table(rows), {}, SETTINGS, linked(NONE))
    for _, group in done.groupby("label"):
        shares = group["split"].value_counts(normalize=True)
        assert abs(shares["test"] - 0.25) < 0.04
        assert abs(shares["val"] - 0.2) < 0.04


def test_the_shares_hold_when_parts_are_linked_in_groups() -> None:
    rows = [(serial, serial % 3) for serial in range(300)]
    groups = [(first + n, first + n + 1) for first in range(0, 150, 10) for n in range(9)]
    done = split(table(rows), {}, SETTINGS, linked(groups))
    shares = done["split"].value_counts(normalize=True)
    assert abs(shares["test"] - 0.25) < 0.03
    assert abs(shares["val"] - 0.2) < 0.03
    assert LEFT_OUT not in shares


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    rows = [(serial, serial % 3) for serial in range(120)]
    one, again = (split(table(some), {}, SETTINGS, linked(NONE)) for some in (rows, rows[::-1]))
    assert places(one) == places(again)
    other = split(table(rows), {}, SETTINGS.model_copy(update={"seed": 8}), linked(NONE))
    assert list(one["split"]) != list(other["split"])


@pytest.mark.parametrize("side", SPLITS)
def test_new_parts_go_where_the_part_is_that_they_look_like(side: str) -> None:
    rows = [(n, 0) for n in range(5)]
    done = split(table(rows), {"s0000 of p": side}, SETTINGS, linked([(0, 1), (1, 2), (2, 3)]))
    assert {serial: place for serial, place in places(done).items() if serial < "s0004"} == {
        f"s{n:04d} of p": side for n in range(4)
    }


def test_parts_between_two_sides_go_where_most_links_lead_and_the_image_between_is_left_out() -> None:
    rows = [(0, 0), (1, 0), (2, 0), (3, 0), (3, 0), (3, 0)]  # part 3 has images 3, 4 and 5
    assigned = {"s0000 of p": "train", "s0001 of p": "train", "s0002 of p": "test"}
    done = split(table(rows), assigned, SETTINGS, linked([(0, 3), (1, 4), (2, 5)]))
    assert places(done)["s0003 of p"] == "train"
    assert images(done) == {
        "i00000": "train", "i00001": "train", "i00002": "test", "i00003": "train", "i00004": "train", "i00005": LEFT_OUT
    }  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "out"), [("train", "test", 0), ("test", "val", 1), ("val", "train", 1), ("test", "train", 1)]
)
def test_of_assigned_parts_that_turn_out_alike_the_one_further_from_the_test_set_is_left_out(
    one: str, other: str, out: int
) -> None:
    done = split(table([(0, 0), (1, 0)]), {"s0000 of p": one, "s0001 of p": other}, SETTINGS, linked([(0, 1)]))
    assert [place == LEFT_OUT for place in done["split"]] == [out == 0, out == 1]
    assert list(done["assigned"]) == [one, other]


def test_pairs_of_images_that_are_not_in_the_table_link_nothing() -> None:
    rows = [(n, n % 3) for n in range(30)]
    assert images(split(table(rows), {}, SETTINGS, linked([(3, 99), (99, 7)]))) == images(
        split(table(rows), {}, SETTINGS, linked(NONE))
    )


@pytest.mark.parametrize(("first", "second"), [("train", "test"), ("test", "train"), ("val", "train")])
def test_a_picture_captured_as_parts_of_two_sides_is_on_neither_whichever_capture_may_be_used(
    first: str, second: str
) -> None:
    """s0002 may have no other picture: its side is known from the time when it had."""
    rows, assigned = table([(1, 0), (1, 0), (3, 1)]), {"s0001 of p": first, "s0002 of p": second}
    rows.at[0, "pieces"] = ["s0001 of p", "s0002 of p"]
    for serial in ("s0001", "s0002"):
        done = split(
            rows.assign(serial=rows["serial"].where(rows.index != 0, serial)), assigned, SETTINGS, linked(NONE)
        )
        assert images(done)["i00000"] == LEFT_OUT and images(done)["i00001"] == first
    (out,) = summary(done, SETTINGS, linked(NONE))["left_out"]
    assert out["why"] == f"captured as part s0002 of p, which is in {second}, and as part s0001 of p, which is not"
    same = split(rows, {**assigned, "s0002 of p": first}, SETTINGS, linked(NONE))
    assert images(same)["i00000"] == first


def test_the_summary_counts_images_and_parts_and_says_what_was_left_out_and_why() -> None:
    links = linked([(0, 2), (3, 3)])
    assigned = {"s0001 of p": "train", "s0002 of p": "test"}
    done = split(table([(1, 0), (1, 0), (2, 1), (3, 2)]), assigned, SETTINGS, links)
    report = summary(done, SETTINGS, links)
    assert sum(one["images"] for one in report["splits"].values()) == 4
    assert report["splits"]["test"] == {"images": 1, "parts": 1, "by_class": {"pit": 1}}
    assert report["splits"][LEFT_OUT]["images"] == 1
    assert report["linked_parts"] == 2
    (out,) = report["left_out"]
    assert out["why"] == "near-duplicate of i00002 (part s0002 of p, test), but part s0001 of p is in train"
    assert out["correlation"] == 0.9
    pit = next(row for row in report["strata"] if row["class"] == "pit")
    assert pit["parts"] == {"train": 0, "val": 0, "test": 1}
    assert pit["over"] == {"train": -0.6, "val": -0.2, "test": 0.8}


def test_two_kinds_that_share_serials_are_parts_of_their_own() -> None:
    """As many of each on every side, and no piece on two."""
    rows = table([(serial, 0) for serial in range(100) for _ in range(2)])
    both = pd.concat([rows, rows.assign(part="q", image_id=rows["image_id"] + "q")], ignore_index=True)
    both["pieces"] = [[name] for name in piece.of(both)]
    done = split(both, {"s0001 of p": "test"}, SETTINGS, linked(NONE))
    sides = done.groupby(piece.of(done))["split"].agg(set)
    assert len(sides) == 200 and (sides.str.len() == 1).all() and sides["s0001 of p"] == {"test"}
    report = summary(done, SETTINGS, linked(NONE))
    assert sum(one["parts"] for one in report["splits"].values()) == 200
    assert all(abs(over) <= 1 for row in report["strata"] for over in row["over"].values())


def test_a_picture_that_came_as_two_kinds_of_one_serial_is_on_neither_side_if_they_differ() -> None:
    rows = table([(1, 0), (2, 0)])
    rows.at[0, "pieces"] = ["s0001 of p", "s0001 of q"]
    known = {"s0001 of p": "train", "s0001 of q": "test"}
    assert images(split(rows, known, SETTINGS, linked(NONE)))["i00000"] == LEFT_OUT
    assert images(split(rows, {**known, "s0001 of q": "train"}, SETTINGS, linked(NONE)))["i00000"] == "train"
