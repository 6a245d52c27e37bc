"""A backup is whole, made while writing goes on, and opens as a record."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import make_url

from batches.errors import BadInput, StoreError
from batches.quantities import parse
from devices.base import Reading
from orchestrator.historian import Historian
from orchestrator.store.backup import back_up
from orchestrator.store.check import check
from orchestrator.store.database import database_at
from orchestrator.store.reader import Reader
from orchestrator.store.store import DatabaseStore
from tests.orchestrator.store.records import AT, item, run, write
from tests.postgres import PostgresServer


def test_a_backup_made_while_writing_opens_as_a_record(sqlite_url: str, tmp_path: Path) -> None:
    store = DatabaseStore(sqlite_url)
    copy = tmp_path / "copy.db"

    async def write_on(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.gather(*(store.submit(item(f"batch/B-{n}", "site")).durable for n in range(20)))

    async def back_up_meanwhile() -> tuple[int, int]:
        stop = asyncio.Event()
        writing = asyncio.create_task(write_on(stop))
        await asyncio.sleep(0.05)
        before = store.head("batch/B-1") - 1  # the last submitted may not be on disk yet
        await asyncio.to_thread(store.backup, copy)
        stop.set()
        await writing
        return before, store.head("batch/B-1")

    before, after = run(back_up_meanwhile())
    store.close()
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.db"]

    restored = DatabaseStore(f"sqlite:///{copy}")
    assert before <= restored.head("batch/B-1") <= after
    assert [
        problem.sentence
        for problem in check(Reader(database_at(f"sqlite:///{copy}", lease_seconds=1.0).reader))
    ] == []
    write(restored, item("batch/B-1"))
    restored.close()


def test_the_historian_is_backed_up_alike(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'readings.db'}"
    historian = Historian(url)
    historian.keep("BR-01", "temperature", Reading(parse("37 degC"), AT), AT)
    historian.flush()
    back_up(url, tmp_path / "copy.db")
    historian.close()
    restored = Historian(f"sqlite:///{tmp_path / 'copy.db'}")
    assert restored.tags("BR-01") == ["temperature"]
    restored.close()


def test_a_backup_overwrites_nothing(sqlite_url: str, tmp_path: Path) -> None:
    store = DatabaseStore(sqlite_url)
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(BadInput, match="exists; a backup never overwrites one"):
        store.backup(tmp_path / "copy.db")
    with pytest.raises(StoreError, match="The backup to .* failed"):
        store.backup(tmp_path / "none" / "copy.db")
    store.close()
    assert (tmp_path / "copy.db").read_text() == "precious"


def test_a_postgresql_record_is_backed_up_with_pg_dump(
    record_url: str, postgres_server: PostgresServer
) -> None:
    store = DatabaseStore(record_url, lease_seconds=1.0)
    entries = write(store, item("batch/B-1", "batch/B-1", "lot/L-1"))
    with pytest.raises(BadInput, match="pg_dump"):
        store.backup(Path("copy.db"))
    address = record_url.replace("+psycopg", "")
    dumped = postgres_server.run(
        "pg_dump", "--format=custom", f"--dbname={address}", stdout=subprocess.PIPE, capture_output=False
    ).stdout
    store.close()

    name = postgres_server.new_database("template0")
    url = postgres_server.url(name)
    postgres_server.run(
        "pg_restore", "--exit-on-error", f"--dbname={url.replace('+psycopg', '')}", input=dumped
    )
    restored = DatabaseStore(url, lease_seconds=1.0)
    assert make_url(url).database != make_url(record_url).database
    assert list(restored.read("batch/B-1")) == entries[:2]
    assert restored.epoch > store.epoch
    write(restored, item("batch/B-1"))
    restored.close()
    with pytest.raises(Exception, match="append-only"):
        postgres_server.execute("DELETE FROM kweek.entry", name)
