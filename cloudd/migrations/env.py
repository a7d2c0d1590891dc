"""Alembic's entry: runs the revisions over the connection that schema.py hands it."""

from alembic import context
from alembic.runtime.migration import MigrationContext

from cloudd.kit.db import compare_exactly, metadata

connection = context.config.attributes["connection"]
if not MigrationContext.configure(connection).get_current_heads():
    compare_exactly(connection)
# Batch mode: SQLite cannot alter a column in place.
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
