"""Alembic's entry: runs the revisions on the connection that `migrate` hands over.

There is no other way in: no ini file, no URL, no offline mode. The connection has begun its
transaction already, so that a migration is whole or not there at all. Where the database takes
another form of DDL than the revisions are written in, whoever connected translates.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
