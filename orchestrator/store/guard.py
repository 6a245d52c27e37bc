"""What the writing connection may do to an SQLite file, whatever code runs on it.

The triggers refuse changes to the record; this refuses to remove the triggers. It holds in this process
only: who owns the file can do all with other tools, and only evidence kept elsewhere shows it.
"""

from orchestrator.store.driver import sqlite

RECORD = frozenset({"entry", "body", "reply"})
KEPT = RECORD | {"head", "lease"}
"""Tables from which nothing is deleted; of these only head and lease are updated, as their triggers allow."""

ALLOWED = frozenset({
    sqlite.SQLITE_SELECT, sqlite.SQLITE_READ, sqlite.SQLITE_INSERT, sqlite.SQLITE_TRANSACTION,
    sqlite.SQLITE_SAVEPOINT, sqlite.SQLITE_FUNCTION, sqlite.SQLITE_RECURSIVE,
})  # fmt: skip


def guard(connection: sqlite.Connection) -> None:
    """Refuse DROP, ALTER, ATTACH, PRAGMA and every change of a kept table on this connection from now on."""
    connection.set_authorizer(_decide)


def _decide(
    action: int, table: str | None, column: str | None, database: str | None, trigger: str | None
) -> int:
    if action in ALLOWED:
        allowed = table not in ("sqlite_master", "sqlite_schema") or action in (
            sqlite.SQLITE_READ,
            sqlite.SQLITE_SELECT,
        )
    elif action == sqlite.SQLITE_UPDATE:
        allowed = table not in RECORD
    elif action == sqlite.SQLITE_DELETE:
        allowed = table not in KEPT
    else:
        allowed = False
    return sqlite.SQLITE_OK if allowed else sqlite.SQLITE_DENY
