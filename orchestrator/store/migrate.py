"""Brings a database to the tables this software knows, with alembic, at open.

There are two lines of migrations, one per database: the record and the historian. A database that newer
software has written is refused: it is never downgraded.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

from sqlalchemy import Connection, Engine, inspect, text

from batches.errors import StoreError

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of migrations: its folder, its schema on PostgreSQL, its newest revision."""

    folder: str
    schema: str
    newest: str


RECORD = Line("record", "kweek", "record_0001")
HISTORIAN = Line("historian", "historian", "historian_0002")

ROLES: LiteralString = """
DO $$
BEGIN
    IF to_regrole('kweek_owner') IS NULL THEN CREATE ROLE kweek_owner NOLOGIN; END IF;
    IF to_regrole('kweek_application') IS NULL THEN CREATE ROLE kweek_application NOLOGIN; END IF;
    IF to_regrole('kweek_auditor') IS NULL THEN CREATE ROLE kweek_auditor NOLOGIN; END IF;
END $$;
"""


def revision(engine: Engine, line: Line) -> str | None:
    """The revision the database is stamped with; None for an empty one."""
    with engine.connect() as connection:
        return _revision(connection, line)


def refuse_newer(engine: Engine, line: Line) -> None:
    """Raises StoreError if the database was written by newer software than this."""
    found = revision(engine, line)
    if found not in (None, line.newest) and found not in _known(line):
        raise StoreError(
            f"The database is at revision {found}, which this Kweek does not know; a newer Kweek wrote it:"
            " install that one, or restore a backup made before the upgrade."
        )


def upgrade(engine: Engine, line: Line) -> None:
    """Migrate to the newest revision in one transaction; nothing is done if it is there already."""
    if revision(engine, line) == line.newest:
        return
    with engine.begin() as connection:
        schema = None
        if connection.dialect.name == "postgresql":
            schema = line.schema
            _prepare_postgresql(connection, line)
        if _revision(connection, line) != line.newest:  # another process may have been first
            _run(connection, line, schema)
            if schema is not None:
                connection.execute(
                    text("GRANT SELECT ON alembic_version TO kweek_application, kweek_auditor")
                )


def _revision(connection: Connection, line: Line) -> str | None:
    schema = line.schema if connection.dialect.name == "postgresql" else None
    if not inspect(connection).has_table("alembic_version", schema=schema):
        return None
    table = "alembic_version" if schema is None else f"{schema}.alembic_version"
    return connection.execute(text(f"SELECT version_num FROM {table}")).scalar()


def _prepare_postgresql(connection: Connection, line: Line) -> None:
    """Roles and schema, once; then everything that is made belongs to the owner role."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('kweek migrations'))"))
    connection.execute(text(ROLES))
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {line.schema} AUTHORIZATION kweek_owner"))
    connection.execute(text("SET LOCAL ROLE kweek_owner"))
    connection.execute(text(f"SET LOCAL search_path TO {line.schema}"))
    connection.execute(text(f"GRANT USAGE ON SCHEMA {line.schema} TO kweek_application, kweek_auditor"))


def _run(connection: Connection, line: Line, schema: str | None) -> None:
    from alembic import command  # imported only when there is something to migrate: it is slow to load

    config = _config(line)
    config.attributes.update(connection=connection, schema=schema)
    command.upgrade(config, "head")


def _known(line: Line) -> set[str]:
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory.from_config(_config(line)).walk_revisions()}


def _config(line: Line) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / line.folder))
    return config
