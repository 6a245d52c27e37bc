"""The writing thread: one connection, many submissions to a commit.

It takes all that is queued, writes it in one transaction and tells the event loop once. Any error stops
it for good: what was not acknowledged fails with a StoreError, and nothing is tried again.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple

from sqlalchemy import insert

from batches.errors import StoreError
from orchestrator.store.database import Writing
from orchestrator.store.port import Reply
from orchestrator.store.projections import project
from orchestrator.store.sealing import Sealed
from orchestrator.store.tables import body, entry, reply

GROUP = 500
"""Submissions in one commit, at most."""

INSERT_ENTRY, INSERT_BODY, INSERT_REPLY = insert(entry), insert(body), insert(reply)


class Work(NamedTuple):
    """A submission on its way to the disk."""

    sealed: Sequence[Sealed]
    reply: Reply | None
    durable: "asyncio.Future[None]"


Tell = Callable[[Sequence[Work], StoreError | None], None]


class Writer:
    """Writes what is put. `tell` is called in this thread with each group, written or failed; `stopped`
    once, with the error, when the writer stops."""

    def __init__(
        self,
        connection: Writing,
        renew_every: float | None,
        tell: Tell,
        stopped: Callable[[StoreError], None],
    ):
        self.failure: StoreError | None = None
        self.commits = 0
        self._connection = connection
        self._renew_every = renew_every
        self._renewed = time.monotonic()
        self._tell = tell
        self._stopped = stopped
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="record writer", daemon=True)
        self._thread.start()

    def put(self, work: Work) -> None:
        self._queue.put(work)

    def close(self) -> None:
        """Write what is queued, end the thread, give the lease back."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            group = self._gather(work)
            if self.failure is None:
                self._write(group)
            self._tell(group, self.failure)
        if self.failure is None:
            self._connection.close()

    def _next(self) -> Work | None:
        """The next submission; None to end. The lease is renewed while nothing comes."""
        while True:
            try:
                return self._queue.get(timeout=self._renew_every)
            except Empty:
                self._renew()

    def _gather(self, first: Work) -> list[Work]:
        group = [first]
        while len(group) < GROUP and not self._queue.empty():
            work = self._queue.get()
            if work is None:
                self._queue.put(None)  # the end comes after this group
                break
            group.append(work)
        return group

    def _renew(self) -> None:
        if self.failure is None:
            try:
                self._connection.renew()
                self._renewed = time.monotonic()
            except Exception as error:
                self._stop(error, committing=False)

    def _write(self, group: Sequence[Work]) -> None:
        if self._renew_every is not None and time.monotonic() - self._renewed > self._renew_every:
            self._renew()
            if self.failure is not None:
                return
        committing = False
        try:
            self._insert(group)
            committing = True
            self._connection.commit()
            self.commits += 1
        except Exception as error:
            self._stop(error, committing)

    def _insert(self, group: Sequence[Work]) -> None:
        connection = self._connection
        sealed = group[0].sealed if len(group) == 1 else [part for work in group for part in work.sealed]
        entries = [part.entry for part in sealed]
        connection.begin(sorted({found.stream for found in entries}))
        if sealed:
            connection.many(INSERT_ENTRY, [
                (part.entry.stream, part.entry.number, part.entry.kind, part.leaf, part.leaf_hash, part.recorded_at)
                for part in sealed
            ])  # fmt: skip
            connection.many(
                INSERT_BODY,
                [(part.entry.stream, part.entry.number, part.entry.salt, part.body) for part in sealed],
            )
            project(connection, entries)
        replies = [work.reply for work in group if work.reply is not None]
        if replies:
            connection.many(
                INSERT_REPLY, [(r.scope, r.key, r.request_digest, r.status, r.body) for r in replies]
            )

    def _stop(self, error: Exception, committing: bool) -> None:
        self.failure = self._connection.explain(error, committing)
        self.failure.__cause__ = error
        try:
            self._connection.close()
        except Exception as closing:  # the connection is gone or broken; the first error says why
            self.failure.add_note(f"Closing the connection failed too: {closing}")
        self._stopped(self.failure)
