"""Durable steps a second of the whole engine, beside the bare floor of the same database and DBOS Transact.

    python -m tests.benchmarks.steps [--rounds 5]

A step is asked for, done by a device that answers at once, and its outcome is recorded with the next intent
in one commit; nothing is asked of a device before its intent is on disk.
sequential: 1 batch of 500 steps. concurrent: 100 batches of 50 steps.
floor: the very rows of those 500 steps into the same tables over a bare connection, one commit a step.
DBOS: the same numbers of workflows and steps, on a database of the same kind, with WAL where it is SQLite.
The cases alternate within each round, as a disk and a machine change their pace; medians are printed.
"""

import argparse
import asyncio
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import psycopg
from sqlalchemy import make_url

from batches.entries import Entry
from orchestrator.site import Site
from orchestrator.store.compiled import Compiled
from orchestrator.store.driver import sqlite
from orchestrator.store.memory import Disk, MemoryStore
from orchestrator.store.sealing import Sealed
from orchestrator.store.sqlite import configure
from orchestrator.store.store import DatabaseStore
from tests.benchmarks.bench_site import approve, open_site, run
from tests.benchmarks.peer import Peer
from tests.benchmarks.store import STATEMENTS, rows
from tests.postgres import PostgresServer

ONE, MANY = (1, 500), (100, 50)
"""Batches, and steps of each."""
Group = list[list[tuple[object, ...]]]
"""The rows of one commit, by table."""


async def recorded() -> tuple[list[Group], list[Group]]:
    """The commits of a batch of 500 steps, as rows: those before the steps, and the steps'."""
    disk, commits = Disk(), list[list[Entry]]()

    def keep(moment: Literal["before", "after"], entries: Sequence[Entry]) -> None:
        if moment == "after":
            commits.append([e for e in entries if e.stream.startswith("batch/")])

    site = open_site(MemoryStore(disk, on_commit=keep))
    await run(site, await approve(site, ONE[1]), *ONE[:1], time.perf_counter)
    await site.close()
    (sealed,) = (found for name, found in disk.streams.items() if name.startswith("batch/"))
    whole = [[sealed[e.number - 1] for e in entries] for entries in commits if entries]
    step = [any(e.kind == "step_done" for e in entries) for entries in commits if entries]
    first = step.index(True)
    return [_by_table(g) for g in whole[:first]], [_by_table(g) for g in whole[first : first + ONE[1]]]


def _by_table(commit: Sequence[Sealed]) -> Group:
    """The rows for each statement; the last one, which closes tasks, is run for a step that is done only."""
    *inserts, closed = zip(*(rows(part) for part in commit), strict=True)
    done = [row for part, row in zip(commit, closed, strict=True) if part.entry.kind == "step_done"]
    return [*(list(table) for table in inserts), done]


class Floor:
    """A bare connection that writes the rows, each commit's under one BEGIN and COMMIT."""

    def __init__(self, url: str) -> None:
        address = make_url(url)
        self._sqlite = address.get_backend_name() == "sqlite"
        compiled = Compiled("sqlite" if self._sqlite else "postgresql")
        self._texts: list[Any] = [compiled.text(statement) for statement in STATEMENTS]
        self._times = 0
        if self._sqlite:
            self._connection: Any = sqlite.connect(str(address.database), isolation_level=None)
            configure(self._connection)
        else:
            bare = address.set(drivername="postgresql").render_as_string(hide_password=False)
            self._connection = psycopg.connect(bare)
            self._connection.execute("SET search_path TO kweek")
            self._texts = [text.encode() for text in self._texts]
        self._cursor = self._connection.cursor()

    def write(self, groups: Sequence[Group]) -> None:
        for group in groups:
            if self._sqlite:
                self._cursor.execute("BEGIN IMMEDIATE")
            for text, table in zip(self._texts, group, strict=True):
                for row in table:
                    self._cursor.execute(text, row)
            if self._sqlite:
                self._cursor.execute("COMMIT")
            else:
                self._connection.commit()

    def pace(self, before: Sequence[Group], steps: Sequence[Group]) -> float:
        self._times += 1
        stream = f"batch/floor-{self._times}"
        self.write(_named(before, stream))
        renamed = _named(steps, stream)
        began = time.perf_counter()
        self.write(renamed)
        return len(steps) / (time.perf_counter() - began)


def _named(groups: Sequence[Group], stream: str) -> list[Group]:
    """The same rows for another stream; the statement that closes tasks names no stream."""
    return [[*([(stream, *row[1:]) for row in table] for table in group[:-1]), group[-1]] for group in groups]


async def kweek(site: Site, case: tuple[int, int]) -> float:
    """Steps per second, from the start command to the end of the last batch."""
    batches, steps = case
    return batches * steps / await run(site, await approve(site, steps), batches, time.perf_counter)


async def measure(
    url: str, peer: Peer, rounds: int, groups: tuple[list[Group], list[Group]]
) -> dict[str, list[float]]:
    store = DatabaseStore(url, "benchmark")
    site, floor = open_site(store), Floor(url)
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        paces = {
            "floor": floor.pace(*groups),
            "sequential": await kweek(site, ONE),
            "DBOS sequential": await asyncio.to_thread(peer.pace, *ONE),
            "concurrent": await kweek(site, MANY),
            "DBOS concurrent": await asyncio.to_thread(peer.pace, *MANY),
        }
        for case, pace in paces.items() if number else ():  # the first round warms up
            found.setdefault(case, []).append(pace)
    await site.close()
    store.close()
    return found


def show(name: str, found: dict[str, list[float]]) -> None:
    print(
        f"{name}: " + ", ".join(f"{case} {statistics.median(paces):,.0f}/s" for case, paces in found.items())
    )
    for what, over, under, show_as in (
        ("sequential / floor", "sequential", "floor", "{:.0%}"),
        ("sequential / DBOS", "sequential", "DBOS sequential", "{:.1f}"),
        ("concurrent / DBOS", "concurrent", "DBOS concurrent", "{:.1f}"),
    ):
        ratios = [a / b for a, b in zip(found[over], found[under], strict=True)]
        low, middle, high = (show_as.format(f(ratios)) for f in (min, statistics.median, max))
        print(f"  {what}: {middle} (from {low} to {high})")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    groups = asyncio.run(recorded())
    folder = Path(tempfile.mkdtemp(dir=Path.cwd(), prefix="bench-"))
    server = PostgresServer()
    try:
        server.start()
        print(
            f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        both: tuple[tuple[str, Callable[[str], str]], ...] = (
            ("SQLite, synchronous=FULL", lambda name: f"sqlite:///{folder / name}.db"),
            ("PostgreSQL", lambda _: server.url(server.new_database())),
        )
        for name, url in both:
            peer = Peer(url("peer"))
            show(f"{name}, DBOS {peer.version}", asyncio.run(measure(url("kweek"), peer, rounds, groups)))
            peer.close()
    finally:
        server.stop()
        shutil.rmtree(server.folder)
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
