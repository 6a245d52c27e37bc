"""What a database must do for the record, and which one an address names.

Two databases implement it: SQLite (sqlite.py) for one machine, PostgreSQL (postgresql.py) for a site.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import URL, Engine, Executable, make_url
from sqlalchemy.exc import ArgumentError

from batches.errors import BadInput, StoreError

Row = tuple[Any, ...]


class Transaction(Protocol):
    """A writer's open transaction, as projections see it."""

    def many(self, statement: Executable, rows: Sequence[Row]) -> None:
        """Run a Core statement once per row; a row holds the parameters in the statement's order."""
        ...


class Writing(Transaction, Protocol):
    """The one connection that writes the record. Used by one thread at a time."""

    epoch: int

    def renew(self) -> None:
        """Prolong the lease. Raises LeaseLost."""
        ...

    def lease_left(self) -> float:
        """Seconds for which nobody else can take the lease; infinite under a file lock."""
        ...

    def begin(self, streams: Sequence[str]) -> None:
        """Open a transaction under the lease, the heads of `streams` (sorted) locked."""
        ...

    def commit(self) -> None: ...
    def close(self) -> None:
        """Roll back what is open, give the lease back if it is still held, and disconnect."""
        ...

    def explain(self, error: Exception, committing: bool) -> StoreError:
        """One sentence about a failed write: what happened, whether it is known, what to do."""
        ...


class Database(Protocol):
    """A database that passed its checks."""

    name: str
    """What people call it: the file's path, or the address without the password."""
    reader: Engine

    def owner(self) -> Engine:
        """An engine that may change tables: for migrations and rebuilding projections only."""
        ...

    def write(self, owner: str) -> Writing:
        """Take the lease under a new epoch. Raises LeaseLost if somebody else holds it."""
        ...


class LeaseLost(StoreError):
    """Another process writes this record, or has taken it over."""


def database_at(url: str, *, lease_seconds: float = 10.0) -> Database:
    """The record's database at `sqlite:///path` or `postgresql://…`, checked. Raises BadInput, StoreError."""
    address = read_address(url)
    if address.get_backend_name() == "sqlite":
        from orchestrator.store.sqlite import SqliteDatabase

        return SqliteDatabase(address)
    from orchestrator.store.postgresql import PostgresDatabase

    return PostgresDatabase(address, lease_seconds)


def historian_engine(url: str) -> Engine:
    """An engine for the historian's tables, migrated. Raises BadInput, StoreError.

    Its commits need not be durable at once: nothing that decides anything rests on a reading in a table.
    """
    address = read_address(url)
    if address.get_backend_name() == "sqlite":
        from orchestrator.store.sqlite import sqlite_historian

        return sqlite_historian(address)
    from orchestrator.store.postgresql import postgres_historian

    return postgres_historian(address)


def read_address(url: str) -> URL:
    """A database address that Kweek supports. Raises BadInput."""
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise BadInput(
            "The database address cannot be read; write sqlite:///path/to/kweek.db or postgresql://user@host/name."
        ) from error
    if address.get_backend_name() not in ("sqlite", "postgresql"):
        raise BadInput(
            f"The database '{address.get_backend_name()}' is not supported; use sqlite:///… or postgresql://…."
        )
    return address


def first_line(error: object) -> str:
    """What a database says, without its further lines: it goes into a sentence."""
    return (str(error).splitlines() or ["no reason given"])[0]
