"""Sealing: the heads of all streams in memory, and drafts into numbered, stamped, hashed entries.

Both stores seal here, in the caller's thread, before anything is written: what is refused (Conflict,
BadInput) leaves no trace, and what is returned is exactly what will be on disk.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from batches.entries import NO_LEAF, Actor, Draft, Entry, leaf_hash, seal, stamp
from batches.errors import BadInput, Conflict
from batches.plain import canonical
from orchestrator.store.port import Item

Salt = Callable[[], str]
"""Gives 16 bytes as hex text, never the same twice."""


def random_salts() -> Salt:
    """Salts from the operating system's source of randomness, drawn many at a time: each draw gives other
    threads the interpreter, and it takes a while to come back."""
    drawn: list[str] = []

    def salt() -> str:
        if not drawn:
            fresh = os.urandom(16 * DRAWN).hex()
            drawn.extend(fresh[at : at + 32] for at in range(0, 32 * DRAWN, 32))
        return drawn.pop()

    return salt


DRAWN = 256
"""Salts drawn at once."""


class Head(NamedTuple):
    """The last entry of a stream."""

    number: int
    leaf_hash: str


NO_HEAD = Head(0, NO_LEAF)


class Sealed(NamedTuple):
    """An entry with the bytes that will be stored."""

    entry: Entry
    leaf: bytes
    leaf_hash: str
    body: bytes
    recorded_at: str


class Heads:
    """The last submitted entry of every stream: what the next entry is numbered and chained on."""

    def __init__(self, heads: Mapping[str, Head]):
        self._heads = dict(heads)

    def number(self, stream: str) -> int:
        return self._heads.get(stream, NO_HEAD).number

    def seal(self, item: Item, salt: Salt) -> list[Sealed]:
        """The entries of an item; the heads move when all of them could be sealed.

        Raises Conflict if a stream moved past what was expected, BadInput for a body or a name that
        cannot be recorded.
        """
        if item.expected:
            self._check_expected(item.expected)
        moved: dict[str, Head] = {}
        sealed: list[Sealed] = []
        for stream, draft in item.drafts:
            head = moved.get(stream) or self._heads.get(stream, NO_HEAD)
            found = _seal_one(draft, stream, head, item.at, salt())
            moved[stream] = Head(found.entry.number, found.leaf_hash)
            sealed.append(found)
        self._heads.update(moved)
        return sealed

    def _check_expected(self, expected: Mapping[str, int]) -> None:
        for stream, number in expected.items():
            if self.number(stream) != number:
                raise Conflict(
                    f"{stream} has moved on to entry {self.number(stream)} since it was read at entry {number};"
                    " read it again and decide anew."
                )


def _seal_one(draft: Draft, stream: str, head: Head, at: datetime, salt: str) -> Sealed:
    _check_names((stream, draft.kind), draft.actor)
    body = canonical(draft.body)
    entry = seal(draft, stream, head.number + 1, at, head.leaf_hash, salt, body)
    leaf = entry.leaf()
    return Sealed(entry, leaf, leaf_hash(leaf), body, stamp(at))


def _check_names(required: Iterable[str], actor: Actor) -> None:
    for name in required:
        if not name or not name.isprintable():
            raise BadInput(f"{name!r} cannot name a stream or a kind of entry; use printable text.")
    if not (actor.id.isprintable() and actor.role.isprintable()):
        raise BadInput(
            f"The actor {actor.id!r} in the role {actor.role!r} has a name that is not printable text."
        )
