"""Turn drafts into a sealed stream, as the store does, with a clock that ticks once per entry."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from batches.entries import NO_LEAF, Draft, Entry, leaf_hash, seal

START = datetime(2026, 11, 23, 8, tzinfo=UTC)


def sealed(stream: str, drafts: Iterable[Draft], after: Sequence[Entry] = ()) -> list[Entry]:
    """The entries after `after` that the drafts become."""
    entries = list(after)
    for draft in drafts:
        number = len(entries) + 1
        previous = leaf_hash(entries[-1].leaf()) if entries else NO_LEAF
        at = START + timedelta(seconds=number)
        entries.append(seal(draft, stream, number, at, previous, f"{number:032x}"))
    return entries
