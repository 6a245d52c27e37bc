"""What alembic runs: the migrations of one line, on the connection and in the transaction it is given."""

from alembic import context

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    version_table_schema=attributes["schema"],
    transactional_ddl=True,
)
context.run_migrations()
