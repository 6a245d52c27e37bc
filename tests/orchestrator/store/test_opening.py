"""What a database must be before the record is entrusted to it."""

import multiprocessing
import threading
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import MetaData, create_engine, inspect, text

from batches.errors import StoreError
from orchestrator import historian
from orchestrator.store import migrate, tables
from orchestrator.store.database import database_at
from orchestrator.store.driver import sqlite
from orchestrator.store.reader import Reader
from orchestrator.store.sqlite import SETTINGS, check_version, configure, sound, sqlite_engine
from orchestrator.store.store import DatabaseStore
from tests.orchestrator.store.conftest import Open
from tests.orchestrator.store.records import item, write
from tests.postgres import PostgresServer

LINES = [(migrate.RECORD, tables.metadata), (migrate.HISTORIAN, historian.metadata)]


# -- SQLite ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "good"),
    [
        ((3, 40, 1), False), ((3, 44, 5), False), ((3, 44, 6), True), ((3, 45, 0), False), ((3, 50, 6), False),
        ((3, 50, 7), True), ((3, 51, 0), False), ((3, 51, 2), False), ((3, 51, 3), True), ((3, 52, 0), False),
        ((3, 52, 1), True), ((3, 53, 4), True), ((4, 0, 0), True),
    ],
)  # fmt: skip
def test_the_version_gate(version: tuple[int, ...], good: bool) -> None:
    assert sound(version) is good


@given(st.tuples(st.just(3), st.integers(7, 43), st.integers(0, 20)))
def test_no_old_version_passes(version: tuple[int, int, int]) -> None:
    assert not sound(version)


def test_the_bundled_sqlite_is_sound_and_an_old_one_is_refused() -> None:
    check_version()
    with pytest.raises(StoreError, match=r"SQLite 3\.40\.1 can lose committed data"):
        check_version("3.40.1")


def test_every_setting_is_read_back(tmp_path: Path) -> None:
    connection = sqlite.connect(str(tmp_path / "kweek.db"))
    configure(connection)
    found = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in SETTINGS}
    connection.close()
    assert found == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1,
        "cell_size_check": 1, "trusted_schema": 0, "mmap_size": 0, "busy_timeout": 5000,
    }  # fmt: skip


def test_reading_makes_no_file(tmp_path: Path) -> None:
    reader = Reader(database_at(f"sqlite:///{tmp_path / 'kweek.db'}").reader)
    with pytest.raises(StoreError, match="The record cannot be read: unable to open database file"):
        reader.streams("")
    reader.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'Löwe & 50 % #1.db'}"
    store = DatabaseStore(url)
    write(store, item("batch/B-1"))
    assert len(list(store.read("batch/B-1"))) == 1
    store.close()
    assert (tmp_path / "Löwe & 50 % #1.db").exists()


def test_a_setting_that_does_not_take_is_an_error() -> None:
    connection = sqlite.connect(":memory:")  # cannot be in WAL mode
    with pytest.raises(StoreError, match=r"did not take journal_mode=WAL \(it says 'memory'\)"):
        configure(connection)
    connection.close()


def _hold_on(ready: Event, end: Event) -> None:
    ready.set()
    end.wait(30)


def test_a_forked_worker_does_not_hold_the_file(sqlite_url: str) -> None:
    store = DatabaseStore(sqlite_url)
    fork = multiprocessing.get_context("fork")
    ready, end = fork.Event(), fork.Event()
    worker = fork.Process(target=_hold_on, args=(ready, end))
    worker.start()
    ready.wait(10)
    store.close()
    again = DatabaseStore(sqlite_url)
    again.close()
    end.set()
    worker.join()
    assert again.epoch == store.epoch + 1


# -- PostgreSQL ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("fsync = off", "fsync = off; the record needs on"),
        ("full_page_writes = off", "full_page_writes = off; the record needs on"),
    ],
)
def test_a_server_that_may_lose_data_is_refused(
    postgres_server: PostgresServer, record_url: str, setting: str, sentence: str
) -> None:
    name = setting.split(" ")[0]
    postgres_server.execute(f"ALTER SYSTEM SET {setting}")
    try:
        postgres_server.execute("SELECT pg_reload_conf()")
        postgres_server.wait_for(f"SHOW {name}", "off")
        with pytest.raises(StoreError, match=sentence):
            DatabaseStore(record_url)
    finally:
        postgres_server.execute(f"ALTER SYSTEM RESET {name}")
        postgres_server.execute("SELECT pg_reload_conf()")
        postgres_server.wait_for(f"SHOW {name}", "on")


def test_a_user_with_less_durability_is_refused_and_the_applications_rights_suffice(
    record_url: str, postgres_server: PostgresServer
) -> None:
    postgres_server.execute("CREATE ROLE hasty LOGIN IN ROLE kweek_application")
    postgres_server.execute("ALTER ROLE hasty SET synchronous_commit = off")
    hasty = record_url.replace("postgres@", "hasty@")
    with pytest.raises(StoreError, match="synchronous_commit = off; the record needs on or remote_apply"):
        DatabaseStore(hasty, lease_seconds=1.0)
    postgres_server.execute("ALTER ROLE hasty RESET ALL")
    store = DatabaseStore(hasty, lease_seconds=1.0)  # the application's rights are all it needs
    write(store, item("batch/B-1"))
    store.close()
    postgres_server.execute("DROP ROLE hasty")


def test_a_user_without_the_role_is_told_what_to_run(
    record_url: str, postgres_server: PostgresServer
) -> None:
    postgres_server.execute("CREATE ROLE stranger LOGIN")
    with pytest.raises(
        StoreError,
        match="The database user stranger may not act as kweek_application; .* GRANT kweek_application TO stranger",
    ):
        DatabaseStore(record_url.replace("postgres@", "stranger@"), lease_seconds=1.0)
    postgres_server.execute("DROP ROLE stranger")


def test_a_database_that_does_not_exist(postgres_server: PostgresServer) -> None:
    with pytest.raises(StoreError, match='cannot be reached .*database "nowhere" does not exist'):
        DatabaseStore(postgres_server.url("nowhere"))


def test_passwords_stay_out_of_sentences() -> None:
    with pytest.raises(StoreError) as raised:
        database_at("postgresql://kweek:secret@127.0.0.1:1/kweek", lease_seconds=1.0)
    assert "secret" not in str(raised.value)
    assert "kweek:***@127.0.0.1:1/kweek" in str(raised.value)


def test_the_writer_holds_the_applications_role_and_no_more(record_url: str) -> None:
    database = database_at(record_url, lease_seconds=1.0)
    with database.reader.connect() as connection:
        assert connection.execute(text("SELECT current_user")).scalar() == "kweek_application"
    database.reader.dispose()


# -- migrations ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "metadata"), LINES, ids=["record", "historian"])
def test_migrations_make_the_tables_the_code_speaks_to_on_sqlite(
    tmp_path: Path, line: migrate.Line, metadata: MetaData
) -> None:
    engine = sqlite_engine(tmp_path / "kweek.db", "BEGIN IMMEDIATE")
    migrate.upgrade(engine, line)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        found = {name: inspect(connection).get_table_options(name) for name in metadata.tables}
    assert found == {name: {"sqlite_strict": True, "sqlite_with_rowid": False} for name in metadata.tables}
    engine.dispose()


@pytest.mark.parametrize(("line", "metadata"), LINES, ids=["record", "historian"])
def test_migrations_make_the_tables_the_code_speaks_to_on_postgresql(
    postgres_url: str, line: migrate.Line, metadata: MetaData
) -> None:
    engine = create_engine(postgres_url, connect_args={"options": f"-c search_path={line.schema}"})
    migrate.upgrade(engine, line)
    with engine.connect() as connection:
        options = {"include_name": lambda name, kind, _: kind != "table" or name != "alembic_version"}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        owners = connection.execute(
            text("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = :schema"),
            {"schema": line.schema},
        ).all()
    assert owners == [("kweek_owner",)]
    engine.dispose()


def test_the_newest_revision_is_the_one_in_the_folder(tmp_path: Path) -> None:
    for line, _ in LINES:
        engine = sqlite_engine(tmp_path / f"{line.folder}.db", "BEGIN IMMEDIATE")
        assert migrate.revision(engine, line) is None
        migrate.upgrade(engine, line)
        assert migrate.revision(engine, line) == line.newest
        migrate.upgrade(engine, line)
        engine.dispose()


def test_a_newer_database_is_refused_and_left_alone(opened: Open, url: str) -> None:
    opened().close()
    engine = database_at(url, lease_seconds=1.0).owner()
    schema = "kweek." if engine.dialect.name == "postgresql" else ""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema}alembic_version SET version_num = 'record_9999'"))
        (before,) = connection.execute(text(f"SELECT epoch FROM {schema}lease")).one()
    with pytest.raises(
        StoreError,
        match="at revision record_9999, which this Kweek does not know; a newer Kweek wrote it: install that one",
    ):
        opened()
    with engine.connect() as connection:
        assert connection.execute(text(f"SELECT epoch FROM {schema}lease")).one() == (before,)
    engine.dispose()


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "kweek.db", "BEGIN IMMEDIATE")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE reply (x)")  # in the way of the fifth statement
    with pytest.raises(Exception, match="reply"):
        migrate.upgrade(engine, migrate.RECORD)
    assert inspect(engine).get_table_names() == ["reply"]
    engine.dispose()


def test_two_may_open_an_empty_database_at_once(postgres_url: str) -> None:
    epochs: list[int] = []

    def open_and_close() -> None:
        store = DatabaseStore(postgres_url, lease_seconds=2.0)
        epochs.append(store.epoch)
        store.close()

    threads = [threading.Thread(target=open_and_close) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(epochs) == [1, 2, 3]
