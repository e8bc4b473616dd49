"""Split: no part in two, nothing moves, every class in each place as far as parts allow."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.params import Split
from stages.split import split, summary

SETTINGS = Split(seed=7, val_share=0.2, test_share=0.25)
LABELS = ("good", "pit", "crack")


def table(rows: list[tuple[int, int]]) -> pd.DataFrame:
    """One image per (serial, class)."""
    frame = pd.DataFrame(rows, columns=["serial", "label"])
    return frame.assign(
        serial=frame["serial"].map("s{:04d}".format),
        label=frame["label"].map(lambda i: LABELS[i]),
        image_id=[f"i{n:05d}" for n in range(len(frame))],
        camera=frame["serial"].map(lambda s: f"cam-{s % 2}"),
        part="p",
    )


ROWS = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 2)), min_size=1, max_size=200)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_no_part_is_in_two_splits(rows: list[tuple[int, int]]) -> None:
    done = split(table(rows), {}, SETTINGS)
    assert (done.groupby("serial")["split"].nunique() == 1).all()


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS)
def test_nothing_ever_moves_when_more_comes(old: list[tuple[int, int]], new: list[tuple[int, int]]) -> None:
    before = split(table(old), {}, SETTINGS)
    assigned = dict(zip(before["serial"], before["split"], strict=True))
    after = split(table(old + new), assigned, SETTINGS)
    moved = {s: p for s, p in zip(after["serial"], after["split"], strict=True) if assigned.get(s, p) != p}
    assert not moved


def test_the_shares_hold_within_each_class() -> None:
    rows = [(serial, 0 if serial < 200 else 1 if serial < 260 else 2) for serial in range(300)]
    done = split(table(rows), {}, SETTINGS)
    for _, group in done.groupby("label"):
        shares = group["split"].value_counts(normalize=True)
        assert abs(shares["test"] - 0.25) < 0.04
        assert abs(shares["val"] - 0.2) < 0.04


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    rows = [(serial, serial % 3) for serial in range(120)]
    one, again = split(table(rows), {}, SETTINGS), split(table(rows[::-1]), {}, SETTINGS)
    assert dict(zip(one["serial"], one["split"], strict=True)) == dict(
        zip(again["serial"], again["split"], strict=True)
    )
    other = split(table(rows), {}, SETTINGS.model_copy(update={"seed": 8}))
    assert list(one["split"]) != list(other["split"])


def test_the_summary_counts_images_and_parts() -> None:
    report = summary(split(table([(1, 0), (1, 0), (2, 1), (3, 2)]), {}, SETTINGS))
    assert sum(one["images"] for one in report.values()) == 4
    assert sum(one["parts"] for one in report.values()) == 3
