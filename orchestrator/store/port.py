"""The port of the record: what the engine asks of a store, and what it may rely on.

One engine process writes per site. It decides on its pending state, submits, and may act, reply
or publish only after `durable` resolved. Entries are numbered, stamped and sealed at submission
(the engine holds the heads under the lease), so that pending state already knows its entries.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from batches.entries import Draft, Entry


@dataclass(frozen=True, slots=True)
class Reply:
    """What an HTTP request with an Idempotency-Key was answered, kept in the entry's transaction.

    `scope` is person and route, `request_digest` the SHA-256 of the body: the same key with
    another body is refused (Conflict).
    """

    scope: str
    key: str
    request_digest: str
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """One atomic commit: drafts for one or several streams, in order, all or none.

    `expected`: the number of the last entry the caller decided on, for streams that must not have
    moved; a stream that moved raises Conflict at submission and nothing is written.
    """

    drafts: Sequence[tuple[str, Draft]]
    at: datetime
    expected: Mapping[str, int] | None = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """Sealed entries of an Item, and a future that resolves when they are on disk.

    The future raises StoreError when they are not (or nobody knows): the engine then stops.
    """

    entries: tuple[Entry, ...]
    durable: "asyncio.Future[None]"

    async def wait(self) -> None:
        """Until the entries are on disk. Who stops waiting stops nobody else: the future belongs to the
        commit, and others are told of the entries by it."""
        await asyncio.shield(self.durable)


class Store(Protocol):
    """The record. Reads see durable entries only; call them from a worker thread, not the loop."""

    def submit(self, item: Item) -> Submission: ...
    def pending(self) -> int:
        """How many submissions are not yet durable."""
        ...

    def lease_left(self) -> float:
        """Seconds for which no other process can take over; act on no device when none are left."""
        ...

    def head(self, stream: str) -> int:
        """The number of the last submitted entry of a stream; 0 if there is none."""
        ...

    def read(self, stream: str, after: int = 0, limit: int | None = None) -> Iterator[Entry]: ...
    def streams(self, prefix: str) -> Sequence[str]: ...
    def unsettled(self) -> Sequence[str]:
        """The numbers of the batches that may still go on by themselves: all that are not Complete, and those
        in which a departure was decided, as it may wait to be confirmed. Read from the projections."""
        ...

    def reply(self, scope: str, key: str) -> Reply | None: ...
    def close(self) -> None: ...
