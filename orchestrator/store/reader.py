"""Reading the record: durable entries, stream names, replies. Needs no lease; any process may.

Entries are fetched a page at a time, each page in a transaction of its own, so that a slow reader holds
nothing open.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine, Executable, and_, select, tuple_, union
from sqlalchemy.exc import DBAPIError

from batches.entries import Entry, leaf_hash, read
from batches.errors import StoreError
from orchestrator.store.database import first_line
from orchestrator.store.port import Reply
from orchestrator.store.tables import audit_index, batch_now, body, entry, head, projection, reply

PAGE = 500

_entries = select(
    entry.c.number, entry.c.kind, entry.c.leaf, entry.c.leaf_hash, body.c.salt, body.c.body
).select_from(entry.outerjoin(body, and_(body.c.stream == entry.c.stream, body.c.number == entry.c.number)))
_everything = _entries.order_by(entry.c.stream, entry.c.number)


_unsettled = union(
    select(batch_now.c.batch).where(batch_now.c.state != "Complete"),
    select(audit_index.c.batch).where(
        audit_index.c.kind == "departure_decided", audit_index.c.batch.is_not(None)
    ),
).order_by("batch")


class Stored(NamedTuple):
    """An entry as it lies on disk. `salt` and `body` are None after an erasure."""

    number: int
    kind: str
    leaf: bytes
    leaf_hash: str
    salt: str | None
    body: bytes | None


class Reader:
    """What the database holds. Call it from a worker thread, not the event loop."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._closed = False

    def close(self) -> None:
        self._closed = True
        self._engine.dispose()

    def read(self, stream: str, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        """The entries of a stream with numbers above `after`, at most `limit`, in order."""
        for row in self.stored(stream, after, limit):
            yield read(row.leaf, row.salt, row.body)

    def stored(self, stream: str, after: int = 0, limit: int | None = None) -> Iterator[Stored]:
        """The same as the bytes on disk, for verification and export."""
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            query = (
                _entries.where(entry.c.stream == stream, entry.c.number > after)
                .order_by(entry.c.number)
                .limit(size)
            )
            rows = self._fetch(query)
            yield from (Stored(*row) for row in rows)
            if len(rows) < size:
                return
            after = rows[-1].number
            left = None if left is None else left - len(rows)

    def streams(self, prefix: str) -> Sequence[str]:
        """The names of the streams that begin with `prefix`, in the order of their UTF-8 bytes."""
        query = select(head.c.stream).order_by(head.c.stream)
        if prefix:
            query = query.where(head.c.stream >= prefix, head.c.stream < _after_all(prefix))
        return [name for (name,) in self._fetch(query)]

    def unsettled(self) -> Sequence[str]:
        """See the port."""
        return [number for (number,) in self._fetch(_unsettled)]

    def reply(self, scope: str, key: str) -> Reply | None:
        rows = self._fetch(select(reply).where(reply.c.scope == scope, reply.c.key == key))
        return Reply(*rows[0]) if rows else None

    def holds(self, entries: Sequence[Entry]) -> bool:
        """Whether every one of these entries is on disk as it was sealed."""
        return all(self._has(found) for found in entries)

    def _has(self, found: Entry) -> bool:
        query = select(entry.c.leaf_hash).where(
            entry.c.stream == found.stream, entry.c.number == found.number
        )
        return self._fetch(query) == [(leaf_hash(found.leaf()),)]

    def everything(self) -> Iterator[Sequence[Entry]]:
        """All entries in runs, ordered by stream and number."""
        place = ("", 0)
        while True:
            rows = self._fetch(
                _everything.where(tuple_(entry.c.stream, entry.c.number) > tuple_(*place)).limit(PAGE)
            )
            if not rows:
                return
            run = [read(row.leaf, row.salt, row.body) for row in rows]
            yield run
            place = (run[-1].stream, run[-1].number)

    def projections(self) -> dict[str, int]:
        """Which version filled each projection."""
        return dict(self._fetch(select(projection.c.name, projection.c.version)))

    def _fetch(self, query: Executable) -> Sequence[Any]:
        if self._closed:
            raise StoreError("The record is closed; open it again to read.")
        try:
            with self._engine.connect() as connection:
                return connection.execute(query).all()
        except DBAPIError as error:
            raise StoreError(
                f"The record cannot be read: {first_line(error.orig)}; check that the database runs and its disk is sound."
            ) from error


def _after_all(prefix: str) -> str:
    """The smallest text above every text that begins with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
