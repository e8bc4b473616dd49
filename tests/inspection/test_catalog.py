import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from inspection import ledger
from inspection.catalog import (
    Catalog,
    batch_table,
    capture_table,
    image_table,
    label_table,
    latest_labels,
    open_catalog,
    rebuild,
    refresh,
    refusal_table,
)
from inspection.layout import Layout
from tests.inspection.world import COLOUR, add_batch, add_refusals, key, picture

TABLES = ("batches", "captures", "fold", "images", "labels", "looks", "refusals", "runs", "scores")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, tmp_path)


@pytest.fixture
def filled(layout: Layout) -> list[str]:
    """Two batches, some refusals and labels that changed; the images of the first batch."""
    first = add_batch(layout, "20261102-00000", {key(n): picture(n) for n in range(4)})
    add_batch(layout, "20261102-00001", {key(n, COLOUR): picture(n, COLOUR) for n in range(3)}, "2026-11-02")
    add_refusals(layout, "20261102-00001", {"../a b.png": "bad name", "x\ny.png": "a line\nbreak", "é.png": "letters"})
    images = list(first["image_id"])
    label(layout, *((image, "good") for image in images))
    return images


def label(layout: Layout, *given: tuple[str, str], by: str = "Tess") -> None:
    at = "2026-11-02T12:00:00.000000+00:00"
    bodies = [{"image_id": image, "label": name, "labelled_at": at, "spec": "1"} for image, name in given]
    ledger.append(layout, "label", by, bodies)


def rows(layout: Layout, query: Any) -> list[tuple[Any, ...]]:
    catalog = open_catalog(layout)
    found = [tuple(row) for row in catalog.frame(query).itertuples(index=False)]
    catalog.close()
    return found


def labels(layout: Layout) -> dict[str, str]:
    return dict(rows(layout, latest_labels()))


def alter(layout: Layout, statement: str) -> None:
    catalog = Catalog(layout.catalog)
    with catalog.writing() as connection:
        assert connection.execute(text(statement)).rowcount > 0
    catalog.close()


def test_an_empty_plant_has_an_empty_catalog_that_is_equal_to_its_rebuild(layout: Layout) -> None:
    assert rows(layout, capture_table.select()) == []
    assert rebuild(layout) == dict.fromkeys(TABLES, True)


def test_batches_refusals_and_labels_are_folded_in(layout: Layout, filled: list[str]) -> None:
    assert rows(layout, select(batch_table.c.partition, batch_table.c.captures)) == [
        ("2026-11-01", 4),
        ("2026-11-02", 3),
    ]
    assert len(rows(layout, image_table.select())) == len(rows(layout, capture_table.select())) == 7
    assert rows(layout, select(refusal_table.c.key, refusal_table.c.reason).order_by(refusal_table.c.key)) == [
        ("../a b.png", "bad name"),
        ("x\ny.png", "a line\nbreak"),
        ("é.png", "letters"),
    ]
    assert labels(layout) == dict.fromkeys(filled, "good")


def test_an_image_that_was_captured_twice_is_one_image_and_two_captures(layout: Layout) -> None:
    add_batch(layout, "a", {key(1): picture(7), key(2): picture(7)})
    add_batch(layout, "b", {key(3): picture(7)})
    assert len(rows(layout, image_table.select())) == 1
    assert rows(layout, select(capture_table.c.key).order_by(capture_table.c.key)) == [(key(1),), (key(2),), (key(3),)]
    assert all(rebuild(layout).values())


def test_a_rebuild_is_equal_table_for_table_also_after_labels_changed_and_more_came(
    layout: Layout, filled: list[str]
) -> None:
    assert rebuild(layout) == dict.fromkeys(TABLES, True)
    for n, name in enumerate(("scratch", "pit", "good")):  # opened in between: folded in steps
        label(layout, (filled[0], name), (filled[1], "crack"), (filled[0], name), by=f"Tess {n}")
        assert labels(layout)[filled[0]] == name
    add_batch(layout, "20261103-00003", {key(n): picture(n) for n in range(10, 13)})
    add_refusals(layout, "20261103-00004", {"cam-1/bracket/s/1.png": "empty"})
    assert len(rows(layout, capture_table.select())) == 10
    assert rebuild(layout) == dict.fromkeys(TABLES, True)
    assert labels(layout)[filled[0]] == "good" and labels(layout)[filled[1]] == "crack"


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("captures", "UPDATE captures SET serial = 'other' WHERE key LIKE '%s-001%'"),
        ("images", "UPDATE images SET brightness = brightness + 0.001 WHERE width = 16"),
        ("labels", "UPDATE labels SET label = 'pit' WHERE n = 1"),
        ("labels", "UPDATE labels SET latest = 0 WHERE n = 2"),
        ("labels", "DELETE FROM labels WHERE n = 4"),
        ("batches", "UPDATE batches SET captures = 5 WHERE captures = 4"),
        ("refusals", "UPDATE refusals SET reason = 'none' WHERE key = 'é.png'"),
        ("fold", "UPDATE fold SET events = 99"),
    ],
)
def test_a_wrongly_altered_row_is_reported_as_different_and_repaired(
    layout: Layout, filled: list[str], table: str, statement: str
) -> None:
    open_catalog(layout).close()
    alter(layout, statement)
    assert rebuild(layout) == {name: name != table for name in TABLES}
    assert rebuild(layout) == dict.fromkeys(TABLES, True)


def test_a_lost_catalog_is_folded_anew(layout: Layout, filled: list[str]) -> None:
    before = rows(layout, capture_table.select())
    shutil.rmtree(layout.state)
    assert rows(layout, capture_table.select()) == before
    assert labels(layout) == dict.fromkeys(filled, "good")


def test_a_catalog_that_is_no_database_any_more_is_rebuilt(layout: Layout, filled: list[str]) -> None:
    open_catalog(layout).close()
    layout.catalog.write_bytes(b"the disk was full " * 200)
    assert not all(rebuild(layout).values())
    assert labels(layout) == dict.fromkeys(filled, "good")


def test_the_latest_label_is_the_last_that_was_written(layout: Layout, filled: list[str]) -> None:
    label(layout, (filled[0], "pit"), (filled[0], "crack"))
    assert labels(layout) == {**dict.fromkeys(filled, "good"), filled[0]: "crack"}
    assert rows(layout, select(func.count()).select_from(label_table).where(label_table.c.latest)) == [(4,)]


def test_a_ledger_that_git_took_back_takes_its_labels_back(layout: Layout, filled: list[str]) -> None:
    (file,) = ledger.files(layout)
    then = file.read_bytes()
    label(layout, (filled[0], "pit"))
    assert labels(layout)[filled[0]] == "pit"
    file.write_bytes(then)
    assert labels(layout)[filled[0]] == "good"


def test_another_ledger_of_the_same_length_is_not_taken_for_the_old_one(layout: Layout, filled: list[str]) -> None:
    (file,) = ledger.files(layout)
    then = file.read_bytes()
    label(layout, (filled[0], "pit"))
    assert labels(layout)[filled[0]] == "pit"
    file.write_bytes(then)
    label(layout, (filled[0], "crack"))
    assert labels(layout)[filled[0]] == "crack"


@pytest.mark.parametrize(
    "name", ["a\u2028b.png", "a\x85b.png", "a\x0bb\x0cc\x1cd.png", "a\r\nb.png", '"{}".png', "日本.png"]
)
def test_any_file_name_can_be_refused_and_looked_up(layout: Layout, name: str) -> None:
    add_refusals(layout, "b", {name: "the name"})
    assert rows(layout, select(refusal_table.c.key)) == [(name,)]
    assert all(rebuild(layout).values())


def test_known_names_what_was_accepted_or_refused_whatever_the_number(layout: Layout, filled: list[str]) -> None:
    catalog = open_catalog(layout)
    accepted = list(catalog.frame(select(capture_table.c.capture_id))["capture_id"])
    refused = list(catalog.frame(select(refusal_table.c.capture_id))["capture_id"])
    unknown = [f"{n:064d}" for n in range(1200)]
    assert catalog.known([*unknown, *accepted, *refused]) == {*accepted, *refused}
    assert catalog.known([]) == set()
    assert catalog.images_by_partition() == {"2026-11-01": 4, "2026-11-02": 3}
    catalog.close()


def test_a_failed_write_leaves_nothing_behind(layout: Layout, filled: list[str]) -> None:
    catalog = open_catalog(layout)
    with pytest.raises(KeyError), catalog.writing() as connection:
        connection.execute(label_table.delete())
        raise KeyError
    catalog.close()
    assert labels(layout) == dict.fromkeys(filled, "good")


def test_two_who_fold_at_the_same_moment_do_not_fold_twice(layout: Layout) -> None:
    blocker, one, two = (Catalog(layout.catalog) for _ in range(3))
    images = list(add_batch(layout, "b", {key(n): picture(n) for n in range(3)})["image_id"])
    add_refusals(layout, "b", {"x": "empty"})
    label(layout, *((image, "good") for image in images))
    errors: list[BaseException] = []

    def fold(catalog: Catalog) -> None:
        try:
            refresh(catalog, layout)
        except BaseException as error:  # noqa: BLE001  handed to the test
            errors.append(error)

    threads = [threading.Thread(target=fold, args=(catalog,)) for catalog in (one, two)]
    with blocker.writing():  # both see that something is new, both wait for the write lock
        for thread in threads:
            thread.start()
        threads[0].join(0.4)
    for thread in threads:
        thread.join(20)
    for catalog in (blocker, one, two):
        catalog.close()
    assert errors == []
    assert all(rebuild(layout).values()) and labels(layout) == dict.fromkeys(images, "good")


def test_a_reader_does_not_wait_for_a_writer(layout: Layout, filled: list[str]) -> None:
    writer, reader = open_catalog(layout), open_catalog(layout)
    with writer.writing() as connection:
        connection.execute(label_table.delete())
        assert len(reader.frame(latest_labels())) == len(filled)
    writer.close()
    reader.close()


def test_a_rebuild_leaves_one_database_file_behind(layout: Layout, filled: list[str]) -> None:
    rebuild(layout)
    assert [path.name for path in layout.state.glob("catalog*")] == ["catalog.sqlite"]
