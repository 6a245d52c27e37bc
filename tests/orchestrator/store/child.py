"""A writing process for tests to kill and stop: `python -m tests.orchestrator.store.child URL STREAMS LEASE`.

It says 'open EPOCH', then one line for each acknowledged entry (stream, number, leaf hash), and at the
end 'stopped' with the sentence of the failure.
"""

import asyncio
import os
import sys

from batches.entries import leaf_hash
from batches.errors import StoreError
from orchestrator.store.store import DatabaseStore
from tests.orchestrator.store.records import item


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def write_on(store: DatabaseStore, stream: str) -> None:
    while True:
        submission = store.submit(item(stream, "site"))
        await submission.durable
        for entry in submission.entries:
            say(f"{entry.stream} {entry.number} {leaf_hash(entry.leaf())}")


async def main(url: str, streams: int, lease_seconds: float) -> None:
    store = DatabaseStore(url, f"child {os.getpid()}", lease_seconds=lease_seconds)
    say(f"open {store.epoch}")
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(streams):
                group.create_task(write_on(store, f"batch/B-{number}"))
    except* StoreError as errors:
        say(f"stopped {errors.exceptions[0]}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
