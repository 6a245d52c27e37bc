"""Every way round append-only that we know, tried on both databases; and what cannot be prevented, shown."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from batches.errors import RecordError
from batches.ledger import verify_chain
from orchestrator.store.check import check
from orchestrator.store.database import database_at
from orchestrator.store.driver import sqlite
from orchestrator.store.reader import Reader
from orchestrator.store.sqlite import configure
from orchestrator.store.store import DatabaseStore
from tests.orchestrator.store.records import item, write
from tests.postgres import PostgresServer

HASH = "'" + "0" * 64 + "'"
ROW = f"('batch/B-1', {{number}}, 'forged', {{leaf}}, {HASH}, '2026')"


def fill(url: str) -> None:
    store = DatabaseStore(url, "test", lease_seconds=1.0)
    write(store, item("batch/B-1", "batch/B-1", "batch/B-1", "lot/L-1"))
    store.close()


def problems(url: str) -> list[str]:
    reader = Reader(database_at(url, lease_seconds=1.0).reader)
    found = [problem.sentence for problem in check(reader)]
    reader.close()
    return found


# -- SQLite ----------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kweek.db"
    fill(f"sqlite:///{path}")
    return path


@pytest.fixture
def forgetful(file: Path) -> Iterator[sqlite.Connection]:
    """Another program's connection: default settings, recursive_triggers and foreign_keys off."""
    connection = sqlite.connect(str(file), isolation_level=None)
    yield connection
    connection.close()


@pytest.fixture
def careful(file: Path) -> Iterator[sqlite.Connection]:
    """A connection with the record's own settings."""
    connection = sqlite.connect(str(file), isolation_level=None)
    configure(connection)
    yield connection
    connection.close()


def contents(connection: sqlite.Connection) -> dict[str, list[object]]:
    tables = ("entry", "body", "head", "lease", "reply")
    return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}


def entry_row(number: int) -> str:
    return ROW.format(number=number, leaf="x'00'")


SQLITE_ATTEMPTS = {
    "update": "UPDATE entry SET kind = 'forged'",
    "update or replace": "UPDATE OR REPLACE entry SET number = 2 WHERE number = 1",
    "update of one column": "UPDATE entry SET recorded_at = '1999' WHERE number = 2",
    "delete": "DELETE FROM entry WHERE number = 3",
    "delete all": "DELETE FROM entry",
    "replace": f"INSERT OR REPLACE INTO entry VALUES {entry_row(2)}",
    "replace the last": f"REPLACE INTO entry VALUES {entry_row(3)}",
    "insert or ignore a gap": f"INSERT OR IGNORE INTO entry VALUES {entry_row(5)}",
    "insert a gap": f"INSERT INTO entry VALUES {entry_row(5)}",
    "insert or fail a gap": f"INSERT OR FAIL INTO entry VALUES {entry_row(5)}",
    "insert or rollback a gap": f"INSERT OR ROLLBACK INTO entry VALUES {entry_row(5)}",
    "insert number 0": f"INSERT INTO entry VALUES {entry_row(0)}",
    "insert before": f"INSERT INTO entry VALUES {entry_row(-1)}",
    "upsert": f"INSERT INTO entry VALUES {entry_row(2)} ON CONFLICT DO UPDATE SET kind = 'forged'",
    "new stream from 2": f"INSERT INTO entry VALUES ('batch/B-2', 2, 'forged', x'00', {HASH}, '2026')",
    "a number that is text": f"INSERT INTO entry VALUES ('batch/B-2', 'one', 'forged', x'00', {HASH}, '2026')",
    "no number": f"INSERT INTO entry VALUES ('batch/B-2', NULL, 'forged', x'00', {HASH}, '2026')",
    "by row id": f"INSERT OR REPLACE INTO entry (rowid, stream, number, kind, leaf, leaf_hash, recorded_at) VALUES (1, {entry_row(4)[1:]}",
    "body update": "UPDATE body SET body = x'7b7d'",
    "body erase": "UPDATE body SET body = NULL, salt = NULL",
    "body delete": "DELETE FROM body",
    "body replace": "INSERT OR REPLACE INTO body VALUES ('batch/B-1', 1, 'aa', x'7b7d')",
    "head back": "UPDATE head SET number = 2",
    "head forward without entry": "UPDATE head SET number = number + 1 WHERE stream = 'batch/B-1'",
    "head hash": f"UPDATE head SET leaf_hash = {HASH}",
    "head delete": "DELETE FROM head",
    "head replace": f"INSERT OR REPLACE INTO head VALUES ('batch/B-1', 1, {HASH})",
    "head without entry": f"INSERT INTO head VALUES ('batch/B-9', 1, {HASH})",
    "epoch back": "UPDATE lease SET epoch = epoch - 1",
    "lease delete": "DELETE FROM lease",
    "lease replace": "INSERT OR REPLACE INTO lease VALUES ('writer', 'me', 0, NULL)",
}


@pytest.mark.parametrize("how", ["forgetful", "careful"])
def test_sqlite_refuses(request: pytest.FixtureRequest, how: str) -> None:
    connection: sqlite.Connection = request.getfixturevalue(how)
    before = contents(connection)
    for name, attempt in SQLITE_ATTEMPTS.items():
        with pytest.raises(sqlite.Error):
            print(name, connection.execute(attempt))
        assert contents(connection) == before, name


def test_sqlite_ignoring_a_duplicate_changes_nothing(forgetful: sqlite.Connection) -> None:
    before = contents(forgetful)
    with pytest.raises(sqlite.IntegrityError, match="next number"):
        forgetful.execute(f"INSERT OR IGNORE INTO entry VALUES {entry_row(2)}")
    assert contents(forgetful) == before


def test_sqlite_appending_moves_the_head_whatever_the_conflict_clause(careful: sqlite.Connection) -> None:
    for number, clause in enumerate(["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ROLLBACK"], start=4):
        careful.execute(f"INSERT {clause} INTO entry VALUES {entry_row(number)}")
    head = careful.execute("SELECT number, leaf_hash FROM head WHERE stream = 'batch/B-1'").fetchall()
    assert head == [(8, "0" * 64)]


WRITER_ATTEMPTS = [
    "DROP TRIGGER entry_kept", "DROP TABLE entry", "DROP INDEX audit_index_time",
    "ALTER TABLE entry RENAME TO old", "ALTER TABLE entry ADD COLUMN extra TEXT",
    "CREATE TRIGGER mine AFTER INSERT ON entry BEGIN SELECT 1; END", "CREATE TABLE mine (x)",
    "CREATE TEMP TRIGGER mine AFTER INSERT ON entry BEGIN SELECT 1; END", "CREATE TEMP TABLE entry (x)",
    "PRAGMA writable_schema = ON", "PRAGMA synchronous = OFF", "PRAGMA recursive_triggers = OFF",
    "PRAGMA ignore_check_constraints = ON", "ATTACH ':memory:' AS other",
    "UPDATE entry SET kind = 'forged'", "DELETE FROM entry", "DELETE FROM head", "DELETE FROM lease",
    "UPDATE body SET body = NULL", "DELETE FROM reply", "UPDATE sqlite_master SET sql = ''",
    "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 0, '')",
]  # fmt: skip


def test_sqlite_writing_connection_cannot_take_the_triggers_away(tmp_path: Path) -> None:
    database = database_at(f"sqlite:///{tmp_path / 'kweek.db'}", lease_seconds=1.0)
    fill(f"sqlite:///{tmp_path / 'kweek.db'}")
    writing = database.write("test")
    cursor = writing._cursor  # pyright: ignore[reportAttributeAccessIssue]
    refused: list[str] = []
    for attempt in WRITER_ATTEMPTS:
        with pytest.raises(sqlite.DatabaseError, match=r"not authorized|prohibited|may not be modified"):
            cursor.execute(attempt)
        refused.append(attempt)
    writing.close()
    database.reader.dispose()
    assert refused == WRITER_ATTEMPTS


def test_sqlite_readers_cannot_write(file: Path) -> None:
    database = database_at(f"sqlite:///{file}", lease_seconds=1.0)
    with database.reader.connect() as connection, pytest.raises(Exception, match="readonly database"):
        connection.exec_driver_sql("DELETE FROM audit_index")
    database.reader.dispose()


# What the owner of the file can do all the same, and that it is found.

TAMPERING = {
    "kind": ("UPDATE entry SET kind = 'forged' WHERE stream = 'batch/B-1' AND number = 2", "Entry 2 of batch/B-1 says it is"),
    "leaf": ("UPDATE entry SET leaf = {cut} WHERE stream = 'batch/B-1' AND number = 2", "Entry 2 of batch/B-1 cannot be read"),
    "hash": (f"UPDATE entry SET leaf_hash = {HASH} WHERE stream = 'batch/B-1' AND number = 2", "Entry 2 of batch/B-1 has another hash"),
    "body": ("UPDATE body SET body = {empty} WHERE stream = 'batch/B-1' AND number = 1", "Entry 1 of batch/B-1 has a body that is not"),
    "swap": ("UPDATE body SET salt = (SELECT salt FROM body WHERE stream = 'lot/L-1') WHERE stream = 'batch/B-1' AND number = 3", "Entry 3 of batch/B-1 has a body that is not"),
    "delete": ("DELETE FROM entry WHERE stream = 'batch/B-1' AND number = 2", "Entry 2 of batch/B-1 is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("attempt", "sentence"), TAMPERING.values(), ids=TAMPERING.keys())
def test_sqlite_owner_of_the_file_can_tamper_and_is_found(
    file: Path, forgetful: sqlite.Connection, attempt: str, sentence: str
) -> None:
    triggers = forgetful.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        forgetful.execute(f"DROP TRIGGER {name}")
    forgetful.execute(attempt.format(cut="substr(leaf, 2)", empty="x'7b7d'"))
    for _, sql in triggers:
        forgetful.execute(sql)
    (found,) = problems(f"sqlite:///{file}")
    assert found.startswith(sentence)


# -- PostgreSQL ------------------------------------------------------------------------------------


@pytest.fixture
def filled(record_url: str) -> str:
    fill(record_url)
    return record_url


@pytest.fixture
def application(filled: str, postgres_server: PostgresServer) -> Iterator[psycopg.Connection]:
    """A login that has the application's role and nothing else."""
    name = filled.split("/")[3].split("?")[0]
    login = f"app_{name}"
    postgres_server.execute(f"CREATE ROLE {login} LOGIN IN ROLE kweek_application")
    with psycopg.connect(
        postgres_server.url(name, login).replace("+psycopg", ""), autocommit=True
    ) as connection:
        connection.execute("SET search_path TO kweek")
        yield connection
    postgres_server.execute(f"DROP ROLE {login}")


@pytest.fixture
def superuser(filled: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(filled.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SET search_path TO kweek")
        yield connection


def postgres_contents(connection: psycopg.Connection) -> dict[str, Sequence[object]]:
    tables = ("entry", "body", "head", "reply")
    found = {
        table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2".encode()).fetchall()
        for table in tables
    }
    return {**found, "lease": connection.execute("SELECT name, epoch FROM lease").fetchall()}


def pg_row(number: int | str) -> str:
    return ROW.format(number=number, leaf="'\\x00'")


APPLICATION_ATTEMPTS = {
    "update": "UPDATE entry SET kind = 'forged'",
    "delete": "DELETE FROM entry",
    "truncate": "TRUNCATE entry CASCADE",
    "drop": "DROP TABLE entry CASCADE",
    "alter": "ALTER TABLE entry ADD COLUMN extra text",
    "disable triggers": "ALTER TABLE entry DISABLE TRIGGER ALL",
    "drop trigger": "DROP TRIGGER entry_kept ON entry",
    "replication role": "SET session_replication_role = replica",
    "upsert": f"INSERT INTO entry VALUES {pg_row(2)} ON CONFLICT (stream, number) DO UPDATE SET kind = 'forged'",
    "a number again": f"INSERT INTO entry VALUES {pg_row(2)}",
    "a gap": f"INSERT INTO entry VALUES {pg_row(5)}",
    "overriding": f"INSERT INTO entry (stream, number, kind, leaf, leaf_hash, recorded_at) OVERRIDING SYSTEM VALUE VALUES {pg_row(9)}",
    "number 0": f"INSERT INTO entry VALUES {pg_row(0)}",
    "new stream from 2": f"INSERT INTO entry VALUES ('batch/B-2', 2, 'forged', '\\x00', {HASH}, '2026')",
    "no number": f"INSERT INTO entry VALUES {pg_row('NULL')}",
    "copy a gap": "COPY entry FROM PROGRAM 'true'",
    "merge": "MERGE INTO entry USING (SELECT 1) AS s ON number = 1 WHEN MATCHED THEN DELETE",
    "rule": "CREATE RULE mine AS ON INSERT TO entry DO INSTEAD NOTHING",
    "lock": "LOCK TABLE entry IN ACCESS EXCLUSIVE MODE",
    "body update": "UPDATE body SET body = NULL",
    "body delete": "DELETE FROM body",
    "reply update": "UPDATE reply SET status = 500",
    "head update": "UPDATE head SET number = number + 1",
    "head insert": f"INSERT INTO head VALUES ('batch/B-9', 1, {HASH})",
    "head delete": "DELETE FROM head",
    "lease update": "UPDATE lease SET epoch = epoch + 1",
    "lease delete": "DELETE FROM lease",
    "function": "CREATE OR REPLACE FUNCTION entry_next() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "own function": "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "own operator": "CREATE OPERATOR = (LEFTARG = text, RIGHTARG = bigint, FUNCTION = texteq)",
    "owner's role": "SET ROLE kweek_owner",
    "call the trigger": "SELECT entry_next()",
}


def test_postgresql_refuses_the_application(application: psycopg.Connection) -> None:
    before = postgres_contents(application)
    for name, attempt in APPLICATION_ATTEMPTS.items():
        with pytest.raises(psycopg.Error):
            print(name, application.execute(attempt.encode()))
        assert postgres_contents(application) == before, name


def test_postgresql_application_appends_and_the_head_follows(application: psycopg.Connection) -> None:
    application.execute(f"INSERT INTO entry VALUES {pg_row(4)}, {pg_row(5)}".encode())
    assert application.execute("SELECT number FROM head WHERE stream = 'batch/B-1'").fetchall() == [(5,)]


def test_postgresql_a_rolled_back_insert_leaves_no_gap(application: psycopg.Connection) -> None:
    with application.transaction(force_rollback=True):
        application.execute(f"INSERT INTO entry VALUES {pg_row(4)}".encode())
    application.execute(f"INSERT INTO entry VALUES {pg_row(4)}".encode())
    assert application.execute("SELECT max(number) FROM entry").fetchone() == (4,)


SUPERUSER_ATTEMPTS = {
    "update": "UPDATE entry SET kind = 'forged'",
    "delete": "DELETE FROM entry",
    "truncate": "TRUNCATE entry CASCADE",
    "a gap": f"INSERT INTO entry VALUES {pg_row(5)}",
    "body": "UPDATE body SET body = NULL",
    "truncate bodies": "TRUNCATE body",
    "head back": "UPDATE head SET number = number - 1",
    "head on": "UPDATE head SET number = number + 2",
    "head delete": "DELETE FROM head",
    "truncate heads": "TRUNCATE head",
    "epoch back": "UPDATE lease SET epoch = 0",
    "lease delete": "DELETE FROM lease",
    "truncate replies": "TRUNCATE reply",
}


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_postgresql_triggers_stop_even_the_superuser(superuser: psycopg.Connection, role: str) -> None:
    superuser.execute(f"SET session_replication_role = {role}".encode())
    before = postgres_contents(superuser)
    for name, attempt in SUPERUSER_ATTEMPTS.items():
        with pytest.raises(psycopg.Error):
            print(name, superuser.execute(attempt.encode()))
        assert postgres_contents(superuser) == before, name


@pytest.mark.parametrize(("attempt", "sentence"), TAMPERING.values(), ids=TAMPERING.keys())
def test_postgresql_superuser_can_tamper_and_is_found(
    filled: str, superuser: psycopg.Connection, attempt: str, sentence: str
) -> None:
    for table in ("entry", "body"):
        superuser.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
    superuser.execute(attempt.format(cut="substr(leaf, 2)", empty="'\\x7b7d'").encode())
    for table in ("entry", "body"):
        superuser.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL".encode())
    (found,) = problems(filled)
    assert found.startswith(sentence)


def test_postgresql_application_cannot_give_itself_rights(application: psycopg.Connection) -> None:
    application.execute("GRANT DELETE ON entry TO CURRENT_USER")  # PostgreSQL warns and does nothing
    assert application.execute("SELECT has_table_privilege('entry', 'DELETE')").fetchone() == (False,)


def test_postgresql_auditor_reads_and_nothing_else(superuser: psycopg.Connection) -> None:
    superuser.execute("SET ROLE kweek_auditor")
    assert superuser.execute("SELECT count(*) FROM entry").fetchone() == (4,)
    for attempt in (
        f"INSERT INTO entry VALUES {pg_row(4)}",
        "DELETE FROM open_task",
        "SELECT hold('writer', 1, '{}')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            superuser.execute(attempt.encode())


def test_an_untouched_record_has_no_problem(url: str) -> None:
    fill(url)
    assert problems(url) == []


# -- both: what a checkpoint is for, and what an erasure leaves --------------------------------------


def by_force(url: str, *statements: str) -> None:
    """Run statements as the owner of the file or the superuser, with the triggers off."""
    if url.startswith("sqlite"):
        connection = sqlite.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        connection.close()
        return
    with psycopg.connect(url.replace("+psycopg", ""), options="-c search_path=kweek") as connection:
        for table in ("entry", "body", "head"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
        for statement in statements:
            connection.execute(statement.encode())


def test_a_tail_that_was_cut_shows_only_against_a_checkpoint(url: str) -> None:
    fill(url)
    reader = Reader(database_at(url).reader)
    checkpoint = list(reader.read("batch/B-1"))
    by_force(
        url,
        "DELETE FROM body WHERE stream = 'batch/B-1' AND number = 3",
        "DELETE FROM entry WHERE stream = 'batch/B-1' AND number = 3",
        "UPDATE head SET number = 2, leaf_hash = (SELECT leaf_hash FROM entry WHERE stream = 'batch/B-1'"
        " AND number = 2) WHERE stream = 'batch/B-1'",
    )
    assert problems(url) == []
    problem = verify_chain(reader.read("batch/B-1"), len(checkpoint))
    assert problem is not None
    assert (problem.kind, problem.number) == ("missing", 3)
    reader.close()


def test_an_entry_without_its_body_is_read_and_proves_itself(url: str) -> None:
    fill(url)
    before = Reader(database_at(url).reader)
    first, second, third = before.read("batch/B-1")
    by_force(
        url,
        "UPDATE body SET salt = NULL, body = NULL WHERE stream = 'batch/B-1' AND number = 1",
        "DELETE FROM body WHERE stream = 'batch/B-1' AND number = 2",
    )
    erased = list(before.read("batch/B-1"))
    before.close()
    assert erased == [replace(first, salt=None, body=None), replace(second, salt=None, body=None), third]
    with pytest.raises(RecordError, match="The body of batch/B-1 entry 1 was erased"):
        erased[0].content()
    assert problems(url) == []
    store = DatabaseStore(url, lease_seconds=1.0, rebuild=True)
    write(store, item("batch/B-1"))
    assert verify_chain(store.read("batch/B-1"), 4) is None
    store.close()
