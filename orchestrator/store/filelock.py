"""The lock of an SQLite record: one process writes it.

The kernel lets go when the process ends, however it ends, so that a crash leaves nothing to clean up.
"""

import fcntl
import os
from pathlib import Path

from orchestrator.store.database import LeaseLost

_held: set[int] = set()


def _let_go_in_child() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(
    after_in_child=_let_go_in_child
)  # a forked worker must not hold the lock of a dead parent


def lock(record: Path, owner: str) -> int:
    """Lock `<record>.lock` for this process and give its descriptor. Raises LeaseLost if it is locked."""
    descriptor = os.open(f"{record}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 200).decode(errors="replace") or "another process"
        os.close(descriptor)
        raise LeaseLost(f"The record {record} is written by {holder}; stop that first.") from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{owner} (process {os.getpid()})".encode())
    _held.add(descriptor)
    return descriptor


def unlock(descriptor: int) -> None:
    """Let go. The file stays: removing it would let two processes lock two files."""
    _held.discard(descriptor)
    os.close(descriptor)
