"""The Merkle tree over the leaves of a stream, its proofs, and the check of a whole stream.

Exactly RFC 6962 section 2.1 (verifiers: RFC 9162 sections 2.1.3.2 and 2.1.4.2). A root stands for
all entries up to its size: an inclusion proof shows that one entry is among them, a consistency
proof that a later tree extends an earlier one, with nothing changed, removed or put between.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from batches.entries import NO_LEAF, Entry, body_digest, leaf_hash
from batches.errors import BadInput, RecordError
from batches.plain import canonical

EMPTY_ROOT = hashlib.sha256(b"").digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing tree of leaf hashes (32 bytes each, see `entries.leaf_hash`).

    It keeps the hash of every complete subtree: appending costs one to log n hashes, a root or a
    proof log n.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]  # level k: the roots of the complete subtrees of 2^k leaves
        for leaf in leaves:
            self.append(leaf)

    def __len__(self) -> int:
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash. Raises BadInput if it has not 32 bytes."""
        if len(leaf) != 32:
            raise BadInput(f"A leaf hash has 32 bytes, not {len(leaf)}; pass the hash, not the entry.")
        level, node = 0, leaf
        while True:
            self._levels[level].append(node)
            if len(self._levels[level]) % 2:
                return
            node = node_hash(*self._levels[level][-2:])
            level += 1
            if level == len(self._levels):
                self._levels.append([])

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves (default: all). Raises BadInput beyond the tree."""
        size = self._known(size)
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """PATH(index, D[size]): the proof that leaf `index` (from 0) is in the tree of `size`."""
        size = self._known(size)
        if not 0 <= index < size:
            raise BadInput(f"Leaf {index} is not in a tree of {size}; leaves count from 0.")
        return tuple(self._path(index, 0, size))

    def consistency(self, old: int, size: int | None = None) -> tuple[bytes, ...]:
        """PROOF(old, D[size]): the proof that the tree of `size` extends that of `old`, 0 < old <= size."""
        size = self._known(size)
        if not 0 < old <= size:
            raise BadInput(
                f"There is no proof from {old} to {size} leaves; the old size is at least 1 and not larger."
            )
        return tuple(self._subproof(old, 0, size, whole=True))

    def _known(self, size: int | None) -> int:
        if size is not None and not 0 <= size <= len(self):
            raise BadInput(f"The tree has {len(self)} leaves, not {size}; ask for fewer.")
        return len(self) if size is None else size

    def _range(self, start: int, end: int) -> bytes:
        """The root over leaves start to end; `start` is a multiple of the power of two they span."""
        size = end - start
        if size & (size - 1) == 0:
            level = size.bit_length() - 1
            return self._levels[level][start >> level]
        middle = start + _split(size)
        return node_hash(self._range(start, middle), self._range(middle, end))

    def _path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + _split(end - start)
        if index < middle:
            return [*self._path(index, start, middle), self._range(middle, end)]
        return [*self._path(index, middle, end), self._range(start, middle)]

    def _subproof(self, old: int, start: int, end: int, whole: bool) -> list[bytes]:
        if old == end:
            return [] if whole else [self._range(start, end)]
        middle = start + _split(end - start)
        if old <= middle:
            return [*self._subproof(old, start, middle, whole), self._range(middle, end)]
        return [*self._subproof(old, middle, end, whole=False), self._range(start, middle)]


def _split(size: int) -> int:
    """The largest power of two below `size` (size > 1)."""
    return 1 << ((size - 1).bit_length() - 1)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise RecordError unless the proof shows that `leaf` is leaf `index` (from 0) under `root`."""
    if not 0 <= index < size:
        raise RecordError(f"The proof is for leaf {index} of a tree of {size}, which has no such leaf.")
    node, last, found = index, size - 1, leaf
    for step in _hashes(proof):
        if last == 0:
            raise RecordError(f"The inclusion proof of leaf {index} in {size} is too long.")
        if node % 2 or node == last:
            found = node_hash(step, found)
            while not node % 2 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, step)
        node, last = node >> 1, last >> 1
    if last:
        raise RecordError(f"The inclusion proof of leaf {index} in {size} is too short.")
    if found != root:
        raise RecordError(
            f"Leaf {index} is not under this root of {size} leaves: it, its place or the proof was changed."
        )


def verify_consistency(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Raise RecordError unless the proof shows that the tree of `size` extends the tree of `old`.

    Every tree extends the empty one: `old` 0 is refused, because it proves nothing.
    """
    if not 0 < old <= size:
        raise RecordError(
            f"No proof leads from {old} to {size} leaves; a log only grows, and from 0 nothing is proved."
        )
    if old == size:
        if proof or old_root != root:
            raise RecordError(
                f"Two different logs of {size} leaves were shown, or a proof where none belongs."
            )
        return
    steps = [old_root, *_hashes(proof)] if old & (old - 1) == 0 else _hashes(proof)
    if not steps:
        raise RecordError(f"The consistency proof from {old} to {size} is too short.")
    _follow(old, old_root, size, root, steps)


def _follow(old: int, old_root: bytes, size: int, root: bytes, steps: Sequence[bytes]) -> None:
    node, last = old - 1, size - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise RecordError(f"The consistency proof from {old} to {size} is too long.")
        if node % 2 or node == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not node % 2 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, step)
        node, last = node >> 1, last >> 1
    if last:
        raise RecordError(f"The consistency proof from {old} to {size} is too short.")
    if (before, after) != (old_root, root):
        raise RecordError(
            f"The log of {size} leaves does not extend that of {old}: something before was changed."
        )


def _hashes(proof: Sequence[bytes]) -> Sequence[bytes]:
    if any(len(step) != 32 for step in proof):
        raise RecordError("A proof holds a hash that has not 32 bytes; it was cut or altered.")
    return proof


# -- a whole stream --------------------------------------------------------------------------------

ProblemKind: TypeAlias = Literal["changed", "missing", "added", "reordered"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a stream, at which entry (`number`), in one sentence."""

    kind: ProblemKind
    stream: str
    number: int
    sentence: str


def leaf_hashes(entries: Iterable[Entry]) -> list[bytes]:
    """The leaf hashes of entries, as the tree takes them."""
    return [bytes.fromhex(leaf_hash(entry.leaf())) for entry in entries]


def verify_chain(
    entries: Iterable[Entry], size: int | None = None, root: bytes | None = None
) -> Problem | None:
    """The first thing wrong with a whole stream, or None.

    Numbers run without a gap from 1, each entry names the leaf before it, and each body (unless
    erased) has the digest its leaf names. A change to the last entry, or its loss, shows only against
    what is kept elsewhere: the `size` and `root` of a checkpoint. Entries after the checkpoint's size
    are none of its business.
    """
    found = list(entries)
    return (
        _in_order(found)
        or next((problem for problem in map(_body, found) if problem), None)
        or _links(found)
        or _against(found, size, root)
    )


def _in_order(entries: Sequence[Entry]) -> Problem | None:
    numbers = {entry.number for entry in entries}
    for expected, entry in enumerate(entries, start=1):
        if entry.stream != entries[0].stream:
            sentence = f"Entry {entry.number} belongs to {entry.stream}, not {entries[0].stream}."
            return Problem("added", entries[0].stream, expected, sentence)
        if entry.number < expected:
            return _problem(
                "added", entry, entry.number, "stands there once more, or never was: one was added"
            )
        if entry.number > expected and expected not in numbers:
            return _problem(
                "missing", entry, expected, f"is missing: entry {entry.number} stands in its place"
            )
        if entry.number > len(entries):
            return _problem("added", entry, entry.number, f"was added in the place of entry {expected}")
        if entry.number > expected:
            return _problem("reordered", entry, entry.number, f"stands in the place of entry {expected}")
    return None


def _body(entry: Entry) -> Problem | None:
    if entry.body is None:
        return None
    try:
        right = entry.salt is not None and body_digest(entry.salt, canonical(entry.body)) == entry.digest
    except (BadInput, ValueError):  # not plain JSON, or a salt that is not hex: not what was sealed
        right = False
    return (
        None
        if right
        else _problem("changed", entry, entry.number, "was changed: its content is not what was sealed")
    )


def _links(entries: Sequence[Entry]) -> Problem | None:
    hashes = [NO_LEAF, *(leaf_hash(entry.leaf()) for entry in entries)]
    right = [entry.previous == before for entry, before in zip(entries, hashes, strict=False)]
    for entry, (fits, next_fits) in zip(entries, pairwise([*right, True]), strict=True):
        if fits:
            continue
        if entry.number > 1 and next_fits:  # what follows still names this one, so the one before was changed
            changed = f"was changed: entry {entry.number} names another leaf before it"
            return _problem("changed", entry, entry.number - 1, changed)
        return _problem("changed", entry, entry.number, "was changed: it names another leaf before it")
    return None


def _against(entries: Sequence[Entry], size: int | None, root: bytes | None) -> Problem | None:
    stream = entries[0].stream if entries else ""
    if size is not None and len(entries) < size:
        which = "Entry" if len(entries) + 1 == size else f"Entries {len(entries) + 1} to"
        sentence = f"{which} {size} of {stream or 'the stream'} missing: the checkpoint counts {size}."
        return Problem("missing", stream, len(entries) + 1, sentence)
    if root is not None and Tree(leaf_hashes(entries[:size])).root() != root:
        last = len(entries) if size is None else size
        sentence = f"Entry {last} of {stream}, or the whole stream up to it, was changed: the root is not the checkpoint's."
        return Problem("changed", stream, last, sentence)
    return None


def _problem(kind: ProblemKind, entry: Entry, number: int, what: str) -> Problem:
    return Problem(kind, entry.stream, number, f"Entry {number} of {entry.stream} {what}.")
