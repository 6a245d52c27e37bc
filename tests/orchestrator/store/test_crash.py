"""Real processes, killed and stopped while they write: nothing acknowledged is lost, one process writes."""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batches.entries import leaf_hash
from batches.errors import StoreError
from orchestrator.store.check import check
from orchestrator.store.database import LeaseLost, database_at
from orchestrator.store.reader import Reader
from orchestrator.store.store import DatabaseStore
from tests.orchestrator.store.records import item, write
from tests.postgres import PostgresServer

ROOT = Path(__file__).parents[3]
LEASE = 0.6
RUNS = 3


class Child:
    """A writing process; `lines` are what it has said so far."""

    def __init__(self, url: str, streams: int):
        command = [sys.executable, "-m", "tests.orchestrator.store.child", url, str(streams), str(LEASE)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
        self.lines: list[str] = []
        self.epoch = int(self.line().removeprefix("open "))

    def line(self) -> str:
        assert self.process.stdout is not None
        self.lines.append(self.process.stdout.readline().rstrip("\n"))
        return self.lines[-1]

    def rest(self) -> None:
        """Read what it said until it ended."""
        assert self.process.stdout is not None
        self.lines += self.process.stdout.read().splitlines()
        self.process.wait()

    def acknowledged(self) -> set[tuple[str, ...]]:
        words = [tuple(line.split(" ")) for line in self.lines]
        return {found for found in words if len(found) == 3 and len(found[2]) == 64}


@contextmanager
def child(url: str, streams: int) -> Iterator[Child]:
    started = Child(url, streams)
    try:
        yield started
    finally:
        started.process.send_signal(signal.SIGCONT)
        started.process.kill()
        started.rest()
        assert started.process.stdout is not None
        started.process.stdout.close()


def on_disk(url: str) -> set[tuple[str, ...]]:
    """Every entry, after checking the whole record."""
    reader = Reader(database_at(url, lease_seconds=LEASE).reader)
    assert [problem.sentence for problem in check(reader)] == []
    found = {
        (entry.stream, str(entry.number), leaf_hash(entry.leaf()))
        for run in reader.everything()
        for entry in run
    }
    reader.close()
    return found


def test_kill_9_loses_nothing_acknowledged(url: str) -> None:
    kill_again_and_again(url, RUNS)


@pytest.mark.slow
def test_many_kills_lose_nothing_acknowledged(url: str) -> None:
    kill_again_and_again(url, 50)


def kill_again_and_again(url: str, runs: int) -> None:
    """Start a writer, kill it at a random moment, and again; then look for all it was told was durable."""
    choose = random.Random(4711)
    acknowledged: set[tuple[str, ...]] = set()
    epochs: list[int] = []
    for _ in range(runs):
        with child(url, streams=5) as writing:
            for _ in range(choose.randrange(1, 400)):
                writing.line()
            writing.process.kill()
            writing.rest()
            acknowledged |= writing.acknowledged()
            epochs.append(writing.epoch)
    assert len(acknowledged) > runs
    assert acknowledged <= on_disk(url)
    assert epochs == sorted(set(epochs))
    store = DatabaseStore(url, "after", lease_seconds=LEASE)  # compares every head with its stream
    write(store, item("batch/B-1"))
    store.close()


def test_a_paused_holder_that_wakes_finds_its_lease_taken(record_url: str) -> None:
    with child(record_url, streams=3) as paused:
        for _ in range(20):
            paused.line()
        paused.process.send_signal(signal.SIGSTOP)
        store = DatabaseStore(
            record_url, "the stand-in", lease_seconds=LEASE
        )  # waits for the lease to run out
        assert store.epoch > paused.epoch
        (mine,) = write(store, item("batch/B-1"))
        paused.process.send_signal(signal.SIGCONT)
        paused.rest()
        assert paused.lines[-1].startswith("stopped ")
        assert "taken over the record" in paused.lines[-1] or "broke (" in paused.lines[-1]
        write(store, item("batch/B-1"))
        assert [entry.number for entry in store.read("batch/B-1")][-2:] == [mine.number, mine.number + 1]
        store.close()
        assert paused.acknowledged() <= on_disk(record_url)


def test_an_idle_holder_notices_by_itself(record_url: str, postgres_server: PostgresServer) -> None:
    told, stopped = threading.Event(), list[StoreError]()

    def stop(error: StoreError) -> None:
        stopped.append(error)
        told.set()

    store = DatabaseStore(record_url, "first", lease_seconds=LEASE, on_failure=stop)
    assert 0 < store.lease_left() <= LEASE
    assert not told.wait(3 * LEASE)  # renewing keeps it
    assert store.lease_left() > 0
    database = record_url.split("/")[3].split("?")[0]
    postgres_server.execute("UPDATE kweek.lease SET epoch = epoch + 1, owner = 'the second'", database)
    assert told.wait(5)
    assert str(stopped[0]).startswith("the second has taken over the record in")
    store.close()


def test_a_paused_holder_keeps_its_file(sqlite_url: str) -> None:
    with child(sqlite_url, streams=1) as paused:
        paused.line()
        paused.process.send_signal(signal.SIGSTOP)
        with pytest.raises(
            LeaseLost, match=rf"written by child {paused.process.pid} \(process {paused.process.pid}\)"
        ):
            DatabaseStore(sqlite_url, "another")
        paused.process.kill()
        paused.rest()
    store = DatabaseStore(sqlite_url, "another")
    assert store.epoch > paused.epoch
    store.close()
