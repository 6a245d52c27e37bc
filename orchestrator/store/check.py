"""Whether the record in the database is whole: what finds a change that no trigger could refuse.

An administrator can switch triggers off. This recomputes every hash of every stream from the stored
bytes and compares the columns beside them; cutting the tail of a stream, or recomputing all of it, shows
only against a checkpoint kept elsewhere (batches/ledger.py, batches/checkpoint.py).
"""

from collections.abc import Iterator

from batches.entries import body_digest, leaf_hash, read
from batches.errors import KweekError
from batches.ledger import Problem, verify_chain
from orchestrator.store.reader import Reader, Stored


def check(reader: Reader) -> Iterator[Problem]:
    """The first problem of each stream that has one."""
    for stream in reader.streams(""):
        problem = check_stream(reader, stream)
        if problem is not None:
            yield problem


def check_stream(reader: Reader, stream: str) -> Problem | None:
    """The first thing wrong with a stream as it is stored, or None."""
    stored = list(reader.stored(stream))
    for row in stored:
        problem = _columns(stream, row)
        if problem is not None:
            return problem
    return verify_chain(read(row.leaf, row.salt, row.body) for row in stored)


def _columns(stream: str, row: Stored) -> Problem | None:
    """Compare what stands beside the leaf with what the leaf says."""
    try:
        found = read(row.leaf, row.salt, row.body)
        whole = found.leaf() == row.leaf and leaf_hash(row.leaf) == row.leaf_hash
        beside = (found.stream, found.number, found.kind) == (stream, row.number, row.kind)
        body = row.body is None or (row.salt is not None and body_digest(row.salt, row.body) == found.digest)
    except (KweekError, ValueError) as error:
        return _changed(stream, row, f"cannot be read ({error})")
    if not whole:
        return _changed(stream, row, "has another hash than was stored with it")
    if not beside:
        return _changed(stream, row, f"says it is {found.kind} {found.number} of {found.stream}")
    return None if body else _changed(stream, row, "has a body that is not what was sealed")


def _changed(stream: str, row: Stored, what: str) -> Problem:
    return Problem("changed", stream, row.number, f"Entry {row.number} of {stream} {what}: it was changed.")
