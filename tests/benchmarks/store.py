"""How many durable steps a second: the store beside the bare floor of the same database, in one run.

    python -m tests.benchmarks.store [rounds]

floor: the same rows into the same tables on a bare connection of the driver, one commit each, no Kweek code.
plain: the entry's row alone into a table without triggers or indexes, one commit each: what the disk gives.
Rounds alternate, since a disk may change its pace from one second to the next; medians are printed.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from sqlalchemy import insert, make_url

from batches.entries import Actor, Draft
from orchestrator.store.compiled import Compiled
from orchestrator.store.driver import sqlite
from orchestrator.store.port import Item
from orchestrator.store.sealing import Heads, Sealed, random_salt
from orchestrator.store.sqlite import configure
from orchestrator.store.store import DatabaseStore
from orchestrator.store.tables import audit_index, body, entry
from tests.postgres import PostgresServer

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
STEPS = 250
STREAMS = 100
PLAIN = "CREATE TABLE plain (stream TEXT, number BIGINT, leaf {blob})"


def item(stream: str, number: int) -> Item:
    """One step: the outcome of one device command, about 500 bytes on disk."""
    done = {
        "path": "Expansion/Passages[2]/Passage/expand", "number": number, "attempt": 1,
        "command": "3f0c6b1e-7c3a-5e0e-9b55-0a1b2c3d4e5f",
        "reply": {"value": "37.01", "unit": "degC", "at": "2026-11-23T08:00:00Z", "quality": "good"},
    }  # fmt: skip
    return Item([(stream, Draft("step_done", done, Actor("device", "BR-01")))], AT)


def sealed(stream: str) -> Iterator[Sealed]:
    heads = Heads({})
    for number in range(1, 1_000_000):
        yield from heads.seal(item(stream, number), random_salt)


class SqliteFloor:
    """The driver alone, on the store's own file, while the store is closed."""

    def __init__(self, path: Path):
        self._cursor = sqlite.connect(str(path), isolation_level=None, check_same_thread=False)
        configure(self._cursor)
        self._cursor.execute(PLAIN.format(blob="BLOB"))
        compiled = Compiled("sqlite")
        self._texts = [compiled.text(insert(table)) for table in (entry, body, audit_index)]
        self._sealed = sealed("batch/floor")
        self._place = 0

    def floor(self) -> None:
        run = self._cursor.execute
        for part in (next(self._sealed) for _ in range(STEPS)):
            run("BEGIN IMMEDIATE")
            for text, row in zip(self._texts, rows(part), strict=True):
                run(text, row)
            run("COMMIT")

    def plain(self) -> None:
        run = self._cursor.execute
        for _ in range(STEPS):
            self._place += 1
            run("INSERT INTO plain VALUES (?, ?, ?)", ("batch/floor", self._place, b"x" * 400))


class PostgresFloor:
    """The driver alone, in the store's own database."""

    def __init__(self, url: str):
        self._connection = psycopg.connect(
            make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        )
        self._connection.execute("SET search_path TO kweek")
        self._connection.execute(PLAIN.format(blob="bytea").encode())
        self._connection.commit()
        compiled = Compiled("postgresql")
        self._texts = [compiled.text(insert(table)).encode() for table in (entry, body, audit_index)]
        self._sealed = sealed("batch/floor")
        self._place = 0

    def floor(self) -> None:
        cursor = self._connection.cursor()
        for part in (next(self._sealed) for _ in range(STEPS)):
            for text, row in zip(self._texts, rows(part), strict=True):
                cursor.execute(text, row)
            self._connection.commit()

    def plain(self) -> None:
        cursor = self._connection.cursor()
        for _ in range(STEPS):
            self._place += 1
            cursor.execute("INSERT INTO plain VALUES (%s, %s, %s)", ("batch/floor", self._place, b"x" * 400))
            self._connection.commit()


def rows(part: Sealed) -> list[tuple[object, ...]]:
    found = part.entry
    return [
        (found.stream, found.number, found.kind, part.leaf, part.leaf_hash, part.recorded_at),
        (found.stream, found.number, found.salt, part.body),
        (found.stream, found.number, part.recorded_at, found.kind, found.actor.id, "floor"),
    ]


async def sequential(store: DatabaseStore, stream: str, steps: int) -> None:
    number = store.head(stream)
    for step in range(steps):
        await store.submit(item(stream, number + step + 1)).durable


async def concurrent(store: DatabaseStore) -> None:
    await asyncio.gather(*(sequential(store, f"batch/B-{n:03}", STEPS // 5) for n in range(STREAMS)))


def pace(steps: int, run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return steps / (time.perf_counter() - started)


async def measure(
    url: str, make_floor: Callable[[], SqliteFloor | PostgresFloor], rounds: int
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"plain": [], "floor": [], "sequential": [], "concurrent": []}
    store = DatabaseStore(url, "benchmark")
    floor = make_floor()
    for _ in range(rounds):
        found["plain"].append(pace(STEPS, floor.plain))
        found["floor"].append(pace(STEPS, floor.floor))
        started = time.perf_counter()
        await sequential(store, "batch/B-seq", STEPS)
        found["sequential"].append(STEPS / (time.perf_counter() - started))
        started = time.perf_counter()
        await concurrent(store)
        found["concurrent"].append(STREAMS * (STEPS // 5) / (time.perf_counter() - started))
    store.close()
    return found


def show(name: str, found: dict[str, list[float]]) -> None:
    middle = {case: statistics.median(paces) for case, paces in found.items()}
    ratios = [one / floor for one, floor in zip(found["sequential"], found["floor"], strict=True)]
    print(f"{name}: " + ", ".join(f"{case} {pace:,.0f}/s" for case, pace in middle.items()))
    print(
        f"  sequential / floor, median of rounds: {statistics.median(ratios):.0%} (from {min(ratios):.0%} to {max(ratios):.0%})"
    )
    print(f"  concurrent {STREAMS} streams / sequential: {middle['concurrent'] / middle['sequential']:.1f}")


def main(rounds: int = 15) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "bench.db"
        show(
            "SQLite, synchronous=FULL",
            asyncio.run(measure(f"sqlite:///{path}", lambda: SqliteFloor(path), rounds)),
        )
    server = PostgresServer()
    server.start()
    url = server.url(server.new_database())
    show("PostgreSQL", asyncio.run(measure(url, lambda: PostgresFloor(url), rounds)))
    server.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
