"""The record in a database: `DatabaseStore`, the port's implementation that plants run on."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from batches.entries import Entry
from batches.errors import StoreError
from orchestrator.store import migrate
from orchestrator.store.backup import back_up
from orchestrator.store.bell import Bell
from orchestrator.store.database import Database, Writing, database_at, first_line
from orchestrator.store.heads import load_heads
from orchestrator.store.port import Item, Reply, Submission
from orchestrator.store.reader import Reader
from orchestrator.store.rebuild import bring_up_to_date
from orchestrator.store.replies import RecentReplies
from orchestrator.store.sealing import Heads, Salt, random_salts
from orchestrator.store.writer import Work, Writer

LEASE_SECONDS = 10.0
"""How long a lease lasts on PostgreSQL; it is renewed three times in that time."""


def _nobody(failure: StoreError) -> None:
    return


class DatabaseStore:
    """The record at `sqlite:///path` or `postgresql://…`, opened to write.

    Opening checks the database, takes the lease (raising the epoch), migrates, compares every head with
    the last entry of its stream, and fills anew each projection whose version changed (all of them if
    `rebuild`). `owner` says in sentences who writes. `on_failure` is called once, in the writing thread,
    when writing has stopped. `submit`, `pending` and `head` belong to the thread of one event loop;
    reading to worker threads. Raises BadInput for the address, StoreError or RecordError for what stands
    in the way.
    """

    def __init__(
        self, url: str, owner: str = "kweek", *, lease_seconds: float = LEASE_SECONDS, salt: Salt | None = None,
        rebuild: bool = False, on_failure: Callable[[StoreError], None] = _nobody,
    ):  # fmt: skip
        self._url = url
        self._database = database_at(url, lease_seconds=lease_seconds)
        self._reader = Reader(self._database.reader)
        self._replies = RecentReplies()
        self._salt, self._pending, self._closed = salt or random_salts(), 0, False
        self._bell: Bell | None = None
        self._told: deque[tuple[Sequence[Work], StoreError | None]] = deque()
        self._connection = _take_over(self._database, owner)
        try:
            self._heads = Heads(load_heads(self._database.reader))
            bring_up_to_date(self._connection, self._reader, every=rebuild)
        except BaseException:
            self._connection.close()
            self._reader.close()
            raise
        self._writer = Writer(self._connection, lease_seconds / 3, self._tell, on_failure)

    @property
    def failure(self) -> StoreError | None:
        """Why writing has stopped, or None."""
        return self._writer.failure

    @property
    def epoch(self) -> int:
        """Rises with every opening: what tells a command of this process from one of an earlier process."""
        return self._connection.epoch

    @property
    def commits(self) -> int:
        """How many transactions were committed since opening."""
        return self._writer.commits

    def lease_left(self) -> float:
        """Seconds for which no other process can take over; act on no device when it is below zero."""
        return self._connection.lease_left()

    def submit(self, item: Item) -> Submission:
        """Seal and queue. Raises Conflict, BadInput (nothing happened), StoreError once writing has stopped.
        See the port. How much may wait is for the engine to say, before it decides anything."""
        self._check_open()
        loop = self._listen()
        if item.reply is not None:
            self._replies.check(item.reply)
        sealed = self._heads.seal(item, self._salt)
        if item.reply is not None:
            self._replies.remember(item.reply)
        durable = loop.create_future()
        self._pending += 1
        self._writer.put(Work(sealed, item.reply, durable))
        return Submission(tuple([part.entry for part in sealed]), durable)

    def _check_open(self) -> None:
        if self._writer.failure is not None:
            raise StoreError(str(self._writer.failure))
        if self._closed:
            raise StoreError("The record is closed; open it again to write.")

    def _listen(self) -> asyncio.AbstractEventLoop:
        """The running loop, with a bell the writer rings in it."""
        loop = asyncio.get_running_loop()
        if self._bell is None or self._bell.loop is not loop:
            if self._bell is not None:
                if not self._bell.loop.is_closed():
                    raise StoreError("The record is written from another event loop; submit from that one.")
                self._bell.close()
            self._bell = Bell(loop, self._resolve)
        return loop

    def _tell(self, group: Sequence[Work], failure: StoreError | None) -> None:
        """Called in the writing thread: have the group resolved in the loop that waits for it."""
        self._told.append((group, failure))
        if self._bell is not None:
            self._bell.ring()

    def _resolve(self) -> None:
        while self._told:
            group, failure = self._told.popleft()
            self._pending -= len(group)
            for work in group:
                if work.durable.done():  # cancelled by who waited; the entries are on disk all the same
                    continue
                if failure is None:
                    work.durable.set_result(None)
                else:
                    work.durable.set_exception(StoreError(str(failure)))

    def pending(self) -> int:
        return self._pending

    def head(self, stream: str) -> int:
        return self._heads.number(stream)

    def read(self, stream: str, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        return self._reader.read(stream, after, limit)

    def streams(self, prefix: str) -> Sequence[str]:
        return self._reader.streams(prefix)

    def unsettled(self) -> Sequence[str]:
        return self._reader.unsettled()

    def reply(self, scope: str, key: str) -> Reply | None:
        return self._reader.reply(scope, key)

    def holds(self, entries: Sequence[Entry]) -> bool:
        """Whether these very entries are on disk: what an unknown COMMIT did, asked after reopening."""
        return self._reader.holds(entries)

    def backup(self, path: Path) -> None:
        """Copy the record, as of now, to a new file while writing goes on (SQLite only). See backup.py."""
        back_up(self._url, path)

    def close(self) -> None:
        """Write what is queued, stop, give the lease back. Calling it again does nothing."""
        if not self._closed:
            self._closed = True
            self._writer.close()
            self._reader.close()
            self._stop_listening()

    def _stop_listening(self) -> None:
        if self._bell is None:
            return
        loop = self._bell.loop
        if loop.is_closed():  # nobody waits any more
            self._bell.close()
        elif loop is _running():
            self._resolve()
            self._bell.close()
        else:
            loop.call_soon_threadsafe(self._resolve)
            loop.call_soon_threadsafe(self._bell.close)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _take_over(database: Database, owner: str) -> Writing:
    """The writing connection, under the lease, on tables of the newest revision."""
    engine = database.owner()
    try:
        migrate.refuse_newer(engine, migrate.RECORD)
        if migrate.revision(engine, migrate.RECORD) is None:
            migrate.upgrade(engine, migrate.RECORD)  # no lease to take yet
        connection = database.write(owner)
        try:
            migrate.upgrade(engine, migrate.RECORD)
        except BaseException:
            connection.close()
            raise
        return connection
    except DBAPIError as error:
        raise StoreError(
            f"The record in {database.name} cannot be opened: {first_line(error.orig)}; look at the database and its log."
        ) from error
    finally:
        engine.dispose()
