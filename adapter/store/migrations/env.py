"""Run by Alembic inside the connection and the transaction that `schema.upgrade` opened."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=False)  # the transaction is ours, around all revisions
context.run_migrations()
