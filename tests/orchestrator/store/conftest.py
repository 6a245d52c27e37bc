"""Stores to test: every database for every test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from orchestrator.store.store import DatabaseStore
from tests.postgres import PostgresServer

Open: TypeAlias = Callable[..., DatabaseStore]


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'kweek.db'}"


@pytest.fixture(scope="session")
def migrated(postgres_server: PostgresServer) -> str:
    """The name of a database with the record's tables, to copy: quicker than migrating for every test."""
    name = postgres_server.new_database()
    DatabaseStore(postgres_server.url(name), lease_seconds=1.0).close()
    postgres_server.execute("UPDATE kweek.lease SET owner = 'nobody'", name)
    return name


@pytest.fixture
def record_url(postgres_server: PostgresServer, migrated: str) -> Iterator[str]:
    """The address of an empty record on PostgreSQL."""
    name = postgres_server.new_database(migrated)
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty record, once on SQLite and once on PostgreSQL."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "record_url")


@pytest.fixture
def opened(url: str) -> Iterator[Open]:
    """Open the record (again); all that was opened is closed at the end."""
    stores: list[DatabaseStore] = []

    def open_store(owner: str = "test", lease_seconds: float = 1.0, **options: object) -> DatabaseStore:
        stores.append(DatabaseStore(url, owner, lease_seconds=lease_seconds, **options))  # pyright: ignore[reportArgumentType]
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()
