"""Entries: the lines of the record, and the leaf that is hashed for each.

A stream ('batch/B-26-0007', 'recipe/kidney-organoid', 'lot/L-0003', 'person/p-0001',
'equipment/BR-01', 'site') is a gapless sequence of entries. The leaf is the canonical JSON of the
envelope; it names the previous leaf and, by a salted digest, the body. Salt and body lie apart, so
that a lawful erasure leaves every proof intact (docs/decisions: leaf format).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from batches.errors import RecordError
from batches.plain import Plain, PlainDict, canonical, from_json

LEAF_VERSION = 1
NO_LEAF = "0" * 64
"""What the first entry of a stream names as its previous leaf."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who or what caused an entry. `kind`: person, device or system; `role`: the role acted in."""

    kind: str
    id: str
    role: str = ""

    def plain(self) -> dict[str, Plain]:
        return {"kind": self.kind, "id": self.id, "role": self.role}


SYSTEM = Actor("system", "kweek")


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that is decided but not yet numbered and stamped.

    `happened_at` is set for late entries only: when the thing happened, against `recorded_at`,
    the server's time of entry.
    """

    kind: str
    body: PlainDict
    actor: Actor = SYSTEM
    version: int = 1
    happened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the record. `recorded_at` is process time (UTC); hashes are lower-case hex.

    `salt` and `body` are None after an erasure; every proof over the leaf still holds.
    """

    stream: str
    number: int
    kind: str
    version: int
    recorded_at: datetime
    happened_at: datetime | None
    actor: Actor
    previous: str
    digest: str
    salt: str | None
    body: PlainDict | None

    def leaf(self) -> bytes:
        """The canonical bytes that are hashed, chained and proved."""
        return canonical({
            "leaf": LEAF_VERSION,
            "stream": self.stream,
            "number": self.number,
            "kind": self.kind,
            "version": self.version,
            "recorded_at": stamp(self.recorded_at),
            "happened_at": None if self.happened_at is None else stamp(self.happened_at),
            "actor": self.actor.plain(),
            "previous": self.previous,
            "body_digest": self.digest,
        })  # fmt: skip

    def content(self) -> PlainDict:
        """The body. Raises RecordError if it was erased."""
        if self.body is None:
            raise RecordError(
                f"The body of {self.stream} entry {self.number} was erased; only its proof is left."
            )
        return self.body


def stamp(moment: datetime) -> str:
    """UTC with microseconds and Z, always the same width: '2026-11-23T08:00:00.000000Z'."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def moment(text: str) -> datetime:
    """The time in a `stamp`. Raises RecordError."""
    try:
        found = datetime.fromisoformat(text)  # ten times as fast as strptime; it takes other forms too
        if stamp(found) == text:
            return found
    except ValueError:
        pass
    raise RecordError(f"'{text}' is not a recorded time (UTC with microseconds and Z).")


def body_digest(salt: str, body: bytes) -> str:
    """SHA-256 over the 16 bytes of salt (hex text) and the canonical body."""
    return hashlib.sha256(bytes.fromhex(salt) + body).hexdigest()


def leaf_hash(leaf: bytes) -> str:
    """The RFC 6962 leaf hash: SHA-256(0x00 ‖ leaf), hex."""
    return hashlib.sha256(b"\x00" + leaf).hexdigest()


def seal(
    draft: Draft, stream: str, number: int, at: datetime, previous: str, salt: str, body: bytes | None = None
) -> Entry:
    """Number, stamp and hash a draft. `previous` is the hash of the leaf before it, or NO_LEAF.

    `body`: the canonical body, from a caller who has it at hand.
    """
    digest = body_digest(salt, canonical(draft.body) if body is None else body)
    return Entry(
        stream, number, draft.kind, draft.version, at, draft.happened_at, draft.actor, previous, digest, salt, draft.body
    )  # fmt: skip


def read(leaf: bytes, salt: str | None, body: bytes | None) -> Entry:
    """The entry in stored bytes. Does not check hashes (see ledger). Raises RecordError."""
    try:
        found = cast("Mapping[str, str]", from_json(leaf))
        actor = cast("Mapping[str, str]", found["actor"])
        happened = cast("str | None", found["happened_at"])
        if cast("int", found["leaf"]) != LEAF_VERSION:
            raise RecordError(f"The leaf version {found['leaf']} is unknown here; use a newer Kweek.")
        return Entry(
            stream=found["stream"], number=cast("int", found["number"]), kind=found["kind"],
            version=cast("int", found["version"]), recorded_at=moment(found["recorded_at"]),
            happened_at=None if happened is None else moment(happened),
            actor=Actor(actor["kind"], actor["id"], actor["role"]),
            previous=found["previous"], digest=found["body_digest"], salt=salt,
            body=None if body is None else cast("PlainDict", from_json(body)),
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise RecordError(f"A leaf lacks the member {error}; the record was altered or damaged.") from error
