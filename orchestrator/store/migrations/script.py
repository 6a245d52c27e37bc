"""Runs the SQL file of a migration for the database at hand, in the migration's transaction."""

from collections.abc import Iterator
from pathlib import Path

from alembic import op

from orchestrator.store.driver import sqlite


def run(migration: str) -> None:
    """Run `<migration>.<dialect>.sql`, where `migration` is the path of the migration file."""
    connection = op.get_bind()
    sql = Path(migration).with_suffix(f".{connection.dialect.name}.sql").read_text(encoding="utf-8")
    cursor = connection.connection.cursor()
    if connection.dialect.name == "postgresql":
        cursor.execute(sql)
    else:
        for statement in statements(sql):
            cursor.execute(statement)
    cursor.close()


def statements(sql: str) -> Iterator[str]:
    """The statements of an SQLite script, triggers whole: the driver's own script call would commit first."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite.complete_statement(statement):
            yield statement
            statement = ""
