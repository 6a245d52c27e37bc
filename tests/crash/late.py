"""A store whose commits come a moment after they were submitted, as those of a disk do."""

import asyncio
from collections.abc import Callable
from typing import Literal

from batches.errors import StoreError
from orchestrator.store.memory import Disk, MemoryStore, OnCommit
from orchestrator.store.port import Item, Submission
from tests.crash.kept import KeptStore

Acknowledge = Literal["after", "before"]
"""When a submission is called durable. 'before' the commit is a fault, which the tests must find."""


class LateStore(MemoryStore):
    """As `MemoryStore`, but what is submitted is on disk only when the event loop comes round."""

    acknowledge: Acknowledge = "after"

    def __init__(self, disk: Disk, on_commit: OnCommit, died: Callable[[BaseException], None]) -> None:
        super().__init__(disk, on_commit=on_commit)
        self._later, self._died, self._pending = on_commit, died, 0

    def submit(self, item: Item) -> Submission:
        if self._dead:
            raise StoreError(self._dead)
        loop = asyncio.get_running_loop()
        sealed, durable = self._heads.seal(item, self._salt), loop.create_future()
        entries = tuple(part.entry for part in sealed)
        self._pending += 1
        if self.acknowledge == "before":
            durable.set_result(None)

        def commit() -> None:
            self._pending -= 1
            try:
                if self._dead:
                    raise StoreError(self._dead)
                self._later("before", entries)
                self._commit(sealed, item.reply)
                self._later("after", entries)
            except BaseException as crash:
                self._dead = "The store stopped in the middle of a commit; open its disk again."
                self._died(crash)
                if not durable.done():
                    durable.set_exception(crash)
            else:
                if not durable.done():
                    durable.set_result(None)

        loop.call_soon(commit)
        return Submission(entries, durable)

    def pending(self) -> int:
        return self._pending


class KeptLateStore(KeptStore, LateStore):
    """Late commits, and shared bytes read once."""
