"""How fast readings are taken in and a range is read, beside the bare driver, in one run.

    python -m tests.benchmarks.historian [readings]

plain: `executemany` of the database's own driver into a table of the same shape, in commits of 5,000; on
PostgreSQL `COPY` too. Making the rows is not measured for them; for the historian everything is, from the
reading to the commit. Medians of 3 rounds. A range is the whole of one tag, thinned to 1,000 points.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from batches.entries import stamp
from batches.quantities import quantity
from devices.base import Reading
from orchestrator.historian import Historian
from orchestrator.store.driver import sqlite
from tests.postgres import PostgresServer

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
ROUNDS, CHUNK = 3, 5_000
TABLE = "CREATE TABLE plain{n} (unit TEXT, tag TEXT, measured_at TEXT, source TEXT, value TEXT, measure TEXT, quality TEXT, received_at TEXT, PRIMARY KEY (unit, tag, measured_at, source))"
Row = tuple[str, ...]


def readings(count: int) -> list[Reading]:
    return [
        Reading(quantity(f"{37 + n % 97 / 100}", "degC"), AT + timedelta(seconds=n), "good", "probe")
        for n in range(count)
    ]


def rows(given: Sequence[Reading]) -> list[Row]:
    now = stamp(AT)
    return [
        ("BR-01", "temperature", stamp(r.at), r.source, str(r.value.value), r.value.unit, r.quality, now)
        for r in given
    ]


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def taken_in(historian: Historian, tag: str, given: Sequence[Reading]) -> None:
    for reading in given:
        historian.keep("BR-01", tag, reading, AT)
    historian.flush()


def on_sqlite(folder: Path, number: int, given: Sequence[Row]) -> dict[str, float]:
    cursor = sqlite.connect(str(folder / "plain.db"), isolation_level=None).cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(TABLE.format(n=number))

    def many() -> None:
        for first in range(0, len(given), CHUNK):
            cursor.execute("BEGIN")
            cursor.executemany(
                f"INSERT INTO plain{number} VALUES (?,?,?,?,?,?,?,?)", given[first : first + CHUNK]
            )
            cursor.execute("COMMIT")

    return {
        "executemany": timed(many),
        "bare select": timed(lambda: cursor.execute(f"SELECT * FROM plain{number}").fetchall()),
    }


def on_postgresql(url: str, number: int, given: Sequence[Row]) -> dict[str, float]:
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        cursor = connection.cursor()
        cursor.execute(TABLE.format(n=number).encode())
        cursor.execute(TABLE.format(n=f"{number}copy").encode())
        connection.commit()

        def many() -> None:
            for first in range(0, len(given), CHUNK):
                statement = f"INSERT INTO plain{number} VALUES (%s,%s,%s,%s,%s,%s,%s,%s)".encode()
                cursor.executemany(statement, given[first : first + CHUNK])
                connection.commit()

        def copied() -> None:
            with cursor.copy(f"COPY plain{number}copy FROM STDIN".encode()) as copy:
                for row in given:
                    copy.write_row(row)
            connection.commit()

        def selected() -> None:
            cursor.execute(f"SELECT * FROM plain{number}".encode()).fetchall()

        return {"executemany": timed(many), "COPY": timed(copied), "bare select": timed(selected)}


def measure(name: str, url: str, count: int, floor: Callable[[int, Sequence[Row]], dict[str, float]]) -> None:
    """Print one line: readings a second for each way."""
    given, found = readings(count), dict[str, list[float]]()
    prepared, historian = rows(given), Historian(url)
    day = AT + timedelta(days=400)
    for number in range(ROUNDS):
        tag = f"t{number}"
        took = {"historian": timed(lambda tag=tag: taken_in(historian, tag, given))}
        took["range"] = timed(
            lambda tag=tag: historian.series("BR-01", tag, AT, day, 1000, timedelta(seconds=3))
        )
        for what, seconds in (took | floor(number, prepared)).items():
            found.setdefault(what, []).append(seconds)
    assert historian.lost == 0
    historian.close()
    paces = ", ".join(f"{what} {count / statistics.median(each):,.0f}" for what, each in found.items())
    print(
        f"{name}, {count:,} readings, readings a second (load {os.getloadavg()[0]:.1f}): {paces}", flush=True
    )


def main() -> None:
    """Measure on both databases."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as found:
        folder = Path(found)
        measure(
            "SQLite",
            f"sqlite:///{folder / 'readings.db'}",
            count,
            lambda n, given: on_sqlite(folder, n, given),
        )
    server = PostgresServer()
    try:
        server.start()
        url = server.url(server.new_database())
        measure("PostgreSQL", url, count, lambda n, given: on_postgresql(url, n, given))
    finally:
        server.stop()
        shutil.rmtree(server.folder)


if __name__ == "__main__":
    main()
