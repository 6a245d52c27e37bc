"""Backup of an SQLite file while it is written: the backup interface of SQLite, never a copy of files.

A PostgreSQL database is backed up with pg_dump or by its server's own means
(docs/how-to/back-up-and-restore.md).
"""

import os
from pathlib import Path
from urllib.parse import quote

from batches.errors import BadInput, StoreError
from orchestrator.store.database import read_address
from orchestrator.store.driver import sqlite
from orchestrator.store.sqlite import file_of


def back_up(url: str, path: Path) -> None:
    """Copy the record or historian at `url`, as of now, to the new file `path`; check the copy and sync it.

    One transaction is read; writing goes on beside it. Raises BadInput if the file exists or the database
    is not on SQLite, StoreError if the copy failed (the unfinished file is removed).
    """
    address = read_address(url)
    if address.get_backend_name() != "sqlite":
        raise BadInput("PostgreSQL is backed up with pg_dump; see docs/how-to/back-up-and-restore.md.")
    if path.exists():
        raise BadInput(f"The file {path} exists; a backup never overwrites one, name another.")
    part = path.with_name(path.name + ".part")
    try:
        _copy(file_of(address), part)
        os.replace(part, path)
        _sync(path.parent)
    except (sqlite.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise StoreError(
            f"The backup to {path} failed ({error}); free space or name another disk."
        ) from error


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    reading = sqlite.connect(f"file:{quote(str(source))}?mode=ro", uri=True)
    writing = sqlite.connect(str(target))
    try:
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode=DELETE")  # one file, complete in itself
        (verdict,) = writing.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise sqlite.DatabaseError(f"the copy is damaged: {verdict}")
    finally:
        writing.close()
        reading.close()
    _sync(target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
