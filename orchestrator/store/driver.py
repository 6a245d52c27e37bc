"""SQLite's driver: pysqlite3, whose wheel brings a SQLite of a sound version (docs/decisions/0012)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3 as sqlite  # the same interface, with types
else:
    from pysqlite3 import dbapi2 as sqlite

__all__ = ["sqlite"]
