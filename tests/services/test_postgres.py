"""The catalog in a real PostgreSQL keeps the same promises, and goes on when the server was restarted."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from inspection.errors import FixSettings, WaitForOther
from inspection.layout import Layout
from inspection.records import fold
from inspection.records.catalog import Catalog, open_catalog, rebuild, refresh
from inspection.records.database import Place
from inspection.records.schema import capture_table
from tests.inspection.records.test_catalog import *  # noqa: F403  each test once more, in the database of the fixture below
from tests.inspection.records.test_catalog import add_batch, key, label, picture, rows
from tests.services.postgres import QUOTED, Postgres, running

pytestmark = pytest.mark.services
del TestFile  # noqa: F821  what is true of an SQLite file alone
_schemas = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture(autouse=True)
def database(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server, and in it a schema of its own for each test."""
    name = f"plant_{next(_schemas)}"
    monkeypatch.setenv("ANDON_DATABASE_URL", server.url)
    monkeypatch.setenv("ANDON_DATABASE_SCHEMA", name)
    return name


@pytest.mark.usefixtures("filled")
def test_a_server_restarted_in_the_middle_of_a_fold_does_not_stop_it(
    server: Postgres, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_catalog(layout)
    add_batch(layout, "20261104-00000", {key(n): picture(n) for n in range(20, 23)})
    real, folds = fold.put_in, count()

    def broken_once(*arguments: Any) -> None:
        real(*arguments)
        if next(folds) == 0:  # before the commit
            server.stop()
            server.start()

    monkeypatch.setattr(fold, "put_in", broken_once)
    refresh(opened, layout)
    assert next(folds) == 2
    assert len(opened.frame(capture_table.select())) == 10
    opened.close()
    assert all(rebuild(layout).values())


@pytest.mark.usefixtures("filled")
def test_a_catalog_that_was_open_goes_on_after_a_restart(server: Postgres, layout: Layout) -> None:
    opened = open_catalog(layout)
    server.stop()
    with pytest.raises(WaitForOther, match=rf"postgresql://andon:\*\*\*@127.0.0.1:{server.port}/plant does not answer"):
        opened.images_by_partition()
    server.start()
    assert opened.images_by_partition() == {"2026-11-01": 4, "2026-11-02": 3}
    opened.close()


@pytest.mark.parametrize(
    ("right", "wrong", "reason"),
    [
        (QUOTED, "guessed", "password authentication failed"),
        (f":{QUOTED}", "", "no password supplied"),
        ("/plant", "/elsewhere", '"elsewhere" does not exist'),
        ("andon:", "nobody:", "password authentication failed"),
    ],
)
def test_an_address_that_the_server_refuses_is_named_without_the_password(
    server: Postgres, layout: Layout, monkeypatch: pytest.MonkeyPatch, right: str, wrong: str, reason: str
) -> None:
    monkeypatch.setenv("ANDON_DATABASE_URL", server.url.replace(right, wrong))
    with pytest.raises(FixSettings, match=reason) as error:
        open_catalog(layout)
    assert QUOTED not in str(error.value) and "guessed" not in str(error.value)


def test_who_may_not_make_a_schema_is_told_which(
    server: Postgres, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.sql("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    monkeypatch.setenv("ANDON_DATABASE_URL", server.url.replace(f"andon:{QUOTED}", "guest:guest"))
    monkeypatch.setenv("ANDON_DATABASE_SCHEMA", "forbidden")
    with pytest.raises(FixSettings, match="schemas forbidden and forbidden_rebuild"):
        open_catalog(layout)


def test_a_writer_that_does_not_end_is_waited_for_and_then_named(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_catalog(layout)
    monkeypatch.setattr("inspection.records.database.BUSY_MS", 100)
    add_batch(layout, "b", {key(1): picture(1)})
    with writer.writing(), pytest.raises(WaitForOther, match="locked by another process"):
        open_catalog(layout)
    writer.close()
    assert len(rows(layout, capture_table.select())) == 1


def test_two_plants_share_a_server(
    server: Postgres, database: str, layout: Layout, filled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(rows(layout, capture_table.select())) == 7
    with Catalog(Place.of(layout)).writing():  # a writer of the one is not waited for by the other
        monkeypatch.setenv("ANDON_DATABASE_SCHEMA", f"{database}_b")
        other = Layout(layout.root / "b", layout.root / "b")
        add_batch(other, "b", {key(1): picture(1)})
        assert len(rows(other, capture_table.select())) == 1
        assert all(rebuild(other).values())
    monkeypatch.setenv("ANDON_DATABASE_SCHEMA", database)
    assert len(rows(layout, capture_table.select())) == 7


def test_a_rebuild_leaves_what_others_put_into_the_schema_and_nothing_of_its_own(
    server: Postgres, database: str, layout: Layout, filled: list[str]
) -> None:
    open_catalog(layout).close()
    server.sql(f"CREATE TABLE {database}.notes AS SELECT 'kept' AS words; CREATE SCHEMA {database}_rebuild")
    server.sql(f"ALTER SCHEMA {database}_rebuild OWNER TO andon")  # as one that was killed leaves it
    label(layout, (filled[0], "pit"))
    assert all(rebuild(layout).values())
    assert server.sql(f"SELECT words FROM {database}.notes") == "kept"
    assert server.sql(f"SELECT count(*) FROM pg_namespace WHERE nspname = '{database}_rebuild'") == "0"
