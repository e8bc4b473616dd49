from itertools import pairwise
from pathlib import Path

import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from inspection.layout import Layout
from inspection.records import batches
from inspection.records.batches import next_partition
from tests.inspection.world import add_batch, key, picture

filled = st.dictionaries(st.integers(1, 130), st.integers(0, 30), max_size=12)


def partitions(images: dict[int, int], month: str = "2026-11") -> dict[str, int]:
    return {f"{month}-{number:02d}": count for number, count in images.items()}


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path)
    rows = add_batch(layout, "20261102T120000-00000", {key(1): picture(1), key(2): picture(2)})
    (folder,) = batches.on_disk(layout)
    back = pd.read_parquet(folder / batches.MANIFEST)
    assert list(back.columns) == batches.SCHEMA.names
    pd.testing.assert_frame_equal(back[list(rows.columns)], rows, check_dtype=False)
    assert str(back["captured_at"].dt.tz) == "UTC"


def test_the_same_rows_give_the_same_manifest_and_others_another(tmp_path: Path) -> None:
    rows = add_batch(Layout(tmp_path, tmp_path), "b", {key(1): picture(1), key(2): picture(2)})
    assert batches.write_manifest(rows, tmp_path) == batches.write_manifest(rows, tmp_path)
    assert batches.write_manifest(rows, tmp_path) == batches.digest(tmp_path / "manifest.parquet")
    assert batches.write_manifest(rows.head(1), tmp_path) != batches.write_manifest(rows, tmp_path)


def test_finished_batches_are_listed_by_age_over_all_partitions(tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path)
    assert batches.on_disk(layout) == []
    for partition, name in (
        ("2026-11-02", "20261101T00-1"),
        ("2026-11-01", "20261102T00-2"),
        ("2026-10-01", "20261003T00-0"),
    ):
        add_batch(layout, name, {key(1): picture(1)}, partition)
    (layout.batches / "2026-11-01" / "20261103T00-3").mkdir()  # no manifest: not finished
    assert [folder.name for folder in batches.on_disk(layout)] == ["20261003T00-0", "20261101T00-1", "20261102T00-2"]


@given(filled, st.integers(1, 40), st.integers(1, 30))
@example({2: 20}, 5, 20)  # the first one was not fetched
@example(dict.fromkeys(range(1, 101), 20), 5, 20)
def test_the_next_partition_never_passes_the_limit(images: dict[int, int], adding: int, limit: int) -> None:
    before = partitions(images)
    taken = next_partition("2026-11", before, adding, limit)
    assert before.get(taken, 0) + adding <= limit or before.get(taken, 0) == 0  # one batch may be larger than that


@given(filled, st.integers(1, 40), st.integers(1, 30))
def test_the_next_partition_is_the_newest_or_a_newer_one(images: dict[int, int], adding: int, limit: int) -> None:
    taken = next_partition("2026-11", {**partitions(images), "2026-10-140": 1, "2026-12-01": 1}, adding, limit)
    assert taken.startswith("2026-11-")
    assert int(taken.rsplit("-", 1)[1]) >= max(images, default=1)


@given(st.lists(st.integers(1, 12), max_size=60), st.integers(5, 20))
def test_partitions_fill_one_after_another(sizes: list[int], limit: int) -> None:
    images: dict[str, int] = {}
    for size in sizes:
        taken = next_partition("2026-11", images, size, limit)
        images[taken] = images.get(taken, 0) + size
    assert list(images) == [f"2026-11-{number:02d}" for number in range(1, len(images) + 1)]
    counts = list(images.values())
    assert all(one + other > limit for one, other in pairwise(counts))


def test_manifests_are_joined_and_none_gives_an_empty_one_with_the_columns(tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path)
    one = add_batch(layout, "a", {key(1): picture(1)})
    two = add_batch(layout, "b", {key(2): picture(2)})
    assert list(batches.join([one, one.head(0), two])["key"]) == [key(1), key(2)]
    assert list(batches.join([]).columns) == batches.SCHEMA.names and len(batches.join([])) == 0
