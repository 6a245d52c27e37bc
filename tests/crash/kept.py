"""What the disk keeps, read and checked once for all the runs that share it.

Runs that begin at a crash have the entries before it in common: the same bytes, read again in every
recovery and every comparison. `entry_of` reads and checks each only once; `broken` adds what only
neighbours can show. Runs from the very beginning read their disk as `MemoryStore` does.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from batches.entries import NO_LEAF, Entry, body_digest, leaf_hash, read
from orchestrator.store.memory import MemoryStore
from orchestrator.store.sealing import Sealed


class KeptStore(MemoryStore):
    """As `MemoryStore`, but bytes that were read before are not decoded again."""

    def read(self, stream: str, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        found = self.disk.streams.get(stream, [])
        return map(entry_of, found[after : None if limit is None else after + limit])


def entry_of(part: Sealed) -> Entry:
    """The entry in the bytes of a part."""
    return _checked(part.leaf, part.entry.salt, part.body)[0]


def broken(parts: Sequence[Sealed]) -> str:
    """What is wrong with a whole stream, else ''."""
    before = NO_LEAF
    for number, part in enumerate(parts, start=1):
        entry, leaf, wrong = _checked(part.leaf, part.entry.salt, part.body)
        if wrong or entry.number != number or entry.previous != before:
            return f"Entry {number} of the stream is not what was sealed as entry {entry.number}. {wrong}"
        before = leaf
    return ""


@lru_cache(maxsize=20_000)
def _checked(leaf: bytes, salt: str, body: bytes) -> tuple[Entry, str, str]:
    """The entry in these bytes, the hash of its leaf, and what is wrong with it by itself."""
    entry = read(leaf, salt, body)
    right = body_digest(salt, body) == entry.digest
    return entry, leaf_hash(leaf), "" if right else "Its content has another digest."
