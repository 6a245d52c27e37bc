"""What is kept of people beside the record: names, password hashes, open sign-ins, failed attempts.

A database of its own (on SQLite another file, on PostgreSQL another schema): none of it may enter an
entry, and all of it can be corrected or taken out lawfully. That a person exists, and with which
roles, is in the record alone (`person/<id>`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    Table,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from batches.entries import moment, stamp
from batches.errors import Conflict, StoreError
from orchestrator.store.database import read_address
from orchestrator.store.migrate import Line, upgrade
from orchestrator.store.tables import STRICT, field, key, whole

PEOPLE = Line("people", "people", "people_0001")
"""Its line of migrations."""
FORGET_ATTEMPTS = timedelta(days=1)

metadata = MetaData()
person = Table(
    "person", metadata, key("id"), field("user_name"), field("folded"), field("full_name"), **STRICT
)
"""`folded`: the case-folded user name, unique for ever (21 CFR 11.100(a), 11.300(a))."""
credential = Table(
    "credential", metadata, key("person"), field("hash"), field("must_change", whole), **STRICT
)
login = Table(
    "login", metadata, key("token"), field("person"), field("began_at"), field("used_at"), **STRICT
)  # fmt: skip
"""An open sign-in; `token` is the SHA-256 of what the person holds."""
attempt = Table("attempt", metadata, key("name"), field("failures", whole), field("last_at"), **STRICT)
"""Failed attempts by the SHA-256 of the user name tried, known or not."""


@dataclass(frozen=True, slots=True)
class Named:
    """A person's names."""

    id: str
    user_name: str
    full_name: str


@dataclass(frozen=True, slots=True)
class Login:
    """An open sign-in: times are real time."""

    token: str
    person: str
    began_at: datetime
    used_at: datetime


class PeopleStore:
    """The tables above, at the record's address. Blocking: call it from worker threads."""

    def __init__(self, record_url: str) -> None:
        self._engine = _engine(record_url)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """One transaction. Raises Conflict for a name that is taken, StoreError for anything else."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except IntegrityError as error:
            raise Conflict("This user name is or was somebody's; names are never given again.") from error
        except SQLAlchemyError as error:
            raise StoreError(
                f"The people's database cannot be used ({_reason(error)}); check its disk and address, then try again."
            ) from error

    def names(self) -> list[Named]:
        with self._transaction() as connection:
            rows = connection.execute(select(person.c.id, person.c.user_name, person.c.full_name)).all()
        return [Named(*row) for row in rows]

    def add(self, named: Named, password_hash: str, *, must_change: bool) -> None:
        """Raises Conflict for a user name that is or was somebody's."""
        folded = named.user_name.casefold()
        who = {"id": named.id, "user_name": named.user_name, "folded": folded, "full_name": named.full_name}
        kept = {"person": named.id, "hash": password_hash, "must_change": int(must_change)}
        with self._transaction() as connection:
            connection.execute(insert(person).values(**who))
            connection.execute(insert(credential).values(**kept))

    def credential(self, person_id: str) -> tuple[str, bool] | None:
        """The password hash, and whether it must be changed."""
        query = select(credential.c.hash, credential.c.must_change).where(credential.c.person == person_id)
        with self._transaction() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row[0], bool(row[1]))

    def set_credential(self, person_id: str, password_hash: str, *, must_change: bool) -> None:
        with self._transaction() as connection:
            connection.execute(
                update(credential)
                .where(credential.c.person == person_id)
                .values(hash=password_hash, must_change=int(must_change))
            )

    def must_change(self) -> set[str]:
        """Who must change a password that somebody else gave them."""
        with self._transaction() as connection:
            rows = connection.execute(select(credential.c.person).where(credential.c.must_change == 1)).all()
        return {name for (name,) in rows}

    def logins(self) -> list[Login]:
        with self._transaction() as connection:
            rows = connection.execute(select(login)).all()
        return [Login(token, who, moment(began), moment(used)) for token, who, began, used in rows]

    def begin_login(self, found: Login) -> None:
        values = {
            "token": found.token,
            "person": found.person,
            "began_at": stamp(found.began_at),
            "used_at": stamp(found.used_at),
        }
        with self._transaction() as connection:
            connection.execute(insert(login).values(**values))

    def touch_login(self, token: str, used_at: datetime) -> None:
        with self._transaction() as connection:
            connection.execute(update(login).where(login.c.token == token).values(used_at=stamp(used_at)))

    def end_logins(self, tokens: Sequence[str]) -> None:
        with self._transaction() as connection:
            connection.execute(delete(login).where(login.c.token.in_(tokens)))

    def failures(self, name: str) -> tuple[int, datetime] | None:
        """How often in a row a sign-in with this name failed, and when last."""
        query = select(attempt.c.failures, attempt.c.last_at).where(attempt.c.name == name)
        with self._transaction() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row[0], moment(row[1]))

    def failed(self, name: str, at: datetime) -> int:
        """Count one more failure; forget what failed more than a day ago. Gives the count."""
        with self._transaction() as connection:
            connection.execute(delete(attempt).where(attempt.c.last_at < stamp(at - FORGET_ATTEMPTS)))
            row = connection.execute(select(attempt.c.failures).where(attempt.c.name == name)).first()
            count = 1 if row is None else row[0] + 1
            connection.execute(delete(attempt).where(attempt.c.name == name))
            connection.execute(insert(attempt).values(name=name, failures=count, last_at=stamp(at)))
        return count

    def succeeded(self, name: str) -> None:
        with self._transaction() as connection:
            connection.execute(delete(attempt).where(attempt.c.name == name))

    def close(self) -> None:
        self._engine.dispose()


def _engine(record_url: str) -> Engine:
    """An engine for these tables, migrated. Raises BadInput, StoreError."""
    address = read_address(record_url)
    if address.get_backend_name() == "sqlite":
        from orchestrator.store.sqlite import file_of, sqlite_engine

        file = file_of(address)
        engine = sqlite_engine(
            file.with_name(file.name.removesuffix(".db") + "-people.db"), "BEGIN IMMEDIATE"
        )
        upgrade(engine, PEOPLE)
        return engine
    from orchestrator.store.postgresql import APPLICATION, act_as, postgres_engine, unreachable

    owner = postgres_engine(address)
    try:
        upgrade(owner, PEOPLE)
    except OperationalError as error:
        raise unreachable(address, error) from error
    finally:
        owner.dispose()
    return postgres_engine(address, act_as(APPLICATION, PEOPLE))


def _reason(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (str(cause).splitlines() or ["no reason given"])[0]
