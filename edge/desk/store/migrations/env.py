"""Runs the versions on the connection that `edge.desk.store.database` hands over.

Alembic executes this file itself; nothing imports it.
"""

from __future__ import annotations

from alembic import context

from edge.desk.store.tables import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
# The caller has begun the transaction: either all tables are made, or none.
context.run_migrations()
