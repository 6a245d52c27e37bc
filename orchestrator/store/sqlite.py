"""The record in one SQLite file: settings, file lock, and the connection that writes.

Settings are set and read back; a setting that did not take is an error, since every promise about power
cuts rests on them. The wheel of pysqlite3 brings the SQLite; its version passes the gate below or Kweek
does not start.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from sqlalchemy import URL, Engine, Executable, create_engine, event

from batches.errors import BadInput, StoreError
from orchestrator.store.compiled import Compiled
from orchestrator.store.database import LeaseLost, Row
from orchestrator.store.driver import sqlite
from orchestrator.store.filelock import lock, unlock
from orchestrator.store.guard import guard
from orchestrator.store.migrate import HISTORIAN, upgrade

Settings: TypeAlias = Mapping[str, tuple[str, Any]]
SETTINGS: Settings = {
    "journal_mode": ("WAL", "wal"),
    "synchronous": ("FULL", 2),
    "foreign_keys": ("ON", 1),
    "recursive_triggers": ("ON", 1),
    "cell_size_check": ("ON", 1),
    "trusted_schema": ("OFF", 0),
    "mmap_size": ("0", 0),
    "busy_timeout": ("5000", 5000),
}
"""Pragma, what is set, and what must be read back."""

LEASE = "writer"


def sound(version: tuple[int, ...]) -> bool:
    """Whether this SQLite is free of the WAL-reset bug (found March 2026; fixed in 3.51.3, 3.50.7, 3.44.6;
    3.52.0 was withdrawn)."""
    return (
        (version >= (3, 51, 3) and version != (3, 52, 0))
        or (3, 50, 7) <= version < (3, 51, 0)
        or (3, 44, 6) <= version < (3, 45, 0)
    )


def check_version(version: str = sqlite.sqlite_version) -> None:
    """Raises StoreError for a SQLite that can lose committed data."""
    if not sound(tuple(int(part) for part in version.split("."))):
        raise StoreError(
            f"SQLite {version} can lose committed data (WAL-reset bug); install pysqlite3 with SQLite 3.51.3 or later."
        )


def configure(connection: sqlite.Connection, settings: Settings = SETTINGS) -> None:
    """Set and read back every setting of a new connection. Raises StoreError for one that did not take."""
    for name, (value, expected) in settings.items():
        try:
            connection.execute(f"PRAGMA {name}={value}").fetchall()
            (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        except sqlite.DatabaseError as error:
            raise StoreError(
                f"The file cannot be opened as an SQLite database ({error}); name another, or restore a backup."
            ) from error
        if found != expected:
            raise StoreError(
                f"SQLite did not take {name}={value} (it says {found!r}); the record needs a local disk that can."
            )


def sqlite_engine(path: Path, begin: str, settings: Settings = SETTINGS, *, create: bool = True) -> Engine:
    """An engine whose connections are configured and whose transactions start with `begin`.

    Without `create` a file that is not there is an error, not an empty database.
    """
    mode = {"mode": "rwc" if create else "rw", "uri": "true"}
    engine = create_engine(
        URL.create("sqlite", database=f"file:{quote(str(path))}", query=mode),
        module=sqlite,
        connect_args={"isolation_level": None, "check_same_thread": False},
    )
    event.listen(engine, "connect", lambda connection, _: configure(connection, settings))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def sqlite_historian(address: URL) -> Engine:
    """The historian's file, migrated. A power cut may cost it the last commits, never its soundness."""
    check_version()
    engine = sqlite_engine(file_of(address), "BEGIN IMMEDIATE", {**SETTINGS, "synchronous": ("NORMAL", 1)})
    upgrade(engine, HISTORIAN)
    return engine


def file_of(address: URL) -> Path:
    """The file an address names. Raises BadInput if it names none, StoreError if its folder is missing."""
    if not address.database or address.database == ":memory:":
        raise BadInput("The database needs a file; write sqlite:///path/to/kweek.db.")
    path = Path(address.database).absolute()
    if not path.parent.is_dir():
        raise StoreError(
            f"The folder {path.parent} does not exist; make it, or name another for the database."
        )
    return path


class SqliteDatabase:
    """One file on a local disk, written by one process."""

    def __init__(self, address: URL):
        check_version()
        self.path = file_of(address)
        self.name = str(self.path)
        self.reader = sqlite_engine(self.path, "BEGIN", create=False)
        event.listen(self.reader, "connect", _only_read)

    def owner(self) -> Engine:
        return sqlite_engine(self.path, "BEGIN IMMEDIATE")

    def write(self, owner: str) -> "SqliteWriting":
        return SqliteWriting(self.path, owner)


def _only_read(connection: Any, _: object) -> None:
    connection.execute("PRAGMA query_only=ON")


class SqliteWriting:
    """The connection that writes, under a file lock and an epoch that every transaction checks."""

    def __init__(self, path: Path, owner: str):
        self._path = path
        self._lock = lock(path, owner)
        self._compiled = Compiled("sqlite")
        try:
            self._connection = sqlite.connect(str(path), isolation_level=None, check_same_thread=False)
            configure(self._connection)
            guard(self._connection)
            self._cursor = self._connection.cursor()
            self.epoch = self._raise_epoch(owner)
        except BaseException as error:
            unlock(self._lock)
            if isinstance(error, sqlite.Error):
                raise StoreError(f"The record {path} cannot be opened for writing: {error}.") from error
            raise

    def _raise_epoch(self, owner: str) -> int:
        """A restart raises the epoch, so that devices can tell commands of the old process."""
        run = self._cursor.execute
        run("BEGIN IMMEDIATE")
        if run("SELECT 1 FROM lease WHERE name = ?", (LEASE,)).fetchone() is None:
            run("INSERT INTO lease (name, owner, epoch) VALUES (?, ?, 0)", (LEASE, owner))
        (epoch,) = run(
            "UPDATE lease SET epoch = epoch + 1, owner = ? WHERE name = ? RETURNING epoch", (owner, LEASE)
        ).fetchone()
        run("COMMIT")
        return epoch

    def renew(self) -> None:
        return

    def lease_left(self) -> float:
        return math.inf

    def begin(self, streams: Sequence[str]) -> None:
        self._cursor.execute("BEGIN IMMEDIATE")
        held = self._cursor.execute(
            "SELECT 1 FROM lease WHERE name = ? AND epoch = ?", (LEASE, self.epoch)
        ).fetchone()
        if held is None:
            raise LeaseLost(
                f"Another process has taken over the record {self._path}; this one has stopped writing."
            )

    def many(self, statement: Executable, rows: Sequence[Row]) -> None:
        self._cursor.executemany(self._compiled.text(statement), rows)

    def commit(self) -> None:
        self._cursor.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()
        unlock(self._lock)

    def explain(self, error: Exception, committing: bool) -> StoreError:
        if isinstance(error, StoreError):
            return error
        code = getattr(error, "sqlite_errorname", "")
        known = (
            "nobody knows yet whether the last entries are recorded"
            if committing
            else "the last entries were not recorded"
        )
        if code == "SQLITE_FULL":
            return StoreError(
                f"The disk that holds {self._path} is full and {known}; free space, then start Kweek again."
            )
        return StoreError(
            f"Writing {self._path} failed ({error}; {code or type(error).__name__}) and {known}; check the disk, then start Kweek again."
        )
