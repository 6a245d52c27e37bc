"""The tables of the record, as SQLAlchemy Core.

The same tables on SQLite (STRICT, without row ids) and on PostgreSQL (schema `kweek`, which connections
put on their search path). The triggers and
rights that keep them append-only are SQL beside the migrations; the tables here are what code speaks to.
Every text that is compared or sorted is compared by its bytes, on both databases.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects import postgresql

text = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
whole = Integer().with_variant(BigInteger(), "postgresql")
moment = Text().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
STRICT: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}
"""Without row ids: INSERT OR REPLACE can name no row but by its key (docs/decisions: append-only)."""

metadata = MetaData(naming_convention={"pk": "%(table_name)s_key", "fk": "%(table_name)s_of", "ix": "%(table_name)s_%(column_0_name)s"})  # fmt: skip


def key(name: str, type_: Any = text) -> Column[Any]:
    """A column of the primary key."""
    return Column(name, type_, primary_key=True, nullable=False, autoincrement=False)


def field(name: str, type_: Any = text, *, optional: bool = False) -> Column[Any]:
    """Any other column; NOT NULL unless optional."""
    return Column(name, type_, nullable=optional)


entry = Table(
    "entry", metadata,
    key("stream"), key("number", whole),
    field("kind"), field("leaf", LargeBinary), field("leaf_hash"), field("recorded_at"),
    **STRICT,
)  # fmt: skip
"""A line of the record: the exact bytes that were hashed, and what is needed to find them."""

body = Table(
    "body", metadata,
    key("stream"), key("number", whole),
    field("salt", optional=True), field("body", LargeBinary, optional=True),
    ForeignKeyConstraint(["stream", "number"], ["entry.stream", "entry.number"]),
    **STRICT,
)  # fmt: skip
"""What an entry says, with its salt. Apart from the entry, so that it can be erased and the proofs hold."""

head = Table("head", metadata, key("stream"), field("number", whole), field("leaf_hash"), **STRICT)
"""The last entry of each stream. Written by the database itself when an entry is inserted."""

lease = Table(
    "lease", metadata,
    key("name"), field("owner"), field("epoch", whole), field("expires", moment, optional=True),
    **STRICT,
)  # fmt: skip
"""Who may write, and under which epoch. On SQLite the file lock says who, and `expires` is empty."""

reply = Table(
    "reply", metadata,
    key("scope"), key("key"),
    field("request_digest"), field("status", whole), field("body", LargeBinary),
    **STRICT,
)  # fmt: skip
"""What a request with an Idempotency-Key was answered."""

projection = Table("projection", metadata, key("name"), field("version", whole), **STRICT)
"""Which version of each projection filled its tables; another version here means: rebuild."""

audit_index = Table(
    "audit_index", metadata,
    key("stream"), key("number", whole),
    field("recorded_at"), field("kind"), field("actor"), field("batch", optional=True),
    Index("audit_index_time", "recorded_at"),
    Index("audit_index_actor", "actor", "recorded_at"),
    Index("audit_index_batch", "batch", "recorded_at"),
    **STRICT,
)  # fmt: skip

batch_now = Table(
    "batch_now", metadata,
    key("batch"),
    field("recipe"), field("version", whole), field("product"), field("state"), field("phase"),
    field("updated_at"), field("simulated", whole),
    **STRICT,
)  # fmt: skip
"""One row per batch. `phase` is the phase begun last; `simulated` is 0 or 1."""

open_task = Table(
    "open_task", metadata,
    key("batch"), key("task"),
    field("kind"), field("path"), field("role"), field("text"), field("people", whole),
    field("opened_at"), field("number", whole),
    **STRICT,
)  # fmt: skip
"""One row per task that waits for a person. `number` is the entry that opened it."""

lot_edge = Table(
    "lot_edge", metadata,
    key("parent"), key("child"), key("stream"), key("number", whole),
    Index("lot_edge_child", "child"),
    **STRICT,
)  # fmt: skip
"""Genealogy: a lot and a lot made from it."""
