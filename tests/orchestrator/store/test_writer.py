"""Group commit, and what stops the writer."""

import asyncio
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from batches.errors import BadInput, RecordError, StoreError
from batches.ledger import verify_chain
from orchestrator.store.database import LeaseLost, database_at
from orchestrator.store.driver import sqlite
from orchestrator.store.port import Submission
from orchestrator.store.reader import Reader
from orchestrator.store.store import DatabaseStore
from tests.orchestrator.store.conftest import Open
from tests.orchestrator.store.records import item, outcome, run, write
from tests.postgres import PostgresServer


async def submit_many(store: DatabaseStore, count: int) -> list[Submission]:
    """Submissions on as many streams, all before the loop does anything else."""
    submissions = [store.submit(item(f"batch/B-{number}")) for number in range(count)]
    assert store.pending() == count
    await asyncio.gather(*(one.durable for one in submissions))
    return submissions


def commits_in_wal(path: Path) -> int:
    """Commits in an SQLite write-ahead log, counted in the file: frames that carry a database size."""
    data = Path(f"{path}-wal").read_bytes()
    (page,) = struct.unpack(">I", data[8:12])
    frames = [data[place : place + 24] for place in range(32, len(data), 24 + page)]
    return sum(1 for frame in frames if frame[8:16] == data[16:24] and struct.unpack(">I", frame[4:8])[0])


def test_submissions_share_commits_on_sqlite(sqlite_url: str, tmp_path: Path) -> None:
    store = DatabaseStore(sqlite_url)
    before = commits_in_wal(tmp_path / "kweek.db")
    run(submit_many(store, 400))
    commits = commits_in_wal(tmp_path / "kweek.db") - before
    store.close()
    assert commits == store.commits
    assert commits <= 20


def test_submissions_share_commits_on_postgresql(record_url: str) -> None:
    store = DatabaseStore(record_url)
    run(submit_many(store, 400))
    store.close()
    with psycopg.connect(record_url.replace("+psycopg", "")) as connection:
        (transactions,) = connection.execute(
            "SELECT count(DISTINCT xmin::text) FROM kweek.entry"
        ).fetchone() or (0,)
    assert transactions == store.commits
    assert transactions <= 20


def test_one_after_the_other_commits_one_by_one(opened: Open) -> None:
    store = opened()

    async def ten() -> None:
        for _ in range(10):
            await store.submit(item("batch/B-1")).durable

    run(ten())
    assert store.commits == 10


def test_nothing_is_readable_before_it_is_durable(opened: Open) -> None:
    store = opened()

    async def look() -> tuple[bool, int, int]:
        submission = store.submit(item("batch/B-1"))
        pending = submission.durable.done(), store.pending(), store.head("batch/B-1")
        await submission.durable
        return pending

    assert run(look()) == (False, 1, 1)
    assert [entry.number for entry in store.read("batch/B-1")] == [1]


def test_a_waiter_that_gives_up_loses_nothing(opened: Open) -> None:
    store = opened()

    async def cancelled() -> None:
        submission = store.submit(item("batch/B-1"))
        submission.durable.cancel()
        await store.submit(item("batch/B-1")).durable

    run(cancelled())
    assert (store.pending(), [entry.number for entry in store.read("batch/B-1")]) == (0, [1, 2])


def test_closing_writes_what_is_queued(opened: Open) -> None:
    store = opened()

    async def close_at_once() -> list[str]:
        submissions = [store.submit(item("batch/B-1")) for _ in range(50)]
        store.close()
        return [await outcome(one) for one in submissions]

    assert run(close_at_once()) == ["durable"] * 50
    assert opened().head("batch/B-1") == 50


def test_a_store_closed_from_a_thread_tells_its_loop(opened: Open) -> None:
    store = opened()

    async def close_elsewhere() -> str:
        submission = store.submit(item("batch/B-1"))
        await asyncio.to_thread(store.close)
        return await outcome(submission)

    assert run(close_elsewhere()) == "durable"


def test_a_loop_that_ends_before_the_answer_loses_nothing(opened: Open) -> None:
    store = opened()

    async def forget() -> None:
        store.submit(item("batch/B-1"))

    run(forget())
    store.close()
    assert opened().head("batch/B-1") == 1


def test_two_loops_at_once_are_refused(opened: Open) -> None:
    store = opened()
    refused: list[str] = []

    def other() -> None:
        with pytest.raises(StoreError) as raised:
            write(store, item("batch/B-1"))
        refused.append(str(raised.value))

    async def both() -> None:
        await store.submit(item("batch/B-1")).durable
        await asyncio.to_thread(other)

    run(both())
    assert refused == ["The record is written from another event loop; submit from that one."]


# -- errors ----------------------------------------------------------------------------------------


async def until_stopped(store: DatabaseStore) -> tuple[int, str]:
    """Submit until something fails: how many were acknowledged, and the sentence."""
    for count in range(100_000):
        said = await outcome(store.submit(item("batch/B-1")))
        if said != "durable":
            return count, said
    raise AssertionError("nothing failed")


def check_stopped(store: DatabaseStore, sentence: str) -> None:
    """A stopped store says why, at every submission, and lets go of nothing that waits."""
    assert str(store.failure) == sentence
    assert store.pending() == 0
    with pytest.raises(StoreError) as raised:
        write(store, item("batch/B-1"))
    assert str(raised.value) == sentence
    store.close()


class Thief:
    """Another program that takes the lease in a transaction it can leave open: the writer waits meanwhile."""

    def __init__(self, url: str):
        self._connection: Any
        if url.startswith("sqlite"):
            self._connection = sqlite.connect(url.removeprefix("sqlite:///"), isolation_level=None)
            self._connection.execute("BEGIN IMMEDIATE")
        else:
            self._connection = psycopg.connect(url.replace("+psycopg", ""), options="-c search_path=kweek")
        self._connection.execute("UPDATE lease SET epoch = epoch + 1, owner = 'a thief'")

    def let_go(self) -> None:
        self._connection.commit()
        self._connection.close()


def test_every_waiting_submission_hears_of_a_failure(opened: Open, url: str) -> None:
    failures: list[StoreError] = []
    store = opened(lease_seconds=30.0, on_failure=failures.append)
    write(store, item("batch/B-1"))
    thief = Thief(url)

    async def flood() -> set[str]:
        submissions = [store.submit(item(f"batch/B-{n}")) for n in range(1200)]
        assert store.pending() == 1200
        thief.let_go()
        return {await outcome(one) for one in submissions}

    (sentence,) = run(flood())
    assert "Another process has taken over the record" in sentence
    assert sentence.endswith("; this one has stopped writing.")
    assert [str(failure) for failure in failures] == [sentence]
    assert isinstance(store.failure, LeaseLost)
    check_stopped(store, sentence)
    reader = Reader(database_at(url, lease_seconds=1.0).reader)
    assert reader.streams("") == ["batch/B-1"]
    reader.close()


def full_at(store: DatabaseStore, pages: int) -> None:
    """Make an SQLite file full soon: it may grow by so many pages."""
    connection: sqlite.Connection = store._connection._connection  # pyright: ignore[reportAttributeAccessIssue]
    connection.set_authorizer(None)
    (now,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {now + pages}")


def test_a_full_database_stops_the_writer(sqlite_url: str) -> None:
    store = DatabaseStore(sqlite_url)
    write(store, item("batch/B-1"))
    full_at(store, 6)
    count, sentence = run(until_stopped(store))
    path = sqlite_url.removeprefix("sqlite:///")
    assert (
        sentence
        == f"The disk that holds {path} is full and the last entries were not recorded; free space, then start Kweek again."
    )
    check_stopped(store, sentence)
    again = DatabaseStore(sqlite_url)
    assert [entry.number for entry in again.read("batch/B-1")] == list(range(1, count + 2))
    assert verify_chain(again.read("batch/B-1")) is None
    write(again, item("batch/B-1"))
    again.close()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 1 MB in memory; skips where it cannot be mounted."""
    folder = tempfile.mkdtemp(prefix="kweek-small-")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs an administrator's rights")
    yield Path(folder)
    subprocess.run(["umount", folder], check=True)
    Path(folder).rmdir()


def test_a_full_disk_stops_the_writer_and_loses_nothing(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk / 'kweek.db'}"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 200_000)
    store = DatabaseStore(url)
    count, sentence = run(until_stopped(store))
    assert count > 0
    assert sentence.endswith("free space, then start Kweek again.") or "check the disk" in sentence
    check_stopped(store, sentence)
    ballast.unlink()
    again = DatabaseStore(url)
    numbers = [entry.number for entry in again.read("batch/B-1")]
    assert numbers[:count] == list(range(1, count + 1))
    assert len(numbers) - count in (0, 1)  # a commit whose result was unknown may have happened
    assert verify_chain(again.read("batch/B-1")) is None
    write(again, item("batch/B-1"))
    again.close()


def test_a_database_that_stops_stops_the_writer(postgres_server: PostgresServer) -> None:
    url = postgres_server.url(postgres_server.new_database())
    store = DatabaseStore(url, lease_seconds=1.0)
    write(store, item("batch/B-1"))
    postgres_server.stop()
    try:
        _, sentence = run(until_stopped(store))
        assert "broke (" in sentence
        assert sentence.endswith("start the database, then start Kweek again.")
        check_stopped(store, sentence)
        with pytest.raises(StoreError, match="cannot be reached .* start it or correct the address"):
            DatabaseStore(url)
    finally:
        postgres_server.start()
    again = DatabaseStore(url, lease_seconds=1.0)
    assert [entry.number for entry in again.read("batch/B-1")] == [1]
    again.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("mysql://localhost/kweek", "'mysql' is not supported"),
        ("nonsense", "cannot be read"),
    ],
)
def test_an_address_that_cannot_hold_a_record(url: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        DatabaseStore(url)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist; make it"):
        DatabaseStore(f"sqlite:///{tmp_path / 'none' / 'kweek.db'}")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "kweek.db").write_text("a letter to the inspector, long enough to be looked at " * 40)
    with pytest.raises(StoreError, match="cannot be opened as an SQLite database"):
        DatabaseStore(f"sqlite:///{tmp_path / 'kweek.db'}")


def test_heads_that_do_not_fit_are_found_at_opening(sqlite_url: str, tmp_path: Path) -> None:
    store = DatabaseStore(sqlite_url)
    write(store, item("batch/B-1", "batch/B-1", "lot/L-1"))
    store.close()
    connection = sqlite.connect(str(tmp_path / "kweek.db"), isolation_level=None)
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("UPDATE head SET number = 1 WHERE stream = 'batch/B-1'")
    with pytest.raises(RecordError, match="The head of batch/B-1 is entry 1, which is not its last entry"):
        DatabaseStore(sqlite_url)
    connection.execute("DELETE FROM head WHERE stream = 'batch/B-1'")
    with pytest.raises(RecordError, match="The stream batch/B-1 has entries but no head"):
        DatabaseStore(sqlite_url)
    connection.close()


def test_one_process_writes_and_the_next_waits_or_is_refused(opened: Open) -> None:
    store = opened("the night shift's server")
    with pytest.raises(LeaseLost, match="is written by the night shift's server.*; stop that first"):
        opened("another server", lease_seconds=0.2)
    write(store, item("batch/B-1"))
    store.close()
    assert opened("another server").epoch > store.epoch


def test_no_thread_is_left_behind(opened: Open) -> None:
    before = threading.active_count()
    store = opened()
    write(store, item("batch/B-1"))
    store.close()
    assert threading.active_count() == before
