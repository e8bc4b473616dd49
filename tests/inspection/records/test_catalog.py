import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select, text

from inspection.errors import CheckHistory, FixInput, FixSettings, MakeRoom, WaitForOther
from inspection.layout import Layout
from inspection.records import batches, ledger, migrations, verdicts
from inspection.records.catalog import Catalog, fresh_labels, latest_labels, open_catalog, rebuild, refresh
from inspection.records.database import Place
from inspection.records.labels import standing
from inspection.records.schema import (
    batch_table,
    capture_table,
    image_table,
    label_table,
    look_table,
    metadata,
    refusal_table,
    score_table,
)
from tests.conftest import ROOT
from tests.inspection.world import COLOUR, add_batch, add_refusals, key, picture

TABLES = ("batches", "captures", "fold", "images", "labels", "looks", "quarantine", "refusals", "runs", "scores")


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plant's SQLite file; tests/services/test_postgres.py runs these tests on PostgreSQL."""
    monkeypatch.delenv("ANDON_DATABASE_URL", raising=False)
    monkeypatch.delenv("ANDON_DATABASE_SCHEMA", raising=False)


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
    catalog = Catalog(Place.of(layout))
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
        ("labels", "UPDATE labels SET latest = false WHERE n = 2"),
        ("labels", "DELETE FROM labels WHERE n = 4"),
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
    accepted = list(catalog.frame(select(capture_table.c.key))["key"])
    refused = list(catalog.frame(select(refusal_table.c.key))["key"])
    unknown = [f"{n:064d}" for n in range(1200)]
    assert set(catalog.refused_or_taken([*unknown, *accepted, *refused])) == {*accepted, *refused}
    assert catalog.refused_or_taken([]) == {}
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
    blocker, one, two = (Catalog(Place.of(layout)) for _ in range(3))
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
    for opened in (blocker, one, two):
        opened.close()
    assert errors == []
    assert all(rebuild(layout).values()) and labels(layout) == dict.fromkeys(images, "good")


def test_a_reader_does_not_wait_for_a_writer(layout: Layout, filled: list[str]) -> None:
    writer, reader = open_catalog(layout), open_catalog(layout)
    with writer.writing() as connection:
        connection.execute(label_table.delete())
        assert len(reader.frame(latest_labels())) == len(filled)
    writer.close()
    reader.close()


def test_an_idle_refresh_waits_for_no_writer(layout: Layout, filled: list[str]) -> None:
    writer, idle = open_catalog(layout), open_catalog(layout)
    with writer.writing() as connection:
        connection.execute(label_table.delete())
        refresh(idle, layout)
        connection.rollback()
    writer.close()
    idle.close()


# what a batch is worth


def states(layout: Layout) -> dict[str, str]:
    return dict(rows(layout, select(batch_table.c.batch, batch_table.c.state)))


def held(layout: Layout, batch: str) -> None:
    body = {"batch": batch, "partition": "2026-11-01", "captures": 1, "manifest": "m", "held": ["too dark"]}
    ledger.append(layout, "batch", "ingest", [body])


def rule(layout: Layout, batch: str, what: str) -> None:
    ledger.append(layout, "batch-ruling", "Tess", [{"batch": batch, "what": what, "why": "looked at it"}])


def test_a_batch_is_accepted_unless_it_was_held_and_the_latest_ruling_counts(layout: Layout) -> None:
    for number, name in enumerate("abc"):
        add_batch(layout, name, {key(number): picture(number)})
    held(layout, "b")
    assert states(layout) == {"a": "accepted", "b": "held", "c": "accepted"}
    rule(layout, "b", "released")
    assert states(layout)["b"] == "released"
    rule(layout, "b", "discarded")
    rule(layout, "c", "held")
    assert states(layout) == {"a": "accepted", "b": "discarded", "c": "held"}
    assert all(rebuild(layout).values())


def test_a_ruling_may_come_before_its_batch_is_on_the_disk(layout: Layout) -> None:
    held(layout, "b")
    rule(layout, "b", "released")
    assert states(layout) == {}
    add_batch(layout, "b", {key(1): picture(1)})
    assert states(layout) == {"b": "released"}
    assert all(rebuild(layout).values())


def test_a_ruling_that_git_took_back_counts_no_more(layout: Layout) -> None:
    add_batch(layout, "b", {key(1): picture(1)})
    held(layout, "b")
    (file,) = ledger.files(layout)
    then = file.read_bytes()
    rule(layout, "b", "discarded")
    assert states(layout) == {"b": "discarded"}
    file.write_bytes(then)
    assert states(layout) == {"b": "held"}
    file.unlink()
    assert states(layout) == {"b": "accepted"}


# labels and the quality spec


def spec(layout: Layout, *classes: str) -> None:
    ledger.append(layout, "spec", "Tess", [{"spec": "2", "classes": list(classes), "why": "tighter"}])


def test_a_changed_spec_makes_the_labels_of_its_classes_stale_until_they_are_given_again(
    layout: Layout, filled: list[str]
) -> None:
    label(layout, (filled[0], "scratch"))
    labels(layout)
    spec(layout, "good")
    assert labels(layout) == {**dict.fromkeys(filled, "good"), filled[0]: "scratch"}
    assert dict(rows(layout, fresh_labels())) == {filled[0]: "scratch"}
    label(layout, (filled[1], "good"))
    assert dict(rows(layout, fresh_labels())) == {filled[0]: "scratch", filled[1]: "good"}
    assert all(rebuild(layout).values())


@pytest.mark.parametrize("seed", range(2))
def test_labels_folded_in_steps_are_those_of_the_pure_fold(layout: Layout, seed: int) -> None:
    draw = random.Random(seed)
    opened = open_catalog(layout)
    for _ in range(5):
        for _ in range(draw.randrange(3)):
            some = [(f"image-{draw.randrange(6)}", draw.choice(("good", "pit", "crack"))) for _ in range(4)]
            label(layout, *some)
            spec(layout, *draw.sample(("good", "pit", "crack"), draw.randrange(3)))
        refresh(opened, layout)
        found = opened.frame(label_table.select().where(label_table.c.latest))
        columns = ["n", "image_id", "label", "by", "at", "labelled_at", "spec", "stale"]
        expected = standing(ledger.read(layout))
        assert {row[1]: row for row in found[columns].itertuples(index=False, name=None)} == {
            image: tuple(getattr(one, name) for name in columns) for image, one in expected.items()
        }
    opened.close()
    assert all(rebuild(layout).values())


# whatever the order


def test_an_image_of_two_batches_is_described_by_the_first_whichever_came_first(layout: Layout) -> None:
    def add(name: str, number: int, brightness: float) -> None:
        folder = layout.batches / "2026-11-01" / name
        table = add_batch(layout, name, {key(number): picture(7)}).assign(brightness=brightness)
        batches.write_manifest(table, folder)

    add("b", 1, 0.5)
    assert rows(layout, select(image_table.c.brightness, image_table.c.batch)) == [(0.5, "b")]
    add("a", 2, 0.25)  # as when `dvc pull` brings an earlier partition
    add("c", 3, 0.75)
    assert rows(layout, select(image_table.c.brightness, image_table.c.batch)) == [(0.25, "a")]
    assert all(rebuild(layout).values())


def test_a_clone_has_the_verdicts_on_images_that_are_not_on_its_disk(layout: Layout) -> None:
    said = {
        "capture_id": ["c"],
        "image_id": "i",
        "version": "v1.0.0",
        "package": "p",
        "label": "good",
        "reject_probability": 0.25,
        "threshold": 0.5,
        "reject": False,
        "probabilities": "{}",
    }
    run = verdicts.folder(layout, "2026-11") / "r"
    looks = pd.DataFrame({"capture_id": ["c"], "window": "w"})
    files = verdicts.write({verdicts.SCORES: pd.DataFrame(said), verdicts.LOOKS: looks}, run)
    ledger.append(layout, "watch", "watch", [{"run": "r", "batches": [], "files": files, "windows": []}])
    assert rows(layout, select(score_table.c.capture_id, score_table.c.run)) == [("c", "r")]
    assert rows(layout, look_table.select()) == [("c", "w")]
    assert all(rebuild(layout).values())


def test_a_manifest_from_before_a_column_is_read(layout: Layout) -> None:
    add_batch(layout, "b", {key(1): picture(1)})
    path = layout.batches / "2026-11-01" / "b" / batches.MANIFEST
    new = ["time_doubtful", "black", "white", "thumbnail"]
    pq.write_table(pq.read_table(path).drop_columns(new), path)
    c = capture_table.c
    assert rows(layout, select(c.time_doubtful, c.black, c.white)) == [(False, 0, 255)]


def test_damaged_files_are_named(layout: Layout) -> None:
    add_batch(layout, "b", {key(1): picture(1)})
    path = layout.batches / "2026-11-01" / "b" / batches.MANIFEST
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(CheckHistory, match=r"b/manifest\.parquet is damaged"):
        open_catalog(layout)
    path.write_bytes(good)
    file = add_refusals(layout, "r", {"x.png": "empty"})
    for wrong in ("no json\n", "[1]\n", '{"key": 1}\n', "{}\n"):
        file.write_text(wrong)
        with pytest.raises(CheckHistory, match=r"r/refusals\.jsonl is damaged"):
            open_catalog(layout)
    file.unlink()
    assert len(rows(layout, capture_table.select())) == 1


def test_the_same_capture_in_two_batches_is_told_in_words(layout: Layout) -> None:
    for name in "ab":
        add_batch(layout, name, {key(1): picture(1)})
    with pytest.raises(CheckHistory, match="contradict each other"):
        open_catalog(layout)


# look-ups in bulk


def test_keys_are_looked_up_with_their_captures(layout: Layout, filled: list[str]) -> None:
    add_batch(layout, "again", {key(0): picture(99)})
    add_refusals(layout, "later", {key(0): "a third time", "zero\0.png": "zero"})
    opened = open_catalog(layout)
    asked = [key(0), key(1), "../a b.png", "never/seen.png"]
    found = opened.refused_or_taken(asked)
    assert {name: len(ids) for name, ids in found.items()} == {key(0): 3, key(1): 1, "../a b.png": 1}
    assert set(found) == {key(0), key(1), "../a b.png"}
    opened.close()


def test_twenty_thousand_are_looked_up_in_well_under_a_second(layout: Layout, filled: list[str]) -> None:
    opened = open_catalog(layout)
    some = [f"{n:064d}" for n in range(20_000)]
    opened.refused_or_taken(some[:10])
    start = time.perf_counter()
    assert opened.refused_or_taken(some) == {}
    assert time.perf_counter() - start < 0.8
    opened.close()


# revisions of the tables


def before_revisions(layout: Layout) -> None:
    """Tables as the first version made them, with a row that no manifest knows."""
    opened = open_catalog(layout)
    with opened.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            table.drop(connection)
        migrations.revision_table.drop(connection)
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        command.upgrade(config, migrations.REVISIONS[0])
        migrations.revision_table.drop(connection)
        connection.execute(text("INSERT INTO refusals VALUES ('c', 'gone', 'k', 'p', 'r', 't')"))
        connection.execute(text("INSERT INTO fold VALUES (0, 'other')"))
    opened.close()


def differences(layout: Layout) -> Any:
    opened = Catalog(Place.of(layout))
    with opened.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    opened.close()
    return found


def test_the_declared_revisions_are_those_of_alembic() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert tuple(reversed([one.revision for one in script.walk_revisions()])) == migrations.REVISIONS
    assert script.get_current_head() == migrations.REVISIONS[-1]


def test_new_tables_and_migrated_ones_are_those_that_are_declared(layout: Layout) -> None:
    assert differences(layout) == []
    before_revisions(layout)
    assert differences(layout) == []
    with Catalog(Place.of(layout)).engine.connect() as connection:
        assert migrations.revision(connection) == migrations.REVISIONS[-1]


def test_a_catalog_from_before_revisions_is_upgraded_and_folded_anew(layout: Layout, filled: list[str]) -> None:
    before_revisions(layout)
    assert len(rows(layout, capture_table.select())) == 7
    assert "gone" not in dict(rows(layout, select(refusal_table.c.batch, refusal_table.c.key)))
    assert labels(layout) == dict.fromkeys(filled, "good")
    assert all(rebuild(layout).values())


def test_a_catalog_of_a_later_version_is_refused_and_may_be_folded_anew(layout: Layout, filled: list[str]) -> None:
    open_catalog(layout).close()
    alter(layout, "UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(FixSettings, match=r"later version of Andon.*0999"):
        open_catalog(layout)
    assert not any(rebuild(layout).values())
    assert labels(layout) == dict.fromkeys(filled, "good")


# where the catalog lies


@pytest.mark.parametrize(
    "url", ["rubbish hunter2", "mysql://andon:hunter2@db/plant", "postgresql://andon:hunter2@db:port/plant"]
)
def test_an_address_that_is_none_is_refused_without_its_password(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ANDON_DATABASE_URL", url)
    with pytest.raises(FixSettings, match="ANDON_DATABASE_URL") as error:
        Place.of(layout)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("name", ["public", "pg_own", "Plant", "a-b", '"; drop', "1st", "x" * 51])
def test_a_schema_that_is_none_or_not_ours_alone_is_refused(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("ANDON_DATABASE_URL", "postgres://andon:hunter2@db/plant")
    monkeypatch.setenv("ANDON_DATABASE_SCHEMA", name)
    with pytest.raises(FixSettings, match="ANDON_DATABASE_SCHEMA"):
        Place.of(layout)


def test_a_server_that_does_not_answer_is_named_without_the_password(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDON_DATABASE_URL", "postgresql://andon:hunter2@127.0.0.1:9/plant")
    with pytest.raises(WaitForOther, match=r"postgresql://andon:\*\*\*@127\.0\.0\.1:9/plant does not answer"):
        Catalog(Place.of(layout))


class TestFile:
    """What is true of an SQLite file alone."""

    def test_a_rebuild_leaves_one_database_file_behind(self, layout: Layout, filled: list[str]) -> None:
        rebuild(layout)
        assert [path.name for path in layout.state.glob("catalog*")] == ["catalog.sqlite"]

    def test_one_that_is_no_database_any_more_is_named_and_rebuilt(self, layout: Layout, filled: list[str]) -> None:
        open_catalog(layout).close()
        layout.catalog.write_bytes(b"the disk was full " * 200)
        with pytest.raises(FixInput, match=r"catalog\.sqlite is damaged .*: run `andon catalog rebuild`"):
            open_catalog(layout)
        assert not all(rebuild(layout).values())
        assert labels(layout) == dict.fromkeys(filled, "good")

    def test_one_that_may_not_be_written_is_named(self, layout: Layout) -> None:
        layout.catalog.mkdir(parents=True)
        with pytest.raises(MakeRoom, match=r"catalog\.sqlite cannot be written"):
            open_catalog(layout)

    def test_a_writer_that_does_not_end_is_waited_for_and_then_named(
        self, layout: Layout, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_catalog(layout).close()
        monkeypatch.setattr("inspection.records.database.BUSY_MS", 50)
        add_batch(layout, "b", {key(1): picture(1)})
        other = sqlite3.connect(layout.catalog, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(WaitForOther, match="locked by another process"):
            open_catalog(layout)
        other.execute("ROLLBACK")
        other.close()
        assert len(rows(layout, capture_table.select())) == 1

    def test_who_has_it_open_goes_on_after_a_rebuild(self, layout: Layout, filled: list[str]) -> None:
        opened = open_catalog(layout)
        rebuild(layout)
        label(layout, (filled[0], "pit"))
        refresh(opened, layout)
        assert labels(layout)[filled[0]] == "pit"
        assert dict(opened.frame(latest_labels()).itertuples(index=False))[filled[0]] == "pit"
        opened.close()

    def test_alembic_is_loaded_only_for_an_upgrade(self, layout: Layout) -> None:
        late = "'alembic' in sys.modules or 'psycopg' in sys.modules"
        code = f"import sys; from inspection.records import catalog; sys.exit({late})"
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("url", ["postgresql://a:SECRET@h/db", "postgresql://h/db?user=a&password=SECRET"])
def test_where_the_catalog_is_can_be_said_without_its_password(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ANDON_DATABASE_URL", url)
    place = Place.of(layout)
    assert "SECRET" not in str(place) and "h/db" in str(place)


def test_what_came_is_counted_by_the_hour_in_which_it_was_taken_in(layout: Layout, filled: list[str]) -> None:
    catalog = open_catalog(layout)
    with catalog.writing() as connection:
        late = (
            capture_table.update().where(capture_table.c.key == key(0)).values(ingested_at=datetime(2026, 11, 3, 7, 5))
        )
        connection.execute(late)
    noon, seven = datetime(2026, 11, 2, 12, tzinfo=UTC), datetime(2026, 11, 3, 7, tzinfo=UTC)
    came = catalog.arrivals(datetime(2026, 11, 2, tzinfo=UTC))
    assert came["cam-1"].hours == {noon: 3, seven: 1}
    assert (came["cam-1"].last, came["cam-2"].hours, came["cam-2"].last) == (
        seven + timedelta(minutes=5),
        {noon: 3},
        noon,
    )
    assert catalog.arrivals(datetime(2026, 11, 3, tzinfo=UTC)) == {}, "what was captured before is not asked for"
    catalog.close()
