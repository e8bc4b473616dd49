"""The labelled table that follows from the cut."""

import pandas as pd

from inspection.chain import Event
from inspection.cut import Cut
from inspection.params import Defect, Taxonomy
from stages.snapshot import COLUMNS, latest_labels, snapshot

TAXONOMY = Taxonomy(
    spec="1",
    classes={
        "good": Defect(name="good", severity="none", acceptable=True, since="1"),
        "pit": Defect(name="pit", severity="major", acceptable=False, since="1"),
    },
)


def captures(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """(capture_id, image_id, captured_at) with everything else filled in."""
    frame = pd.DataFrame(rows, columns=["capture_id", "image_id", "captured_at"])
    frame["captured_at"] = pd.to_datetime(frame["captured_at"], utc=True)
    return frame.assign(line="A", camera="c", part="p", serial=frame["capture_id"], path="x", batch="b")


ROWS = captures(("c2", "i1", "2026-11-02 08:00"), ("c1", "i1", "2026-11-02 07:00"), ("c3", "i2", "2026-11-02 09:00"))


def test_an_image_captured_twice_stands_once_with_its_first_capture() -> None:
    table = snapshot(ROWS, {"i1": "good"}, Cut(), TAXONOMY)
    assert list(table["serial"]) == ["c1"]
    assert tuple(table.columns) == COLUMNS


def test_unlabelled_excluded_and_undeclared_images_are_left_out() -> None:
    assert snapshot(ROWS, {}, Cut(), TAXONOMY).empty
    assert snapshot(ROWS, {"i1": "good"}, Cut(exclusions=("i1",)), TAXONOMY).empty
    assert snapshot(ROWS, {"i1": "burr"}, Cut(), TAXONOMY).empty


def test_acceptable_comes_from_the_taxonomy() -> None:
    table = snapshot(ROWS, {"i1": "good", "i2": "pit"}, Cut(), TAXONOMY)
    assert dict(zip(table["image_id"], table["acceptable"], strict=True)) == {"i1": True, "i2": False}


def test_the_order_of_the_manifests_does_not_matter() -> None:
    labels = {"i1": "good", "i2": "pit"}
    turned = ROWS.iloc[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(snapshot(ROWS, labels, Cut(), TAXONOMY), snapshot(turned, labels, Cut(), TAXONOMY))


def test_the_last_label_counts() -> None:
    events = [
        Event(1, "", "label", "a", {"image_id": "i1", "label": "good"}, ""),
        Event(2, "", "batch", "a", {"batch": "b"}, ""),
        Event(3, "", "label", "b", {"image_id": "i1", "label": "pit"}, ""),
    ]
    assert latest_labels(events) == {"i1": "pit"}
