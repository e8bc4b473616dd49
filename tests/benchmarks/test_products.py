"""Pictures of two kinds of part as one camera's."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.outside.products import Supplied
from benchmarks.outside.streams import REFERENCE, WATCHED, Seat
from inspection.errors import FixInput


@pytest.fixture
def supplied(tmp_path: Path) -> Supplied:
    """Ten pictures of the first kind, dark, and six of the second, bright; each level is one picture's."""
    lines = ["file,label,supplier"]
    for level in (*range(10), *range(200, 206)):
        Image.fromarray(np.full((8, 8), level, np.uint8)).save(tmp_path / f"{level}.png")
        lines.append(f"{level}.png,good,{'old' if level < 200 else 'new'}")
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    return Supplied(tmp_path, "supplier")


def levels(supplied: Supplied, number: int, phase: int, change: bool = False) -> set[float]:
    what = supplied.laid("any") if change else None
    taken = supplied.window(Seat("cam", 1), number, phase, what)
    assert len(taken.rows) == supplied.images
    return {float(taken.load(row)[0, 0, 0]) for row in taken.rows.itertuples()}


def test_no_picture_of_the_reference_is_watched_and_the_other_kind_follows(supplied: Supplied) -> None:
    learned = set().union(*(levels(supplied, number, REFERENCE) for number in range(3)))
    watched = set().union(*(levels(supplied, number, WATCHED) for number in range(3)))
    assert learned | watched == set(range(10)) and not learned & watched
    assert levels(supplied, 3, WATCHED, change=True) == set(range(200, 206))
    assert levels(supplied, 0, REFERENCE) <= levels(Supplied(supplied.folder, "supplier"), 0, REFERENCE)


def test_a_column_that_does_not_tell_two_kinds_is_named(supplied: Supplied) -> None:
    with pytest.raises(FixInput, match=r"'file' of .*metadata.csv has 16 values; it takes two kinds of part"):
        Supplied(supplied.folder, "file").window(Seat("cam", 1), 0)
    with pytest.raises(FixInput, match="'nothing' of"):
        Supplied(supplied.folder, "nothing").window(Seat("cam", 1), 0)
