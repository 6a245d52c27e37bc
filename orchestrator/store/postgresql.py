"""The record in PostgreSQL: settings that must hold, the lease, and the connection that writes.

A commit is one round trip: the lease and the heads are checked by a function of the database that raises
(migrations/postgresql.sql), so that everything up to COMMIT can be sent at once.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, LiteralString

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Engine, Executable, create_engine, event
from sqlalchemy.exc import OperationalError

from batches.errors import StoreError
from orchestrator.store.compiled import Compiled
from orchestrator.store.database import LeaseLost, Row, first_line
from orchestrator.store.migrate import HISTORIAN, RECORD, Line, upgrade

APPLICATION = "kweek_application"
OWNER = "kweek_owner"
AUDITOR = "kweek_auditor"
LEASE = "writer"

SETTINGS: dict[str, frozenset[str]] = {
    "fsync": frozenset({"on"}),
    "full_page_writes": frozenset({"on"}),
    "synchronous_commit": frozenset({"on", "remote_apply"}),
    "data_checksums": frozenset({"on"}),
    "server_encoding": frozenset({"UTF8"}),
    "in_hot_standby": frozenset({"off"}),
    "session_replication_role": frozenset({"origin"}),
}
"""What `SHOW` must say: committed means on disk, damage is noticed, and this is not a replica."""

LEASE_LOST = "KW001"
OUT_OF_ORDER = "KW002"


def check_settings(connection: "psycopg.Connection[Any]") -> None:
    """Raises StoreError for a server that may lose what it acknowledged."""
    for name, allowed in SETTINGS.items():
        found = connection.execute(f"SHOW {name}".encode()).fetchone()
        if found is None or found[0] not in allowed:
            raise StoreError(
                f"PostgreSQL runs with {name} = {found and found[0]}; the record needs {' or '.join(sorted(allowed))}."
            )


def act_as(role: str, line: Line, *settings: LiteralString) -> Any:
    """What a new connection does first: take a role and a line's schema, and other settings."""

    def prepare(connection: "psycopg.Connection[Any]", _: object) -> None:
        connection.execute(f"SET ROLE {role}".encode())
        connection.execute(f"SET search_path TO {line.schema}".encode())
        for setting in settings:
            connection.execute(setting)
        connection.commit()

    return prepare


def check_role(connection: "psycopg.Connection[Any]") -> None:
    """Raises StoreError if the user may not act as the application (once its role exists)."""
    user = connection.info.user
    found = connection.execute(
        "SELECT to_regrole(%s) IS NULL OR pg_has_role(to_regrole(%s), 'MEMBER')", (APPLICATION, APPLICATION)
    ).fetchone()
    if found != (True,):
        raise StoreError(
            f"The database user {user} may not act as {APPLICATION}; as the database's administrator run:"
            f" GRANT {APPLICATION} TO {user}."
        )


def postgres_engine(address: URL, prepare: Any = None) -> Engine:
    """An engine whose connections are prepared by `prepare`, or are just the user who signed in."""
    engine = create_engine(
        address.set(drivername="postgresql+psycopg"),
        connect_args={"connect_timeout": 10, "application_name": "kweek"},
        pool_pre_ping=True,
    )
    if prepare is not None:
        event.listen(engine, "connect", prepare)
    return engine


def postgres_historian(address: URL) -> Engine:
    """The historian's schema, migrated. A crash may cost it the commits of the last second."""
    owner = postgres_engine(address)
    try:
        upgrade(owner, HISTORIAN)
    except OperationalError as error:
        raise unreachable(address, error) from error
    finally:
        owner.dispose()
    return postgres_engine(address, act_as(APPLICATION, HISTORIAN, "SET synchronous_commit TO off"))


def unreachable(address: URL, error: OperationalError) -> StoreError:
    """The sentence for a server that does not answer."""
    name = address.render_as_string(hide_password=True)
    return StoreError(
        f"The database {name} cannot be reached ({first_line(error.orig)}); start it or correct the address."
    )


class PostgresDatabase:
    """One database of a PostgreSQL server, written by the holder of the lease."""

    def __init__(self, address: URL, lease_seconds: float):
        self.address = address
        self.name = address.render_as_string(hide_password=True)
        self._lease_seconds = lease_seconds
        self.reader = postgres_engine(address, act_as(APPLICATION, RECORD))
        admin = postgres_engine(address)
        try:
            with admin.connect() as connection:
                driver = _raw(connection.connection.driver_connection)
                check_settings(driver)
                check_role(driver)
        except OperationalError as error:
            raise unreachable(address, error) from error
        finally:
            admin.dispose()

    def owner(self) -> Engine:
        """Acts as the signed-in user: the migration makes the roles first and then takes the owner's."""
        return postgres_engine(self.address)

    def write(self, owner: str) -> "PostgresWriting":
        return PostgresWriting(self, owner, self._lease_seconds)


class PostgresWriting:
    """The connection that writes, under a lease with an epoch that every transaction checks.

    It stays in pipeline mode: a transaction is sent whole and its answers are read once, at the end.
    """

    def __init__(self, database: PostgresDatabase, owner: str, seconds: float):
        self._name = database.name
        self._owner = owner
        self._seconds = seconds
        self._compiled = Compiled("postgresql")
        self._connection = _connection_of(postgres_engine(database.address, act_as(APPLICATION, RECORD)))
        self._connection.autocommit = True
        # A holder that is stopped in the middle of a transaction must not keep its locks for ever.
        self._connection.execute(f"SET idle_in_transaction_session_timeout TO {int(seconds * 1000)}".encode())
        self._cursor = self._connection.cursor()
        self._pipeline = self._connection.pipeline()
        try:
            self.epoch = self._take()
        except BaseException:
            self._connection.close()
            raise
        self._open = self._pipeline.__enter__()

    def _take(self) -> int:
        """Take the lease; wait for an old one to run out, if need be, for twice its length."""
        deadline = time.monotonic() + 2 * self._seconds
        while True:
            self._asked = time.monotonic()
            epoch = self._ask("SELECT take_lease(%s, %s, %s)", LEASE, self._owner, self._seconds)
            if epoch is not None:
                return epoch
            if time.monotonic() > deadline:
                raise LeaseLost(
                    f"The record in {self._name} is written by {self._holder()}; stop that first."
                )
            time.sleep(min(0.2, self._seconds / 5))

    def _ask(self, query: LiteralString, *parameters: object) -> Any:
        row = self._cursor.execute(query, parameters, prepare=True).fetchone()
        return None if row is None else row[0]

    def _holder(self) -> str:
        return self._ask("SELECT owner FROM lease WHERE name = %s", LEASE) or "another process"

    def renew(self) -> None:
        asked = time.monotonic()
        if self._ask("SELECT renew_lease(%s, %s, %s)", LEASE, self.epoch, self._seconds) is not True:
            raise LeaseLost(
                f"{self._holder()} has taken over the record in {self._name}; this process has stopped writing."
            )
        self._open.sync()
        self._asked = asked

    def lease_left(self) -> float:
        return self._asked + self._seconds - time.monotonic()

    def begin(self, streams: Sequence[str]) -> None:
        self._cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", prepare=True)
        self._cursor.execute("SELECT hold(%s, %s, %s)", (LEASE, self.epoch, list(streams)), prepare=True)

    def many(self, statement: Executable, rows: Sequence[Row]) -> None:
        self._cursor.executemany(self._compiled.text(statement).encode(), rows)

    def commit(self) -> None:
        self._cursor.execute("COMMIT", prepare=True)
        self._open.sync()
        if self._cursor.statusmessage != "COMMIT":
            raise StoreError(
                f"{self._name} answered COMMIT with {self._cursor.statusmessage}; the last entries were not recorded."
            )

    def close(self) -> None:
        """Give the lease back if the connection still works, and disconnect."""
        try:
            if self._connection.info.transaction_status == TransactionStatus.IDLE:
                self._ask("SELECT release_lease(%s, %s)", LEASE, self.epoch)
                self._open.sync()
        finally:
            with suppress(psycopg.Error):  # of a broken connection nothing is left to end
                self._pipeline.__exit__(None, None, None)
            self._connection.close()

    def explain(self, error: Exception, committing: bool) -> StoreError:
        if isinstance(error, StoreError):
            return error
        if isinstance(error, psycopg.Error) and error.sqlstate == LEASE_LOST:
            return LeaseLost(
                f"Another process has taken over the record in {self._name}; this one has stopped writing."
            )
        lost = committing and self._connection.broken
        known = (
            "nobody knows yet whether the last entries are recorded"
            if lost
            else "the last entries were not recorded"
        )
        if isinstance(error, errors.DiskFull):
            return StoreError(
                f"The disk that holds {self._name} is full and {known}; free space, then start Kweek again."
            )
        if self._connection.broken:
            return StoreError(
                f"The connection to {self._name} broke ({first_line(error)}) and {known}; start the database, then start Kweek again."
            )
        return StoreError(
            f"{self._name} refused a write ({first_line(error)}) and {known}; look at the server's log, then start Kweek again."
        )


def _connection_of(engine: Engine) -> "psycopg.Connection[Any]":
    """A connection of its own, out of the engine's pool."""
    pooled = engine.raw_connection()
    found = _raw(pooled.driver_connection)
    pooled.detach()
    return found


def _raw(connection: object) -> "psycopg.Connection[Any]":
    if not isinstance(connection, psycopg.Connection):
        raise TypeError(f"a psycopg connection, not {type(connection).__name__}")
    return connection
