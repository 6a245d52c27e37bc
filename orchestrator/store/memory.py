"""The inline writer: the record in memory, committed at once in the caller's thread.

For the crash simulation and for tests. It seals as the database does and keeps the same bytes; only
durability is pretended: a `Disk` outlives the store as a file outlives the process.
"""

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from batches.entries import Entry, read
from batches.errors import StoreError
from orchestrator.store.port import Item, Reply, Submission
from orchestrator.store.replies import check_key, taken
from orchestrator.store.sealing import Head, Heads, Salt, Sealed, random_salts

OnCommit = Callable[[Literal["before", "after"], Sequence[Entry]], None]
"""Called around each commit. If it raises, the store is as dead as a killed process: reopen its disk."""


@dataclass(frozen=True, slots=True)
class Disk:
    """What was committed."""

    streams: dict[str, list[Sealed]] = field(default_factory=dict[str, list[Sealed]])
    replies: dict[tuple[str, str], Reply] = field(default_factory=dict[tuple[str, str], Reply])


def _no_hook(moment: Literal["before", "after"], entries: Sequence[Entry]) -> None:
    return


class MemoryStore:
    """The port over a `Disk`. `submit` needs a running event loop only to make the resolved future."""

    def __init__(self, disk: Disk | None = None, *, salt: Salt | None = None, on_commit: OnCommit = _no_hook):
        self.disk = disk or Disk()
        self._heads = Heads({name: _head(entries[-1]) for name, entries in self.disk.streams.items()})
        self._salt = salt or random_salts()
        self._on_commit = on_commit
        self._dead = ""

    def submit(self, item: Item) -> Submission:
        """Seal, commit, and give a future that is already resolved. See the port."""
        if self._dead:
            raise StoreError(self._dead)
        if item.reply is not None:
            self._check_reply(item.reply)
        sealed = self._heads.seal(item, self._salt)
        entries = tuple(part.entry for part in sealed)
        self._dead = "The store stopped in the middle of a commit; open its disk again."
        self._on_commit("before", entries)
        self._commit(sealed, item.reply)
        self._on_commit("after", entries)
        self._dead = ""
        return Submission(entries, _resolved())

    def _check_reply(self, reply: Reply) -> None:
        check_key(reply)
        earlier = self.disk.replies.get((reply.scope, reply.key))
        if earlier is not None:
            raise taken(reply, earlier.request_digest)

    def _commit(self, sealed: Sequence[Sealed], reply: Reply | None) -> None:
        for part in sealed:
            self.disk.streams.setdefault(part.entry.stream, []).append(part)
        if reply is not None:
            self.disk.replies[reply.scope, reply.key] = reply

    def pending(self) -> int:
        return 0

    def lease_left(self) -> float:
        return math.inf

    def head(self, stream: str) -> int:
        return self._heads.number(stream)

    def read(self, stream: str, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        found = self.disk.streams.get(stream, [])
        for part in found[after : None if limit is None else after + limit]:
            yield read(part.leaf, part.entry.salt, part.body)

    def streams(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self.disk.streams if name.startswith(prefix))

    def unsettled(self) -> Sequence[str]:
        return [stream.removeprefix("batch/") for stream in self.streams("batch/") if self._may_go_on(stream)]

    def _may_go_on(self, stream: str) -> bool:
        entries = [part.entry for part in self.disk.streams[stream]]
        states = [
            e.content()["to"] for e in entries if e.kind == "state_changed" and e.content()["path"] == ""
        ]
        return states[-1:] != ["Complete"] or any(e.kind == "departure_decided" for e in entries)

    def reply(self, scope: str, key: str) -> Reply | None:
        return self.disk.replies.get((scope, key))

    def close(self) -> None:
        self._dead = "The store is closed."


def _head(last: Sealed) -> Head:
    return Head(last.entry.number, last.leaf_hash)


def _resolved() -> "asyncio.Future[None]":
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
