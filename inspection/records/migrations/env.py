"""Alembic runs this; the connection and its transaction are the catalog's."""

from alembic import context

from inspection.records.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
