"""How many durable steps a second: the store beside the bare floor of the same database, in one run.

    python -m tests.benchmarks.store [rounds]

floor: the same statements on a bare connection of the driver to the same tables, one commit each, no Kweek
code. The rows are made beforehand.
plain: the entry's row alone into a table without triggers or indexes, one commit each: what the disk gives.
Rounds alternate, since a disk may change its pace from one second to the next; medians are printed.
"""

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import psycopg
from sqlalchemy import bindparam, delete, insert, make_url

from batches.entries import Actor, Draft
from orchestrator.store.compiled import Compiled
from orchestrator.store.database import Row
from orchestrator.store.driver import sqlite
from orchestrator.store.port import Item
from orchestrator.store.sealing import Heads, Sealed, random_salts
from orchestrator.store.sqlite import configure
from orchestrator.store.store import DatabaseStore
from orchestrator.store.tables import audit_index, body, entry, open_task
from tests.postgres import PostgresServer

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
STEPS = 25
STREAMS = 100
PLAIN = "CREATE TABLE plain (stream TEXT, number BIGINT, leaf {blob})"


STATEMENTS = [
    insert(entry), insert(body), insert(audit_index),
    delete(open_task).where(open_task.c.batch == bindparam("of"), open_task.c.path == bindparam("at")),
]  # fmt: skip


def item(stream: str, number: int) -> Item:
    """One step: the outcome of one device command, about 500 bytes on disk."""
    done = {
        "path": "Expansion/Passages[2]/Passage/expand", "number": number, "attempt": 1,
        "command": "3f0c6b1e-7c3a-5e0e-9b55-0a1b2c3d4e5f",
        "reply": {"value": "37.01", "unit": "degC", "at": "2026-11-23T08:00:00Z", "quality": "good"},
    }  # fmt: skip
    return Item([(stream, Draft("step_done", done, Actor("device", "BR-01")))], AT)


def sealed(stream: str) -> Iterator[Sealed]:
    heads, salt = Heads({}), random_salts()
    for number in range(1, 1_000_000):
        yield from heads.seal(item(stream, number), salt)


class Floor(Protocol):
    """A database driver alone, in the store's own tables. `prepare` seals outside the measured time."""

    def prepare(self) -> None: ...
    def floor(self) -> None: ...
    def plain(self) -> None: ...


class SqliteFloor:
    """Its driver on the store's file."""

    def __init__(self, path: Path):
        self._cursor = sqlite.connect(str(path), isolation_level=None, check_same_thread=False).cursor()
        configure(self._cursor.connection)
        self._cursor.execute(PLAIN.format(blob="BLOB"))
        self._texts = [Compiled("sqlite").text(statement) for statement in STATEMENTS]
        self._sealed = sealed("batch/floor")
        self._steps: list[list[Row]] = []

    def prepare(self) -> None:
        self._steps = [rows(next(self._sealed)) for _ in range(STEPS)]

    def floor(self) -> None:
        run = self._cursor.execute
        for step in self._steps:
            run("BEGIN IMMEDIATE")
            for text, row in zip(self._texts, step, strict=True):
                run(text, row)
            run("COMMIT")

    def plain(self) -> None:
        run = self._cursor.execute
        for number in range(STEPS):
            run("INSERT INTO plain VALUES (?, ?, ?)", ("batch/floor", number, b"x" * 400))


class PostgresFloor:
    """Its driver in the store's database."""

    def __init__(self, url: str):
        address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection = psycopg.connect(address)
        self._connection.execute("SET search_path TO kweek")
        self._connection.execute(PLAIN.format(blob="bytea").encode())
        self._connection.commit()
        self._cursor = self._connection.cursor()
        self._texts = [Compiled("postgresql").text(statement).encode() for statement in STATEMENTS]
        self._sealed = sealed("batch/floor")
        self._steps: list[list[Row]] = []

    def prepare(self) -> None:
        self._steps = [rows(next(self._sealed)) for _ in range(STEPS)]

    def floor(self) -> None:
        for step in self._steps:
            for text, row in zip(self._texts, step, strict=True):
                self._cursor.execute(text, row)
            self._connection.commit()

    def plain(self) -> None:
        for number in range(STEPS):
            self._cursor.execute("INSERT INTO plain VALUES (%s, %s, %s)", ("batch/floor", number, b"x" * 400))
            self._connection.commit()


def rows(part: Sealed) -> list[Row]:
    """What the store writes for a step that is done, in the order of STATEMENTS."""
    found = part.entry
    return [
        (found.stream, found.number, found.kind, part.leaf, part.leaf_hash, part.recorded_at),
        (found.stream, found.number, found.salt, part.body),
        (found.stream, found.number, part.recorded_at, found.kind, found.actor.id, "floor"),
        ("floor", "Expansion/Passages[2]/Passage/expand"),
    ]


async def sequential(store: DatabaseStore, stream: str, steps: int) -> None:
    number = store.head(stream)
    for step in range(steps):
        await store.submit(item(stream, number + step + 1)).durable


async def concurrent(store: DatabaseStore) -> None:
    await asyncio.gather(*(sequential(store, f"batch/B-{n:03}", STEPS) for n in range(STREAMS)))


async def measure(url: str, make_floor: Callable[[], Floor], rounds: int) -> dict[str, list[float]]:
    """Seconds a step, by case, a round each: rounds are short, so that neighbours see the same disk."""
    found: dict[str, list[float]] = {"plain": [], "floor": [], "sequential": [], "concurrent": []}
    store = DatabaseStore(url, "benchmark")
    floor = make_floor()
    for turn in range(rounds):
        floor.prepare()
        for case, run in (("plain", floor.plain), ("floor", floor.floor)):
            started = time.perf_counter()
            run()
            found[case].append((time.perf_counter() - started) / STEPS)
        started = time.perf_counter()
        await sequential(store, "batch/B-seq", STEPS)
        found["sequential"].append((time.perf_counter() - started) / STEPS)
        if turn % 20 == 0:
            started = time.perf_counter()
            await concurrent(store)
            found["concurrent"].append((time.perf_counter() - started) / (STREAMS * STEPS))
    store.close()
    return found


def show(name: str, found: dict[str, list[float]]) -> None:
    middle = {case: 1 / statistics.median(seconds) for case, seconds in found.items()}
    print(f"{name}: " + ", ".join(f"{case} {pace:,.0f}/s" for case, pace in middle.items()))
    ratios = [floor / one for one, floor in zip(found["sequential"], found["floor"], strict=True)]
    low, _, high = statistics.quantiles(ratios)
    print(
        f"  sequential / floor: median {statistics.median(ratios):.0%}, half of the rounds {low:.0%} to {high:.0%}"
    )
    print(f"  concurrent ({STREAMS} streams) / sequential: {middle['concurrent'] / middle['sequential']:.1f}")


def main(rounds: int = 100) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "bench.db"
        url = f"sqlite:///{path}"
        show("SQLite, synchronous=FULL", asyncio.run(measure(url, lambda: SqliteFloor(path), rounds)))
    server = PostgresServer()
    server.start()
    try:
        url = server.url(server.new_database())
        show("PostgreSQL", asyncio.run(measure(url, lambda: PostgresFloor(url), rounds)))
    finally:
        server.stop()
        shutil.rmtree(server.folder)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
