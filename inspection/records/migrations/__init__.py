"""How the catalog's tables came to be what they are, step by step (Alembic)."""

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select

from inspection.errors import FixSettings

REVISIONS = ("0001", "0002")  # in versions/; the last is what inspection/records/schema.py declares
revision_table = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def revision(connection: Connection) -> str | None:
    """The revision of the tables; None where there are none, or none with a revision."""
    if not inspect(connection).has_table(revision_table.name):
        return None
    return connection.scalar(select(revision_table.c.version_num))


def upgrade(connection: Connection, metadata: MetaData) -> None:
    """Make the tables, or bring those of an earlier version up to date, in the transaction of `connection`.

    Raises:
        FixSettings: a later version made them.
    """
    found = revision(connection)
    if found == REVISIONS[-1]:
        return
    if found not in (None, *REVISIONS):
        raise FixSettings(
            f"A later version of Andon made the catalog (revision {found}; this one knows {REVISIONS[-1]}): "
            "update this one, or fold the catalog anew with `andon catalog rebuild`."
        )
    if inspect(connection).has_table(metadata.sorted_tables[0].name):
        _step_up(connection, found)
    else:
        metadata.create_all(connection)
        revision_table.create(connection)
        connection.execute(insert(revision_table), {"version_num": REVISIONS[-1]})


def _step_up(connection: Connection, found: str | None) -> None:
    from alembic import command  # 0.2 s that only an upgrade costs
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    if found is None:  # from before there were revisions
        command.stamp(config, REVISIONS[0])
    command.upgrade(config, REVISIONS[-1])
